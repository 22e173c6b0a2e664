"""Volume rendering of tri-planes (Chan et al., CVPR 2022; Max, 1995).

A world point in the box [-0.5, 0.5]^3 is projected on three planes, XY, XZ and YZ; a plane's first axis runs along its
columns, its second along its rows. The bilinear samples of the three planes are averaged and decoded by a small
network into a density, through softplus, and features, through sigmoid * 1.002 - 0.001: the sigmoid widened by 0.001
at both ends, so that 0 and 1 are within reach (Barron et al., Mip-NeRF, ICCV 2021). Each ray is sampled where it
passes the box: first once in each of equal intervals, then again in proportion to what those samples contribute; all
samples are composited.

Gradients reach the planes and the decoder; rays and sample distances are constants.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from thedit.kernels import fused, looped, processor

HALF_SIDE = 0.5
PLANE_AXES = ((0, 1), (0, 2), (1, 2))
SMALLEST_WEIGHT = 0.01
"""Added to every interval's weight, so that importance samples also visit intervals that look empty."""
RAYS_AT_ONCE = 1024
"""Plain torch without gradients renders so many rays at once: what it keeps of them stays in a processor's cache."""


class Decoder(NamedTuple):
    """Weights of the network from F plane features to one density and O features, through H softplus units."""

    weight1: Tensor  # (H, F)
    bias1: Tensor  # (H,)
    weight2: Tensor  # (1 + O, H), the density first
    bias2: Tensor  # (1 + O,)


class Rendering(NamedTuple):
    """What `render` returns. A ray that misses the box has features 0, depth ``far`` and opacity 0."""

    features: Tensor  # (B, M, O), over a background of 0
    depth: Tensor  # (B, M), expected distance along the ray, counting what passes through as ``far``
    opacity: Tensor  # (B, M) in [0, 1]

    def distance(self, far: float, least: float = 0.02) -> Tensor:
        """Expected distance (B, M) of what stops the light, without what passes through; 0 where nothing does.

        ``far`` is that of `render`; an opacity under ``least`` counts as ``least``.
        """
        stopped = self.depth - (1 - self.opacity) * far
        return stopped / self.opacity.clamp(min=least)


def render(
    planes: Tensor,
    decoder: Decoder,
    origins: Tensor,
    directions: Tensor,
    near: float,
    far: float,
    coarse: int,
    fine: int,
    noise: Tensor | None = None,
) -> Rendering:
    """Render planes (B, 3, F, R, R) along rays (B, M, 3) with unit directions.

    ``noise`` (B, M, coarse + fine) in [0, 1) places each sample in its interval, stratified samples first; without it
    every sample sits in the middle. Distances are in world units. Everything is computed in float32 or better; only
    the fused kernel under autocast reads the planes as bfloat16.
    """
    if fused(planes):
        from thedit.kernels import render_triton

        return render_triton.render(planes, decoder, origins, directions, near, far, coarse, fine, noise)
    if torch.is_grad_enabled():
        return render_plain(planes, decoder, origins, directions, near, far, coarse, fine, noise)
    rays = [origins, directions] if noise is None else [origins, directions, noise]
    pieces = []
    for start, along, *jitter in zip(*(tensor.split(RAYS_AT_ONCE, dim=1) for tensor in rays)):
        pieces.append(_render_once(planes, decoder, start, along, near, far, coarse, fine, *jitter))
    return Rendering(*(torch.cat(values, dim=1) for values in zip(*pieces)))


def render_plain(
    planes: Tensor,
    decoder: Decoder,
    origins: Tensor,
    directions: Tensor,
    near: float,
    far: float,
    coarse: int,
    fine: int,
    noise: Tensor | None = None,
) -> Rendering:
    """`render` in plain torch, on any device."""
    with torch.autocast(planes.device.type, enabled=False):
        with torch.no_grad():
            distances = sample_distances(planes, decoder, origins, directions, near, far, coarse, fine, noise)
        return composite(planes, decoder, origins, directions, distances, far)


def _render_once(
    planes: Tensor,
    decoder: Decoder,
    origins: Tensor,
    directions: Tensor,
    near: float,
    far: float,
    coarse: int,
    fine: int,
    noise: Tensor | None = None,
) -> Rendering:
    """`render_plain` without gradients: what the stratified samples show is kept instead of being decoded again."""
    kept = []

    def seen(distances: Tensor) -> Tensor:
        raw = _decode(planes, decoder, along(origins, directions, distances)).unflatten(1, distances.shape[1:])
        kept.append(raw)  # (B, M, S, 1 + O)
        return functional.softplus(raw[..., 0])

    with torch.autocast(planes.device.type, enabled=False):
        first, second, leave = _distances(seen, origins, directions, near, far, coarse, fine, noise)
        for distances in (first, second)[len(kept) :]:
            seen(distances)
        raw = torch.cat(kept, dim=2)
        distances, order = torch.cat([first, second], dim=-1).sort(-1)
        sigma = functional.softplus(raw[..., 0]).gather(-1, order)
        weights = contributions(sigma, torch.cat([distances, leave], dim=-1).diff(dim=-1))
        colours = torch.sigmoid(raw[..., 1:]) * 1.002 - 0.001  # (B, M, S, O), in the order in which they were decoded
        features = (torch.empty_like(weights).scatter(-1, order, weights).unsqueeze(-2) @ colours).squeeze(-2)
        opacity = weights.sum(-1)
        return Rendering(features, (weights * distances).sum(-1) + (1 - opacity) * far, opacity)


def _decode(planes: Tensor, decoder: Decoder, points: Tensor) -> Tensor:
    """What the network says at world points (B, P, 3), before its last activations: (B, P, 1 + O)."""
    hidden = units(sample_planes(planes, points), decoder.weight1, decoder.bias1)
    return functional.linear(hidden, decoder.weight2, decoder.bias2)


def density(planes: Tensor, decoder: Decoder, points: Tensor) -> Tensor:
    """Density (B, P), at least 0, at world points (B, P, 3)."""
    with torch.autocast(planes.device.type, enabled=False):
        hidden = units(sample_planes(planes, points), decoder.weight1, decoder.bias1)
        return functional.softplus(hidden @ decoder.weight2[0] + decoder.bias2[0])


def sample_planes(planes: Tensor, points: Tensor) -> Tensor:
    """Mean (B, P, F) of the bilinear samples of planes (B, 3, F, R, R) at world points (B, P, 3)."""
    if fused(planes):
        from thedit.kernels import sample_triton

        return sample_triton.sample_planes(planes, points)
    if looped(points):
        return processor.mean_of_planes(planes.float(), points, PLANE_AXES)
    batch, _, channels = planes.shape[:3]
    axes = points.unbind(-1)
    grid = torch.stack([torch.stack([axes[i], axes[j]], dim=-1) for i, j in PLANE_AXES], dim=1) / HALF_SIDE
    samples = functional.grid_sample(
        planes.flatten(0, 1).to(grid.dtype),
        grid.reshape(3 * batch, -1, 1, 2),  # from (B, 3, P, 2)
        padding_mode="border",
        align_corners=False,
    )  # (3B, F, P, 1)
    return samples.reshape(batch, 3, channels, -1).mean(1).transpose(1, 2)


def units(x: Tensor, weight: Tensor, bias: Tensor, into: Tensor | None = None) -> Tensor:
    """Hidden units softplus(weight x + bias) (..., H) of x (..., F), weight (H, F) and bias (H,).

    Where no gradients are asked for, ``into`` (..., at least H) may have them written to its first channels.
    """
    if looped(x):
        return processor.softplus(functional.linear(x, weight), bias, into)
    return functional.softplus(functional.linear(x, weight, bias))


def clip_to_box(origins: Tensor, directions: Tensor, near: float, far: float) -> tuple[Tensor, Tensor]:
    """Distances (B, M) at which rays (B, M, 3) enter and leave the box between near and far; equal where they miss."""
    directions = torch.where(directions.abs() < 1e-9, 1e-9, directions)
    first = (-HALF_SIDE - origins) / directions
    second = (HALF_SIDE - origins) / directions
    enter = torch.minimum(first, second).amax(-1).clamp(near, far)
    leave = torch.maximum(first, second).amin(-1).clamp(near, far)
    return enter, torch.maximum(enter, leave)


def sample_distances(
    planes: Tensor,
    decoder: Decoder,
    origins: Tensor,
    directions: Tensor,
    near: float,
    far: float,
    coarse: int,
    fine: int,
    noise: Tensor | None = None,
) -> Tensor:
    """Ascending distances (B, M, coarse + fine) of the samples of `render`, and at last where the ray leaves."""
    seen = _densities(planes, decoder, origins, directions)
    first, second, leave = _distances(seen, origins, directions, near, far, coarse, fine, noise)
    return torch.cat([torch.cat([first, second], dim=-1).sort(-1).values, leave], dim=-1)


def importance_distances(
    planes: Tensor,
    decoder: Decoder,
    origins: Tensor,
    directions: Tensor,
    near: float,
    far: float,
    coarse: int,
    fine: int,
    noise: Tensor | None = None,
) -> Tensor:
    """As `sample_distances`, but the stratified samples only say where to look: (B, M, fine + 1)."""
    seen = _densities(planes, decoder, origins, directions)
    _, second, leave = _distances(seen, origins, directions, near, far, coarse, fine, noise)
    return torch.cat([second, leave], dim=-1)


def _densities(planes: Tensor, decoder: Decoder, origins: Tensor, directions: Tensor) -> Callable[[Tensor], Tensor]:
    """The density (B, M, S) at distances (B, M, S) along rays."""
    return lambda distances: density(planes, decoder, along(origins, directions, distances)).view(distances.shape)


def _distances(
    seen: Callable[[Tensor], Tensor],
    origins: Tensor,
    directions: Tensor,
    near: float,
    far: float,
    coarse: int,
    fine: int,
    noise: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Ascending distances of stratified (B, M, coarse) and of importance samples (B, M, fine), and the end (B, M, 1).

    ``seen`` tells the density (B, M, S) at distances. The importance samples follow the inverse of the piecewise
    constant distribution that the others' weights give.
    """
    if noise is None:
        noise = origins.new_full((1, 1, coarse + fine), 0.5)
    enter, leave = clip_to_box(origins, directions, near, far)
    width = ((leave - enter) / coarse).unsqueeze(-1)  # (B, M, 1)
    enter, leave = enter.unsqueeze(-1), leave.unsqueeze(-1)
    steps = torch.arange(coarse, device=origins.device)
    first = enter + width * (steps + noise[..., :coarse])  # (B, M, coarse)
    if not fine:
        return first, first[..., :0], leave
    weights = contributions(seen(first), width) + SMALLEST_WEIGHT
    cumulative = weights.cumsum(-1)
    targets = (torch.arange(fine, device=origins.device) + noise[..., coarse:]) / fine * cumulative[..., -1:]
    interval = torch.searchsorted(cumulative, targets, right=True).clamp(max=coarse - 1)  # (B, M, fine)
    inside = ((targets - cumulative.gather(-1, interval)) / weights.gather(-1, interval) + 1).clamp(0, 1)
    return first, enter + width * (interval + inside), leave


def composite(
    planes: Tensor, decoder: Decoder, origins: Tensor, directions: Tensor, distances: Tensor, far: float
) -> Rendering:
    """Composite samples at distances (B, M, S + 1); the last distance only ends the last sample's interval."""
    batch, rays, samples = *origins.shape[:2], distances.shape[-1] - 1
    points = along(origins, directions, distances[..., :-1])
    decoded = _decode(planes, decoder, points).view(batch, rays, samples, -1)
    sigma = functional.softplus(decoded[..., 0])
    weights = contributions(sigma, distances.diff(dim=-1))  # (B, M, S)
    colours = torch.sigmoid(decoded[..., 1:]) * 1.002 - 0.001  # (B, M, S, O)
    features = (weights.unsqueeze(-2) @ colours).squeeze(-2)
    opacity = weights.sum(-1)
    depth = (weights * distances[..., :-1]).sum(-1) + (1 - opacity) * far
    return Rendering(features, depth, opacity)


def along(origins: Tensor, directions: Tensor, distances: Tensor) -> Tensor:
    """Points (B, M * S, 3) at distances (B, M, S) along rays (B, M, 3)."""
    return (origins.unsqueeze(2) + distances.unsqueeze(-1) * directions.unsqueeze(2)).flatten(1, 2)


def contributions(sigma: Tensor, lengths: Tensor) -> Tensor:
    """What each sample (..., S) contributes: its opacity times the transmittance before it."""
    thickness = sigma * lengths
    before = thickness.cumsum(-1) - thickness
    return torch.exp(-before) * -torch.expm1(-thickness)
