"""Hair: strands grown over the person's own skull, in a style that knows where forehead and ears are."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thedit.heads.people import Person
from thedit.heads.strands import Array, Ribbons, pick, ribbons, smoothstep, unit
from thedit.heads.wear import under_hat

SKULL = np.array([0.0, 0.10, 0.02], np.float32)  # about the middle of the mean head's skull


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
    beside = np.maximum(0.128 - np.abs(x), 0) * 40 + np.maximum(np.abs(z - 0.02) - 0.035, 0) * 30
    ears = smoothstep(1.0, 1.25, np.abs(y - 0.035) / 0.075 + beside)
    return (smoothstep(-0.006, 0.006, y - line - recede) * ears).astype(np.float32)


def grow(
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
    face, weights = pick(rest, triangles, density, style.strands, generator)
    corners = triangles[face]
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
        outward = unit(at - centre)
        direction = style.comb(person, at - centre + SKULL, side) + sway
        direction += outward * style.lift * (1 - progress)
        direction -= outward * np.minimum((direction * outward).sum(-1, keepdims=True), 0) * 0.9
        ahead = at + unit(direction) * (length / (steps - 1))[:, None]
        near = thickness * np.sin(np.pi * min(0.15 + 0.7 * progress, 0.75))
        hangs = smoothstep(0.06, -0.04, ahead[:, 1])
        ahead = settle(ahead, near, near + style.loose + hangs * 10)
        if person.hair_style == "fringe":
            stopped |= (ahead[:, 2] > 0.12) & (np.abs(ahead[:, 0]) < 0.12) & (ahead[:, 1] < 0.142 + 0.012 * layer)
        at = np.where(stopped[:, None], at + (ahead - at) * 0.02, ahead).astype(np.float32)
        points[:, step] = at
    points += _curls(
        points, centre, length, style.curl + (1 - style.curl) * style.curlable * person.hair_curl, generator
    )
    if person.wear.hat is not None:  # what hangs out of it, beside the face and behind
        hidden = under_hat(person.wear, points)
        front = (points[..., 2] > 0.08) & (np.abs(points[..., 0]) < 0.13)
        kept = (hidden.mean(1) < 0.6) & ~front.any(1)
        points, layer, belongs, hidden = points[kept], layer[kept], belongs[kept], hidden[kept]
        points = np.where(hidden[..., None], points + (SKULL - points) * 0.12, points).astype(np.float32)
        count = len(points)
    if person.hair_style != "fringe":  # strands that would cross the face are left out
        crossing = (points[..., 2] > 0.12) & (np.abs(points[..., 0]) < 0.105) & (points[..., 1] < 0.185)
        kept = ~crossing.any(1)
        points, layer, belongs = points[kept], layer[kept], belongs[kept]
        count = len(points)
    normals = unit(points - centre)
    normals[..., 1] *= 0.6
    share = np.linspace(0, 1, steps, dtype=np.float32)[None]
    width = (
        style.width * np.interp(share, [0, 0.15, 0.7, 1], [0.7, 1, 0.9, 0.25]) * generator.uniform(0.6, 1.2, (count, 1))
    )
    bright = (0.45 + 0.55 * layer[:, None]) * (0.7 + 0.3 * np.minimum(share * 2, 1))
    bright = bright * (1 + 0.16 * clump[belongs, 1:2]).clip(0.6, 1.4) * generator.uniform(0.8, 1.2, (count, 1))
    tint = bright[..., None] * np.array(person.hair_colour) * (1 + 0.25 * share[..., None] * np.array([1.0, 0.8, 0.6]))
    return ribbons(points, unit(normals + generator.normal(0, 0.12, (count, 1, 3))), width, tint)


@dataclass(frozen=True)
class Style:
    """How a hair style grows. ``comb`` gives the wanted direction at a place; lengths are world units."""

    comb: Callable[[Person, Array, Array], Array]
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


def _comb_down(person: Person, at: Array, side: Array) -> Array:
    """From the parting to the sides and down, clear of the face."""
    top = smoothstep(0.17, 0.26, at[:, 1])
    direction = np.stack([side * (0.25 + 1.1 * top), -1.0 + 0.9 * top, -0.25 * np.ones(len(at))], -1)
    face = smoothstep(0.06, 0.12, at[:, 2]) * smoothstep(0.23, 0.18, at[:, 1])
    return direction + face[:, None] * np.stack([1.2 * np.sign(at[:, 0]), 0.6 + 0 * side, -1.6 + 0 * side], -1)


def _comb_back(person: Person, at: Array, side: Array) -> Array:
    low = smoothstep(0.2, 0.05, at[:, 1]) + smoothstep(0.0, -0.12, at[:, 2])
    return np.stack([-0.3 * at[:, 0] / 0.12, 0.25 - 0.9 * low, -1.0 + 0 * side], -1)


def _comb_forward(person: Person, at: Array, side: Array) -> Array:
    front = smoothstep(-0.05, 0.10, at[:, 2]) * smoothstep(0.2, 0.25, at[:, 1])
    return np.stack([0.3 * side, -0.8 + 0.6 * front, 0.2 + 0.9 * front], -1)


def _comb_side(person: Person, at: Array, side: Array) -> Array:
    sign = -1.0 if person.part_side > 0 else 1.0
    top = smoothstep(0.19, 0.24, at[:, 1])
    return np.stack([sign * (0.2 + 0.9 * top), -0.9 + 0.95 * top, 0.25 * top - 0.35 * (1 - top)], -1)


def _comb_fringe(person: Person, at: Array, side: Array) -> Array:
    front = smoothstep(0.02, 0.08, at[:, 2]) * smoothstep(0.105, 0.085, np.abs(at[:, 0]))
    forward = np.stack([0.15 * at[:, 0] / 0.1, -0.35 - 0.6 * smoothstep(0.17, 0.2, at[:, 2]), 1.0 + 0 * side], -1)
    return _comb_down(person, at, side) * (1 - front[:, None]) + forward * front[:, None]


def _radial(person: Person, at: Array, side: Array) -> Array:
    return unit(at - SKULL) * 1.2 + np.array([0, -0.1, 0], np.float32)


def _graded(top: float, sides: float, grow: float) -> Callable[[Person, Array], Array]:
    """Length from the sides' to the top's, longer by ``grow`` for long hair."""

    def length(person: Person, place: Array) -> Array:
        share = smoothstep(0.13, 0.24, place[:, 1])
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
        _comb_down,
        _graded(0.40, 0.24, 0.25),
        strands=4500,
        width=0.0044,
        thickness=0.03,
        lift=0.35,
        disorder=0.05,
        steps=15,
    ),
    "long": Style(
        _comb_down,
        _graded(0.68, 0.52, 0.3),
        strands=4500,
        width=0.0044,
        thickness=0.03,
        lift=0.3,
        disorder=0.06,
        steps=24,
    ),
    "fringe": Style(
        _comb_fringe,
        _graded(0.42, 0.3, 0.4),
        strands=5000,
        width=0.0042,
        thickness=0.026,
        lift=0.3,
        disorder=0.04,
        steps=18,
    ),
}


def _curls(points: Array, centre: Array, length: Array, curl: Array | float, generator: np.random.Generator) -> Array:
    """Displacement (N, S, 3) that winds strands: wider towards the tip, about one turn each 3 cm."""
    count, steps = points.shape[:2]
    share = np.linspace(0, 1, steps)[None]
    turns = np.minimum(length / 0.055, (steps - 1) / 5.0)[:, None]
    phase = 2 * np.pi * (turns * share + generator.random((count, 1)))
    outward = unit(points - centre)
    aside = unit(np.cross(np.gradient(points, axis=1), outward))
    size = 0.013 * curl * np.minimum(share * 3, 1)
    return (aside * (size * np.cos(phase))[..., None] + outward * (size * (1 + np.sin(phase)) / 2)[..., None]).astype(
        np.float32
    )
