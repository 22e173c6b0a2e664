"""Volume rendering of a frame together with where each of its points is in the source's picture.

Shapes: B frames, K pictures of each source, M rays of n x n, S samples a ray, F channels of a plane, H hidden units.
The K pictures of a source lie side by side in the batch of planes and sources, B * K.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit.kernels import looped
from thedit.kernels import render as kernel
from thedit.model.dense.options import DenseOptions
from thedit.model.dense.source import Seen, Source, look
from thedit.model.renderer import FAR, NEAR, rays
from thedit.model.synthesis import Linear

SOLID = 0.05  # opacity from which on there is something to be seen
LEAST = 1e-3  # weight of a picture that does not show a point, beside those that do
RAYS_AT_ONCE = 1024
"""A processor that learns nothing draws so many rays at once: what it makes of them stays in its cache."""


class Drawing(NamedTuple):
    """Expected values along the rays of n x n pictures, weighted by what each sample contributes.

    All but the features are sums; divided by the opacity (`expected`) they are means over the surface.
    """

    features: Tensor  # (B, F, n, n) in [0, 1]
    opacity: Tensor  # (B, 1, n, n) in [0, 1]
    distance: Tensor  # (B, 1, n, n) from the camera's centre
    offset: Tensor  # (B, 3, n, n) from where a point is to where it is in the source's expression, mean over K
    place: Tensor  # (B * K, 2, n, n) in the source's wide picture
    near: Tensor  # (B * K, 1, n, n) whether the source's picture shows the point
    mirrored_place: Tensor  # (B * K, 2, n, n), of the same point of the head's other half
    mirrored_near: Tensor  # (B * K, 1, n, n)


def expected(total: Tensor, opacity: Tensor, least: float = 0.02) -> Tensor:
    """Means over the surface of sums (B * K, C, n, n) along rays of opacity (B, 1, n, n)."""
    return total / _each(opacity, total).clamp(min=least)


class DenseRenderer(nn.Module):
    """Renders planes of F channels to features and correspondences.

    A small network reads at each sample a density (its logit steep, so that surfaces are thin) and an offset: the
    sample's point plus the offset is where it is in the source's expression. There the source's picture is looked up;
    what is seen enters the network of the colour.
    """

    def __init__(self, options: DenseOptions):
        super().__init__()
        o = self.options = options
        channels, hidden = o.plane_channels, o.hidden
        self.coarse, self.fine = o.coarse, o.fine
        seen = (o.source_channels + 3 if o.source_features else 0) + (2 if o.visibility else 0)
        self.first = Linear(channels, hidden)
        self.second = Linear(hidden, 1 + 3 + hidden)
        self.third = Linear(hidden + seen * (2 if o.mirrored else 1), 2 * hidden)
        self.last = Linear(2 * hidden, channels)
        with torch.no_grad():
            self.second.weight[:1] /= o.steepness
            self.second.weight[1:4] = 0

    def forward(self, planes: Tensor, source: Source, cameras: Tensor, size: int, jitter: bool = False) -> Drawing:
        """Planes (B * K, 3, F, R, R), each moved from its picture's expression, seen by cameras (B, 25)."""
        origins, directions, ahead = rays(cameras, size)
        planes = planes.float()
        if planes.device.type == "cpu" and not torch.is_grad_enabled():
            planes = planes.flatten(1, 2).contiguous(memory_format=torch.channels_last).unflatten(1, (3, -1))
            pieces = zip(origins.split(RAYS_AT_ONCE, 1), directions.split(RAYS_AT_ONCE, 1))
            drawn = [self._draw(planes, source, *piece, ahead, jitter) for piece in pieces]
            sums = Drawing(*(torch.cat(values, dim=2) for values in zip(*drawn)))
        else:
            sums = self._draw(planes, source, origins, directions, ahead, jitter)
        return Drawing(*(values.unflatten(2, (size, size)) for values in sums))

    def _draw(
        self, planes: Tensor, source: Source, origins: Tensor, directions: Tensor, ahead: Tensor, jitter: bool
    ) -> Drawing:
        """What `forward` returns, (B, C, M) each, along rays (B, M, 3) that begin ``ahead`` (B,) of the cameras."""
        count = len(planes) // len(origins)
        with torch.autocast(planes.device.type, enabled=False):
            with torch.no_grad():
                distances = self._distances(_mean(planes.detach(), count), origins, directions, jitter)
            points = kernel.along(origins, directions, distances[..., :-1])  # (B, M * S, 3)
            sampled = kernel.sample_planes(planes, points.repeat_interleave(count, 0))  # (B * K, M * S, F)

        if count == 1 and looped(sampled):
            logit, offset, seen, mirrored, colours = self._at_once(sampled, points, source)
        else:
            logit, offset, hidden = self._field(sampled, count)
            there = points.repeat_interleave(count, 0) + offset
            seen = self._look(source, there)
            mirrored = self._look(source, _in_the_mirror(there)) if self.options.mirrored else seen
            colours = self._colours(hidden, seen, mirrored, count)

        with torch.autocast(planes.device.type, enabled=False):
            lengths = distances.diff(dim=-1)
            weights = kernel.contributions(functional.softplus(logit.float()).view_as(lengths), lengths)  # (B, M, S)
            away = distances[..., :-1].flatten(1) + ahead[:, None]

            def along_rays(values: Tensor) -> Tensor:
                return _composite(_each(weights, values), values)

            return Drawing(
                features=along_rays(torch.sigmoid(colours.float()) * 1.002 - 0.001),
                opacity=weights.sum(-1)[:, None],
                distance=along_rays(away[..., None]),
                offset=_mean(along_rays(offset), count),
                place=along_rays(seen.place),
                near=along_rays(seen.near[..., None]),
                mirrored_place=along_rays(mirrored.place),
                mirrored_near=along_rays(mirrored.near[..., None]),
            )

    def surface(self, planes: Tensor, cameras: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Distance from the camera's centre and opacity, both (B, 1, size, size); no gradient."""
        origins, directions, ahead = rays(cameras, size)
        shape = (-1, 1, size, size)
        with torch.no_grad(), torch.autocast(cameras.device.type, enabled=False):
            drawn = kernel.render(
                planes.detach().float(), self.decoder(), origins, directions, NEAR, FAR, self.coarse, self.fine
            )
            distance = torch.where(drawn.opacity > SOLID, drawn.distance(FAR), FAR) + ahead[:, None]
        return distance.view(shape), drawn.opacity.view(shape)

    def density(self, planes: Tensor, points: Tensor) -> Tensor:
        """Density (B, P) of planes (B, 3, F, R, R) at world points (B, P, 3)."""
        return kernel.density(planes, self.decoder(), points)

    def decoder(self) -> kernel.Decoder:
        """The density's network as the kernels take it; its features are constant."""
        first, second, steepness = self.first, self.second, self.options.steepness
        none = second.weight.new_zeros(self.options.plane_channels, second.weight.shape[1])
        weight = torch.cat([second.weight[:1] * second.scale * steepness, none])
        bias = torch.cat([second.bias[:1] * steepness, none[:, 0]])
        return kernel.Decoder(first.weight * first.scale, first.bias, weight, bias)

    def _distances(self, planes: Tensor, origins: Tensor, directions: Tensor, jitter: bool) -> Tensor:
        """Ascending distances (B, M, S + 1) of the samples, and where each ray ends."""
        shape = (*origins.shape[:2], self.coarse + self.fine)
        noise = torch.rand(shape, device=planes.device) if jitter else None
        return kernel.importance_distances(
            planes, self.decoder(), origins, directions, NEAR, FAR, self.coarse, self.fine, noise
        )

    def _at_once(self, sampled: Tensor, points: Tensor, source: Source) -> tuple[Tensor, Tensor, Seen, Seen, Tensor]:
        """Logit, offset, what is seen there and in the mirror, and the colours' logits, where nothing is learnt.

        The same as by `_field`, `_look` and `_colours`, but all that the network of the colour reads is written to its
        place at once.
        """
        o, second = self.options, self.second
        weight, bias = second.weight * second.scale, second.bias
        hidden = kernel.units(sampled, self.first.weight * self.first.scale, self.first.bias)
        read = functional.linear(hidden, weight[:4], bias[:4])
        offset = o.reach * torch.tanh(read[..., 1:4])
        joined = sampled.new_empty(*sampled.shape[:2], self.third.weight.shape[1])
        at = kernel.units(hidden, weight[4:], bias[4:], joined).shape[-1]
        found = []
        for there in (points + offset, _in_the_mirror(points + offset))[: 1 + o.mirrored]:
            seen = self._look(source, there, joined if o.source_features else None, at)
            at += seen.features.shape[-1] + 3 if o.source_features else 0
            if o.visibility:
                joined[..., at], joined[..., at + 1] = seen.behind, seen.near
                at += 2
            found.append(seen)
        units = kernel.units(joined, self.third.weight * self.third.scale, self.third.bias)
        return o.steepness * read[..., 0], offset, found[0], found[-1], self.last(units)

    def _field(self, sampled: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Plane features (B * K, P, F) -> logit (B, P), offset (B * K, P, 3), hidden features (B, P, H)."""
        read = self.second(functional.softplus(self.first(sampled)))
        offset = self.options.reach * torch.tanh(read[..., 1:4].float())
        if count > 1:
            read = self.second(functional.softplus(self.first(_mean(sampled, count))))
        return self.options.steepness * read[..., 0], offset, functional.softplus(read[..., 4:])

    def _look(self, source: Source, points: Tensor, into: Tensor | None = None, first: int = 0) -> Seen:
        """Points (B * K, P, 3) in the pictures; without visibility all count as seen."""
        seen = look(source, points, into, first)
        return seen if self.options.visibility else seen._replace(near=torch.ones_like(seen.near))

    def _colours(self, hidden: Tensor, seen: Seen, mirrored: Seen, count: int) -> Tensor:
        """Hidden features (B, P, H) and what the pictures show -> logits (B, P, F) of the features."""
        inputs = [hidden]
        for looked in (seen, mirrored) if self.options.mirrored else (seen,):
            share = looked.near[..., None] + LEAST
            if self.options.source_features:
                values = torch.cat([looked.features, looked.colour], dim=-1)
                inputs.append(_mean(share * values, count) / _mean(share, count) if count > 1 else values)
            if self.options.visibility:
                inputs += [_mean(looked.behind[..., None], count), _mean(looked.near[..., None], count)]
        joined = torch.cat([values.to(hidden.dtype) for values in inputs], dim=-1)
        return self.last(functional.softplus(self.third(joined)))


def _in_the_mirror(points: Tensor) -> Tensor:
    """World points (B, P, 3) of the head's other half."""
    return torch.cat([-points[..., :1], points[..., 1:]], dim=-1)


def _composite(weights: Tensor, values: Tensor) -> Tensor:
    """Sums (B, C, M) of values (B, M * S, C) with weights (B, M, S)."""
    rays, samples = weights.shape[1:]
    return (weights.unsqueeze(-2) @ values.unflatten(1, (rays, samples))).squeeze(-2).transpose(1, 2)


def _mean(values: Tensor, count: int) -> Tensor:
    """(B * K, ...) -> (B, ...)."""
    return values if count == 1 else values.unflatten(0, (-1, count)).mean(1)


def _each(values: Tensor, like: Tensor) -> Tensor:
    """(B, ...) -> (B * K, ...), as many as ``like`` has."""
    count = len(like) // len(values)
    return values if count == 1 else values.repeat_interleave(count, 0)
