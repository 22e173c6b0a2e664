"""Brows, lashes and beards, laid out on the mean face and attached to the skin, which they follow."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from thedit.heads.people import Person
from thedit.heads.strands import Array, Ribbons, join, pick, ribbons, smoothstep, unit

Project = Callable[[Array], tuple[Array, Array]]  # points (N, 3) -> nearest points on the skin, its normals


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
        direction = unit(aim - normal * (aim * normal).sum(-1, keepdims=True))
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
        normal = unit(
            np.stack([points[..., 0] - centre, np.zeros_like(points[..., 0]), np.full(points.shape[:2], 0.05)], -1)
        )
        width = np.broadcast_to(np.array([0.0014, 0.0012, 0.0008, 0.0003]), points.shape[:2])
        facing = unit(np.cross(np.gradient(points, axis=1), normal))
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
    direction = unit(direction - 0.75 * normal * (direction * normal).sum(-1, keepdims=True))
    longest = (0.016 + 0.03 * person.beard_length) * np.where(root[:, 1] > -0.045, 0.55, 1)
    length = longest * generator.uniform(0.6, 1, len(root))
    return _short(root, normal, direction, length, 0.0022, person.hair_colour, generator, 0.35)


def beard_density(person: Person, place: Array) -> Array:
    """How much beard grows at places (N, 3) of the mean face, 0 to 1."""
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    lips = _ellipse(x, y, -0.066, 0.047, 0.024)
    lip_line = smoothstep(0.9, 1.12, lips)
    moustache = (
        smoothstep(0.062, 0.045, x)
        * smoothstep(-0.073, -0.066, y)
        * smoothstep(-0.020, -0.030, y)
        * smoothstep(0.16, 0.19, z)
    )
    chin = (
        smoothstep(0.058, 0.04, x)
        * smoothstep(-0.06, -0.075, y)
        * smoothstep(-0.175, -0.155, y)
        * smoothstep(0.11, 0.14, z)
    )
    cheek_line = np.interp(x, [0.03, 0.07, 0.11, 0.135], [-0.045, -0.035, 0.0, 0.06])
    jaw = (
        smoothstep(0.008, -0.008, y - cheek_line)
        * smoothstep(-0.20, -0.165, y + 0.35 * (0.15 - z))
        * smoothstep(0.04, 0.06, z)
        * smoothstep(0.141, 0.134, x)
    )
    below_nose = smoothstep(0.018, 0.028, np.hypot(x, (y + 0.02) * 1.2))
    parts = {
        "none": 0.0 * x,
        "moustache": moustache,
        "goatee": np.maximum(moustache, chin),
        "stubble": np.maximum(moustache, jaw),
        "full": np.maximum(moustache, jaw),
    }
    return (parts[person.beard] * lip_line * below_nose).astype(np.float32)


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


def _scatter(
    vertices: Array, triangles: NDArray[np.int32], density: Array, count: int, generator: np.random.Generator
) -> tuple[Array, Array]:
    face, weights = pick(vertices, triangles, density, count, generator)
    corners = vertices[triangles[face]]  # (N, 3, 3)
    normal = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
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
