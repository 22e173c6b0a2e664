"""Single blendshapes, far beyond speech and moods: each of the 52 comes up, on one side or both."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from thedit.heads.assets import BLENDSHAPES

Array = NDArray[np.float64]
RATE = 25.0

# Blendshapes whose name ends in where something goes, not in the side that it is of.
SIDEWAYS = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")

# Blendshapes without their sides, and how often each comes up: what models learn last comes up most.
GESTURES = {
    name if name in SIDEWAYS else name.removesuffix("Left").removesuffix("Right"): 1.0
    for name in BLENDSHAPES
    if not name.startswith("eyeLook")
}
GESTURES |= {"jawOpen": 4.0, "eyeBlink": 4.0, "browInnerUp": 2.0, "browDown": 2.5, "browOuterUp": 2.5, "eyeSquint": 2.0}
GESTURES |= {"eyeWide": 2.0, "mouthSmile": 2.5, "mouthPucker": 2.0, "mouthStretch": 2.0, "mouthFunnel": 2.0}
ONE_SIDED = 0.35  # share of gestures that only one side makes
HAND = 2  # gestures that are dealt to a performance


def deal(deck: np.random.Generator, take: int) -> list[str]:
    """The gestures that performance ``take`` certainly makes: all of them are dealt out, then again from the top.

    ``deck`` shuffles them; equal generators deal from equal decks.
    """
    shuffled = deck.permutation(list(GESTURES))
    return [str(shuffled[(HAND * take + card) % len(shuffled)]) for card in range(HAND)]


def add(generator: np.random.Generator, track: Array, dealt: Sequence[str] = ()) -> Array:
    """Gestures of 0.3 to 1.8 s over expressions (T, 52); what was there fades under them.

    Which ones is left to chance, but for those that were ``dealt``: one moment within the T frames shows them at once.
    """
    frames, names = len(track), list(GESTURES)
    share = np.array(list(GESTURES.values()))
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
    if dealt:
        length = int(generator.uniform(0.5, 0.9) * RATE)
        frame = margin + int(generator.uniform(0, max(frames - length, 0)))
        made[frame : frame + length] = sum(generator.uniform(0.85, 1.0) * _both_sides(name) for name in dealt)
        mask[frame : frame + length] = generator.uniform(0.3, 1.0)
    width = generator.uniform(1.2, 3.0)
    made, mask = (gaussian_filter1d(values, width, axis=0)[margin : margin + frames] for values in (made, mask))
    return track * (1 - mask[:, None]) + made


def _one(generator: np.random.Generator, name: str) -> Array:
    """Coefficients (52,) of one gesture, seldom equally strong on both sides."""
    vector = generator.uniform(0.45, 1.0) * _both_sides(name)
    sides = np.flatnonzero(vector)
    if len(sides) == 2:
        weaker = generator.uniform(0.0, 0.3) if generator.random() < ONE_SIDED else generator.uniform(0.75, 1.0)
        vector[sides[generator.integers(2)]] *= weaker
    return vector


def _both_sides(name: str) -> Array:
    """Coefficients (52,) of one gesture, 1 on each side that it has."""
    return np.array([float(shape in (name, f"{name}Left", f"{name}Right")) for shape in BLENDSHAPES])
