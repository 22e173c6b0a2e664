"""People: everything about how somebody looks, sampled from one seed, a split and an index."""

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thedit.errors import UserError
from thedit.heads import wear
from thedit.heads.assets import TRAITS, Assets
from thedit.heads.wear import Wear

Array = NDArray[np.floating]
Colour = tuple[float, float, float]
TEST_SHARE = 8  # one of so many sampled identities is a test person's

# Linear RGB of skin with little and with much melanin, and of the three hair pigments.
PALE, OLIVE, DARK = (0.66, 0.40, 0.29), (0.42, 0.235, 0.145), (0.105, 0.048, 0.028)
BLACK, BROWN, BLOND, RED, GREY = (
    (0.010, 0.008, 0.007),
    (0.055, 0.028, 0.014),
    (0.34, 0.21, 0.10),
    (0.20, 0.055, 0.018),
    (0.38, 0.37, 0.36),
)
IRISES: dict[str, Colour] = {
    "dark": (0.045, 0.022, 0.011),
    "brown": (0.13, 0.062, 0.028),
    "hazel": (0.17, 0.12, 0.05),
    "green": (0.13, 0.17, 0.09),
    "blue": (0.13, 0.21, 0.30),
    "grey": (0.20, 0.23, 0.25),
}
HairStyle = Literal["bald", "buzz", "crop", "side", "back", "curly", "afro", "bob", "long", "fringe"]
BeardStyle = Literal["none", "stubble", "moustache", "goatee", "full"]


@dataclass(frozen=True)
class Person:
    """One person. Colours are linear RGB; lengths are world units; shares lie in [0, 1]."""

    name: str
    seed: int
    identity: Array  # (K,)
    female: bool
    age: float  # 0 young adult, 1 old
    skin: Colour
    redness: float
    freckles: float
    moles: int
    oil: float
    lipstick: float
    lip: Colour
    hair_style: HairStyle
    hair_colour: Colour
    hair_length: float  # 0 short for its style, 1 long
    hair_curl: float
    hair_volume: float
    hairline: float  # height that the hairline recedes by, world units
    part_side: float  # x of the parting, world units
    brow_colour: Colour
    brow_thickness: float
    beard: BeardStyle
    beard_length: float
    iris: Colour
    iris_size: float
    clothes: Colour
    neckline: float
    wear: Wear


def sample(assets: Assets, seed: int, count: int, split: Literal["train", "test"]) -> list[Person]:
    """The first ``count`` people of a split. A person depends on (seed, split, index) alone; splits share nobody.

    Raises `UserError` when more people are asked for than the asset file holds.
    """
    order = np.random.default_rng([seed, 0]).permutation(len(assets.bank))
    border = len(order) // TEST_SHARE
    rows = order[:border] if split == "test" else order[border:]
    if count > len(rows):
        raise UserError(f"data.heads.{split}_people: {count} are too many; there are {len(rows)} {split} people.")
    return [_person(assets, int(row), seed, split, index) for index, row in enumerate(rows[:count])]


def _person(assets: Assets, row: int, seed: int, split: str, index: int) -> Person:
    name = f"{split}-{index:04d}"
    own = zlib.crc32(f"{seed}/{name}".encode())
    generator = np.random.default_rng(own)
    uniform, chance = generator.uniform, lambda p: bool(generator.random() < p)
    trait = dict(zip(TRAITS, assets.traits[row].tolist()))
    female, age = trait["female"] > 0.5, trait["age"]

    melanin = 0.92 * trait["african"] + 0.42 * trait["asian"] + 0.22 * trait["caucasian"]
    melanin = float(np.clip(melanin + generator.normal(0, 0.12), 0, 1))
    pale = melanin < 0.45
    skin = _mix(PALE, OLIVE, melanin * 2) if melanin < 0.5 else _mix(OLIVE, DARK, melanin * 2 - 1)
    skin = _scale(skin, uniform(0.92, 1.08))

    fair = trait["caucasian"] > 0.45 and pale
    pigments: list[Colour] = [BLACK, _mix(BLACK, BROWN, uniform(0.3, 1)), _mix(BROWN, BLOND, uniform()), RED]
    chances = [0.1, 0.38, 0.42, 0.1] if fair else [0.62, 0.36, 0.02, 0.0]
    natural = pigments[generator.choice(4, p=chances)]
    grey = float(np.clip((age - 0.5) * 2.2 + generator.normal(0, 0.15), 0, 1)) if age > 0.45 else 0.0
    hair_colour = _mix(natural, GREY, grey)
    iris_chances = [0.12, 0.28, 0.15, 0.12, 0.22, 0.11] if fair else [0.62, 0.32, 0.06, 0, 0, 0]
    iris = IRISES[list(IRISES)[generator.choice(6, p=iris_chances)]]

    curly = trait["african"] > 0.5
    if female:
        styles = ["long", "bob", "fringe", "back", "side", "curly", "afro", "buzz"]
        chances = [0.15, 0.15, 0.05, 0.2, 0.05, 0.15, 0.2, 0.05] if curly else [0.3, 0.2, 0.15, 0.17, 0.06, 0.12, 0, 0]
    else:
        styles = ["crop", "side", "back", "buzz", "bald", "curly", "afro", "fringe"]
        chances = [0.3, 0, 0.03, 0.3, 0.12, 0.05, 0.2, 0] if curly else [0.3, 0.25, 0.12, 0.1, 0.08, 0.08, 0, 0.07]
    style: HairStyle = str(generator.choice(styles, p=chances))  # type: ignore[assignment]
    beards = ["none", "stubble", "moustache", "goatee", "full"]
    beard_chances = [1, 0, 0, 0, 0] if female else [0.42, 0.24, 0.07, 0.1, 0.17]
    beard: BeardStyle = str(generator.choice(beards, p=beard_chances))  # type: ignore[assignment]
    hue = generator.random(3)
    clothes = _scale((float(hue[0]), float(hue[1]), float(hue[2])), uniform(0.03, 0.6))
    clothes = _mix(clothes, (sum(clothes) / 3,) * 3, uniform(0.2, 0.9))
    lipstick = float(uniform(0.3, 1)) if female and chance(0.35) else 0.0
    return Person(
        name=name,
        seed=own,
        identity=assets.bank[row].numpy(),
        female=female,
        age=age,
        skin=skin,
        redness=float(uniform(0.4, 1.2)) * (1.1 - 0.6 * melanin),
        freckles=float(uniform(0.3, 1)) if fair and chance(0.25) else 0.0,
        moles=int(generator.poisson(2.5)),
        oil=float(uniform(0.6, 1.4)),
        lipstick=lipstick,
        lip=[(0.35, 0.03, 0.04), (0.30, 0.06, 0.10), (0.25, 0.05, 0.03)][generator.integers(3)],
        hair_style=style,
        hair_colour=_scale(hair_colour, uniform(0.85, 1.2)),
        hair_length=float(uniform()),
        hair_curl=float(uniform(0.5, 1)) if curly else float(uniform(0, 0.45)),
        hair_volume=float(uniform(0.3, 1)),
        hairline=float(uniform(0, 0.02)) + (0.0 if female else float(max(age - 0.3, 0) * uniform(0, 0.06))),
        part_side=float(uniform(-0.06, 0.06)),
        brow_colour=_scale(_mix(hair_colour, BROWN, 0.35), 0.8),
        brow_thickness=float(uniform(0.45, 0.8)) if female else float(uniform(0.7, 1.15)),
        beard=beard,
        beard_length=float(uniform()),
        iris=_scale(iris, uniform(0.8, 1.25)),
        iris_size=float(uniform(0.46, 0.52)),
        clothes=clothes,
        neckline=float(uniform(-0.25, -0.19)),
        wear=wear.sample(np.random.default_rng([own, 6]), female, age),
    )


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    share = float(np.clip(share, 0, 1))
    r, g, b = ((1 - share) * one + share * other for one, other in zip(first, second))
    return r, g, b


def _scale(colour: Colour, factor: float) -> Colour:
    r, g, b = (float(channel * factor) for channel in colour)
    return r, g, b
