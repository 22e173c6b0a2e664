"""Stand-ins for the paper suite's weights: random numbers in files of the same format and graph signature.

They let the suite's own code run and be compared with the reference packages; values that they give mean nothing.
"""

import numpy as np
import onnx
import torch
import torchvision
from onnx import TensorProto, helper, numpy_helper

from thedit import weights
from thedit.files import sha256
from thedit.metrics.backends import inception


def install(folder, monkeypatch, names):
    """Write stand-ins for the entries ``names`` and let the registry expect their sha256."""
    from dataclasses import replace

    monkeypatch.setenv("THEDIT_WEIGHTS", str(folder))
    registry = dict(weights.REGISTRY)
    for name in names:
        path = folder / registry[name].file
        WRITERS[name](path)
        registry[name] = replace(registry[name], sha256=sha256(path))
    monkeypatch.setattr(weights, "REGISTRY", registry)


def arcface(path):
    """(1, 3, 112, 112) -> (1, 512): one strided convolution and a projection."""
    rng = np.random.default_rng(0)
    tensors = {
        "kernel": rng.normal(0, 0.1, (8, 3, 16, 16)).astype(np.float32),
        "projection": rng.normal(0, 0.1, (8 * 49, 512)).astype(np.float32),
        "shape": np.array([1, 8 * 49]),
    }
    nodes = [
        helper.make_node("Conv", ["input.1", "kernel"], ["cells"], strides=[16, 16]),
        helper.make_node("Reshape", ["cells", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "projection"], ["683"]),
    ]
    _save_onnx(path, nodes, tensors, [1, 3, 112, 112], {"683": [1, 512]})


def scrfd(path):
    """A detector's nine outputs; whatever the picture, one face in the middle: stride 32, cell (10, 10)."""
    tensors, nodes, outputs = {}, [], {}
    for stride in (8, 16, 32):
        cells = (640 // stride) ** 2 * 2
        scores = np.zeros((cells, 1), np.float32)
        boxes = np.full((cells, 4), 5.0, np.float32)  # 160 pixels to each side
        if stride == 32:
            scores[(10 * 20 + 10) * 2] = 0.9
        for name, value in (("score", scores), ("bbox", boxes), ("kps", np.zeros((cells, 10), np.float32))):
            tensors[f"{name}_{stride}_constant"] = value
            outputs[f"{name}_{stride}"] = list(value.shape)
    ordered = {key: outputs[key] for name in ("score", "bbox", "kps") for key in outputs if key.startswith(name)}
    nodes.append(helper.make_node("ReduceMean", ["input.1"], ["mean"], keepdims=0))
    tensors["zero"] = np.zeros((), np.float32)
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    nodes += [helper.make_node("Add", [f"{key}_constant", "nothing"], [key]) for key in ordered]
    _save_onnx(path, nodes, tensors, [1, 3, "height", "width"], ordered)


def fan(path):
    """The face alignment network's own graph with random weights."""
    from face_alignment.models import FAN

    torch.manual_seed(0)
    torch.save(FAN(4).state_dict(), path)


def _trunk(build):
    def write(path):
        torch.manual_seed(0)
        torch.save(build().state_dict(), path)

    return write


def _inception(path):
    torch.manual_seed(0)
    network = inception.network()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    torch.save(network.state_dict(), path)


def _save_onnx(path, nodes, tensors, shape, outputs):
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.save(model, path)


WRITERS = {
    "arcface-r50": arcface,
    "scrfd-10g": scrfd,
    "2dfan4": fan,
    "alexnet": _trunk(torchvision.models.alexnet),
    "vgg16": _trunk(lambda: torchvision.models.vgg16(init_weights=False)),
    "squeezenet": _trunk(torchvision.models.squeezenet1_1),
    "inception": _inception,
}
