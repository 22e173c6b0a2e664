"""Reading Parquet tables that may be missing, cut short or somebody else's."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from thedit.errors import UserError


def read(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The table in ``path``, or only ``columns`` of it; `UserError` if it is missing, damaged or has other columns."""
    path = Path(path)
    try:
        return pd.read_parquet(path, columns=None if columns is None else list(columns))
    except FileNotFoundError as error:
        raise UserError(f"{path}: is missing; run the command that makes it, or the whole workflow.") from error
    except (OSError, KeyError, ValueError, TypeError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: is damaged or no such table ({reason}); delete it and make it again.") from error
