"""Let a method make every frame of a protocol; keep the frames losslessly, the table of what happened, and previews."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from thedit.errors import UserError
from thedit.evaluation import preview
from thedit.files import atomic, sha256
from thedit.methods.base import Method
from thedit.methods.external import External
from thedit.parts import WHOLE, Part
from thedit.pixels import to_uint8
from thedit.shards.store import FrameStore

COLUMNS = ["method", "protocol", "pair", "frame", "status", "reason", "seconds", "sha256"]


def predict(
    name: str,
    method: Method,
    store: FrameStore,
    pairs: pd.DataFrame,
    folder: Path,
    run: str,
    part: Part = WHOLE,
) -> pd.DataFrame:
    """Make the frames of ``pairs``; returns what ``folder/predictions.parquet`` then holds, one row per frame.

    Frames lie at ``folder/<pair>/<frame:04d>.png`` (uint8 RGB), previews at ``folder/previews/<pair>.mp4``.
    ``status`` is ``ok``; ``failed`` with a reason for a frame that cannot be used; or ``not applicable`` where the
    camera leaves the driver's place and the method cannot follow. ``seconds`` is the time to drive one frame. Pairs
    that an earlier call with the same digest ``run`` has finished are kept. A part makes the frames of some of the
    pairs, and no table.
    """
    if part.whole:
        _remove_others(folder, [*pairs["pair"], "previews"])
    if moves_camera(pairs, store) and not method.camera_control:
        table = pairs.assign(status="not applicable", reason="no camera control", seconds=np.nan, sha256="")
    else:
        share = part.of(list(pairs.groupby("pair", sort=False)))
        total = sum(len(rows) for _, rows in share)
        bar = tqdm(total=total, desc=f"{name} {pairs['protocol'].iloc[0]}", unit="frame")
        tables = []
        for pair, rows in share:
            made = _finished(folder / str(pair), run)
            if made is None:
                made = _make(method, store, rows, folder / str(pair))
                preview.write(folder / "previews" / f"{pair}.mp4", store, rows, folder / str(pair))
                _finish(folder / str(pair), run, made)
            tables.append(rows.assign(**pd.DataFrame(made, index=rows.index)))
            bar.update(len(rows))
        bar.close()
        table = pd.concat(tables) if tables else pairs[:0].assign(status="", reason="", seconds=np.nan, sha256="")
    table = table.assign(method=name)[COLUMNS].reset_index(drop=True)
    if part.whole:
        with atomic(folder / "predictions.parquet") as sibling:
            table.to_parquet(sibling, index=False)
    return table


def moves_camera(pairs: pd.DataFrame, store: FrameStore) -> bool:
    """Whether any frame is to be seen from elsewhere than its driving frame."""
    wanted = np.stack(pairs["camera"].to_list())
    return not np.allclose(wanted, store.column("camera")[pairs["driver_row"].to_numpy()], atol=1e-5)


class Frame(NamedTuple):
    """A picture (S, S, 3) uint8, or none and why, and the seconds that it took."""

    picture: np.ndarray | None
    reason: str
    seconds: float


def _make(method: Method, store: FrameStore, rows: pd.DataFrame, folder: Path) -> list[dict[str, Any]]:
    shutil.rmtree(folder, ignore_errors=True)
    made = []
    for row, frame in zip(rows.itertuples(), drive(method, store, rows, folder / "command.log")):
        digest = ""
        if frame.picture is not None:
            path = folder / f"{row.frame:04d}.png"
            with atomic(path) as sibling:
                Image.fromarray(frame.picture).save(sibling)
            digest = sha256(path)
        status = "failed" if frame.picture is None else "ok"
        made.append({"status": status, "reason": frame.reason, "seconds": frame.seconds, "sha256": digest})
    return made


def drive(method: Method, store: FrameStore, rows: pd.DataFrame, log: Path) -> Iterator[Frame]:
    """A frame for every row of one source: columns source_row, driver_row, camera. ``log`` is an external command's."""
    return _run_command(method, store, rows, log) if isinstance(method, External) else _run_network(method, store, rows)


@torch.no_grad()
def _run_network(method: Method, store: FrameStore, rows: pd.DataFrame) -> Iterator[Frame]:
    device = next((parameter.device for parameter in method.parameters()), torch.device("cpu"))
    code = method.encode(store.batch([rows["source_row"].iloc[0]]).to(device))
    for row in rows.itertuples():
        driving = store.batch([row.driver_row]).to(device)
        view = torch.as_tensor(np.array(row.camera), dtype=torch.float32, device=device).unsqueeze(0)  # (1, 25)
        start = time.perf_counter()
        picture = method.drive(code, driving, view).float().cpu()  # (1, 3, S, S)
        seconds = time.perf_counter() - start
        reason = _fault(picture, driving.image.shape)
        yield Frame(None if reason else to_uint8(picture[0]), reason, seconds)


def _run_command(method: External, store: FrameStore, rows: pd.DataFrame, log: Path) -> Iterator[Frame]:
    driving = store.batch(rows["driver_row"].to_numpy())
    views = torch.from_numpy(np.stack(rows["camera"].to_list())).float()  # (F, 25)
    result = method.animate(store.batch([rows["source_row"].iloc[0]]), driving, views, log)
    for frame in result.frames:
        yield Frame(frame.picture, frame.reason, result.seconds / len(rows))


def _fault(picture: Tensor, expected: torch.Size) -> str:
    if picture.shape != expected:
        return f"made a picture of shape {tuple(picture.shape)}, not {tuple(expected)}"
    return "" if bool(picture.isfinite().all()) else "made a picture with values that are not finite"


def _finished(folder: Path, run: str) -> list[dict[str, Any]] | None:
    """What an earlier call made of a pair, if it is finished and every picture is still the one that was written."""
    try:
        record = json.loads((folder / "made.json").read_text())
        made = record["made"] if record["run"] == run else None
        for number, frame in enumerate(made or ()):
            if frame["status"] == "ok" and sha256(folder / f"{number:04d}.png") != frame["sha256"]:
                return None
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None
    return made


def _finish(folder: Path, run: str, made: list[dict[str, Any]]) -> None:
    with atomic(folder / "made.json") as sibling:
        sibling.write_text(json.dumps({"run": run, "made": made}))


def _remove_others(folder: Path, wanted: list[str]) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and path.name not in wanted:
            shutil.rmtree(path)
