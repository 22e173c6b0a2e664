"""Light and background of a clip, sampled from a generator."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

Array = NDArray[np.floating]
BACKGROUND = 256  # side of the background picture in pixels


@dataclass(frozen=True)
class Scene:
    """Everything of a clip that is neither the person nor the motion. Directions are in the camera's axes.

    key          (3,) unit vector towards the key light
    key_colour   (3,) linear RGB, above 1
    ambient      (9, 3) linear RGB, coefficients of 1, x, y, z, xy, yz, xz, 3z^2-1, x^2-y^2 of the irradiance
    background   (256, 256, 3) display RGB in [0, 1]
    softness     width of the key light, 0 a point
    noise        standard deviation of the camera's noise, of 255
    blur         of the camera, standard deviation in thousandths of the picture's side
    quality      x264's constant rate factor
    exposure     factor on all light
    body_yaw     degrees that the body is turned away from the camera
    """

    key: Array
    key_colour: Array
    ambient: Array
    background: Array
    softness: float
    noise: float
    blur: float
    quality: int
    exposure: float
    body_yaw: float


def sample(generator: np.random.Generator) -> Scene:
    """One clip's light, background and stance."""
    azimuth = np.radians(generator.uniform(20, 75) * generator.choice([-1, 1]))
    elevation = np.radians(generator.uniform(5, 55))
    key = _direction(azimuth, elevation)
    warmth = generator.uniform(-0.12, 0.22)
    hard = generator.random() < 0.3
    strength = generator.uniform(1.8, 3.2) if hard else generator.uniform(0.9, 2.1)
    key_colour = strength * np.array([1 + warmth, 1.0, 1 - 1.1 * warmth])
    ambient = np.zeros((9, 3))
    ambient[0] = (generator.uniform(0.1, 0.25) if hard else generator.uniform(0.28, 0.5)) * np.array([1, 1, 1])
    if generator.random() < 0.25:  # coloured light: a stage, a screen, the evening
        key_colour = key_colour * generator.uniform(0.45, 1.25, 3)
        ambient[0] *= generator.uniform(0.5, 1.4, 3)
    sky = generator.uniform(0.05, 0.25) * np.array([1 - 0.3 * warmth, 1, 1 + 0.6 * warmth])
    ambient[2] -= sky  # y points down: the sky is at negative y
    lobes = [(_direction(-azimuth * generator.uniform(0.5, 1.5), 0.2), generator.uniform(0.1, 0.4))]
    lobes.append((_direction(generator.uniform(-3, 3), generator.uniform(-0.3, 0.8)), generator.uniform(0.0, 0.3)))
    for (x, y, z), power in lobes:
        tinted = power * (1 + generator.uniform(-0.2, 0.2, 3))
        basis = np.array([0.4, 0.5 * x, 0.5 * y, 0.5 * z, 0.6 * x * y, 0.6 * y * z, 0.6 * x * z,
                          0.05 * (3 * z * z - 1), 0.15 * (x * x - y * y)])  # fmt: skip
        ambient += basis[:, None] * tinted
    return Scene(
        key=key.astype(np.float32),
        key_colour=key_colour.astype(np.float32),
        ambient=ambient.astype(np.float32),
        background=_background(generator),
        softness=float(generator.uniform(0.01, 0.05) if hard else generator.uniform(0.06, 0.25)),
        noise=float(generator.uniform(0.8, 2.5) if generator.random() < 0.7 else generator.uniform(2.5, 6.0)),
        blur=float(generator.uniform(0.0, 0.8) if generator.random() < 0.7 else generator.uniform(0.8, 2.5)),
        quality=int(generator.integers(13, 25)),
        exposure=float(generator.uniform(0.85, 1.15)) * 1.35 / (0.45 * strength + 0.75),
        body_yaw=float(generator.normal(0, 10)),
    )


def _direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Unit vector in the camera's axes (x right, y down, z away from it); azimuth 0 points back at the camera."""
    return np.array([np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), -np.cos(azimuth) * np.cos(elevation)])


def _background(generator: np.random.Generator) -> Array:
    """A place behind the head, mostly out of focus: a wall, broad shapes, texture, sometimes bright or with lights."""
    y, x = np.mgrid[0:BACKGROUND, 0:BACKGROUND] / BACKGROUND
    bright = generator.random() < 0.25
    base = (generator.uniform(0.6, 0.98) if bright else generator.uniform(0.05, 0.7)) * (
        0.8 + 0.3 * generator.random(3)
    )
    angle = generator.uniform(0, 2 * np.pi)
    slope = generator.uniform(-0.5, 0.5) * (x * np.cos(angle) + y * np.sin(angle) - 0.5)
    picture = base * (1 + slope[..., None])
    for _ in range(generator.integers(0, 10)):
        left, top = generator.uniform(-0.2, 0.9, 2)
        wide, tall = generator.uniform(0.03, 0.6, 2)
        inside = (x > left) & (x < left + wide) & (y > top) & (y < top + tall)
        picture[inside] = picture[inside] * 0.3 + 0.7 * generator.uniform(0.05, 0.9) * (0.6 + 0.6 * generator.random(3))
    if generator.random() < 0.5:
        picture = picture * _texture(generator, x, y)[..., None]
    blur = generator.uniform(0.3, 3) if generator.random() < 0.35 else generator.uniform(3, 16)
    picture = gaussian_filter(picture, (blur, blur, 0), mode="nearest")
    if generator.random() < 0.25:
        for _ in range(generator.integers(3, 12)):
            across, down = generator.random(2)
            disc = np.clip((generator.uniform(0.015, 0.05) - np.hypot(x - across, y - down)) * 80, 0, 1)
            picture += disc[..., None] * generator.uniform(0.05, 0.35) * (0.75 + 0.35 * generator.random(3))
    return picture.clip(0.01, 0.98).astype(np.float32)


def _texture(generator: np.random.Generator, x: Array, y: Array) -> Array:
    """Factors (side, side) of leaves or stone (noise of several sizes) or of bricks, books, curtains (a grid)."""
    if generator.random() < 0.6:
        factor = np.ones_like(x)
        for cells in (6, 13, 29, 61, 120):
            coarse = zoom(generator.normal(0, 1, (cells, cells)), BACKGROUND / cells + 0.1, order=1)
            factor += generator.uniform(0.04, 0.22) * coarse[:BACKGROUND, :BACKGROUND]
        return factor.clip(0.15, 2)
    columns, rows = generator.uniform(2, 25, 2) * generator.choice([0, 1], 2, p=[0.3, 0.7])
    shift = 0.5 * (np.floor(y * rows) % 2)
    factor = 1 + 0.35 * np.sin(2 * np.pi * (x * columns + shift)) * generator.uniform(0.2, 1)
    return factor * (1 + 0.3 * np.sign(np.sin(2 * np.pi * y * rows)) * generator.uniform(0.2, 1))
