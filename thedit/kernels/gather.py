"""Samples of tri-planes on a processor, where nothing is to be learnt: one weighted sum of twelve texels a point.

The four texels around a point on each of three planes are read with all their channels side by side. torch's
grid_sample reads every channel of every texel on its own, which takes several times as long.
"""

import torch
from torch import Tensor
from torch.nn import functional


def mean_of_planes(planes: Tensor, points: Tensor, axes: tuple[tuple[int, int], ...]) -> Tensor:
    """Mean (B, P, F) of bilinear samples of planes (B, 3, F, R, R), where points (B, P, 3) of [-1, 1]^3 fall on them.

    ``axes`` of a plane: those along its columns and its rows. Texels' centres and edges as grid_sample takes them with
    align_corners=False and padding_mode="border".
    """
    batch, count, channels, side = planes.shape[:4]
    texels = planes.permute(0, 1, 3, 4, 2).reshape(-1, channels)  # (B * 3 * R * R, F)
    (x, u), (y, v) = (_split(points, chosen, side) for chosen in zip(*axes))
    number = torch.arange(batch * count, dtype=torch.int32, device=planes.device).view(batch, 1, count)
    first = (number * side + y) * side + x  # (B, P, 3)
    rows = torch.stack([first, first + 1, first + side, first + (side + 1)], dim=-1)
    right, below = u / count, v
    left, above = 1 / count - right, 1 - v
    shares = torch.stack([left * above, right * above, left * below, right * below], dim=-1)  # (B, P, 3, 4)
    rows, shares = rows.view(-1, 4 * count), shares.view(-1, 4 * count)
    return functional.embedding_bag(rows, texels, mode="sum", per_sample_weights=shares).unflatten(0, (batch, -1))


def _split(points: Tensor, chosen: tuple[int, ...], side: int) -> tuple[Tensor, Tensor]:
    """Along the ``chosen`` axis of each plane: the last texel before points (B, P, 3), and how far beyond they lie."""
    place = points @ torch.eye(3, dtype=points.dtype, device=points.device)[:, chosen]  # quicker than indexing
    place = place.mul_(side / 2).add_((side - 1) / 2).clamp_(0, side - 1)
    texel = place.floor().clamp_(max=side - 2)
    return texel.int(), place.sub_(texel)
