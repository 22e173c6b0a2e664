"""MediaPipe's face networks (BlazeFace and Face Mesh, Apache-2.0) run by LiteRT from the Face Landmarker task file."""

import zipfile
from functools import cache

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from thedit import weights

SCORE = 0.5
OVERLAP = 0.3
SIDE = 256  # of the mesh network's input
# Mesh vertices nearest to the 68 iBUG landmarks.
IBUG68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip


class BlazeFace:
    """Short-range detector on a copy of the picture of 128 x 128 pixels: faces of a sixth of the picture and more."""

    def __init__(self) -> None:
        self._network = _interpreter("face_detector.tflite")
        self._anchors = _anchors()

    def __call__(self, pixels: np.ndarray, smallest: float) -> np.ndarray:
        """Boxes (N, 4)."""
        height, width = pixels.shape[:2]
        side = max(height, width)
        left, top = (side - width) // 2, (side - height) // 2
        copy = cv2.copyMakeBorder(
            pixels, top, side - height - top, left, side - width - left, cv2.BORDER_CONSTANT
        )  # (side, side, 3)
        copy = cv2.resize(copy, (128, 128), interpolation=cv2.INTER_AREA)
        regressors, scores = _run(self._network, copy.astype(np.float32) / 127.5 - 1, "regressors", "classificators")
        sure = 1 / (1 + np.exp(-np.clip(scores.ravel(), -80, 80)))
        chosen = np.flatnonzero(sure > SCORE)
        values = regressors.reshape(-1, 16)[chosen] / 128
        centre, size = values[:, :2] + self._anchors[chosen], values[:, 2:4]
        low = (centre - size / 2) * side - (left, top)
        kept = cv2.dnn.NMSBoxes(
            np.concatenate([low, size * side], axis=1).tolist(), sure[chosen].tolist(), SCORE, OVERLAP
        )
        boxes = np.concatenate([low, low + size * side], axis=1)
        return boxes[np.asarray(kept, int).ravel()]


class FaceMesh:
    """68 of the 478 mesh vertices."""

    def __init__(self) -> None:
        self._mesh = Mesh()

    def __call__(self, pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Landmarks (68, 2)."""
        return self._mesh(pixels, box)[list(IBUG68), :2]


class Mesh:
    """All 478 vertices."""

    def __init__(self) -> None:
        self._network = _interpreter("face_landmarks_detector.tflite")

    def __call__(self, pixels: np.ndarray, box: np.ndarray, roll: float = 0.0) -> np.ndarray:
        """Vertices (478, 3) in pixels of the picture, z relative to the head's centre in the same unit.

        The network sees a square around ``box`` (4,), turned so that a head rolled by ``roll`` degrees stands upright.
        """
        centre = (box[:2] + box[2:]) / 2
        side = 1.5 * float((box[2:] - box[:2]).max())
        to_input = cv2.getRotationMatrix2D(centre.tolist(), roll, SIDE / side)
        to_input[:, 2] += SIDE / 2 - centre
        view = cv2.warpAffine(pixels, to_input, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        (vertices,) = _run(self._network, view.astype(np.float32) / 255, "Identity")
        vertices = vertices.reshape(478, 3).astype(float)
        back = cv2.invertAffineTransform(to_input)
        vertices[:, :2] = vertices[:, :2] @ back[:, :2].T + back[:, 2]
        vertices[:, 2] *= side / SIDE
        return vertices


def task_file(member: str) -> bytes:
    """One file out of the Face Landmarker task archive."""
    with zipfile.ZipFile(weights.find("mediapipe")) as archive:
        return archive.read(member)


def _interpreter(member: str) -> Interpreter:
    network = Interpreter(model_content=task_file(member), num_threads=1)
    network.allocate_tensors()
    return network


def _run(network: Interpreter, picture: np.ndarray, *outputs: str) -> list[np.ndarray]:
    network.set_tensor(network.get_input_details()[0]["index"], picture[None])
    network.invoke()
    by_name = {detail["name"]: detail["index"] for detail in network.get_output_details()}
    return [network.get_tensor(by_name[name]) for name in outputs]


@cache
def _anchors() -> np.ndarray:
    """Centres (896, 2) of the detector's anchors: two a cell of a 16 x 16 grid, then six a cell of an 8 x 8 grid."""
    centres = []
    for cells, repeat in ((16, 2), (8, 6)):
        y, x = np.meshgrid(*((np.arange(cells) + 0.5) / cells,) * 2, indexing="ij")
        centres.append(np.stack([x.ravel(), y.ravel()], axis=1).repeat(repeat, axis=0))
    return np.concatenate(centres)
