"""Where a landmark detector puts its points, compared with the mesh: measured on rendered people, never by hand.

``python -m thedit.fitting.calibration data/NAME`` measures it on the training people of an AnnyHeads data set whose
truth is known, and writes `PATH`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

PATH = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True)
class Calibration:
    """offset (L, 3): from a mesh landmark to the detector's point, world units. sigma (L, 2): what remains, standard
    deviation along and across the face's contour (horizontal and vertical inside the face), world units.
    """

    offset: Tensor
    sigma: Tensor

    @classmethod
    def none(cls) -> "Calibration":
        """No offset, and the same deviation for every landmark."""
        return cls(torch.zeros(68, 3, dtype=torch.float64), torch.full((68, 2), 0.01, dtype=torch.float64))

    @classmethod
    def load(cls, path: Path = PATH) -> "Calibration":
        """Read the measured calibration that comes with the package."""
        if not path.is_file():
            return cls.none()
        values = json.loads(path.read_text())
        return cls(
            torch.tensor(values["offset"], dtype=torch.float64), torch.tensor(values["sigma"], dtype=torch.float64)
        )
