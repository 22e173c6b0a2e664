"""Single blendshapes, far beyond speech and moods: each of the 52 comes up, on one side or both."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from thedit.heads.assets import BLENDSHAPES

Array = NDArray[np.float64]
RATE = 25.0

# Actions without their sides, and how often each comes up: what models learn last comes up most.
STEMS = {name.removesuffix("Left").removesuffix("Right"): 1.0 for name in BLENDSHAPES if not name.startswith("eyeLook")}
STEMS |= {"jawOpen": 4.0, "eyeBlink": 4.0, "browInnerUp": 2.0, "browDown": 2.5, "browOuterUp": 2.5, "eyeSquint": 2.0}
STEMS |= {"eyeWide": 2.0, "mouthSmile": 2.5, "mouthPucker": 2.0, "mouthStretch": 2.0, "mouthFunnel": 2.0}
ONE_SIDED = 0.35  # share of gestures that only one side makes


def add(generator: np.random.Generator, track: Array) -> Array:
    """Gestures of 0.3 to 1.8 s over expressions (T, 52); what was there fades under them."""
    frames, names = len(track), list(STEMS)
    share = np.array(list(STEMS.values()))
    margin = int(2 * RATE)
    made = np.zeros((frames + 2 * margin, len(BLENDSHAPES)))
    mask = np.zeros(len(made))
    frame = int(generator.uniform(0, RATE))
    while frame < len(made):
        length = int(generator.uniform(0.3, 1.8) * RATE)
        for index in generator.choice(len(names), generator.integers(1, 4), replace=False, p=share / share.sum()):
            made[frame : frame + length] += _one(generator, names[index])
        mask[frame : frame + length] = generator.uniform(0.3, 1.0)
        frame += length + int(generator.uniform(0.0, 1.6) * RATE)
    width = generator.uniform(1.2, 3.0)
    made, mask = (gaussian_filter1d(values, width, axis=0)[margin : margin + frames] for values in (made, mask))
    return track * (1 - mask[:, None]) + made


def _one(generator: np.random.Generator, stem: str) -> Array:
    """Coefficients (52,) of one blendshape, seldom equally strong on both sides."""
    sides = [index for index, name in enumerate(BLENDSHAPES) if name in (stem, f"{stem}Left", f"{stem}Right")]
    vector = np.zeros(len(BLENDSHAPES))
    strength = generator.uniform(0.45, 1.0)
    vector[sides] = strength
    if len(sides) == 2:
        weaker = generator.uniform(0.0, 0.3) if generator.random() < ONE_SIDED else generator.uniform(0.75, 1.0)
        vector[sides[generator.integers(2)]] *= weaker
    return vector
