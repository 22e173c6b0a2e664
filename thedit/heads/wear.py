"""What people wear: the garment beyond the head's mesh, glasses, hats, earrings, scarves, paint on the face."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thedit.heads.strands import smoothstep, unit

Array = NDArray[np.floating]
Colour = tuple[float, float, float]
Settle = Callable[[Array, Array, Array], Array]  # see `thedit.heads.geometry.Surface.settle`

METALS: tuple[Colour, ...] = ((0.45, 0.42, 0.38), (0.55, 0.38, 0.12), (0.03, 0.03, 0.035), (0.5, 0.25, 0.18))
SIDES = 8  # of a tube


@dataclass(frozen=True)
class Wear:
    """Colours are linear RGB; None where something is not worn.

    rims        half width, half height (world units), exponent of the glasses' superellipse
    sunglasses  whether their lenses are dark; clear ones are left out
    hat         height of its edge on the forehead, world units
    earrings    radius, world units
    shadow      share of eye shadow on the lids
    blush       share of rouge on the cheeks
    stripes     cycles of the garment's pattern a world unit; 0 is plain
    """

    rims: tuple[float, float, float] | None
    rim_colour: Colour
    sunglasses: bool
    hat: float | None
    hat_colour: Colour
    earrings: float | None
    metal: Colour
    scarf: Colour | None
    shadow: float
    shadow_colour: Colour
    blush: float
    stripes: float
    stripe_colour: Colour


def sample(generator: np.random.Generator, female: bool, age: float) -> Wear:
    """What somebody wears."""
    uniform, chance = generator.uniform, lambda p: bool(generator.random() < p)

    def colour(low: float, high: float) -> Colour:
        r, g, b = uniform(low, high) * (0.25 + 0.75 * generator.random(3))
        return float(r), float(g), float(b)

    rims = (float(uniform(0.036, 0.046)), float(uniform(0.024, 0.036)), float(generator.choice([2.0, 2.6, 4.0])))
    metal = METALS[generator.integers(len(METALS))]
    painted = female and chance(0.45)
    return Wear(
        rims=rims if chance(0.18 + 0.2 * age) else None,
        rim_colour=metal if chance(0.6) else colour(0.01, 0.4),
        sunglasses=chance(0.12),
        hat=float(uniform(0.165, 0.2)) if chance(0.12) else None,
        hat_colour=colour(0.02, 0.6),
        earrings=float(uniform(0.005, 0.012)) if chance(0.45 if female else 0.06) else None,
        metal=metal,
        scarf=colour(0.03, 0.6) if chance(0.08) else None,
        shadow=float(uniform(0.2, 0.7)) if painted else 0.0,
        shadow_colour=colour(0.02, 0.25),
        blush=float(uniform(0.1, 0.5)) if painted else 0.0,
        stripes=float(uniform(8, 40)) if chance(0.3) else 0.0,
        stripe_colour=colour(0.02, 0.7),
    )


@dataclass(frozen=True)
class Piece:
    """V vertices and T triangles that do not deform.

    vertices, normal (V, 3); triangles (T, 3); tint linear RGB; gloss 0 for cloth, else the highlight's size;
    follow 0 if it goes with the head, 1 if with the body; thing: its label
    """

    vertices: Array
    normal: Array
    triangles: NDArray[np.int32]
    tint: Colour
    gloss: float
    follow: float
    thing: str = "accessory"


def pieces(
    wear: Wear, rest: Array, own: Array, skin: NDArray[np.int32], landmarks: Array, settle: Settle
) -> list[Piece]:
    """Everything that is worn on somebody's own face.

    rest, own: vertices (V, 3) of the mean and of the person's face; skin (T, 3) triangles; landmarks (68, 3), own.
    """
    made = []
    if wear.rims:
        made += _glasses(wear, landmarks, settle)
    if wear.hat is not None:
        made += _hat(wear, rest, own, skin)
    if wear.earrings:
        for side in (-1.0, 1.0):
            lobe = own[((rest - np.array([side * 0.151, -0.018, 0.035])) ** 2).sum(1).argmin()]
            made.append(_ball(np.add(lobe, (side * 0.004, -wear.earrings, 0.004)), wear.earrings, wear.metal))
    if wear.scarf:
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        for level, reach in ((-0.235, 1.0), (-0.26, 1.12)):
            ring = np.stack([0.125 * np.sin(turn), level + 0.02 * np.cos(turn), -0.03 + 0.125 * np.cos(turn)], -1)
            ring = ring * [reach, 1, reach] + 0.004 * np.sin(turn * [[5], [7], [3]]).T
            made.append(_tube(ring, 0.032, wear.scarf, 0.0, closed=True, follow=0.75, thing="clothes"))
    return made


def body(rest: Array, own: Array, skin: NDArray[np.int32], colour: Colour) -> Piece:
    """The garment goes on where the head's mesh ends: down from the chest, along the arms."""
    edges = skin[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    _, place, count = np.unique(np.sort(edges, 1), axis=0, return_inverse=True, return_counts=True)
    border = edges[(count[place.ravel()] == 1) & (rest[edges].mean(1)[:, 1] < -0.3)]  # (E, 2)
    start = own[border]  # (E, 2, 3)
    arm = smoothstep(0.3, 0.44, np.abs(start[..., :1]))
    along = unit(arm * np.sign(start[..., :1]) * [0.75, 0, 0] + [0.0, -0.8, 0.0])
    middle = start * [1, 0, 1] * (1 - arm) + arm * (start - np.array([0.0, -0.45, -0.06])) * [0, 1, 1]
    ends = start + 0.9 * along
    vertices = np.concatenate([start, ends], 1).reshape(-1, 3)  # (E * 4, 3): a, b, a', b'
    first = 4 * np.arange(len(border))[:, None]
    triangles = (first[:, None] + [[0, 2, 1], [1, 2, 3]]).reshape(-1, 3).astype(np.int32)
    normal = np.tile(unit(middle), (1, 2, 1)).reshape(-1, 3)
    return Piece(vertices, normal, triangles, colour, 0.0, 1.0, "clothes")


def under_hat(wear: Wear, place: Array) -> NDArray[np.bool_]:
    """Whether places (..., 3) of the head lie under the hat."""
    return np.zeros(place.shape[:-1], bool) if wear.hat is None else _above(wear.hat, place) > 0


def _above(height: float, place: Array) -> Array:
    """Heights (...) of places (..., 3) over a hat's edge, which sinks towards the neck."""
    return place[..., 1] - height + 0.42 * (0.14 - place[..., 2])


def _glasses(wear: Wear, landmarks: Array, settle: Settle) -> list[Piece]:
    assert wear.rims
    wide, tall, power = wear.rims
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    cos, sin = np.cos(turn), np.sin(turn)
    front = max(landmarks[27, 2], landmarks[[19, 24], 2].max()) + 0.004
    eyes = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    made, inner, outer = [], [], []
    for side, eye in zip((-1.0, 1.0), eyes):
        x = eye[0] + side * 0.004 + wide * np.sign(cos) * np.abs(cos) ** (2 / power)
        y = eye[1] - 0.006 + tall * np.sign(sin) * np.abs(sin) ** (2 / power)
        z = front - 1.1 * np.maximum(np.abs(x) - 0.03, 0) ** 1.5 - 0.15 * np.maximum(eye[1] - y, 0)
        ring = settle(np.stack([x, y, z], -1).astype(np.float32), np.full(32, 0.004), np.full(32, 1.0))
        made.append(_tube(ring, 0.0026, wear.rim_colour, 1.0, closed=True))
        if wear.sunglasses:
            middle = ring.mean(0, keepdims=True)
            fan = np.stack([np.arange(32), (np.arange(32) + 1) % 32, np.full(32, 32)], -1).astype(np.int32)
            normal = unit(np.concatenate([ring, middle]) - (middle - [0, 0, 0.12]))
            made.append(Piece(np.concatenate([ring, middle]), normal, fan, (0.012, 0.012, 0.014), 2.0, 0.0))
        order = np.abs(ring[:, 0])
        inner.append(ring[order.argmin()])
        outer.append(ring[(order + 0.4 * ring[:, 1]).argmax()])
    bridge = np.linspace(inner[0], inner[1], 7) + np.sin(np.linspace(0, np.pi, 7))[:, None] * [0, 0.006, 0.004]
    made.append(_tube(bridge, 0.0024, wear.rim_colour, 1.0))
    for side, corner in zip((-1.0, 1.0), outer):
        path = np.linspace(corner, [side * 0.158, corner[1] - 0.004, 0.0], 12).astype(np.float32)
        path[2:] = settle(path[2:], np.full(10, 0.004), np.full(10, 1.0))
        made.append(_tube(path, 0.0026, wear.rim_colour, 1.0))
    return made


def _hat(wear: Wear, rest: Array, own: Array, skin: NDArray[np.int32]) -> list[Piece]:
    assert wear.hat is not None
    covered = skin[under_hat(wear, rest)[skin].any(1)]
    used, numbers = np.unique(covered, return_inverse=True)
    over = _above(wear.hat, rest[used])
    skull = own[used] - np.minimum(over, 0)[:, None] * np.array([0, 1.0, 0])  # the border lies on the edge
    away = unit(skull - np.array([0.0, 0.10, 0.02]))
    vertices = skull + away * (0.012 + 0.03 * smoothstep(0.0, 0.05, over))[:, None]
    return [Piece(vertices, away, numbers.reshape(-1, 3).astype(np.int32), wear.hat_colour, 0.0, 0.0)]


def _ball(centre: Array, radius: float, colour: Colour) -> Piece:
    path = centre + np.linspace(-radius, radius, 7)[:, None] * [0, 1, 0]
    return _tube(path, np.sqrt(np.maximum(radius**2 - np.linspace(-radius, radius, 7) ** 2, 1e-7)), colour, 2.0)


def _tube(
    path: Array, radius: float | Array, colour: Colour, gloss: float, closed: bool = False, follow: float = 0.0,
    thing: str = "accessory",
) -> Piece:  # fmt: skip
    """A tube of ``radius`` (a number, or one a point) around a path (N, 3)."""
    count = len(path)
    tangent = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    tangent = unit(tangent)
    helper = np.where(np.abs(tangent[:, 2:]) > 0.9, [[1.0, 0, 0]], [[0, 0, 1.0]])
    first = unit(np.cross(tangent, helper))
    second = np.cross(tangent, first)
    angle = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    normal = first[:, None] * np.cos(angle)[:, None] + second[:, None] * np.sin(angle)[:, None]  # (N, SIDES, 3)
    vertices = path[:, None] + normal * np.broadcast_to(radius, count)[:, None, None]
    ring = np.arange(count if closed else count - 1)[:, None]
    side, beside = np.arange(SIDES), (np.arange(SIDES) + 1) % SIDES
    here, there = ring * SIDES, (ring + 1) % count * SIDES
    corners = [here + side, there + side, there + beside], [here + side, there + beside, here + beside]
    triangles = np.concatenate([np.stack(three, -1).reshape(-1, 3) for three in corners]).astype(np.int32)
    return Piece(vertices.reshape(-1, 3), normal.reshape(-1, 3), triangles, colour, gloss, follow, thing)
