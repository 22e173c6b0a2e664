"""From detected landmarks to cameras, identities and expressions: what preprocessing and the metrics call."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from thedit import camera
from thedit.fitting.model import LandmarkModel, landmark_model
from thedit.fitting.solver import Problem, Solution, pose_from_weak_perspective, project, solve, upright
from thedit.spacing import evenly

KEYFRAMES = 24


@dataclass(frozen=True)
class Fit:
    """T fitted frames; a frame whose landmarks are not finite has NaN everywhere.

    camera      (T, 25) float32, see `thedit.camera`: the fitted pose with the given intrinsics
    expression  (T, 52) float32 in [0, 1], order of `thedit.heads.assets.BLENDSHAPES`
    identity    (T, K) float32 coefficients of the head assets' identity components
    error       (T,) float32 root mean square distance of fitted from detected landmarks, in eye distances
    """

    camera: Tensor
    expression: Tensor
    identity: Tensor
    error: Tensor


def fit_clip(
    landmarks: Tensor, intrinsics: Tensor, *, identity: Tensor | None = None, model: LandmarkModel | None = None
) -> Fit:
    """Fit the frames of one clip, which share one identity.

    landmarks (T, 68, 2) in iBUG order and intrinsics (3, 3) or (T, 3, 3), both in normalised picture coordinates.
    ``identity`` (K,), if known, is kept. Otherwise up to 24 frames spread over the clip give it, and every frame then
    starts warm from the nearest of them. Raises ValueError for other shapes.
    """
    model = model or landmark_model()
    rows, problem, start, scale = _prepare(model, landmarks, intrinsics)
    problem = replace(problem, group=torch.zeros_like(rows), freedom=model.freedom())
    if identity is None:
        keys = torch.from_numpy(evenly(len(rows), KEYFRAMES))
        count = len(keys)
        first = replace(start.frames(keys), identity=start.identity[:1])
        together = replace(
            problem[keys], whitening=model.whitening(max(count, 1)), freedom=model.freedom(max(count, 1))
        )
        fitted = solve(together, first, fit_identity=True)
        nearest = (torch.arange(len(rows))[:, None] - keys).abs().argmin(1) if count else rows
        start = replace(start, expression=fitted.expression[nearest], identity=fitted.identity)
    else:
        start = replace(start, identity=identity.to(start.identity)[None])
    solution = solve(problem, start, fit_identity=False)
    return _pack(model, landmarks, intrinsics, rows, problem, solution, scale)


def fit_frames(
    landmarks: Tensor, intrinsics: Tensor, *, identity: Tensor | None = None, model: LandmarkModel | None = None
) -> Fit:
    """Fit unrelated frames, each with an identity of its own, or the given ones (T, K); otherwise as `fit_clip`."""
    model = model or landmark_model()
    rows, problem, start, scale = _prepare(model, landmarks, intrinsics)
    if identity is not None:
        start = replace(start, identity=identity.to(start.identity)[rows])
        problem = replace(problem, freedom=model.freedom())
    solution = solve(problem, start, fit_identity=identity is None)
    return _pack(model, landmarks, intrinsics, rows, problem, solution, scale)


def _prepare(model: LandmarkModel, landmarks: Tensor, intrinsics: Tensor) -> tuple[Tensor, Problem, Solution, Tensor]:
    """The rows with finite landmarks, the problem and the closed-form start of these, and their scale."""
    if landmarks.ndim != 3 or landmarks.shape[1:] != (68, 2):
        raise ValueError(f"landmarks must be (T, 68, 2), not {tuple(landmarks.shape)}")
    if intrinsics.shape[-2:] != (3, 3) or intrinsics.ndim not in (2, 3):
        raise ValueError(f"intrinsics must be (3, 3) or (T, 3, 3), not {tuple(intrinsics.shape)}")
    rows = landmarks.flatten(1).isfinite().all(1).nonzero()[:, 0]
    points = landmarks[rows].to(model.mean)
    lenses = intrinsics.to(model.mean).expand(len(landmarks), 3, 3)[rows]
    rotation, translation, scale = pose_from_weak_perspective(model, points, lenses)
    frames = torch.arange(len(rows))
    problem = Problem(model, points, lenses, upright(points, scale), model.whitening(), frames, model.freedom(1))
    start = Solution(
        rotation,
        translation,
        expression=points.new_zeros(len(rows), len(model.blendshapes)),
        identity=points.new_zeros(len(rows), len(model.identity)),
    )
    return rows, problem, start, scale


def _pack(
    model: LandmarkModel,
    landmarks: Tensor,
    intrinsics: Tensor,
    rows: Tensor,
    problem: Problem,
    solution: Solution,
    scale: Tensor,
) -> Fit:
    """The solution of the finite rows as float32 cameras, NaN elsewhere."""
    cam2world = torch.eye(4, dtype=torch.float64).repeat(len(rows), 1, 1)
    cam2world[:, :3, :3] = solution.rotation.mT
    cam2world[:, :3, 3] = -(solution.rotation.mT @ solution.translation[..., None])[..., 0]
    cameras = camera.join(cam2world, problem.intrinsics)
    distance = (project(problem, solution) - problem.landmarks).square().sum(-1).mean(-1).sqrt()

    def scatter(values: Tensor) -> Tensor:
        full = torch.full((len(landmarks), *values.shape[1:]), torch.nan)
        full[rows] = values.float()
        return full

    return Fit(
        camera=scatter(cameras),
        expression=scatter(solution.expression),
        identity=scatter(solution.identity[problem.group]),
        error=scatter(distance / (scale * model.eye_distance)),
    )
