"""FAN, the 2D face alignment network (Bulat & Tzimiropoulos, ICCV 2017), from the package ``face-alignment``."""

import os
from pathlib import Path

import numpy as np
import torch

from thedit import weights


class Fan:
    """68 landmarks by heat maps; slow without a GPU."""

    def __init__(self) -> None:
        import face_alignment

        _offer(weights.find("2dfan4"))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        kind = face_alignment.LandmarksType.TWO_D
        self._network = face_alignment.FaceAlignment(kind, device=device, face_detector="folder", compile=False)

    def __call__(self, pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Landmarks (68, 2)."""
        found = self._network.get_landmarks_from_image(pixels, detected_faces=[box])
        return np.asarray(found[0], float)


def _offer(path: Path) -> None:
    """Let the package, which looks in torch's cache alone, find the checked file there."""
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    cache.mkdir(parents=True, exist_ok=True)
    link = cache / path.name
    if not link.exists():
        temporary = cache / f".{path.name}.{os.getpid()}"
        temporary.symlink_to(path.resolve())
        temporary.replace(link)
