"""68 landmarks -> head pose, identity and 52 bounded expression coefficients: batched projected Levenberg-Marquardt.

T: frames, G: groups of frames that share one identity, K: identity coefficients, A: expression coefficients (52).

One frame's unknowns are its rotation and translation (6) and its expression (A); a group's are its identity (K). The
normal equations of a group are an arrow matrix: each frame's block is small, and frames meet only in the identity. So
frames are eliminated first (Schur complement), the K x K system is solved, and the frames follow by substitution.
Coefficients at a bound whose gradient points outwards leave the system for the step (projected Newton, Bertsekas 1982).

The most probable coefficients alone would make heads too small and too near: in a picture a small head near by looks
like a large one far away, and the smaller it is taken to be, the less must it differ from the mean. A cost of
`Problem.freedom` times the logarithm of the scale stands for the coefficients' other values, of which a nearer head
admits fewer (the determinant in Laplace's approximation of the evidence, MacKay 1992).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from thedit.fitting.model import LandmarkModel

MAX_STEPS = 40
TOLERANCE = 1e-5  # relative decrease of a group's cost below which it has converged
DAMPING, MIN_DAMPING, MAX_DAMPING = 1e-3, 1e-9, 1e4


@dataclass(frozen=True)
class Solution:
    """T fitted frames in float64.

    rotation     (T, 3, 3) world-to-camera rotation
    translation  (T, 3) world-to-camera translation, world units
    expression   (T, A) in [0, 1]
    identity     (G, K) one row per group
    """

    rotation: Tensor
    translation: Tensor
    expression: Tensor
    identity: Tensor

    def frames(self, rows: Tensor) -> "Solution":
        """The frames ``rows`` with every group's identity."""
        return Solution(self.rotation[rows], self.translation[rows], self.expression[rows], self.identity)


@dataclass(frozen=True)
class Problem:
    """T frames to be fitted: landmarks (T, L, 2), intrinsics (T, 3, 3), upright (T, 2, 2), group (T,) of G.

    upright expresses errors in the picture in world units along and across the eyes, see `upright`; whitening (2L, 2L)
    turns these into independent errors of deviation 1. freedom: see above, a frame's share of the coefficients' number.
    """

    model: LandmarkModel
    landmarks: Tensor
    intrinsics: Tensor
    upright: Tensor
    whitening: Tensor
    group: Tensor
    freedom: float

    def __getitem__(self, rows: Tensor) -> "Problem":
        """The frames ``rows``; groups keep their numbers."""
        landmarks, intrinsics, upright = self.landmarks[rows], self.intrinsics[rows], self.upright[rows]
        return Problem(self.model, landmarks, intrinsics, upright, self.whitening, self.group[rows], self.freedom)


def pose_from_weak_perspective(model: LandmarkModel, landmarks: Tensor, intrinsics: Tensor) -> tuple[Tensor, ...]:
    """A closed-form start: the scaled orthographic camera that maps the mean head's landmarks best.

    landmarks (T, L, 2), intrinsics (T, 3, 3) -> rotation (T, 3, 3), translation (T, 3), scale (T,): picture widths a
    world unit.
    """
    centroid = model.mean.mean(0)
    solve = torch.linalg.pinv(model.mean - centroid)  # (3, L)
    middle = landmarks.mean(1)
    affine = (solve @ (landmarks - middle[:, None])).mT  # (T, 2, 3)
    u, stretch, vh = torch.linalg.svd(affine, full_matrices=False)
    rows = u @ vh  # (T, 2, 3): nearest matrix with orthonormal rows
    rotation = torch.cat([rows, torch.linalg.cross(rows[:, :1], rows[:, 1:])], dim=1)
    scale = stretch.mean(-1)
    focal = intrinsics[:, [0, 1], [0, 1]].mean(-1)
    depth = focal / scale
    ray = torch.cat([middle, torch.ones_like(depth)[:, None]], dim=1)
    centre = depth[:, None] * torch.linalg.solve(intrinsics, ray)  # the centroid in the camera's axes
    return rotation, centre - rotation @ centroid, scale


def upright(landmarks: Tensor, scale: Tensor) -> Tensor:
    """Matrices (T, 2, 2) from errors in the picture to errors in world units along and across the line of the eyes.

    landmarks (T, 68, 2), scale (T,): picture widths a world unit. In these axes a detector errs alike in all pictures.
    """
    along = torch.nn.functional.normalize(landmarks[:, 42:48].mean(1) - landmarks[:, 36:42].mean(1), dim=-1)
    across = torch.stack([-along[..., 1], along[..., 0]], dim=-1)
    return torch.stack([along, across], dim=-2) / scale[:, None, None]


def solve(problem: Problem, start: Solution, *, fit_identity: bool, max_steps: int = MAX_STEPS) -> Solution:
    """Minimise landmark error and priors from ``start``.

    With ``fit_identity`` the frames of a group share an unknown identity and accept steps together; otherwise the
    identity of ``start`` is kept and every frame accepts by itself. What does not share an identity never influences
    each other.
    """
    unit = problem.group if fit_identity else torch.arange(len(problem.group))  # what accepts a step together
    units = len(start.identity) if fit_identity else len(problem.group)
    solution = start
    total = _cost(problem, solution, unit, units, fit_identity)
    damping = torch.full_like(total, DAMPING)
    alive = torch.ones(units, dtype=torch.bool)
    for _ in range(max_steps):
        rows = alive[unit].nonzero()[:, 0]
        if not len(rows):
            break
        trial = _step(problem[rows], solution.frames(rows), damping, unit[rows], fit_identity)
        candidate = _cost(problem[rows], trial, unit[rows], units, fit_identity)
        better = alive & (candidate < total)
        taken = better[unit[rows]]
        solution = _merge(solution, trial, rows[taken], taken, better if fit_identity else None)
        settled = better & (total - candidate < TOLERANCE * total)
        stuck = ~better & (damping > MAX_DAMPING)
        damping = torch.where(better, damping / 10, damping * 10).clamp_min(MIN_DAMPING)
        total = torch.where(better, candidate, total)
        alive = alive & ~settled & ~stuck
    return solution


def _step(problem: Problem, at: Solution, damping: Tensor, unit: Tensor, fit_identity: bool) -> Solution:
    """One projected Gauss-Newton step of T frames, each damped as its unit (T,) is: damping (units,)."""
    model, group = problem.model, problem.group
    frames = len(group)
    residual, d_point = _residual(problem, at, derivative=True)  # (T, 2L), (T, 2L, 3): by a world point
    d_pose = _by_pose(problem, at, d_point)  # (T, 2L, 6)
    d_expression = _by_coefficients(d_point, model.blendshapes)  # (T, 2L, A)
    jacobian = problem.whitening @ torch.cat([d_pose, d_expression], dim=-1)  # (T, 2L, 6+A)
    hessian = jacobian.mT @ jacobian
    gradient = (jacobian.mT @ residual[..., None])[..., 0]
    hessian.diagonal(dim1=-2, dim2=-1)[:, 6:] += model.expression_precision
    gradient[:, 6:] += model.expression_precision * at.expression
    depth = _depth(problem, at)
    hessian[:, 5, 5] += problem.freedom / depth.square()
    gradient[:, 5] -= problem.freedom / depth

    outward = ((at.expression <= 0) & (gradient[:, 6:] > 0)) | ((at.expression >= 1) & (gradient[:, 6:] < 0))
    free = torch.cat([outward.new_ones(frames, 6), ~outward], dim=1).to(hessian.dtype)  # (T, 6+A)
    hessian = hessian * free[:, :, None] * free[:, None, :]
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    diagonal += damping[unit, None] * diagonal + (1 - free)
    gradient = gradient * free
    factor = torch.linalg.cholesky(hessian)

    identity = at.identity
    if fit_identity:
        d_identity = problem.whitening @ _by_coefficients(d_point, model.identity)  # (T, 2L, K)
        cross = (jacobian * free[:, None]).mT @ d_identity  # (T, 6+A, K)
        eliminated = torch.cholesky_solve(torch.cat([cross, gradient[..., None]], dim=-1), factor)
        groups = len(identity)
        full = _sum(d_identity.mT @ d_identity, group, groups)
        precision = torch.diag_embed(model.identity_precision.expand(groups, -1))
        full = full + precision + damping[:, None, None] * torch.diag_embed(full.diagonal(dim1=-2, dim2=-1))
        slope = _sum((d_identity.mT @ residual[..., None])[..., 0], group, groups) + model.identity_precision * identity
        both = cross.mT @ eliminated  # (T, K, K+1)
        reduced = full - _sum(both[..., :-1], group, groups)
        slope = slope - _sum(both[..., -1], group, groups)
        change = -torch.linalg.solve(reduced, slope[..., None])[..., 0]  # (G, K)
        identity = identity + change
        delta = -eliminated[..., -1] - (eliminated[..., :-1] @ change[group][..., None])[..., 0]
    else:
        delta = -torch.cholesky_solve(gradient[..., None], factor)[..., 0]

    turn = torch.linalg.matrix_exp(_cross_matrix(delta[:, :3]))
    pivot = at.translation + at.rotation @ model.centroid
    centre = pivot + delta[:, 3:6]
    rotation = turn @ at.rotation
    return Solution(
        rotation=rotation,
        translation=centre - rotation @ model.centroid,
        expression=(at.expression + delta[:, 6:]).clamp(0, 1),
        identity=identity,
    )


def project(problem: Problem, at: Solution) -> Tensor:
    """The fitted landmarks (T, L, 2) in the picture."""
    return _project(problem, at)[0]


def _project(problem: Problem, at: Solution) -> tuple[Tensor, Tensor]:
    """Landmarks in the picture (T, L, 2) and their depths (T, L, 1)."""
    seen = _points(problem, at) @ at.rotation.mT + at.translation[:, None]  # (T, L, 3) in the camera's axes
    homogeneous = seen @ problem.intrinsics.mT
    depth = homogeneous[..., 2:].clamp_min(1e-3)
    return homogeneous[..., :2] / depth, depth


def _points(problem: Problem, at: Solution) -> Tensor:
    """World points (T, L, 3) of the landmarks."""
    model = problem.model
    identity = torch.einsum("gk,klc->glc", at.identity, model.identity)[problem.group]
    return model.mean + identity + torch.einsum("ta,alc->tlc", at.expression, model.blendshapes)


def _residual(problem: Problem, at: Solution, derivative: bool = False) -> tuple[Tensor, Tensor]:
    """Whitened error (T, 2L) and, if asked, the derivative (T, 2L, 3) of the upright error by the world points."""
    picture, depth = _project(problem, at)
    error = (picture - problem.landmarks) @ problem.upright.mT  # (T, L, 2)
    residual = error.flatten(1) @ problem.whitening.mT
    if not derivative:
        return residual, residual
    by_seen = (problem.intrinsics[:, None, :2] - picture[..., None] * problem.intrinsics[:, None, 2:]) / depth[
        ..., None
    ]
    by_point = problem.upright[:, None] @ by_seen @ at.rotation[:, None]  # (T, L, 2, 3)
    return residual, by_point.flatten(1, 2)


def _by_pose(problem: Problem, at: Solution, by_point: Tensor) -> Tensor:
    """Derivative (T, 2L, 6) by a turn about the head's centroid and a shift, both in the camera's axes."""
    frames, rows, _ = by_point.shape
    by_seen = by_point @ at.rotation.mT  # (T, 2L, 3)
    arm = (_points(problem, at) - problem.model.centroid) @ at.rotation.mT  # (T, L, 3)
    arm = arm[:, :, None].expand(-1, -1, 2, -1).reshape(frames, rows, 3)
    return torch.cat([torch.linalg.cross(arm, by_seen), by_seen], dim=-1)


def _by_coefficients(by_point: Tensor, basis: Tensor) -> Tensor:
    """Derivative (T, 2L, K) by the coefficients of basis (K, L, 3), from that by the world points (T, 2L, 3)."""
    frames, rows, _ = by_point.shape
    landmarks = rows // 2
    by_landmark = by_point.reshape(frames, landmarks, 2, 3).permute(1, 0, 2, 3).reshape(landmarks, frames * 2, 3)
    product = by_landmark @ basis.permute(1, 2, 0)  # (L, 2T, K)
    return product.reshape(landmarks, frames, 2, -1).permute(1, 0, 2, 3).reshape(frames, rows, -1)


def _depth(problem: Problem, at: Solution) -> Tensor:
    """Depth (T,) of the point about which heads turn."""
    return (at.translation + at.rotation @ problem.model.centroid)[:, 2].clamp_min(1e-3)


def _cost(problem: Problem, at: Solution, unit: Tensor, units: int, fit_identity: bool) -> Tensor:
    """Half the squared, whitened landmark errors and the priors, summed over each unit (units,)."""
    model = problem.model
    residual, _ = _residual(problem, at)
    frames = residual.square().sum(1) + (model.expression_precision * at.expression**2).sum(1)
    growth = problem.intrinsics[:, 0, 0] / _depth(problem, at) * problem.upright[:, 0].norm(dim=-1)  # of the scale
    frames = frames + 2 * problem.freedom * growth.log()
    total = _sum(frames, unit, units)
    if fit_identity:
        total = total + (model.identity_precision * at.identity**2).sum(1)
    return total / 2


def _sum(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """Sum of the frames' values (T, ...) within each group (G, ...)."""
    return values.new_zeros(groups, *values.shape[1:]).index_add_(0, group, values)


def _merge(solution: Solution, trial: Solution, rows: Tensor, taken: Tensor, groups: Tensor | None) -> Solution:
    """``solution`` with the frames ``rows`` (and the identities of ``groups``) taken from ``trial``."""
    identity = solution.identity
    if groups is not None:
        identity = torch.where(groups[:, None], trial.identity, identity)
    return Solution(
        solution.rotation.index_copy(0, rows, trial.rotation[taken]),
        solution.translation.index_copy(0, rows, trial.translation[taken]),
        solution.expression.index_copy(0, rows, trial.expression[taken]),
        identity,
    )


def _cross_matrix(vectors: Tensor) -> Tensor:
    """Matrices (T, 3, 3) with M y = v x y."""
    zero = torch.zeros_like(vectors[:, 0])
    x, y, z = vectors.unbind(-1)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(-1, 3, 3)
