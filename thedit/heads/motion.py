"""Motion of a talking head: speech, blinks, gaze, expressions, head and camera, at 25 frames a second."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from thedit import camera
from thedit.heads import gestures
from thedit.heads.assets import BLENDSHAPES
from thedit.heads.neck import NECK

Array = NDArray[np.float64]
RATE = 25.0
TURNS = np.array([62.0, 31.0, 26.0])  # degrees of yaw, pitch and roll that are not reached
COVERAGE = (0.98, 1.12)  # world units that the picture's side shows at the head: a crop and a quarter more all around

# Mouth shapes of speech as mixes of blendshapes (both sides where a blendshape has sides).
VISEMES: dict[str, dict[str, float]] = {
    "silence": {},
    "aa": {"jawOpen": 0.42, "mouthLowerDown": 0.3, "mouthUpperUp": 0.18},
    "ee": {"jawOpen": 0.14, "mouthStretch": 0.35, "mouthSmile": 0.2, "mouthLowerDown": 0.3, "mouthUpperUp": 0.2},
    "ih": {"jawOpen": 0.2, "mouthStretch": 0.2, "mouthLowerDown": 0.25, "mouthUpperUp": 0.12},
    "oh": {"jawOpen": 0.28, "mouthFunnel": 0.5, "mouthPucker": 0.15},
    "oo": {"jawOpen": 0.1, "mouthPucker": 0.6, "mouthFunnel": 0.3},
    "mm": {"mouthPress": 0.35, "mouthRollLower": 0.3, "mouthRollUpper": 0.25, "mouthClose": 0.02},
    "ff": {"jawOpen": 0.06, "mouthRollLower": 0.4, "mouthUpperUp": 0.3},
    "th": {"jawOpen": 0.16, "tongueOut": 0.12, "mouthLowerDown": 0.2},
    "sh": {"jawOpen": 0.08, "mouthFunnel": 0.4, "mouthUpperUp": 0.2, "mouthLowerDown": 0.3},
}
MOODS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile": 0.6, "cheekSquint": 0.45, "eyeSquint": 0.2, "mouthDimple": 0.2},
    "sad": {"mouthFrown": 0.5, "browInnerUp": 0.6, "mouthShrugLower": 0.25},
    "angry": {"browDown": 0.7, "noseSneer": 0.35, "mouthPress": 0.25, "eyeSquint": 0.3},
    "surprise": {"browInnerUp": 0.6, "browOuterUp": 0.7, "eyeWide": 0.55, "jawOpen": 0.12},
    "doubt": {"browDownLeft": 0.5, "browOuterUpRight": 0.6, "mouthLeft": 0.3, "mouthFrown": 0.2},
}
BLINK = (0.25, 0.75, 1.0, 0.95, 0.6, 0.3, 0.1)


@dataclass(frozen=True)
class Motion:
    """T frames. expression (T, 52) in [0, 1]; camera (T, 25) of the recorded picture, in the head's frame."""

    expression: Tensor
    camera: Tensor


def animate(generator: np.random.Generator, frames: int, dealt: Sequence[str] = ()) -> Motion:
    """One clip's motion: blendshapes, and the head's and the camera's places as cameras.

    ``dealt``: gestures that certainly show, see `thedit.heads.gestures`.
    """
    seen = _turns(generator, frames)
    expression = gestures.add(generator, _speech(generator, frames) + _moods(generator, frames), dealt)
    _look(expression, generator, seen)
    _blink(expression, generator)
    return Motion(torch.from_numpy(possible(expression)).float(), _record(generator, seen))


def possible(expression: Array) -> Array:
    """Expressions (T, 52) in [0, 1] in which lips do not pass through each other and a tongue has a gap to come out."""
    expression = np.clip(expression, 0, 1)
    jaw, closed, tongue = (BLENDSHAPES.index(name) for name in ("jawOpen", "mouthClose", "tongueOut"))
    needed = np.maximum(0.45 * expression[:, tongue], 0.5 * expression[:, closed])
    expression[:, jaw] = np.maximum(expression[:, jaw], needed)
    expression[:, closed] = np.minimum(expression[:, closed], 0.8 * expression[:, jaw])
    return expression


def _turns(generator: np.random.Generator, frames: int) -> Array:
    """Yaw, pitch and roll (T, 3) in degrees at which the camera sees the head, within `TURNS`.

    Half of the clips are calm; in the others the head turns far and looks around, with rests in between.
    """
    lively = generator.uniform(0.5, 1.3)
    wide = generator.random() < 0.5
    spreads, offsets = np.array([13.0, 6.5, 4.5]), np.array([9.0, 5.0, 3.0])
    angles = np.stack([_smooth_noise(generator, frames, 11.0) for _ in range(3)], -1) * spreads * lively
    angles += generator.normal(0, offsets)
    if wide:
        angles += _glances(generator, frames) * generator.uniform(0.5, 1.0)
    return TURNS * np.tanh(angles / TURNS)


def _glances(generator: np.random.Generator, frames: int) -> Array:
    """Yaw, pitch and roll (T, 3) of a head that looks to one place after another for 0.4 to 1.6 s each."""
    margin = int(2 * RATE)
    track = np.zeros((frames + 2 * margin, 3))
    frame, side = 0, generator.choice([-1, 1])
    while frame < len(track):
        length = int(generator.uniform(0.4, 1.6) * RATE)
        aim = [side * abs(generator.normal(0, 55)), generator.normal(0, 20), generator.normal(0, 13)]
        track[frame : frame + length] = aim
        frame, side = frame + length, side * generator.choice([-1, 1], p=[0.75, 0.25])
    return gaussian_filter1d(track, generator.uniform(3.0, 6.0), axis=0)[margin : margin + frames]


def _record(generator: np.random.Generator, seen: Array) -> Tensor:
    """Cameras (T, 25): a camera of its own focal length and place in the room films the moving head.

    It stands where it sees much of what the head turns to; the head turns about the neck, and so leaves the middle.
    """
    frames = len(seen)
    coverage, distance = generator.uniform(*COVERAGE), generator.uniform(1.8, 4.5)
    sway = np.stack([_smooth_noise(generator, frames, 11.0) for _ in range(3)], -1) * [0.012, 0.006, 0.01]
    sway = sway * generator.uniform(0.5, 1.3) + generator.normal(0, [0.02, 0.016, 0.0])
    stand = seen.mean(0) * generator.uniform(0.3, 1.0, 3) + generator.normal(0, [4, 4, 1])  # of the camera in the room
    turned = np.radians((seen - stand) * [-1, 1, 1])
    head = _rotation(*torch.from_numpy(turned).unbind(-1))  # (T, 3, 3), head to room
    neck = torch.tensor(NECK, dtype=torch.float64)
    reach = torch.tensor(camera.PIVOT, dtype=torch.float64) - neck
    middle = (head @ reach).mean(0) + torch.from_numpy(sway)  # from the neck to what the camera looks at
    aim = neck + (head.transpose(1, 2) @ middle[..., None])[..., 0]
    yaw, pitch, roll = torch.from_numpy(seen).unbind(-1)
    pose = camera.orbit(yaw, pitch, roll, distance, (0.0, 0.0, 0.0)).double()
    drift = np.stack([_smooth_noise(generator, frames, 12.0) for _ in range(3)], -1)
    pose[:, :3, 3] += aim + torch.from_numpy(drift * 0.003)
    return camera.join(pose, camera.intrinsics(distance / coverage).double()).float()


def _rotation(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """Rotations (T, 3, 3) by angles in radians about y, then x, then z of the head."""
    one, zero = torch.ones_like(yaw), torch.zeros_like(yaw)

    def matrix(rows: list[list[Tensor]]) -> Tensor:
        return torch.stack([torch.stack(row, -1) for row in rows], -2)

    about_y = matrix([[yaw.cos(), zero, yaw.sin()], [zero, one, zero], [-yaw.sin(), zero, yaw.cos()]])
    about_x = matrix([[one, zero, zero], [zero, pitch.cos(), -pitch.sin()], [zero, pitch.sin(), pitch.cos()]])
    about_z = matrix([[roll.cos(), -roll.sin(), zero], [roll.sin(), roll.cos(), zero], [zero, zero, one]])
    return about_y @ about_x @ about_z


def _speech(generator: np.random.Generator, frames: int) -> Array:
    """Visemes of 70 to 190 ms in phrases with pauses."""
    track = np.zeros((frames + 50, len(BLENDSHAPES)))
    loudness = generator.uniform(0.7, 1.35)
    names = [name for name in VISEMES if name != "silence"]
    talks, frame = generator.random() < 0.75, 0
    while frame < len(track):
        phrase = int(generator.uniform(0.6, 2.2) * RATE) if talks else int(generator.uniform(0.2, 0.9) * RATE)
        end = min(frame + phrase, len(track))
        while talks and frame < end:
            length = max(round(generator.uniform(0.07, 0.19) * RATE), 2)
            shape = _mix(VISEMES[names[generator.integers(len(names))]])
            track[frame : min(frame + length, end)] = shape * loudness * generator.uniform(0.6, 1.15)
            frame += length
        frame, talks = end, not talks
    return gaussian_filter1d(track, 1.15, axis=0, mode="nearest")[25 : 25 + frames]


def _moods(generator: np.random.Generator, frames: int) -> Array:
    """A mood that swells and fades, with brows and corners of the mouth that wander."""
    names = list(MOODS)
    first, second = (names[i] for i in generator.choice(len(names), 2, replace=False, p=[0.3, 0.3, 0.1, 0.1, 0.1, 0.1]))
    share = 0.5 + 0.5 * np.tanh(1.5 * _smooth_noise(generator, frames, 14.0))[:, None]
    strength = generator.uniform(0.2, 1.0)
    track = strength * (share * _mix(MOODS[first]) + (1 - share) * _mix(MOODS[second]))
    for name, size in (("browInnerUp", 0.2), ("browOuterUp", 0.2), ("browDown", 0.2), ("mouthSmile", 0.15),
                       ("mouthLeft", 0.08), ("mouthRight", 0.08), ("cheekPuff", 0.06)):  # fmt: skip
        track = track + np.maximum(_smooth_noise(generator, frames, 7.0), 0)[:, None] * size * _mix({name: 1.0})
    return track


def _look(expression: Array, generator: np.random.Generator, seen: Array) -> None:
    """Saccades between fixations, some far aside, that mostly counter the head's turn; the lids follow the gaze."""
    frames = len(seen)
    aim = np.zeros((frames, 2))
    frame = 0
    while frame < frames:
        length = int(generator.uniform(0.3, 1.6) * RATE)
        aim[frame : frame + length] = generator.normal(0, [22, 14] if generator.random() < 0.35 else [9, 5])
        frame += length
    follows = generator.uniform(0.0, 0.9)  # 0: the eyes go with the head
    aside = np.clip(aim[:, 0] + follows * seen[:, 0], -32, 32) / 32  # positive: to the head's left
    up = np.clip(aim[:, 1] + follows * seen[:, 1], -25, 25) / 25
    aside, up = gaussian_filter1d(aside, 0.5), gaussian_filter1d(up, 0.5)
    for side, outwards in (("Left", aside), ("Right", -aside)):
        expression[:, BLENDSHAPES.index(f"eyeLookOut{side}")] = np.maximum(outwards, 0)
        expression[:, BLENDSHAPES.index(f"eyeLookIn{side}")] = np.maximum(-outwards, 0)
        expression[:, BLENDSHAPES.index(f"eyeLookUp{side}")] = np.maximum(up, 0)
        expression[:, BLENDSHAPES.index(f"eyeLookDown{side}")] = np.maximum(-up, 0)


def _blink(expression: Array, generator: np.random.Generator) -> None:
    """Blinks every few seconds; the lids otherwise rest a little lowered."""
    frames = len(expression)
    closed = np.full(frames + len(BLINK), abs(generator.normal(0, 0.06)))
    at = int(generator.uniform(0, 2.5) * RATE)
    while at < frames:
        closed[at : at + len(BLINK)] = np.maximum(closed[at : at + len(BLINK)], BLINK)
        at += int(generator.uniform(1.2, 4.5) * RATE)
    for side in ("Left", "Right"):
        lid = expression[:, BLENDSHAPES.index(f"eyeBlink{side}")]
        np.maximum(lid, closed[:frames], out=lid)
        expression[:, BLENDSHAPES.index(f"eyeWide{side}")] *= 1 - closed[:frames]


def _mix(weights: dict[str, float]) -> Array:
    """Coefficients (52,) of named blendshapes; a name without its side means both."""
    vector = np.zeros(len(BLENDSHAPES))
    for name, weight in weights.items():
        for index in [i for i, shape in enumerate(BLENDSHAPES) if shape in (name, f"{name}Left", f"{name}Right")]:
            vector[index] = weight
    return vector


def _smooth_noise(generator: np.random.Generator, frames: int, width: float) -> Array:
    """Gaussian noise of unit variance (T,), low-passed over ``width`` frames."""
    margin = int(4 * width)
    noise = gaussian_filter1d(generator.normal(0, 1, frames + 2 * margin), width)[margin : margin + frames]
    return noise * np.sqrt(2 * np.sqrt(np.pi) * width)
