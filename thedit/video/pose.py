"""Cameras: the head's pose fitted in the coordinates of the whole picture, so that any crop of it is exact.

The focal length of a video is unknown. It is taken to be such that the head is `camera.RADIUS` away, and the principal
point to be the whole picture's centre. The crop that then has the focal length `camera.FOCAL` is the one to cut out;
where the picture is too small for it, the crop is smaller and its focal length longer, as its camera says. Lengths of
the whole picture are in units of its longer side.
"""

from dataclasses import dataclass

import numpy as np
import torch

from thedit import camera
from thedit.config import Preprocess
from thedit.faces.registry import find
from thedit.fitting import Fit, fit_clip
from thedit.fitting.model import landmark_model
from thedit.spacing import evenly
from thedit.video import crop
from thedit.video.smooth import smooth_poses

FIRST_FRAMES = 12  # frames, spread over the clip, from which identity and distance are found


@dataclass(frozen=True)
class Head:
    """What stays the same in all frames of a clip whose crop is fixed: identity (K,), side in pixels of the crop that
    the convention asks for, and the crop's box (3,) in pixels."""

    identity: torch.Tensor
    side: float
    box: np.ndarray


@dataclass(frozen=True)
class Posed:
    """A clip with boxes (T, 3) in pixels, cameras (T, 25) of the crops, and the fit with its expressions and identity.

    landmarks (T, 68, 2) in the crops' normalised coordinates; head: what later frames of the clip may be fitted with.
    """

    boxes: np.ndarray
    cameras: np.ndarray
    landmarks: np.ndarray
    fit: Fit
    head: Head


def fit(
    landmarks: np.ndarray,
    pose_landmarks: np.ndarray,
    frames: np.ndarray,
    rate: float,
    width: int,
    height: int,
    settings: Preprocess,
    head: Head | None = None,
) -> Posed:
    """Fit pose, identity and expression of one clip to ``pose_landmarks`` and choose its crop around ``landmarks``.

    With a ``head`` these go on from earlier frames of the clip: identity and crop are known.

    Both (T, 68, 2) in pixels of a picture of width x height, frames (T,) their numbers, rate frames a second.
    """
    scale = float(max(width, height))
    centre = (width / 2 / scale, height / 2 / scale)
    points = torch.from_numpy(pose_landmarks / scale).float()
    model = landmark_model(find("landmarks", settings.pose).model)
    if head is not None:
        sides, boxes, identity = np.full(len(frames), head.side), np.tile(head.box, (len(frames), 1)), head.identity
    else:
        some = torch.from_numpy(evenly(len(frames), FIRST_FRAMES))
        guess = 2 * float(np.median(np.ptp(pose_landmarks, axis=1).max(1)))
        first = fit_clip(points[some], camera.intrinsics(camera.FOCAL * guess / scale, centre), model=model)
        identity = first.identity[0]
        sides = crop.sides(first.camera.numpy(), scale)
        if settings.crop == "fixed":
            sides = np.full(len(frames), np.median(sides))
            boxes = crop.fixed(landmarks, float(sides[0]) * settings.crop_scale, width, height)
        else:
            sides = np.interp(frames, frames[some.numpy()], sides)
            boxes = crop.aligned(landmarks, sides * settings.crop_scale, frames, rate, width, height)
    lenses = torch.stack([camera.intrinsics(camera.FOCAL * side / scale, centre) for side in sides])
    fitted = fit_clip(points, lenses, identity=identity, model=model)
    cam2world, intrinsics = camera.split(fitted.camera)
    steady = torch.from_numpy(smooth_poses(cam2world.numpy(), frames, rate, np.array(camera.PIVOT)))
    cameras = camera.crop(camera.join(steady, intrinsics), torch.from_numpy(boxes / scale).float())
    within = (landmarks - boxes[:, None, :2]) / boxes[:, None, 2:]
    return Posed(boxes, cameras.numpy(), within, fitted, Head(identity, float(sides[0]), boxes[0]))
