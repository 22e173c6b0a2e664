"""ArcFace (Deng et al., CVPR 2019), the ResNet-50 of insightface's buffalo_l pack: non-commercial research only."""

import os

import numpy as np

from thedit import weights
from thedit.faces.alignment import aligned


class ArcFace:
    """512 numbers a face. Aligned by five of the 68 landmarks, where insightface takes its detector's five points."""

    size = 512

    def __init__(self) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        path = weights.find("arcface-r50")
        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def __call__(self, picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Embedding (512,)."""
        face = aligned(picture, landmarks).transpose(2, 0, 1)[None].astype(np.float32)  # (1, 3, 112, 112)
        (embedding,) = self._session.run(None, {self._session.get_inputs()[0].name: (face - 127.5) / 127.5})
        return embedding[0].astype(np.float64)
