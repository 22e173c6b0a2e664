"""The training log: one row per step, read by pandas (Parquet) and by TensorBoard (events)."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from thedit.errors import UserError
from thedit.files import atomic


class Log:
    """Losses of every step; values stay on their device until `flush`, so that logging does not wait for a GPU."""

    def __init__(self, folder: Path, rows: list[dict[str, float]]):
        """``rows`` are those of the steps already made; events after them are discarded."""
        self.rows = rows
        self._path = folder / "log.parquet"
        self._waiting: list[tuple[dict[str, float], list[str], Tensor]] = []
        self._writer = SummaryWriter(str(folder / "events"), purge_step=len(rows))

    def add(self, step: int, images: int, losses: Mapping[str, Tensor]) -> None:
        """Keep the losses (scalars) of a step, and their sum as ``total``."""
        values = torch.stack([value.detach().float() for value in losses.values()])
        self._waiting.append(({"step": step, "images": images}, list(losses), values))

    def flush(self) -> float:
        """Move what waits into ``rows``; returns the last total. `UserError` if a loss is not finite."""
        for row, names, values in self._waiting:
            numbers = values.tolist()
            row |= {"total": sum(numbers), **dict(zip(names, numbers))}
            check(row["total"], int(row["step"]))
            for name in ("total", *names):
                self._writer.add_scalar(f"loss/{name}", row[name], int(row["step"]))
            self.rows.append(row)
        self._waiting.clear()
        return self.rows[-1]["total"]

    def write(self) -> None:
        """Write ``log.parquet`` and the events so far."""
        self.flush()
        self._writer.flush()
        with atomic(self._path) as temporary:
            pd.DataFrame(self.rows).astype({"step": "int64", "images": "int64"}).to_parquet(temporary, index=False)

    def close(self) -> None:
        """Close the events."""
        self._writer.close()


def check(loss: float, step: int) -> None:
    """`UserError` if a loss is not finite."""
    if not math.isfinite(loss):
        raise UserError(f"train.learning_rate: the loss is not finite at step {step}; lower it and train anew.")
