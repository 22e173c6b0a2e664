"""YuNet (Wu et al., 2023), run by OpenCV."""

import cv2
import numpy as np

from thedit import weights

SCORE = 0.7


class YuNet:
    """Detector for faces of about 10 to 300 pixels; larger pictures are made smaller."""

    def __init__(self) -> None:
        self._network = cv2.FaceDetectorYN.create(str(weights.find("yunet")), "", (320, 320), SCORE)

    def __call__(self, pixels: np.ndarray, smallest: float) -> np.ndarray:
        """Boxes (N, 4)."""
        scale = min(1.0, max(640 / max(pixels.shape[:2]), 16 / smallest))
        copy = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._network.setInputSize((copy.shape[1], copy.shape[0]))
        _, faces = self._network.detect(np.ascontiguousarray(copy[..., ::-1]))
        if faces is None:
            return np.zeros((0, 4))
        boxes = faces[:, :4].astype(float) / scale
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
