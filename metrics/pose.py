"""APD: does the head point where the driver's does? Distances of head poses."""

from collections.abc import Callable

import torch
from torch import Tensor

from thedit import camera


def _euler(prediction: Tensor, reference: Tensor) -> Tensor:
    """Absolute differences (B, 3) of yaw, pitch and roll in degrees, the short way round."""
    difference = camera.angles(prediction) - camera.angles(reference)
    return (torch.remainder(difference + 180, 360) - 180).abs()


def _with_translation(prediction: Tensor, reference: Tensor) -> Tensor:
    shift = (_place(prediction) - _place(reference)).abs()  # (B, 3)
    return torch.cat([torch.deg2rad(_euler(prediction, reference)), shift], dim=1).mean(1)


def _place(cam2world: Tensor) -> Tensor:
    """The head's pivot (B, 3) in the camera's axes, world units."""
    offset = cam2world.new_tensor(camera.PIVOT) - cam2world[:, :3, 3]
    return (cam2world[:, :3, :3].mT @ offset[..., None])[..., 0]


APD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "geodesic-degrees": camera.rotation_error,
    "euler-mean-radians": lambda p, r: torch.deg2rad(_euler(p, r)).mean(1),
    "euler-mean-degrees": lambda p, r: _euler(p, r).mean(1),
    "euler-l2-degrees": lambda p, r: torch.linalg.vector_norm(_euler(p, r), dim=1),
    "euler-translation-mean": _with_translation,
}


def apd(prediction: Tensor, reference: Tensor, variant: str = "geodesic-degrees") -> Tensor:
    """Distance (B,) >= 0, float64, of head poses given as cam2world (B, 4, 4) of `thedit.camera`; lower is better.

    Variants: geodesic-degrees (angle of the one rotation between both); euler-mean-radians (StyleHEAT, FlexAvatar);
    euler-mean-degrees; euler-l2-degrees; euler-translation-mean (OTAvatar: three angles in radians and three shifts,
    here in units of 0.5 m, in one mean). NaN poses give NaN. Raises ValueError for other shapes or an unknown variant.
    """
    if variant not in APD:
        raise ValueError(f"unknown variant '{variant}' of APD; there are {', '.join(APD)}")
    for name, pose in (("prediction", prediction), ("reference", reference)):
        if pose.ndim != 3 or pose.shape[1:] != (4, 4):
            raise ValueError(f"{name} must be cam2world (B, 4, 4), not {tuple(pose.shape)}")
    if len(prediction) != len(reference):
        raise ValueError(f"{len(prediction)} predicted poses for {len(reference)} references")
    return APD[variant](prediction.double(), reference.double())
