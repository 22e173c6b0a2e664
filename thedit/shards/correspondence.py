"""Where what is seen in one frame is in another: a gather over the linear head, exact for generated heads."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit import camera
from thedit.heads.assets import LABELS, MIRRORED_BLENDSHAPES, Assets
from thedit.heads.neck import follow
from thedit.shards.surface import Surface

STEPS = 12  # triangles between what was seen near a cell's centre and what is met there
SEEN = 0.02  # world units by which a point may be nearer or further than what was seen beside it
BEFORE = 0.002  # world units by which what covers a point lies before it


@dataclass(frozen=True)
class Correspondence:
    """Of B pairs of frames what each of the target's G x G cells shows, and where that is in the source.

    uv           (B, G, G, 2) normalised coordinates in the source's frame; a cell's own where nothing is known
    offset       (B, G, G, 3) world units, the point in the source's expression minus the point in the target's
    distance     (B, G, G) of the target's point from the target's camera, world units; 0 for background
    label        (B, G, G) uint8 of the target, see `thedit.heads.assets.LABELS`
    valid        uv, offset and distance are known: head, hair, beard and glasses, without shoulders and twisted neck
    shown        valid, and the source's frame shows the point; where strands are seen, within a few pixels
    visible      shown, of the head's own surface and not beside strands, which may cover a cell's centre: there ``uv``
                 is where the source shows what the target shows at the cell's centre, to 0.3 pixels of 256
    solid        somebody is there
    background   nobody is there
    open         nobody is there in either frame

    The last six are (B, G, G) bool.
    """

    uv: Tensor
    offset: Tensor
    distance: Tensor
    label: Tensor
    valid: Tensor
    shown: Tensor
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
    linear: Tensor
    part: Tensor
    other_side: Tensor

    def __init__(self, assets: Assets):
        super().__init__()
        tensors = {
            "mean": assets.mean.flatten(),  # (V * 3,)
            "identity": assets.identity.flatten(1),  # (K, V * 3)
            "blendshapes": assets.blendshapes.flatten(1),  # (52, V * 3)
            "triangles": assets.triangles.long(),  # (T, 3)
            "neighbours": _neighbours(assets.triangles.long()),  # (T, 3), across the edge opposite to each corner
            "linear": torch.from_numpy(follow(assets.mean.numpy()) == 0)[assets.triangles.long()].all(1),  # (T,)
            "part": (assets.part + 1).to(torch.uint8),  # (T,), as labels
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
        return torch.where(mirrored[..., None], torch.cat([-vertices[..., :1], vertices[..., 1:]], -1), vertices)

    def labels(self, surface: Surface, triangle: Tensor) -> Tensor:
        """What triangles (B, N) are part of, as labels of `LABELS`: in the mirror the left eye is the right one."""
        label = self.part[triangle]
        left, right = (label == LABELS[f"eye_{side}"] for side in ("left", "right"))
        mirrored = surface.mirrored[:, None]
        label = torch.where(mirrored & left, LABELS["eye_right"], label)
        return torch.where(mirrored & right, LABELS["eye_left"], label)

    def corners(self, vertices: Tensor, triangle: Tensor) -> Tensor:
        """Corners (B, N, 3, 3) among vertices (B, V, 3) of triangles (B, N)."""
        wanted = self.triangles[triangle].flatten(1)  # (B, N * 3)
        return vertices.gather(1, wanted[..., None].expand(-1, -1, 3)).unflatten(1, (-1, 3))

    def cones(self, vertices: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
        """Triangles of vertices (B, V, 3) as cones from ``origin`` (B, 1, 3): what `meet` needs, gathered at each step.

        Matrices (B, T, 3, 3), a ray's product with which is the unnormalised weights of the point that it meets, and
        determinants (B, T), which divided by the weights' sum are its distance.
        """
        a, b, c = (vertices[:, self.triangles[:, corner]] - origin for corner in range(3))
        normal = torch.linalg.cross(b - a, c - a)
        b_c, c_a, a_b = (normal + torch.linalg.cross(*pair) for pair in ((a, c - b), (b, a - c), (c, b - a)))
        return torch.stack([b_c, c_a, a_b], -1), (normal * a).sum(-1)

    def meet(
        self, cones: tuple[Tensor, Tensor], start: Tensor, near: Tensor, ray: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Where rays (B, N, 3) from the cones' tip first meet the mesh near triangles ``start`` (B, K, N), -1 for none.

        Each of the K is walked from over the mesh, `STEPS` triangles at most; what is met counts if it is about as far
        as ``near`` (B, K, N) says of that start. Returns triangles (B, N), weights (B, N, 3) and distances (B, N) of
        the nearest, infinite where none is met; and whether (B, N) no start that is nearer leads nowhere.
        """
        matrices, determinants = cones[0].flatten(0, 1).flatten(1), cones[1].flatten()
        x, y, z = ray[:, None].expand(-1, start.shape[1], -1, -1).reshape(-1, 3, 1).unbind(1)  # (B * K * N, 1)
        triangle = start.clamp(min=0).long().flatten()
        frame = len(self.triangles) * torch.arange(len(start), device=start.device).repeat_interleave(start[0].numel())
        for step in range(STEPS + 1):
            by_x, by_y, by_z = matrices.index_select(0, frame + triangle).view(-1, 3, 3).unbind(1)
            weights = by_x * x + by_y * y + by_z * z
            total = weights.sum(-1)
            weights = weights / total[:, None]
            lowest, corner = weights.min(-1)
            if step < STEPS:
                triangle = torch.where(lowest < 0, self.neighbours[triangle, corner], triangle)
        distance = (determinants[frame + triangle] / total).view_as(near)
        met = (lowest >= 0).view_as(near) & (start >= 0) & ((distance - near).abs() < SEEN)
        nearest, which = torch.where(met, distance, torch.inf).min(1, keepdim=True)  # (B, 1, N)
        sure = ~((start >= 0) & ~met & (near < nearest)).any(1)
        triangle = triangle.view_as(near).gather(1, which)[:, 0]
        weights = weights.view(*near.shape, 3).gather(1, which[..., None].expand(-1, -1, -1, 3))[:, 0]
        return triangle, weights, nearest[:, 0], sure


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

    starts = _around(target, own.expand(len(target), -1, -1))
    met, weights, away, sure = head.meet(head.cones(here, origin[:, :1]), *starts, ray)
    met = torch.where(strand, triangle.clamp(min=0).long(), met)  # a strand is taken for what was seen nearby
    weights = torch.where(strand[..., None], _all(target.weights.flatten(1, 2)), weights)
    point, moved = (_at(head.corners(vertices, met), weights) for vertices in (here, there))
    offset = torch.where((triangle >= 0)[..., None], moved - point, 0.0)
    point = torch.where(strand[..., None], origin + ray * distance[..., None], point)
    mesh = _is_mesh(label) & away.isfinite()
    valid = (strand | mesh) & ((triangle < 0) | head.linear[met])

    moved = point + offset
    uv = torch.where(valid[..., None], camera.project(moved, source.camera), own)
    seen = _seen(head, there, source, moved, uv, mesh)
    background = label == 0
    fields = {
        "uv": uv,
        "offset": torch.where(valid[..., None], offset, 0.0),
        "distance": torch.where(valid, (point - origin).norm(dim=-1), distance),
        "label": torch.where(valid & mesh, head.labels(target, met), label),
        "valid": valid,
        "shown": valid & seen,
        "visible": valid & seen & mesh & sure & ~_beside_strands(target.label).flatten(1),
        "solid": ~background,
        "background": background,
        "open": background & (source.label.flatten(1) == 0),
    }
    return Correspondence(**{name: field.unflatten(1, (cells, cells)) for name, field in fields.items()})


def _seen(head: Head, vertices: Tensor, frame: Surface, point: Tensor, uv: Tensor, mesh: Tensor) -> Tensor:
    """Whether frames show points (B, N, 3) at ``uv`` (B, N, 2); nothing may stand before those of the ``mesh``."""
    origin = frame.camera[:, None, 3:12:4]
    ray = point - origin
    away = ray.norm(dim=-1)
    *_, first, _ = head.meet(head.cones(vertices, origin), *_around(frame, uv), ray / away[..., None])
    covered = mesh & (first < away - BEFORE)
    shown = functional.grid_sample(
        frame.distance[:, None], 2 * uv[:, None] - 1, mode="nearest", padding_mode="border", align_corners=False
    )[:, 0, 0]
    inside = ((uv > 0) & (uv < 1)).all(-1)
    return inside & (shown > 0) & ((away - shown).abs() < SEEN) & ~covered


def _around(frame: Surface, uv: Tensor) -> tuple[Tensor, Tensor]:
    """Triangles (B, 5, N) of the mesh seen in the cell that holds each of ``uv`` (B, N, 2) and beside it; distances.

    -1 where something else was seen.
    """
    cells = frame.label.shape[-1]
    triangle = torch.where(_is_mesh(frame.label), frame.triangle, -1).flatten(1)
    column, row = (uv * cells).nan_to_num().clamp(0, cells - 1).long().unbind(-1)  # (B, N)
    columns = torch.stack([column, column - 1, column + 1, column, column], 1).clamp(0, cells - 1)  # (B, 5, N)
    rows = torch.stack([row, row, row, row - 1, row + 1], 1).clamp(0, cells - 1)
    index = (rows * cells + columns).flatten(1)
    return tuple(values.gather(1, index).unflatten(1, (5, -1)) for values in (triangle, frame.distance.flatten(1)))


def _is_mesh(label: Tensor) -> Tensor:
    return (label > 0) & (label < LABELS["lashes"])


def _beside_strands(label: Tensor) -> Tensor:
    """Cells (B, G, G) in or beside which a strand, cloth or something worn was seen: it may cover their centres."""
    covering = (label >= LABELS["lashes"]).float()[:, None]
    return functional.max_pool2d(covering, 3, 1, 1)[:, 0] > 0


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
