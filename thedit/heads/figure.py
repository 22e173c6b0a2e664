"""A person's geometry and materials, ready to be animated and rendered."""

from dataclasses import dataclass, replace

import numpy as np
import torch
import warp as wp
from numpy.typing import NDArray
from torch import Tensor

from thedit.heads import shading, skin, strands
from thedit.heads.assets import PARTS, Assets
from thedit.heads.people import Person

Array = NDArray[np.float32]

NECK = (0.0, -0.16, -0.04)  # the point that head and body turn about, on the mean face
SHOULDER_RAYS = 48


@dataclass(frozen=True)
class Figure:
    """V vertices and T triangles that deform, and hair that does not. Numpy arrays unless said otherwise.

    base       (V, 3) tensor, at rest
    actions    (52, V, 3) tensor, displacements
    follow     (V,) tensor: 0 where a vertex goes with the head, 1 where it goes with the body
    rest       (V, 3) on the mean face
    triangles  (T, 3); the first ones are those of the assets, in their order, without the lash sheets
    label      (T,) see `thedit.heads.shading.LABELS`
    tangent, tint, normal (V, 3) of strands; zero for other vertices
    hair       rigid ribbons
    texture    (side, side, 4), see `thedit.heads.skin.paint`
    """

    person: Person
    base: Tensor
    actions: Tensor
    follow: Tensor
    rest: Array
    triangles: NDArray[np.int32]
    label: NDArray[np.int32]
    tangent: Array
    tint: Array
    normal: Array
    hair: strands.Ribbons
    texture: Array

    def to(self, device: str) -> "Figure":
        """The same figure with its tensors on another device."""
        tensors = {name: getattr(self, name).to(device) for name in ("base", "actions", "follow")}
        return replace(self, **tensors)


class Wardrobe:
    """Turns people into figures; holds what all of them share."""

    def __init__(self, assets: Assets):
        self.assets = assets
        self.atlas = skin.atlas(assets)
        self.rest = assets.mean.numpy()
        self.skin = assets.triangles.numpy()[(assets.part == PARTS["skin"]).numpy()]
        self.sheets = assets.triangles.numpy()[(assets.part == PARTS["lashes"]).numpy()]
        self.solid = assets.triangles.numpy()[(assets.part != PARTS["lashes"]).numpy()]
        self.landmarks = self.rest[assets.landmarks.numpy()]
        self._skin_mesh = _mesh(self.rest, self.skin)
        self._sheet_mesh = _mesh(self.rest, self.sheets)

    def dress(self, person: Person) -> Figure:
        """Build one person's figure; about half a second."""
        assets = self.assets
        own = assets.vertices(torch.from_numpy(person.identity)).numpy()
        below = np.clip((person.neckline - self.rest[:, 1]) / 0.02, 0, 1)[:, None]
        outward = self.rest - np.stack([0 * self.rest[:, 0], self.rest[:, 1], 0 * self.rest[:, 2] - 0.05], -1)
        own = own + (0.006 * below * outward / (np.linalg.norm(outward, axis=1, keepdims=True) + 1e-6)).astype(
            np.float32
        )

        pieces = [(strands.brows(person, self.landmarks, self._project), self._skin_mesh, self.skin, "brows")]
        pieces.append((strands.lashes(person, self._sheet_vertices()), self._sheet_mesh, self.sheets, "lashes"))
        whiskers = strands.beard(person, self.rest, self.skin, self._project)
        if whiskers:
            pieces.append((whiskers, self._skin_mesh, self.skin, "beard"))
        base, actions, rest = [own], [assets.actions.numpy()], [self.rest]
        triangles, label = [self.solid], [assets.part.numpy()[: len(self.solid)] + 1]
        start = len(own)
        for ribbons, mesh, onto, name in pieces:
            face, weights, _ = _nearest(mesh, ribbons.vertices)
            corners = onto[face]
            blend = lambda values: (values[..., corners, :] * weights[..., None]).sum(-2)  # noqa: B023, E731
            base.append(blend(own) + ribbons.vertices - blend(self.rest))
            actions.append(np.stack([blend(action) for action in assets.actions.numpy()]))
            rest.append(ribbons.vertices)
            triangles.append(ribbons.triangles + start)
            label.append(np.full(len(ribbons.triangles), shading.LABELS[name], np.int32))
            start += len(ribbons.vertices)
        none = np.zeros_like(own)
        attributes = {
            name: np.concatenate([none] + [getattr(piece[0], name) for piece in pieces])
            for name in ("tangent", "tint", "normal")
        }
        places = np.concatenate(rest).astype(np.float32)
        sunk = places[:, 1] + 0.5 * places[:, 2]
        t = np.clip((-0.12 - sunk) / 0.18, 0, 1)
        return Figure(
            person=person,
            base=torch.from_numpy(np.concatenate(base).astype(np.float32)),
            actions=torch.from_numpy(np.concatenate(actions, 1).astype(np.float32)),
            follow=torch.from_numpy((t * t * (3 - 2 * t)).astype(np.float32)),
            rest=places,
            triangles=np.concatenate(triangles).astype(np.int32),
            label=np.concatenate(label).astype(np.int32),
            hair=self._hair(person, own),
            texture=skin.paint(person, self.atlas, self.landmarks),
            **attributes,
        )

    def _hair(self, person: Person, own: Array) -> strands.Ribbons:
        mesh = _mesh(own, self.skin)

        def settle(points: Array, least: Array, most: Array) -> Array:
            moved = wp.empty(len(points), dtype=wp.vec3, device="cpu")
            limits = (wp.array(limit.astype(np.float32), dtype=float, device="cpu") for limit in (least, most))
            inputs = [mesh.id, _vectors(points), *limits]
            wp.launch(_settle, dim=len(points), inputs=inputs, outputs=[moved], device="cpu")
            return moved.numpy()

        grown = strands.hair(person, self.rest, own, self.skin, settle)
        if grown is None:  # a triangle that no ray meets
            far = np.full((3, 3), 50.0, np.float32)
            return strands.Ribbons(far, far, far, far, np.array([[0, 1, 2]], np.int32))
        return grown

    def _project(self, points: Array) -> tuple[NDArray[np.int32], Array, Array]:
        face, weights, normal = _nearest(self._skin_mesh, points)
        on_skin = (self.rest[self.skin[face]] * weights[..., None]).sum(1)
        return face, weights, np.concatenate([normal, on_skin], 1)

    def _sheet_vertices(self) -> list[Array]:
        """Vertices of the four lash sheets: left and right, upper and lower."""
        height = self.landmarks[36:48, 1].mean()
        vertices = self.rest[np.unique(self.sheets)]
        left, upper = vertices[:, 0] > 0, vertices[:, 1] > height
        return [vertices[(left == a) & (upper == b)] for a in (True, False) for b in (True, False)]


def pose(figure: Figure, expression: Tensor, turn: Tensor) -> Tensor:
    """Vertices (T, V, 3) for expressions (T, 52) and the body's rotation vector (T, 3), radians, seen from the head."""
    frames = len(expression)
    points = (expression @ figure.actions.flatten(1)).unflatten(1, (-1, 3)) + figure.base  # (T, V, 3)
    pivot = points.new_tensor(NECK)
    angle = turn.norm(dim=-1).clamp_min(1e-8)  # (T,)
    axis = (turn / angle[:, None])[:, None].expand(frames, points.shape[1], 3)
    partial = (angle[:, None] * figure.follow)[..., None]  # (T, V, 1): the neck twists gradually
    arm = points - pivot
    along = (axis * arm).sum(-1, keepdim=True) * axis
    turned = along + (arm - along) * partial.cos() + torch.linalg.cross(axis, arm) * partial.sin()
    return torch.where(figure.follow[:, None] > 0, pivot + turned, points)


def _vectors(values: Array) -> wp.array:
    return wp.array(np.ascontiguousarray(values, np.float32), dtype=wp.vec3, device="cpu")


def _mesh(vertices: Array, triangles: NDArray[np.int32]) -> wp.Mesh:
    return wp.Mesh(_vectors(vertices), wp.array(triangles.ravel(), dtype=wp.int32, device="cpu"))


def _nearest(mesh: wp.Mesh, points: Array) -> tuple[NDArray[np.int32], Array, Array]:
    """Nearest triangle (N,), barycentric coordinates (N, 3) and triangle normal (N, 3) of points (N, 3)."""
    count = len(points)
    face = wp.empty(count, dtype=wp.int32, device="cpu")
    weights, normal = (wp.empty(count, dtype=wp.vec3, device="cpu") for _ in range(2))
    wp.launch(_query, dim=count, inputs=[mesh.id, _vectors(points)], outputs=[face, weights, normal], device="cpu")
    return face.numpy(), weights.numpy(), normal.numpy()


@wp.kernel
def _query(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),  # type: ignore[valid-type]
    face: wp.array(dtype=wp.int32),  # type: ignore[valid-type]
    weights: wp.array(dtype=wp.vec3),  # type: ignore[valid-type]
    normal: wp.array(dtype=wp.vec3),  # type: ignore[valid-type]
):
    i = wp.tid()
    near = wp.mesh_query_point_no_sign(mesh, points[i], 10.0)
    face[i] = near.face
    weights[i] = wp.vec3(near.u, near.v, 1.0 - near.u - near.v)
    normal[i] = wp.mesh_eval_face_normal(mesh, near.face)


@wp.kernel
def _settle(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),  # type: ignore[valid-type]
    least: wp.array(dtype=wp.float32),  # type: ignore[valid-type]
    most: wp.array(dtype=wp.float32),  # type: ignore[valid-type]
    moved: wp.array(dtype=wp.vec3),  # type: ignore[valid-type]
):
    i = wp.tid()
    p = points[i]
    near = wp.mesh_query_point_sign_normal(mesh, p, 10.0)
    on = wp.mesh_eval_position(mesh, near.face, near.u, near.v)
    away = (p - on) * near.sign
    distance = wp.length(away)
    moved[i] = p
    wanted = wp.clamp(distance * near.sign, least[i], most[i])
    if wanted != distance:
        direction = wp.mesh_eval_face_normal(mesh, near.face)
        if distance > 0.0005:
            direction = wp.normalize(away + direction * 0.001)
        moved[i] = on + direction * wanted
