"""How good preprocessing is, measured: against AnnyHeads' truth, or against MediaPipe's head transform.

Every measurement is a row: what was measured, on how many frames, the value, and the limit that it should keep.
"""

import itertools
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from thedit import camera, parquet, weights
from thedit.config import Config
from thedit.files import atomic
from thedit.shards.loader import PairLoader
from thedit.shards.sampler import PairSampler
from thedit.shards.store import FrameStore
from thedit.video import decode, truth
from thedit.video.boxes import box
from thedit.video.spec import Source, collect, load

FRONTAL = 45.0  # largest true yaw, degrees, that the limits are about
STILL = 0.2  # degrees a frame: a head that turns less is still
EVERY = 10  # frames between two that MediaPipe sees
PIXELS = 256  # side of the picture in which reprojection is counted
BATCH, BATCHES = 16, 40  # over which the loader is timed


@dataclass(frozen=True)
class Measurement:
    """One row of the table: ``n`` frames of a split, or of ``all``. ``passed`` is None where there is no limit."""

    quantity: str
    split: str
    unit: str
    value: float
    limit: str
    n: int
    passed: bool | None


def check(config: Config, folder: Path) -> pd.DataFrame:
    """Measure the preprocessed data set in ``folder``; write preprocess_check.parquet there and return the table.

    Raises `UserError` when the data set has not been preprocessed.
    """
    store = FrameStore(folder / "shards")
    qa = parquet.read(folder / "qa.parquet")
    inputs = collect(load(config.data.spec), config.data.name)
    rows = [_at_least("frames kept", "all", "share", float((qa["status"] == "kept").mean()), 0.95, len(qa))]
    if (inputs.root / "truth").is_dir():
        rows += _against_truth(store, inputs.root, config.data.heads.size)
    elif weights.there("mediapipe"):
        rows += _against_mediapipe(store, inputs.sources, config.data.preprocess.max_pixels)
    rows += _loader_speed(store)
    table = pd.DataFrame([asdict(row) for row in rows])
    with atomic(folder / "preprocess_check.parquet") as sibling:
        table.to_parquet(sibling)
    return table


def _against_truth(store: FrameStore, root: Path, size: int) -> list[Measurement]:
    """Fitted labels against true ones, in frames whose true yaw is at most 45 degrees."""
    true = torch.zeros(len(store), 25)
    points = torch.zeros(len(store), 68, 3)
    for (person, clip), rows in store.index.groupby(["person", "clip"]):
        frames = rows["frame"].to_numpy()
        true[rows.index] = torch.from_numpy(truth.cameras(root, person, clip, frames)).float()
        points[rows.index] = truth.landmarks(root, person, clip, frames)
    true = camera.crop(true, torch.from_numpy(store.column("box") / size))
    fitted = torch.from_numpy(store.column("camera"))
    turn = camera.rotation_error(camera.split(fitted)[0], camera.split(true)[0])
    shift = (_pivot(fitted) - _pivot(true) * _depth_factor(fitted, true)).norm(dim=-1) / camera.RADIUS
    moved = (camera.project(points, fitted) - camera.project(points, true)).norm(dim=-1).mean(-1) * PIXELS
    frontal = camera.angles(camera.split(true)[0])[:, 0].abs() <= FRONTAL
    jitter, still = _jitter(store, fitted, true)
    measured = []
    for split in sorted(store.index["split"].unique()):  # the landmark model was measured on people of train
        of_split = torch.tensor((store.index["split"] == split).to_numpy())
        for quantity, unit, values, rows, share, limit in (
            ("rotation error, median", "degrees", turn, frontal, 0.5, 2.5),
            ("rotation error, 95th percentile", "degrees", turn, frontal, 0.95, 6.0),
            ("translation error, median", "share of the radius", shift, frontal, 0.5, 0.03),
            ("reprojection error, median", f"pixels of {PIXELS}", moved, frontal, 0.5, 3.0),
            ("jitter of a still head, median", "degrees a frame", jitter, still, 0.5, 0.3),
        ):
            chosen = values[rows & of_split]
            if len(chosen):
                measured.append(_at_most(quantity, split, unit, chosen.quantile(share), limit, len(chosen)))
    return measured


def _pivot(labels: Tensor) -> Tensor:
    """The head's pivot (N, 3) in the camera's axes."""
    cam2world, _ = camera.split(labels)
    offset = torch.tensor(camera.PIVOT) - cam2world[:, :3, 3]
    return torch.einsum("nij,ni->nj", cam2world[:, :3, :3], offset)


def _depth_factor(fitted: Tensor, true: Tensor) -> Tensor:
    """What a wrong focal length does to distance (N, 3): a head looks as large from twice as far with twice the focal
    length, so that depth is compared after scaling it by the ratio of the focal lengths.
    """
    ratio = fitted[:, 16] / true[:, 16]
    return torch.stack([torch.ones_like(ratio), torch.ones_like(ratio), ratio], dim=-1)


def _jitter(store: FrameStore, fitted: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Fitted turn (N,) from each frame to the next, degrees, and where (N,) the true turn is next to nothing."""
    index = store.index
    following = (
        (index["person"].shift(-1) == index["person"])
        & (index["clip"].shift(-1) == index["clip"])
        & (index["frame"].shift(-1) == index["frame"] + 1)
    ).to_numpy()
    poses = [camera.split(labels)[0] for labels in (fitted, true)]
    fitted_turn, true_turn = (camera.rotation_error(pose, pose.roll(-1, 0)) for pose in poses)
    return fitted_turn, torch.tensor(following) & (true_turn < STILL)


def _against_mediapipe(store: FrameStore, sources: list[Source], most: int) -> list[Measurement]:
    """Fitted rotations against MediaPipe's head transform, in every tenth kept frame; ``most`` pixels a frame."""
    from thedit.faces.mediapipe import Mesh
    from thedit.faces.mediapipe_pose import head_rotation

    mesh = Mesh()
    boxes, landmarks = store.column("box"), store.column("landmarks").reshape(-1, 68, 2)
    fitted, other = [], []
    for source in sources:
        rows = store.index[(store.index["person"] == source.person) & store.index["clip"].str.startswith(source.clip)]
        by_frame = {frame: row for frame, row in zip(rows["frame"], rows.index) if frame % EVERY == 0}
        if not by_frame:
            continue
        for picture in decode.read(source, range(min(by_frame), max(by_frame) + 1), most=most):
            if picture.number not in by_frame:
                continue
            row = by_frame[picture.number]
            points = landmarks[row] * boxes[row, 2] + boxes[row, :2]
            across = points[42:48].mean(0) - points[36:42].mean(0)
            height, width = picture.pixels.shape[:2]
            vertices = mesh(picture.pixels, box(points), float(np.degrees(np.arctan2(across[1], across[0]))))
            other.append(head_rotation(vertices, width, height).T @ np.diag([1.0, -1.0, -1.0]))
            fitted.append(store.column("camera")[row, :16].reshape(4, 4)[:3, :3])
    if not fitted:
        return []
    first, second = (torch.from_numpy(np.stack(rotations)).float() for rotations in (fitted, other))
    apart = camera.rotation_error(first, second)
    return [_at_most("rotation against MediaPipe, median", "all", "degrees", apart.quantile(0.5), 5.0, len(apart))]


def _loader_speed(store: FrameStore) -> list[Measurement]:
    """Pictures a second that two loading threads decode; none if there are not two people to pair."""
    splits = store.index.groupby("split")["person"].nunique()
    if splits.max() < 2:
        return []
    loader = iter(PairLoader(store, PairSampler(store.index, BATCH, split=str(splits.idxmax()))))
    next(loader)
    start = time.perf_counter()
    for _ in itertools.islice(loader, BATCHES):
        pass
    loaded = 3 * BATCH * BATCHES
    rate = loaded / (time.perf_counter() - start)
    return [_at_least(f"pictures loaded, {store.size} x {store.size}", "all", "a second", rate, 500, loaded)]


def _at_most(quantity: str, split: str, unit: str, value: Tensor, limit: float, n: int) -> Measurement:
    return Measurement(quantity, split, unit, float(value), f"<= {limit:g}", n, bool(value <= limit))


def _at_least(quantity: str, split: str, unit: str, value: float, limit: float, n: int) -> Measurement:
    return Measurement(quantity, split, unit, value, f">= {limit:g}", n, value >= limit)
