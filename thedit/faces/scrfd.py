"""SCRFD (Guo et al., ICLR 2022) of insightface's buffalo_l pack: weights for non-commercial research only."""

import os

import numpy as np

from thedit import weights

SCORE = 0.5


class Scrfd:
    """Detector on a copy of the picture of 640 x 640 pixels."""

    def __init__(self) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        from insightface import model_zoo

        self._network = model_zoo.get_model(
            str(weights.find("scrfd-10g").resolve()), providers=["CPUExecutionProvider"]
        )
        self._network.prepare(-1, input_size=(640, 640), det_thresh=SCORE)

    def __call__(self, pixels: np.ndarray, smallest: float) -> np.ndarray:
        """Boxes (N, 4)."""
        faces, _ = self._network.detect(np.ascontiguousarray(pixels[..., ::-1]))
        return faces[:, :4].astype(float)
