"""The true cameras and landmarks of an AnnyHeads clip."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from safetensors.torch import load_file
from torch import Tensor

from thedit.errors import UserError
from thedit.fitting.model import PATH


def cameras(root: Path, person: str, clip: str, frames: np.ndarray) -> np.ndarray:
    """Labels (T, 25) of the recorded picture for ``frames`` (T,). `UserError` when there is no truth."""
    return np.stack(_read(root, person, clip, frames, ["camera"])["camera"].to_list())


def landmarks(root: Path, person: str, clip: str, frames: np.ndarray) -> Tensor:
    """The mesh's landmarks (T, 68, 3) in world units, from the true identity and expression."""
    model = {name: tensor.float() for name, tensor in load_file(PATH).items()}
    table = _read(root, person, clip, frames, ["identity", "expression"])
    identity, expression = (
        torch.tensor(np.stack(table[name].to_list())).float() for name in ("identity", "expression")
    )
    moved = torch.einsum("tk,klc->tlc", identity, model["identity"])
    return model["mean"] + moved + torch.einsum("ta,alc->tlc", expression, model["actions"])


def _read(root: Path, person: str, clip: str, frames: np.ndarray, columns: list[str]) -> pd.DataFrame:
    path = root / "truth" / person / f"{clip}.parquet"
    try:
        return pd.read_parquet(path, columns=["frame", *columns]).set_index("frame").loc[frames]
    except (OSError, pa.ArrowException, KeyError) as error:
        raise UserError(
            f"{path}: gives no true cameras of this clip; only AnnyHeads has them, set data.preprocess.camera: fitted."
        ) from error
