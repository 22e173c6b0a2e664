"""How far from the true place in the source's picture a method looks, on AnnyHeads, whose surfaces are known.

Every method that takes its result from the source's picture says where it does (`thedit.methods.geometry`): flows of
two dimensions do, and so do tri-planes that look their points up.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from thedit.evaluation.annyheads import TruePictures
from thedit.heads.assets import LABELS, Assets
from thedit.methods.base import Method
from thedit.metrics import statistics
from thedit.metrics.aggregate import people
from thedit.shards.correspondence import Correspondence, Head, correspond
from thedit.shards.store import FrameStore

METRIC = "correspondence-px"
FEATURES = [LABELS[name] for name in ("mouth", "eye_left", "eye_right", "teeth", "tongue", "lashes", "brows")]


def errors(method: Method, frames: FrameStore, truth: TruePictures, heads: Assets, pairs: pd.DataFrame) -> pd.DataFrame:
    """Rows metric, variant, value, ci_low, ci_high, n of one protocol's ``pairs``; intervals leave out people.

    A frame's value is the mean error, in pixels of the source's picture, over the cells whose point the source shows:
    of the head's own surface, without strands, and of eyes, mouth and brows alone (``-features``). Beside it stands
    what no motion at all would get (``-still``).
    """
    head = Head(heads)
    rows: list[dict[str, Any]] = []
    for _, group in tqdm(list(pairs.groupby("pair")), desc=METRIC, unit="pair"):
        rows += _pair(method, frames, truth, head, group.sort_values("frame"))
    table = pd.DataFrame(rows, columns=["variant", "source_id", "value"])
    found = []
    for variant, group in table.groupby("variant"):
        values, owners = group["value"].to_numpy(), people(group)
        without = [values[owners != name].mean() for name in np.unique(owners)]
        interval = statistics.jackknife(float(values.mean()), without)
        ends = {"value": interval.value, "ci_low": interval.low, "ci_high": interval.high}
        found.append({"metric": METRIC, "variant": variant, **ends, "n": len(group)})
    return pd.DataFrame(found)


@torch.inference_mode()
def _pair(
    method: Method, frames: FrameStore, truth: TruePictures, head: Head, rows: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Values of the frames of one pair."""
    first = rows.iloc[:1]
    source, size = frames.batch(first["source_row"].to_numpy()), frames.size
    code = method.encode(source)
    own = first.assign(driver_row=first["source_row"], camera=[source.camera[0].numpy()])
    shown, target = truth.surface(own, size // 2), truth.surface(rows, size // 2)
    known = correspond(head, shown[torch.zeros(len(rows), dtype=torch.long)], target)
    still = _own(known)
    for number, row in enumerate(rows.itertuples()):
        driving = frames.batch(np.array([row.driver_row]))
        place = method.geometry(code, driving, torch.from_numpy(row.camera)[None].float()).place
        if place is None:
            return
        for kind, looked in (("", _at_cells(place, still)), ("-still", still)):
            error = size * torch.linalg.vector_norm(looked - known.uv[number : number + 1], dim=-1)[0]
            for part, cells in _parts(known, number).items():
                if cells.any():
                    value = float(error[cells].mean())
                    labels = {"variant": f"{row.protocol}{part}{kind}", "source_id": row.source_id}
                    yield labels | {"value": value}


def _parts(known: Correspondence, number: int) -> dict[str, Tensor]:
    """Cells (G, G) of a frame that the source shows: of the head, and of what a face is read from."""
    shown, label = known.shown[number], known.label[number]
    features = torch.isin(label, torch.tensor(FEATURES))
    return {"": shown & (label < LABELS["lashes"]), "-features": shown & features}


def _own(known: Correspondence) -> Tensor:
    """Each cell's own place (1, G, G, 2)."""
    steps = (torch.arange(known.uv.shape[1]) + 0.5) / known.uv.shape[1]
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)[None]


def _at_cells(place: Tensor, own: Tensor) -> Tensor:
    """Places (1, g, g, 2) at the cells of ``own`` (1, G, G, 2): displacements are interpolated, not places."""
    steps = (torch.arange(place.shape[1]) + 0.5) / place.shape[1]
    moved = place.float() - torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
    side = own.shape[1]
    resized = functional.interpolate(moved.movedim(-1, 1), (side, side), mode="bilinear", align_corners=False)
    return own + resized.movedim(1, -1)
