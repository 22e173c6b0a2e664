"""Bilinear samples on a processor, where nothing is to be learnt: of tri-planes and of pictures.

A point's value is one weighted sum of texels, four of a picture and twelve of three planes, each read with all its
channels side by side. torch's grid_sample reads every channel of every texel on its own, which takes several times as
long. What is given with its channels side by side in memory (channels last) is read as it lies.
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
    texels = planes.permute(0, 3, 4, 1, 2).reshape(-1, channels)  # (B * R * R * 3, F)
    (x, u), (y, v) = (_split(points, chosen, side) for chosen in zip(*axes))
    pictures = torch.arange(batch, dtype=torch.int32, device=planes.device).view(batch, 1, 1)
    number = torch.arange(count, dtype=torch.int32, device=planes.device)
    first = ((pictures * side + y) * side + x) * count + number  # (B, P, 3)
    beside, under = count, side * count  # from a texel to its neighbours
    rows = torch.stack([first, first + beside, first + under, first + (beside + under)], dim=-1)
    right, below = u / count, v
    left, above = 1 / count - right, 1 - v
    shares = torch.stack([left * above, right * above, left * below, right * below], dim=-1)  # (B, P, 3, 4)
    rows, shares = rows.view(-1, 4 * count), shares.view(-1, 4 * count)
    return functional.embedding_bag(rows, texels, mode="sum", per_sample_weights=shares).unflatten(0, (batch, -1))


def of_pictures(pictures: Tensor, places: Tensor, border: bool) -> Tensor:
    """Bilinear samples (B, P, C) of pictures (B, C, H, W) at places (B, P, 2), x and y in [-1, 1] from edge to edge.

    Outside of a picture its ``border`` goes on, or there are zeros.
    """
    batch, channels, *sides = pictures.shape
    texels = pictures.permute(0, 2, 3, 1).reshape(-1, channels)  # (B * H * W, C)
    (y, above, below), (x, left, right) = (_around(places[..., n], sides[1 - n], border) for n in (1, 0))
    number = torch.arange(batch, dtype=torch.int32, device=pictures.device).view(batch, 1)
    first = (number * sides[0] + y) * sides[1] + x  # (B, P)
    rows = torch.stack([first, first + 1, first + sides[1], first + (sides[1] + 1)], dim=-1).view(-1, 4)
    shares = torch.stack([left * above, right * above, left * below, right * below], dim=-1).view(-1, 4)
    return functional.embedding_bag(rows, texels, mode="sum", per_sample_weights=shares).unflatten(0, (batch, -1))


def _around(places: Tensor, side: int, border: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Along one axis: the first of the two texels next to places (B, P) in [-1, 1], and what each contributes."""
    place = places * (side / 2) + (side - 1) / 2
    if border:
        place = place.clamp_(0, side - 1)
    texel = place.floor().nan_to_num_().clamp_(0, side - 2)
    beyond = place.sub_(texel)  # outside of [0, 1] where a place lies outside of the texels' centres
    return texel.int(), (1 - beyond.abs()).clamp_(min=0), (1 - (1 - beyond).abs_()).clamp_(min=0)


def _split(points: Tensor, chosen: tuple[int, ...], side: int) -> tuple[Tensor, Tensor]:
    """Along the ``chosen`` axis of each plane: the last texel before points (B, P, 3), and how far beyond they lie."""
    place = points @ torch.eye(3, dtype=points.dtype, device=points.device)[:, chosen]  # quicker than indexing
    place = place.mul_(side / 2).add_((side - 1) / 2).clamp_(0, side - 1)
    texel = place.floor().clamp_(max=side - 2)
    return texel.int(), place.sub_(texel)
