"""Hair, brows, lashes and beards: opaque ribbons that follow strands, attached to the skin or grown over the skull.

A strand is S points; its ribbon has two vertices a point. Places are given on the mean face where a style has to know
where forehead, ears or chin are, and on the person's own face where strands have to stay outside the skin.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thedit.heads.people import Person

Array = NDArray[np.floating]
Project = Callable[[Array], tuple[Array, Array]]  # points (N, 3) -> nearest points on the skin, its normals

SKULL = np.array([0.0, 0.10, 0.02], np.float32)  # about the middle of the mean head's skull


@dataclass(frozen=True)
class Ribbons:
    """V vertices and T triangles of many ribbons.

    vertices, normal, tangent (V, 3); tint (V, 3) linear RGB; triangles (T, 3)
    """

    vertices: Array
    normal: Array
    tangent: Array
    tint: Array
    triangles: NDArray[np.int32]


def ribbons(points: Array, normals: Array, width: Array, tint: Array) -> Ribbons:
    """Ribbons along strands: points, normals (N, S, 3), width (N, S), tint (N, S, 3)."""
    count, steps = points.shape[:2]
    tangent = _unit(np.gradient(points, axis=1))
    side = _unit(np.cross(tangent, normals)) * width[..., None] / 2
    vertices = np.stack([points - side, points + side], 2).reshape(-1, 3)  # (N * S * 2, 3)
    corner = (np.arange(count)[:, None] * steps + np.arange(steps - 1)) * 2  # (N, S-1)
    quads = np.stack([corner, corner + 1, corner + 3, corner, corner + 3, corner + 2], -1).reshape(-1, 3)
    double = lambda values: np.repeat(values.reshape(-1, 3), 2, axis=0).astype(np.float32)  # noqa: E731
    return Ribbons(vertices.astype(np.float32), double(normals), double(tangent), double(tint), quads.astype(np.int32))


def join(parts: list[Ribbons]) -> Ribbons:
    """Several sets of ribbons as one."""
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    triangles = [part.triangles + start for part, start in zip(parts, starts)]
    return Ribbons(
        vertices=np.concatenate([part.vertices for part in parts]),
        normal=np.concatenate([part.normal for part in parts]),
        tangent=np.concatenate([part.tangent for part in parts]),
        tint=np.concatenate([part.tint for part in parts]),
        triangles=np.concatenate(triangles).astype(np.int32),
    )


def brows(person: Person, landmarks: Array, project: Project) -> Ribbons:
    """Both brows on the mean face, from its 68 landmarks."""
    generator = np.random.default_rng([person.seed, 1])
    both = []
    for side, curve in ((-1.0, landmarks[[21, 20, 19, 18, 17]]), (1.0, landmarks[22:27])):
        count = int(150 * (0.6 + 0.5 * person.brow_thickness))
        u = generator.beta(1.0, 1.15, count).astype(np.float32)
        half = 0.0095 * person.brow_thickness * np.interp(u, [0, 0.15, 0.6, 1], [0.75, 1, 0.8, 0.25])
        across = np.clip(generator.normal(0, 0.5, count), -1, 1) * half
        line = np.stack([np.interp(u * 4, np.arange(5), curve[:, axis]) for axis in range(3)], -1)
        line[:, 1] += across - 0.008
        root, normal = project(line)
        # Inner hairs stand up, the others lie outwards; upper ones comb down, lower ones up.
        rise = np.interp(u, [0, 0.2, 0.6, 1], [1.3, 0.55, 0.1, -0.35]) - 0.5 * across / (half + 1e-6)
        aim = np.stack([np.full(count, side), rise, np.zeros(count)], -1) + generator.normal(0, 0.16, (count, 3))
        direction = _unit(aim - normal * (aim * normal).sum(-1, keepdims=True))
        length = generator.uniform(0.012, 0.02, count) * np.interp(u, [0, 0.3, 1], [0.8, 1, 0.75])
        both.append(_short(root, normal, direction, length, 0.0019, person.brow_colour, generator, 0.1))
    return join(both)


def lashes(person: Person, strips: list[Array]) -> Ribbons:
    """Lashes on the mean face. ``strips``: the vertices (N, 3) of each eyelash sheet of the base mesh."""
    generator = np.random.default_rng([person.seed, 2])
    colour = (0.006, 0.005, 0.005) if person.female else (0.02, 0.012, 0.008)
    parts = []
    for strip in strips:
        upper = strip[strip[:, 2].argmax(), 1] > strip[strip[:, 2].argmin(), 1]
        centre = (strip[:, 0].min() + strip[:, 0].max()) / 2
        near, far = _border(strip, strip[:, 2]), _border(strip, -strip[:, 1] if upper else strip[:, 1])
        count = (60 if upper else 30) if person.female else (40 if upper else 18)
        u = np.linspace(0.02, 0.98, count) + generator.uniform(-0.01, 0.01, count)
        root, tip = _along(near, u), _along(far, u + generator.normal(0, 0.02, count))
        reach = (0.95 if person.female else 0.7) * generator.uniform(0.75, 1, (count, 1))
        tip = root + (tip - root) * reach
        share = np.linspace(0, 1, 4)[None, :, None]
        points = root[:, None] * (1 - share) + tip[:, None] * share  # (N, 4, 3)
        points[..., 1] += (0.0035 if upper else -0.001) * (share[..., 0] ** 2 - share[..., 0] * 0.7)
        normal = _unit(
            np.stack([points[..., 0] - centre, np.zeros_like(points[..., 0]), np.full(points.shape[:2], 0.05)], -1)
        )
        width = np.broadcast_to(np.array([0.0014, 0.0012, 0.0008, 0.0003]), points.shape[:2])
        facing = _unit(np.cross(np.gradient(points, axis=1), normal))
        parts.append(ribbons(points, facing, width, np.broadcast_to(np.array(colour), points.shape)))
    return join(parts)


def beard(person: Person, rest: Array, triangles: NDArray[np.int32]) -> Ribbons | None:
    """Moustache, goatee or full beard on the mean face ``rest`` (V, 3); stubble is painted instead."""
    if person.beard in ("none", "stubble"):
        return None
    generator = np.random.default_rng([person.seed, 3])
    density = beard_density(person, rest[triangles].mean(1))
    root, normal = _scatter(rest, triangles, density, 3200 if person.beard == "full" else 1500, generator)
    direction = np.stack(
        [0.35 * np.sign(root[:, 0]) * np.minimum(np.abs(root[:, 0]) / 0.03, 1), np.full(len(root), -1.0)], -1
    )
    direction = np.concatenate([direction, np.full((len(root), 1), 0.15)], 1) + generator.normal(0, 0.25, root.shape)
    direction = _unit(direction - 0.75 * normal * (direction * normal).sum(-1, keepdims=True))
    longest = (0.016 + 0.03 * person.beard_length) * np.where(root[:, 1] > -0.045, 0.55, 1)
    length = longest * generator.uniform(0.6, 1, len(root))
    return _short(root, normal, direction, length, 0.0022, person.hair_colour, generator, 0.35)


def beard_density(person: Person, place: Array) -> Array:
    """How much beard grows at places (N, 3) of the mean face, 0 to 1."""
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    lips = _ellipse(x, y, -0.066, 0.047, 0.024)
    lip_line = _step(0.9, 1.12, lips)
    moustache = _step(0.062, 0.045, x) * _step(-0.073, -0.066, y) * _step(-0.020, -0.030, y) * _step(0.16, 0.19, z)
    chin = _step(0.058, 0.04, x) * _step(-0.06, -0.075, y) * _step(-0.175, -0.155, y) * _step(0.11, 0.14, z)
    cheek_line = np.interp(x, [0.03, 0.07, 0.11, 0.135], [-0.045, -0.035, 0.0, 0.06])
    jaw = (
        _step(0.008, -0.008, y - cheek_line)
        * _step(-0.20, -0.165, y + 0.35 * (0.15 - z))
        * _step(0.04, 0.06, z)
        * _step(0.141, 0.134, x)
    )
    below_nose = _step(0.018, 0.028, np.hypot(x, (y + 0.02) * 1.2))
    parts = {
        "none": 0.0 * x,
        "moustache": moustache,
        "goatee": np.maximum(moustache, chin),
        "stubble": np.maximum(moustache, jaw),
        "full": np.maximum(moustache, jaw),
    }
    return (parts[person.beard] * lip_line * below_nose).astype(np.float32)


def scalp_density(person: Person, place: Array) -> Array:
    """How much hair grows at places (N, 3) of the mean face, 0 to 1."""
    x, y, z = place[:, 0], place[:, 1], place[:, 2]
    azimuth = np.degrees(np.arctan2(np.abs(x), z - 0.02))
    recede = person.hairline * np.interp(azimuth, [0, 25, 45, 60, 75], [0.8, 1.2, 1.6, 1.0, 0.0])
    line = np.interp(
        azimuth,
        [0, 20, 38, 52, 64, 74, 84, 100, 118, 140, 180],
        [0.207, 0.207, 0.200, 0.178, 0.13, 0.055, 0.04, 0.03, -0.02, -0.09, -0.11],
    )
    ears = _step(
        1.0,
        1.25,
        _ellipse(x=np.abs(x) * 0, y=y, height=0.035, width=1.0, tall=0.075)
        + 40 * np.maximum(0.128 - np.abs(x), 0)
        + 30 * np.maximum(np.abs(z - 0.02) - 0.035, 0),
    )
    return (_step(-0.006, 0.006, y - line - recede) * ears).astype(np.float32)


def hair(
    person: Person,
    rest: Array,
    own: Array,
    triangles: NDArray[np.int32],
    settle: Callable[[Array, Array, Array], Array],
) -> Ribbons | None:
    """Hair of the head, grown on the person's own face.

    rest, own: vertices (V, 3) of the mean and of the person's face; settle(points, least, most) moves points (N, 3)
    to where they are at least ``least`` (N,) and at most ``most`` (N,) outside the skin.
    """
    style = STYLES.get(person.hair_style)
    if style is None:
        return None
    generator = np.random.default_rng([person.seed, 4])
    density = scalp_density(person, rest[triangles].mean(1))
    pick = _pick(rest, triangles, density, style.strands, generator)
    corners, weights = triangles[pick[0]], pick[1]
    place = (rest[corners] * weights[..., None]).sum(1)  # (N, 3) on the mean face
    root = (own[corners] * weights[..., None]).sum(1)
    centre = SKULL + (root - place).mean(0)
    count, steps = len(root), style.steps
    layer = generator.random(count) ** 0.7
    clump = generator.normal(0, 1, (style.clumps, 3)).astype(np.float32)
    centres = place[generator.integers(0, count, style.clumps)]
    belongs = ((place[:, None] - centres[None]) ** 2).sum(-1).argmin(1)
    sway = clump[belongs] * style.disorder + generator.normal(0, 0.5 * style.disorder, (count, 3))
    length = style.length(person, place) * generator.uniform(0.82, 1.0, count) * (1 + 0.1 * clump[belongs, 0])
    thickness = style.thickness * (0.5 + person.hair_volume) * layer + 0.003

    points = np.empty((count, steps, 3), np.float32)
    points[:, 0] = at = root
    side = np.where(place[:, 0] > person.part_side, 1.0, -1.0)
    stopped = np.zeros(count, bool)
    for step in range(1, steps):
        progress = step / (steps - 1)
        outward = _unit(at - centre)
        direction = style.comb(person, at - centre + SKULL, side, progress) + sway
        direction += outward * style.lift * (1 - progress)
        direction -= outward * np.minimum((direction * outward).sum(-1, keepdims=True), 0) * 0.9
        ahead = at + _unit(direction) * (length / (steps - 1))[:, None]
        near = thickness * np.sin(np.pi * min(0.15 + 0.7 * progress, 0.75))
        hangs = _step(0.06, -0.04, ahead[:, 1])
        ahead = settle(ahead, near, near + style.loose + hangs * 10)
        if person.hair_style == "fringe":
            stopped |= (ahead[:, 2] > 0.12) & (np.abs(ahead[:, 0]) < 0.12) & (ahead[:, 1] < 0.142 + 0.012 * layer)
        at = np.where(stopped[:, None], at + (ahead - at) * 0.02, ahead).astype(np.float32)
        points[:, step] = at
    points += _curls(
        points, centre, length, style.curl + (1 - style.curl) * style.curlable * person.hair_curl, generator
    )
    if person.hair_style != "fringe":  # strands that would cross the face are left out
        face = (points[..., 2] > 0.12) & (np.abs(points[..., 0]) < 0.105) & (points[..., 1] < 0.185)
        kept = ~face.any(1)
        points, layer, belongs = points[kept], layer[kept], belongs[kept]
        count = len(points)
    normals = _unit(points - centre)
    normals[..., 1] *= 0.6
    share = np.linspace(0, 1, steps, dtype=np.float32)[None]
    width = (
        style.width * np.interp(share, [0, 0.15, 0.7, 1], [0.7, 1, 0.9, 0.25]) * generator.uniform(0.6, 1.2, (count, 1))
    )
    bright = (0.45 + 0.55 * layer[:, None]) * (0.7 + 0.3 * np.minimum(share * 2, 1))
    bright = bright * (1 + 0.16 * clump[belongs, 1:2]).clip(0.6, 1.4) * generator.uniform(0.8, 1.2, (count, 1))
    tint = bright[..., None] * np.array(person.hair_colour) * (1 + 0.25 * share[..., None] * np.array([1.0, 0.8, 0.6]))
    return ribbons(points, _unit(normals + generator.normal(0, 0.12, (count, 1, 3))), width, tint)


@dataclass(frozen=True)
class Style:
    """How a hair style grows. ``comb`` gives the wanted direction at a place; lengths are world units."""

    comb: Callable[[Person, Array, Array, float], Array]
    length: Callable[[Person, Array], Array]
    strands: int = 7000
    steps: int = 9
    width: float = 0.0034
    thickness: float = 0.02
    lift: float = 0.4
    disorder: float = 0.12
    curl: float = 0.0
    curlable: float = 0.5
    clumps: int = 160
    loose: float = 0.008  # how far above its layer a strand may stand where it does not hang


def _comb_down(person: Person, at: Array, side: Array, share: float) -> Array:
    """From the parting to the sides and down, clear of the face."""
    top = _step(0.17, 0.26, at[:, 1])
    direction = np.stack([side * (0.25 + 1.1 * top), -1.0 + 0.9 * top, -0.25 * np.ones(len(at))], -1)
    face = _step(0.06, 0.12, at[:, 2]) * _step(0.23, 0.18, at[:, 1])
    return direction + face[:, None] * np.stack([1.2 * np.sign(at[:, 0]), 0.6 + 0 * side, -1.6 + 0 * side], -1)


def _comb_back(person: Person, at: Array, side: Array, share: float) -> Array:
    low = _step(0.2, 0.05, at[:, 1]) + _step(0.0, -0.12, at[:, 2])
    return np.stack([-0.3 * at[:, 0] / 0.12, 0.25 - 0.9 * low, -1.0 + 0 * side], -1)


def _comb_forward(person: Person, at: Array, side: Array, share: float) -> Array:
    front = _step(-0.05, 0.10, at[:, 2]) * _step(0.2, 0.25, at[:, 1])
    return np.stack([0.3 * side, -0.8 + 0.6 * front, 0.2 + 0.9 * front], -1)


def _comb_side(person: Person, at: Array, side: Array, share: float) -> Array:
    sign = -1.0 if person.part_side > 0 else 1.0
    top = _step(0.19, 0.24, at[:, 1])
    return np.stack([sign * (0.2 + 0.9 * top), -0.9 + 0.95 * top, 0.25 * top - 0.35 * (1 - top)], -1)


def _comb_fringe(person: Person, at: Array, side: Array, share: float) -> Array:
    front = _step(0.02, 0.08, at[:, 2]) * _step(0.105, 0.085, np.abs(at[:, 0]))
    forward = np.stack([0.15 * at[:, 0] / 0.1, -0.35 - 0.6 * _step(0.17, 0.2, at[:, 2]), 1.0 + 0 * side], -1)
    return _comb_down(person, at, side, share) * (1 - front[:, None]) + forward * front[:, None]


def _radial(person: Person, at: Array, side: Array, share: float) -> Array:
    return _unit(at - SKULL) * 1.2 + np.array([0, -0.1, 0], np.float32)


def _graded(top: float, sides: float, grow: float) -> Callable[[Person, Array], Array]:
    """Length from the sides' to the top's, longer by ``grow`` for long hair."""

    def length(person: Person, place: Array) -> Array:
        share = _step(0.13, 0.24, place[:, 1])
        return (sides + (top - sides) * share) * (1 + grow * person.hair_length)

    return length


STYLES: dict[str, Style] = {
    "crop": Style(
        _comb_forward,
        _graded(0.055, 0.02, 0.6),
        strands=9000,
        steps=6,
        thickness=0.012,
        lift=0.9,
        disorder=0.3,
        loose=0.02,
    ),
    "side": Style(_comb_side, _graded(0.13, 0.03, 0.5), thickness=0.022, lift=0.9, disorder=0.12),
    "back": Style(_comb_back, _graded(0.20, 0.10, 0.4), thickness=0.012, lift=0.3, disorder=0.06, curlable=0.2),
    "curly": Style(
        _comb_down, _graded(0.20, 0.15, 0.9), thickness=0.045, lift=1.0, disorder=0.35, curl=0.7, steps=14, loose=0.03
    ),
    "afro": Style(
        _radial,
        _graded(0.07, 0.045, 1.2),
        strands=9000,
        steps=10,
        thickness=0.02,
        lift=1.0,
        disorder=0.3,
        curl=0.9,
        loose=1.0,
    ),
    "bob": Style(
        _comb_down, _graded(0.40, 0.24, 0.25), strands=5000, width=0.0042, thickness=0.03, lift=0.35, disorder=0.05
    ),
    "long": Style(
        _comb_down,
        _graded(0.68, 0.52, 0.3),
        strands=5000,
        width=0.0042,
        thickness=0.03,
        lift=0.3,
        disorder=0.06,
        steps=13,
    ),
    "fringe": Style(
        _comb_fringe,
        _graded(0.42, 0.3, 0.4),
        strands=5500,
        width=0.004,
        thickness=0.026,
        lift=0.3,
        disorder=0.04,
        steps=11,
    ),
}


def _curls(points: Array, centre: Array, length: Array, curl: Array | float, generator: np.random.Generator) -> Array:
    """Displacement (N, S, 3) that winds strands: wider towards the tip, about one turn each 3 cm."""
    count, steps = points.shape[:2]
    share = np.linspace(0, 1, steps)[None]
    turns = np.minimum(length / 0.055, (steps - 1) / 4.0)[:, None]
    phase = 2 * np.pi * (turns * share + generator.random((count, 1)))
    outward = _unit(points - centre)
    aside = _unit(np.cross(np.gradient(points, axis=1), outward))
    size = 0.013 * curl * np.minimum(share * 3, 1)
    return (aside * (size * np.cos(phase))[..., None] + outward * (size * (1 + np.sin(phase)) / 2)[..., None]).astype(
        np.float32
    )


def _short(
    root: Array,
    normal: Array,
    direction: Array,
    length: Array,
    width: float,
    colour: tuple[float, float, float],
    generator: np.random.Generator,
    bend: float,
) -> Ribbons:
    """Four-point strands that leave the skin and bend along ``direction``."""
    share = np.linspace(0, 1, 4)[None, :, None]
    points = root[:, None] + direction[:, None] * length[:, None, None] * share
    points = points + normal[:, None] * (0.0008 + length[:, None, None] * bend * np.sin(share * 2.2))
    taper = np.array([0.9, 1.0, 0.8, 0.2]) * width * generator.uniform(0.7, 1.1, (len(root), 1))
    tint = np.array(colour) * generator.uniform(0.65, 1.3, (len(root), 1, 1)) * np.ones_like(points)
    return ribbons(points.astype(np.float32), np.repeat(normal[:, None], 4, 1), taper, tint)


def _pick(
    vertices: Array, triangles: NDArray[np.int32], density: Array, count: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], Array]:
    """Random triangles in proportion to area times density, and random barycentric coordinates."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) * density
    face = generator.choice(len(triangles), count, p=area / area.sum())
    u, v = generator.random((2, count))
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u), np.where(fold, 1 - v, v)
    return face, np.stack([1 - u - v, u, v], -1).astype(np.float32)


def _scatter(
    vertices: Array, triangles: NDArray[np.int32], density: Array, count: int, generator: np.random.Generator
) -> tuple[Array, Array]:
    face, weights = _pick(vertices, triangles, density, count, generator)
    corners = vertices[triangles[face]]  # (N, 3, 3)
    normal = _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    return (corners * weights[..., None]).sum(1), normal


def _border(strip: Array, score: Array) -> Array:
    """Of each of twelve bins along x the vertex with the lowest score, from left to right."""
    bins = np.linspace(strip[:, 0].min(), strip[:, 0].max() + 1e-6, 13)
    which = np.digitize(strip[:, 0], bins)
    chosen = [np.flatnonzero(which == i)[score[which == i].argmin()] for i in range(1, 13) if (which == i).any()]
    return strip[chosen]


def _along(curve: Array, u: Array) -> Array:
    """Points at shares u of a polyline, smoothed by a cubic fit."""
    t = np.linspace(0, 1, len(curve))
    return np.stack([np.polyval(np.polyfit(t, curve[:, axis], 4), np.clip(u, 0, 1)) for axis in range(3)], -1)


def _ellipse(x: Array, y: Array, height: float, width: float, tall: float) -> Array:
    return np.hypot(x / width, (y - height) / tall)


def _step(low: float, high: float, value: Array) -> Array:
    """Smooth step from 0 at ``low`` to 1 at ``high``, which may be the smaller."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _unit(vectors: Array) -> Array:
    return (vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)).astype(np.float32)
