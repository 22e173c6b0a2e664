"""Where what is seen in one frame is in another: a gather over the linear head, exact for generated heads."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit import camera
from thedit.heads.assets import LABELS, MIRRORED_BLENDSHAPES, Assets
from thedit.shards.surface import Surface

ON_HEAD = 0.008  # world units; what deviates more from the linear head (the twisted neck) is left out
STEPS = 6  # triangles between what was seen near a cell's centre and what is met there
SEEN = 0.02  # world units that a point may lie behind what its cell shows and yet count as visible


@dataclass(frozen=True)
class Correspondence:
    """Of B pairs of frames what each of the target's G x G cells shows, and where that is in the source.

    uv           (B, G, G, 2) normalised coordinates in the source's frame; a cell's own where nothing is known
    offset       (B, G, G, 3) world units, the point in the source's expression minus the point in the target's
    distance     (B, G, G) of the target's point from the target's camera, world units; 0 for background
    label        (B, G, G) uint8 of the target, see `thedit.heads.assets.LABELS`
    valid        uv, offset and distance are known: head, hair, beard and glasses, without shoulders and twisted neck
    visible      valid, and the source's frame shows the point
    solid        somebody is there
    background   nobody is there
    open         nobody is there in either frame

    The last five are (B, G, G) bool.
    """

    uv: Tensor
    offset: Tensor
    distance: Tensor
    label: Tensor
    valid: Tensor
    visible: Tensor
    solid: Tensor
    background: Tensor
    open: Tensor


class Head(nn.Module):
    """The linear head model on a device: `thedit.heads.assets` as buffers that no checkpoint holds."""

    mean: Tensor
    identity: Tensor
    blendshapes: Tensor
    triangles: Tensor
    neighbours: Tensor
    other_side: Tensor

    def __init__(self, assets: Assets):
        super().__init__()
        tensors = {
            "mean": assets.mean.flatten(),  # (V * 3,)
            "identity": assets.identity.flatten(1),  # (K, V * 3)
            "blendshapes": assets.blendshapes.flatten(1),  # (52, V * 3)
            "triangles": assets.triangles.long(),  # (T, 3)
            "neighbours": _neighbours(assets.triangles.long()),  # (T, 3), across the edge opposite to each corner
            "other_side": torch.tensor(MIRRORED_BLENDSHAPES),
        }
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    def vertices(self, surface: Surface) -> Tensor:
        """Vertices (B, V, 3) of the heads in ``surface``, in the mirror if they are seen there."""
        mirrored = surface.mirrored[:, None]
        expression = torch.where(mirrored, surface.expression[:, self.other_side], surface.expression)
        identity = surface.identity @ self.identity[: surface.identity.shape[1]]  # fewer leave the others at zero
        vertices = (self.mean + identity + expression @ self.blendshapes).unflatten(1, (-1, 3))
        return torch.where(mirrored[..., None], vertices * vertices.new_tensor([-1.0, 1.0, 1.0]), vertices)

    def corners(self, vertices: Tensor, triangle: Tensor) -> Tensor:
        """Corners (B, N, 3, 3) among vertices (B, V, 3) of triangles (B, N)."""
        wanted = self.triangles[triangle].flatten(1)  # (B, N * 3)
        return vertices.gather(1, wanted[..., None].expand(-1, -1, 3)).unflatten(1, (-1, 3))

    def walk(self, vertices: Tensor, triangle: Tensor, origin: Tensor, ray: Tensor) -> tuple[Tensor, Tensor]:
        """From triangles (B, N) over the mesh to those that rays (B, N, 3) meet; with the weights (B, N, 3) there.

        Weights are negative where the ray does not meet the mesh within `STEPS` triangles.
        """
        for _ in range(STEPS):
            weights = _meet(origin, ray, self.corners(vertices, triangle))
            lowest, corner = weights.min(-1)
            triangle = torch.where(lowest < 0, self.neighbours[triangle, corner], triangle)
        return triangle, _meet(origin, ray, self.corners(vertices, triangle))


def correspond(head: Head, source: Surface, target: Surface) -> Correspondence:
    """Where the target's cells are in the source: pairs of frames of one person each, in float32."""
    with torch.autocast(target.distance.device.type, enabled=False), torch.no_grad():
        return _correspond(head, source, target)


def _correspond(head: Head, source: Surface, target: Surface) -> Correspondence:
    cells = target.label.shape[-1]
    label, triangle, distance = (field.flatten(1) for field in (target.label, target.triangle, target.distance))
    origin, ray = camera.rays(target.camera, cells)  # (B, N, 3)
    own = _cells(cells, origin.device)  # (N, 2)
    here, there = head.vertices(target), head.vertices(source)
    strand = (label >= LABELS["lashes"]) & (label != LABELS["clothes"])  # or accessory
    seen, near = triangle.clamp(min=0).long(), _all(target.weights.flatten(1, 2))  # near the cell's centre ...
    met, weights = head.walk(here, seen, origin, ray)  # ... and exactly there
    nearby = _at(head.corners(here, seen), near)
    astray = (camera.project(nearby, target.camera) - own).abs().amax(-1) > 1 / cells
    twisted = astray | (((nearby - origin).norm(dim=-1) - distance).abs() > ON_HEAD)

    met, weights = torch.where(strand, seen, met), torch.where(strand[..., None], near, weights)
    point, moved = (_at(head.corners(vertices, met), weights) for vertices in (here, there))
    offset = torch.where((triangle >= 0)[..., None], moved - point, 0.0)
    point = torch.where(strand[..., None], origin + ray * distance[..., None], point)
    jump = ((point - origin).norm(dim=-1) - distance).abs() > SEEN
    mesh = (label > 0) & (label < LABELS["lashes"]) & (triangle >= 0)
    valid = strand | (mesh & (weights >= 0).all(-1) & ~jump & ~twisted)

    moved = point + offset
    uv = torch.where(valid[..., None], camera.project(moved, source.camera), own)
    depth = functional.grid_sample(
        source.distance[:, None], 2 * uv[:, None] - 1, mode="nearest", padding_mode="border", align_corners=False
    )[:, 0, 0]
    behind = (moved - source.camera[:, None, 3:12:4]).norm(dim=-1) - depth
    inside = ((uv > 0) & (uv < 1)).all(-1)
    background = label == 0
    fields = {
        "uv": uv,
        "offset": torch.where(valid[..., None], offset, 0.0),
        "distance": torch.where(valid, (point - origin).norm(dim=-1), distance),
        "label": label,
        "valid": valid,
        "visible": valid & inside & (depth > 0) & (behind.abs() < SEEN),
        "solid": ~background,
        "background": background,
        "open": background & (source.label.flatten(1) == 0),
    }
    return Correspondence(**{name: field.unflatten(1, (cells, cells)) for name, field in fields.items()})


def _cells(count: int, device: torch.device) -> Tensor:
    """Centres (count * count, 2) of a frame's cells, row by row, in normalised coordinates."""
    steps = (torch.arange(count, device=device) + 0.5) / count
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).reshape(-1, 2)


def _neighbours(triangles: Tensor) -> Tensor:
    """For each of T triangles those across the edges opposite to its corners (T, 3); itself where the mesh ends."""
    edges = triangles[:, [[1, 2], [2, 0], [0, 1]]].sort(-1).values.flatten(0, 1)  # (T * 3, 2)
    _, edge = edges.unique(dim=0, return_inverse=True)
    owner = torch.arange(len(triangles)).repeat_interleave(3)
    first = torch.zeros(int(edge.max()) + 1, dtype=torch.long).scatter_reduce(
        0, edge, owner, "amin", include_self=False
    )
    last = torch.zeros_like(first).scatter_reduce(0, edge, owner, "amax")
    return (first[edge] + last[edge] - owner).unflatten(0, (-1, 3))


def _all(weights: Tensor) -> Tensor:
    """All three barycentric weights of the first two (..., 2)."""
    return torch.cat([weights, 1 - weights.sum(-1, keepdim=True)], -1)


def _at(corners: Tensor, weights: Tensor) -> Tensor:
    """Points (..., 3) of triangles (..., 3, 3) at barycentric weights (..., 3)."""
    return (corners * weights[..., None]).sum(-2)


def _meet(origin: Tensor, ray: Tensor, corners: Tensor) -> Tensor:
    """Barycentric weights (..., 3) of where rays meet the planes of triangles (..., 3, 3), inside them or not."""
    a, b, c = corners.unbind(-2)
    normal = torch.linalg.cross(b - a, c - a)
    along = ((a - origin) * normal).sum(-1) / (ray * normal).sum(-1)
    point = origin + along[..., None] * ray
    area = (normal * normal).sum(-1, keepdim=True)
    first = (torch.linalg.cross(c - b, point - b) * normal).sum(-1, keepdim=True) / area
    second = (torch.linalg.cross(a - c, point - c) * normal).sum(-1, keepdim=True) / area
    return torch.cat([first, second, 1 - first - second], -1).nan_to_num(nan=torch.inf)
