"""Skin, painted for each person into the base mesh's texture: tone, blood, lips, lids, brows, beard, scalp, clothes.

Every texel knows its place on the mean face (`Atlas`), so that features are functions of that place and land on the
same spot of every face.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from thedit.heads import geometry
from thedit.heads.assets import PARTS, Assets
from thedit.heads.facial_hair import beard_density
from thedit.heads.hair import scalp_density
from thedit.heads.people import Person
from thedit.heads.strands import smoothstep

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Atlas:
    """The N texels that skin covers, and a frame of their nearest ones around it.

    side      of the texture in texels
    texel     (N,) index into the flattened texture
    place     (N, 3) on the mean face
    lips, lids (N,) in [0, 1]
    source    (side * side,) for each texel of the texture which of the N it shows
    """

    side: int
    texel: NDArray[np.int64]
    place: Array
    lips: Array
    lids: Array
    source: NDArray[np.int64]


def atlas(assets: Assets, side: int = 1024) -> Atlas:
    """Lay the skin's triangles out in texture space and look up what lies under each texel's centre."""
    skin = (assets.part == PARTS["skin"]).numpy()
    triangles = assets.triangles.numpy()[skin]
    faces, weights = geometry.under_texels(assets.uv.numpy()[skin], side)
    texel = np.flatnonzero(faces >= 0)
    used, share = triangles[faces[texel]], weights[texel]
    nearest = distance_transform_edt(
        (faces < 0).reshape(side, side), return_distances=False, return_indices=True
    ).reshape(2, -1)
    number = np.full(side * side, -1)
    number[texel] = np.arange(len(texel))
    return Atlas(
        side=side,
        texel=texel,
        place=(assets.mean.numpy()[used] * share[..., None]).sum(1),
        lips=(assets.lips.numpy()[used] * share).sum(1),
        lids=(assets.lids.numpy()[used] * share).sum(1),
        source=number[nearest[0] * side + nearest[1]],
    )


def paint(person: Person, atlas: Atlas, landmarks: Array) -> Array:
    """Albedo (linear RGB) and gloss, (side, side, 4); a negative gloss marks cloth. landmarks: (68, 3), mean face."""
    generator = np.random.default_rng([person.seed, 5])
    place = atlas.place
    x, y, z = place.T
    ax = np.abs(x)
    broad, mottle, fine = (_noise(place, frequency, generator) for frequency in (14.0, 48.0, 150.0))

    blood = 0.22 * broad + 0.25 * mottle + 0.2 * fine
    for spot, (height, width, tall, amount) in {
        "cheeks": (0.01, 0.035, 0.03, 0.9),
        "nose": (0.0, 0.025, 0.025, 0.8),
        "chin": (-0.115, 0.03, 0.02, 0.35),
    }.items():
        centre = 0.075 if spot == "cheeks" else 0.0
        blood = blood + amount * np.exp(-(((ax - centre) / width) ** 2) - ((y - height) / tall) ** 2) * (z > 0.1)
    blood = blood + 0.9 * (ax > 0.137) * (y > -0.05)  # ears
    blood = blood - 0.35 * smoothstep(0.13, 0.18, y) + 0.3 * smoothstep(-0.2, -0.28, y)
    tone = np.array(person.skin, np.float32)
    redden = np.array([0.07, -0.15, -0.12], np.float32)
    colour = tone * (1 + person.redness * blood[:, None] * redden)
    colour *= 1 + 0.05 * (broad + mottle)[:, None] + 0.03 * fine[:, None]
    eyes = np.exp(-(((ax - 0.062) / 0.034) ** 2) - ((y - 0.055) / 0.022) ** 2) * (z > 0.12)
    colour *= 1 - (0.10 + 0.14 * person.age) * eyes[:, None] * np.array([0.7, 1.0, 0.9], np.float32)
    colour *= 1 - 0.10 * atlas.lids[:, None] * np.array([0.3, 1.0, 1.0], np.float32)
    colour = _spots(colour, place, person, generator)
    cheeks = np.exp(-(((ax - 0.085) / 0.035) ** 2) - ((y - 0.012) / 0.022) ** 2) * (z > 0.08)
    colour = _cover(colour, (tone[0], 0.45 * tone[1], 0.5 * tone[2]), 0.5 * person.wear.blush * cheeks)
    lids = smoothstep(0.2, 0.7, atlas.lids + 0.1 * mottle) * (y > 0.066)
    colour = _cover(colour, person.wear.shadow_colour, person.wear.shadow * lids)

    lips = smoothstep(0.25, 0.75, atlas.lips + 0.06 * fine)[:, None]
    natural = tone * np.array([0.86, 0.50, 0.52], np.float32) * (1 + 0.08 * mottle[:, None])
    painted = np.array(person.lip, np.float32) * (0.5 + 0.8 * tone[0])
    lip_colour = natural * (1 - person.lipstick) + painted * person.lipstick
    colour = colour * (1 - lips * 0.9) + lip_colour * lips * 0.9
    seam = np.exp(-(((y + 0.0615) / 0.0025) ** 2)) * (ax < 0.05) * (z > 0.17)
    colour *= 1 - 0.35 * seam[:, None]

    brow = _brow_density(person, place, landmarks)
    colour = _cover(colour, person.brow_colour, 0.42 * brow)
    if person.beard != "none":
        follicles = 0.5 + 0.35 * fine + 0.25 * mottle
        strength = {"stubble": 0.38, "moustache": 0.4, "goatee": 0.45, "full": 0.55}[person.beard]
        colour = _cover(colour, person.hair_colour, strength * beard_density(person, place) * follicles.clip(0, 1))
    if person.hair_style != "bald":
        strength = 0.72 if person.hair_style == "buzz" else 0.93
        edge = (scalp_density(person, place) * (1.25 + 0.2 * mottle + 0.2 * fine)).clip(0, 1)
        colour = _cover(colour, person.hair_colour, strength * edge)

    gloss = 0.55 + 0.2 * mottle
    gloss = gloss + 0.6 * np.exp(-((ax / 0.03) ** 2)) * smoothstep(-0.03, 0.02, y) * (z > 0.15)  # nose and forehead
    gloss = person.oil * gloss.clip(0.15, 1.6) * (1 - 0.5 * brow) + 0.7 * lips[:, 0]

    around = np.hypot(x, np.minimum(z + 0.04, 0.05))
    above = y - person.neckline + 0.45 * z - 1.5 * np.maximum(around - 0.13, 0)  # height over the collar's edge
    cloth = smoothstep(0.0, -0.0015, above) * (y < -0.155)
    contact = np.exp(-np.maximum(above, 0) / 0.012) * (1 - cloth)
    colour *= 1 - 0.45 * contact[:, None]
    hem = 1 - 0.3 * np.exp(-(((above + 0.016) / 0.0025) ** 2))
    folds = 1 + 0.16 * _noise(place * [1, 0.5, 1], 22.0, generator)
    fabric = np.array(person.clothes, np.float32)[None]
    if person.wear.stripes:
        band = smoothstep(-0.1, 0.1, np.sin(2 * np.pi * person.wear.stripes * (y if person.seed % 2 else x)))
        band = band * smoothstep(-0.48, -0.38, y) * smoothstep(0.42, 0.32, ax)  # the sleeves are plain
        fabric = _cover(np.repeat(fabric, len(x), 0), person.wear.stripe_colour, band)
    fabric = fabric * (folds * hem)[:, None]
    colour = colour * (1 - cloth[:, None]) + fabric * cloth[:, None]
    gloss = np.where(cloth > 0.5, -1.0, np.maximum(gloss, 0.02))

    texture = np.concatenate([colour.clip(0.002, 0.95), gloss[:, None]], 1).astype(np.float32)
    return texture[atlas.source].reshape(atlas.side, atlas.side, 4)


def _spots(colour: Array, place: Array, person: Person, generator: np.random.Generator) -> Array:
    """Freckles and moles."""
    if person.freckles:
        speck = _noise(place, 260.0, generator) + 0.5 * _noise(place, 130.0, generator)
        where = np.exp(-((np.abs(place[:, 0]) / 0.10) ** 2) - ((place[:, 1] - 0.02) / 0.055) ** 2) * (place[:, 2] > 0.1)
        amount = person.freckles * where * smoothstep(0.25, 0.8, speck)
        colour = colour * (1 - amount[:, None] * np.array([0.28, 0.42, 0.5], np.float32))
    face = np.flatnonzero((place[:, 2] > 0.06) & (place[:, 1] > -0.25))
    for centre in place[generator.choice(face, person.moles)]:
        size = generator.uniform(0.0022, 0.0045)
        near = np.exp(-(((((place - centre) / size) ** 2).sum(1)) ** 2))
        colour = colour * (1 - 0.65 * near[:, None] * np.array([0.8, 1.0, 1.0], np.float32))
    return colour


def _brow_density(person: Person, place: Array, landmarks: Array) -> Array:
    """Soft shade under the brows' hairs."""
    x, y = np.abs(place[:, 0]), place[:, 1]
    curve = landmarks[22:27]
    middle = np.interp(x, curve[:, 0], curve[:, 1]) - 0.008
    half = 0.0095 * person.brow_thickness * np.interp(x, [0.008, 0.02, 0.07, 0.115], [0.5, 0.9, 0.8, 0.2])
    inside = smoothstep(0.006, 0.016, x) * smoothstep(0.118, 0.105, x) * (place[:, 2] > 0.1)
    return np.exp(-(((y - middle) / half) ** 2)) * inside


def _cover(colour: Array, over: tuple[float, float, float], amount: Array) -> Array:
    return colour * (1 - amount[:, None]) + np.array(over, np.float32) * amount[:, None]


def _noise(place: Array, frequency: float, generator: np.random.Generator) -> Array:
    return geometry.noise(place, frequency, int(generator.integers(2**31)))
