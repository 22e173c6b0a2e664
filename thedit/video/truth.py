"""The true cameras, landmarks and surfaces of an AnnyHeads clip."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from safetensors.torch import load_file
from torch import Tensor

from thedit import layout
from thedit.errors import UserError
from thedit.fitting.model import PATH
from thedit.heads.frames import read_maps
from thedit.shards.surface import look, pack

CELL = 4  # pixels of the crop along the side of a cell


def cameras(root: Path, person: str, clip: str, frames: np.ndarray) -> np.ndarray:
    """Cameras (T, 25) of the recorded picture for ``frames`` (T,). `UserError` when there is no truth."""
    return np.stack(_read(root, person, clip, frames, ["camera"])["camera"].to_list())


def landmarks(root: Path, person: str, clip: str, frames: np.ndarray) -> Tensor:
    """The mesh's landmarks (T, 68, 3) in world units, from the true identity and expression."""
    model = {name: tensor.float() for name, tensor in load_file(PATH).items()}
    table = _read(root, person, clip, frames, ["identity", "expression"])
    identity, expression = (
        torch.tensor(np.stack(table[name].to_list())).float() for name in ("identity", "expression")
    )
    moved = torch.einsum("tk,klc->tlc", identity, model["identity"])
    return model["mean"] + moved + torch.einsum("ta,alc->tlc", expression, model["blendshapes"])


@dataclass(frozen=True)
class Known:
    """What is known of T frames of a generated clip: the performance's name, and packed surfaces."""

    performance: str
    surfaces: list[bytes]


def surfaces(root: Path, person: str, clip: str, frames: np.ndarray, boxes: np.ndarray, size: int) -> Known | None:
    """What crops to ``size`` pixels of ``frames`` (T,) show; boxes (T, 3) in normalised units of the recorded picture.

    None for a clip without truth. Raises `UserError` when what is there is incomplete or damaged.
    """
    if not _path(root, person, clip).exists():
        return None
    table = _read(root, person, clip, frames, ["performance", "camera", "expression", "identity"])
    cameras, expression, identity = (
        torch.from_numpy(np.stack(table[name].to_list())).float() for name in ("camera", "expression", "identity")
    )
    maps = read_maps(_path(root, person, clip).with_suffix(".maps.arrow"), frames)
    seen = look(maps, cameras, expression, identity[0], torch.from_numpy(boxes).float(), size // CELL)
    return Known(table["performance"].iloc[0], pack(seen))


def _path(root: Path, person: str, clip: str) -> Path:
    return layout.truth(root, f"{person}/{clip}")


def _read(root: Path, person: str, clip: str, frames: np.ndarray, columns: list[str]) -> pd.DataFrame:
    path = _path(root, person, clip)
    try:
        return pd.read_parquet(path, columns=["frame", *columns]).set_index("frame").loc[frames]
    except (OSError, pa.ArrowException, KeyError) as error:
        raise UserError(
            f"{path}: gives no true {columns[0]} of this clip ({' '.join(str(error).split())}); if it is a video of "
            "AnnyHeads, delete the file and run 'thedit heads render' again, else set data.preprocess.camera: fitted."
        ) from error
