"""The true cameras of an AnnyHeads clip."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from thedit.errors import UserError


def cameras(root: Path, person: str, clip: str, frames: np.ndarray) -> np.ndarray:
    """Labels (T, 25) of the recorded picture for ``frames`` (T,). `UserError` when there is no truth."""
    path = root / "truth" / person / f"{clip}.parquet"
    try:
        table = pq.read_table(path, columns=["frame", "camera"]).to_pandas().set_index("frame")
        return np.stack(table.loc[frames, "camera"].to_list())
    except (OSError, pa.ArrowException, KeyError) as error:
        raise UserError(
            f"{path}: gives no true cameras of this clip; only AnnyHeads has them, set data.preprocess.camera: fitted."
        ) from error
