"""LPIPS v0.1 (Zhang et al., CVPR 2018): ImageNet trunks from the weights folder, learned weights of package lpips."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from thedit import weights
from thedit.metrics.perceptual import perceptual_distance

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Lpips:
    """Pictures are compared at their own size; ``layers`` are the trunk's layers whose outputs are compared."""

    metric = "lpips"

    def __init__(self, net: str, entry: str, trunk: nn.Module, layers: Sequence[int]):
        path = weights.find(entry)
        self.name = f"lpips-{net}-0.1"
        self.sha256 = weights.digest(path)
        trunk.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self._trunk = trunk.get_submodule("features").eval().requires_grad_(False)
        self._layers = layers
        learned = torch.load(_learned(net), map_location="cpu", weights_only=True)
        self._weights = [learned[f"lin{number}.model.1.weight"].flatten() for number in range(len(layers))]

    @torch.inference_mode()
    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """See `thedit.metrics.backends.Perceptual`."""
        return perceptual_distance(self._pyramid(prediction), self._pyramid(target), self._weights)

    def _pyramid(self, pictures: Tensor) -> Iterator[Tensor]:
        """The layers' outputs (B, C, H, W), each forgotten when the next is made: at 1080p VGG's first takes 0.5 GB."""
        shift, scale = (torch.tensor(values)[:, None, None] for values in (SHIFT, SCALE))
        x = (pictures.float() - shift) / scale
        for number, layer in enumerate(self._trunk.children()):
            x = layer(x)
            if number in self._layers:
                yield x


def alex() -> Lpips:
    """AlexNet's five layers."""
    return Lpips("alex", "alexnet", torchvision.models.alexnet(), (1, 4, 7, 9, 11))


def vgg() -> Lpips:
    """VGG16's five layers."""
    return Lpips("vgg", "vgg16", torchvision.models.vgg16(init_weights=False), (3, 8, 15, 22, 29))


def squeeze() -> Lpips:
    """SqueezeNet 1.1's seven layers."""
    return Lpips("squeeze", "squeezenet", torchvision.models.squeezenet1_1(), (1, 4, 7, 9, 10, 11, 12))


def _learned(net: str) -> Path:
    """The learned channel weights that come with the package, found without importing it."""
    spec = find_spec("lpips")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package lpips is not installed")
    return Path(spec.origin).parent / "weights" / "v0.1" / f"{net}.pth"
