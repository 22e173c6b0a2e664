"""A person's geometry and materials, ready to be animated and rendered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from thedit.heads import facial_hair, hair, neck, skin, wear
from thedit.heads.assets import LABELS, PARTS, Assets
from thedit.heads.geometry import Surface
from thedit.heads.people import Person
from thedit.heads.strands import Ribbons

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Figure:
    """V vertices and T triangles that deform, and hair that does not; numpy arrays.

    base       (V, 3) at rest
    blendshapes    (52, V, 3) displacements
    follow     (V,) 0 where a vertex goes with the head, 1 where it goes with the body
    rest       (V, 3) on the mean face
    triangles  (T, 3); the first ones are those of the assets, in their order, without the lash sheets
    label      (T,) see `thedit.heads.assets.LABELS`
    tangent, tint, normal (V, 3) of strands and of what is worn, whose gloss is its tangent's x; else zero
    anchor     (V,) triangle of the assets to which a strand's vertex is attached, -1 for other vertices
    anchor_weights (V, 2) of that triangle's first two vertices
    hair       rigid ribbons
    texture    (side, side, 4), see `thedit.heads.skin.paint`
    """

    person: Person
    base: Array
    blendshapes: Array
    follow: Array
    rest: Array
    triangles: NDArray[np.int32]
    label: NDArray[np.int32]
    tangent: Array
    tint: Array
    normal: Array
    anchor: NDArray[np.int32]
    anchor_weights: Array
    hair: Ribbons
    texture: Array


class Wardrobe:
    """Turns people into figures; holds what all of them share."""

    def __init__(self, assets: Assets):
        self.assets = assets
        self.atlas = skin.atlas(assets)
        self.rest = assets.mean.numpy()
        self.deltas = assets.blendshapes.transpose(0, 1).flatten(1).numpy()  # (V, 52 * 3)
        self.components = assets.identity.flatten(1).double().numpy()  # (K, V * 3)
        self.skin = assets.triangles.numpy()[(assets.part == PARTS["skin"]).numpy()]
        self.sheets = assets.triangles.numpy()[(assets.part == PARTS["lashes"]).numpy()]
        self.solid = assets.triangles.numpy()[(assets.part != PARTS["lashes"]).numpy()]
        self.landmarks = self.rest[assets.landmarks.numpy()]
        self._skin_surface = Surface(self.rest, self.skin)
        self._sheet_surface = Surface(self.rest, self.sheets)

    def dress(self, person: Person) -> Figure:
        """Build one person's figure; about half a second."""
        assets = self.assets
        # In double precision, because single-precision products differ with the arrays' place in memory.
        identity = np.tensordot(person.identity.astype(np.float64), self.components, 1).reshape(-1, 3)
        own = (self.rest + identity).astype(np.float32)
        below = np.clip((person.neckline - self.rest[:, 1]) / 0.02, 0, 1)[:, None]
        outward = self.rest - np.stack([0 * self.rest[:, 0], self.rest[:, 1], 0 * self.rest[:, 2] - 0.05], -1)
        own = own + (0.006 * below * outward / (np.linalg.norm(outward, axis=1, keepdims=True) + 1e-6)).astype(
            np.float32
        )

        pieces = [(facial_hair.brows(person, self.landmarks, self._project), self._skin_surface, self.skin, "brows")]
        pieces.append((facial_hair.lashes(person, self._sheet_vertices()), self._sheet_surface, self.sheets, "lashes"))
        whiskers = facial_hair.beard(person, self.rest, self.skin)
        if whiskers:
            pieces.append((whiskers, self._skin_surface, self.skin, "beard"))
        base, blendshapes, rest, follow = [own], [assets.blendshapes.numpy()], [self.rest], [neck.follow(self.rest)]
        triangles, label = [self.solid], [assets.part.numpy()[: len(self.solid)] + 1]
        anchor, anchor_weights = [np.full(len(own), -1)], [np.zeros((len(own), 2))]
        start = len(own)
        for ribbons, surface, onto, name in pieces:
            face, weights, _ = surface.nearest(ribbons.vertices)
            count = len(face)
            attach = csr_matrix((weights.ravel(), onto[face].ravel(), np.arange(count + 1) * 3), (count, len(own)))
            base.append(attach @ own + ribbons.vertices - attach @ self.rest)
            follow.append(attach @ follow[0])
            blendshapes.append((attach @ self.deltas).reshape(count, 52, 3).swapaxes(0, 1))
            rest.append(ribbons.vertices)
            anchor.append(face + (len(self.solid) if onto is self.sheets else 0))
            anchor_weights.append(weights[:, :2].astype(np.float64))
            triangles.append(ribbons.triangles + start)
            label.append(np.full(len(ribbons.triangles), LABELS[name], np.int32))
            start += len(ribbons.vertices)
        none = np.zeros_like(own)
        attributes = {
            name: [none] + [getattr(piece[0], name) for piece in pieces] for name in ("tangent", "tint", "normal")
        }
        for piece in self._worn(person, own):
            count = len(piece.vertices)
            base.append(piece.vertices)
            rest.append(piece.vertices)
            blendshapes.append(np.zeros((52, count, 3)))
            follow.append(np.full(count, piece.follow))
            triangles.append(piece.triangles + start)
            label.append(np.full(len(piece.triangles), LABELS[piece.thing], np.int32))
            anchor.append(np.full(count, -1))
            anchor_weights.append(np.zeros((count, 2)))
            for name, value in (("tangent", (piece.gloss, 0, 0)), ("tint", piece.tint), ("normal", piece.normal)):
                attributes[name].append(np.broadcast_to(value, (count, 3)))
            start += count
        return Figure(
            person=person,
            base=np.concatenate(base).astype(np.float32),
            blendshapes=np.concatenate(blendshapes, 1).astype(np.float32),
            follow=np.concatenate(follow).astype(np.float32),
            rest=np.concatenate(rest).astype(np.float32),
            triangles=np.concatenate(triangles).astype(np.int32),
            label=np.concatenate(label).astype(np.int32),
            anchor=np.concatenate(anchor).astype(np.int32),
            anchor_weights=np.concatenate(anchor_weights).astype(np.float32),
            hair=self._hair(person, own),
            texture=skin.paint(person, self.atlas, self.landmarks),
            **{name: np.concatenate(values).astype(np.float32) for name, values in attributes.items()},
        )

    def _worn(self, person: Person, own: Array) -> list[wear.Piece]:
        settle = Surface(own, self.skin).settle
        worn = wear.pieces(person.wear, self.rest, own, self.skin, own[self.assets.landmarks.numpy()], settle)
        return [wear.body(self.rest, own, self.skin, person.clothes), *worn]

    def _hair(self, person: Person, own: Array) -> Ribbons:
        grown = hair.grow(person, self.rest, own, self.skin, Surface(own, self.skin).settle)
        if grown is None:  # a triangle that no ray meets
            far = np.full((3, 3), 50.0, np.float32)
            return Ribbons(far, far, far, far, np.array([[0, 1, 2]], np.int32))
        return grown

    def _project(self, points: Array) -> tuple[Array, Array]:
        face, weights, normal = self._skin_surface.nearest(points)
        return (self.rest[self.skin[face]] * weights[..., None]).sum(1), normal

    def _sheet_vertices(self) -> list[Array]:
        """Vertices of the four lash sheets: left and right, upper and lower."""
        height = self.landmarks[36:48, 1].mean()
        vertices = self.rest[np.unique(self.sheets)]
        left, upper = vertices[:, 0] > 0, vertices[:, 1] > height
        return [vertices[(left == a) & (upper == b)] for a in (True, False) for b in (True, False)]
