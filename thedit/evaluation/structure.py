"""What a method has learned inside, against AnnyHeads' truth: depth, dense correspondence, disentanglement.

Each frame of the test clips drives itself, so its planes stand for its own person and expression.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from thedit import camera, layout, provenance
from thedit.config import Config, digest
from thedit.errors import UserError
from thedit.evaluation import correspondence as correspondence_of
from thedit.evaluation import probes, protocols
from thedit.evaluation.annyheads import TrueLabels, TruePictures
from thedit.evaluation.stage import ready
from thedit.heads import assets
from thedit.heads.assets import LABELS, PARTS, Assets
from thedit.heads.dataset import Truth
from thedit.kernels import render as kernel
from thedit.methods.base import Method
from thedit.methods.planedict import PlaneDict
from thedit.metrics import statistics, tables
from thedit.shards.store import FrameStore
from thedit.spacing import evenly

FRAMES_PER_CLIP = 3  # whose depth and correspondence are measured; probes read all frames
SURFACE_POINTS = 1000  # of the face, searched and searched among
NEAR_HIT = 5.0  # millimetres within which a corresponding point counts as found
NO_SURFACE = [LABELS[name] for name in ("background", "lashes", "brows", "beard", "hair", "accessory")]


@dataclass(frozen=True)
class Frame:
    """One frame: its planes (1, 3, F, R, R), its surface points (P, 3) in the truth's and in the model's head frame."""

    row: int
    person: str
    planes: Tensor
    surface: Tensor
    seen: Tensor


def write_structure(config: Config, name: str) -> Path:
    """Measure the method ``name`` of a run, write a table of schema `tables.STRUCTURE` and return its path.

    Tri-planes are looked into, and whatever says where in the source's picture it looks is compared with the truth, on
    the protocols that keep the camera. Raises `UserError` for a method with neither.
    """
    store, data = FrameStore(layout.shards(config)), layout.data(config)
    method = ready(config, name, store.size).cpu()
    heads = assets.load()
    pictures = TruePictures(data, store, store.size, layout.measured(config) / "truth")
    found = [
        correspondence_of.errors(method, store, pictures, heads, tables.read(layout.pairs(config, one), tables.PAIRS))
        for one in config.evaluation.protocols
        if type(method).geometry is not Method.geometry and protocols.find(one).kind in ("self", "cross")
    ]
    if isinstance(method, PlaneDict):
        truth = Truth(data, heads, method.options.neural_size)
        found.append(structure(method, store, TrueLabels(data, store, truth.heads.size), truth, heads))
    rows = pd.concat([pd.DataFrame(), *found])
    if rows.empty:
        raise UserError(
            f"--method: '{name}' has no tri-planes to look into and does not say where in the source's picture it "
            "looks, on a protocol of the run that is self or cross; planedict, fomm and lia do."
        )
    stamp = {"dataset": config.data.name, "config_hash": digest(config), "code_version": provenance.code_version()}
    path = layout.run(config) / "structure" / f"{name}.parquet"
    tables.write(rows.assign(method=name, **stamp), tables.STRUCTURE, path)
    return path


def structure(
    method: PlaneDict, frames: FrameStore, labels: TrueLabels, truth: Truth, heads: Assets, split: str = "test"
) -> pd.DataFrame:
    """Rows metric, variant, value, ci_low, ci_high, n for one method on the CPU; intervals leave out people."""
    index = frames.index[frames.index["split"] == split]
    chosen = [
        int(row)
        for _, group in index.groupby(["person", "clip"])
        for row in group.index[evenly(len(group), FRAMES_PER_CLIP)]
    ]
    points = face_points(heads)
    made = [prepare(method, frames, labels, heads, points, row) for row in tqdm(chosen, desc="planes", unit="frame")]
    depths = [depth_errors(method, frames, labels, truth, frame) for frame in tqdm(made, desc="depth", unit="frame")]
    table = pd.DataFrame([*chain.from_iterable(depths), *_correspondence(made)])
    rows = []
    for (metric, variant), group in table.groupby(["metric", "variant"]):
        values, people = group["value"].to_numpy(), group["person"].to_numpy(dtype=str)
        interval = statistics.jackknife(values.mean(), [values[people != name].mean() for name in np.unique(people)])
        rows.append(_row(metric, variant, interval, len(group)))
    return pd.DataFrame([*rows, *_disentanglement(method, frames, labels, index)])


def face_points(heads: Assets) -> Tensor:
    """Vertices (P,) of the skin of the face: in front of the ears, from the chin to the forehead, evenly spread."""
    skin = heads.triangles[heads.part == PARTS["skin"]].long().unique()
    marks = heads.mean[heads.landmarks]
    place = heads.mean[skin]
    low, high = marks[:, 1].min(), marks[:, 1].max() + 0.1
    face = skin[(place[:, 2] > marks[:, 2].min()) & (place[:, 1] > low) & (place[:, 1] < high)]
    return face[evenly(len(face), SURFACE_POINTS)]


@torch.inference_mode()
def prepare(
    method: PlaneDict, frames: FrameStore, labels: TrueLabels, heads: Assets, points: Tensor, row: int
) -> Frame:
    """Planes of one frame and its true surface."""
    rows = np.array([row])
    source = method.encode(frames.batch(rows))
    motion = source.codes.motion
    planes = method.network.planes(source.planes, method.network.condition(motion, motion))
    surface = heads.vertices(labels.labels(rows, "identity")[0], labels.labels(rows, "expression")[0])[points]
    fitted = torch.from_numpy(frames.column("camera")[rows])[0]
    person = str(frames.index["person"].iloc[row])
    return Frame(row, person, planes, surface, to_model(surface, labels.cameras(rows)[0], fitted))


def to_model(points: Tensor, true: Tensor, fitted: Tensor) -> Tensor:
    """Points (P, 3) of the true head's frame in the frame of the fitted label, which the model was trained with.

    The head is turned as the fitted pose says and put where its pivot is seen, at the fitted distance; what the focal
    length, which a video does not tell, does to distances falls out.
    """
    (true_pose, _), (pose, lens) = camera.split(true), camera.split(fitted)
    pivot = torch.tensor(camera.PIVOT)
    place = torch.cat([camera.project(pivot[None], true)[0], torch.ones(1)])  # where the picture shows the pivot
    ray = torch.linalg.inv(lens) @ place
    depth = (pivot - pose[:3, 3]) @ pose[:3, 2]
    centre = pose[:3, 3] + pose[:3, :3] @ (ray * depth)
    turn = pose[:3, :3] @ true_pose[:3, :3].T
    return (points - pivot) @ turn.T + centre


@torch.inference_mode()
def depth_errors(
    method: PlaneDict, frames: FrameStore, labels: TrueLabels, truth: Truth, frame: Frame
) -> list[dict[str, Any]]:
    """Mean absolute error in millimetres of the distance at the head's pixels, their median difference removed.

    ``flat`` is what a sphere about the camera at the head's distance would get.
    """
    rows = np.array([frame.row])
    batch = frames.batch(rows)
    person, clip = frames.index[["person", "clip"]].iloc[frame.row]
    true = truth.frames(f"{person}/{clip}", labels.labels(rows, "expression"), labels.cameras(rows))
    assert true.depth is not None and true.mask is not None
    made = method.geometry(method.encode(batch), batch, batch.camera).distance
    assert made is not None
    head = torch.from_numpy(~np.isin(true.mask[0], NO_SURFACE))
    wanted, found = torch.from_numpy(true.depth[0])[head], made[0][head]
    values = {"model": _spread(found - wanted), "flat": _spread(wanted)}
    return [
        {"metric": "depth-mm", "variant": name, "person": frame.person, "value": value}
        for name, value in values.items()
    ]


def correspondence(first: Frame, second: Frame) -> dict[str, Tensor]:
    """Errors (P,) in millimetres of finding each surface point of one frame on the surface of another.

    model: the point whose plane features are nearest. position: the point nearest in space, which needs no model.
    chance: any point. bound: the features' search within the first frame, the point itself left out, which tells how
    finely features tell neighbours apart.
    """
    features, others = (_features(frame) for frame in (first, second))
    distances = _distances(second.surface, second.surface) * camera.MILLIMETRES  # (P, P)
    within = _distances(first.surface, first.surface) * camera.MILLIMETRES
    points = torch.arange(len(features))
    return {
        "model": distances[points, _distances(features, others).argmin(1)],
        "position": distances[points, _distances(first.seen, second.seen).argmin(1)],
        "chance": distances[points, torch.randperm(len(points), generator=torch.Generator().manual_seed(0))],
        "bound": within[points, _distances(features, features).fill_diagonal_(torch.inf).argmin(1)],
    }


def _correspondence(made: list[Frame]) -> Iterator[dict[str, Any]]:
    """Each frame against one of the next person, cyclically."""
    people = sorted({frame.person for frame in made})
    for frame in made:
        following = people[(people.index(frame.person) + 1) % len(people)]
        other = next(one for one in made if one.person == following)
        for variant, errors in correspondence(frame, other).items():
            common = {"variant": variant, "person": frame.person}
            yield {"metric": "correspondence-mm", "value": float(errors.mean()), **common}
            yield {"metric": "correspondence-found", "value": float((errors < NEAR_HIT).float().mean()), **common}


@torch.inference_mode()
def _disentanglement(
    method: PlaneDict, frames: FrameStore, labels: TrueLabels, index: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """How much identity and expression linear probes read from either code."""
    rows = index.index.to_numpy()
    codes = [method.codes(frames.batch([row])) for row in tqdm(rows, desc="codes", unit="frame")]
    person, clip = index["person"].to_numpy(dtype=str), index["clip"].to_numpy(dtype=str)
    expression = labels.labels(rows, "expression").double().numpy()
    for name in ("identity", "motion"):
        read = torch.cat([getattr(code, name) for code in codes]).double().numpy()
        scores = {
            "probe-identity": lambda kept, read=read: probes.identity_accuracy(read[kept], person[kept], clip[kept]),
            "probe-expression": lambda kept, read=read: probes.explained_variance(
                read[kept], expression[kept], person[kept]
            ),
        }
        for metric, score in scores.items():
            without = [score(person != one) for one in np.unique(person)]
            interval = statistics.jackknife(score(np.ones(len(rows), dtype=bool)), without)
            yield _row(metric, f"{name} code", interval, len(rows))


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Distances (P, Q), exact also for near points, where a matrix product would cancel."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _features(frame: Frame) -> Tensor:
    """Plane features (P, F) at a frame's surface, as the renderer reads them."""
    return kernel.sample_planes(frame.planes, frame.seen[None])[0]


def _spread(depth: Tensor) -> float:
    """Mean absolute distance from the median, millimetres."""
    return float((depth - depth.median()).abs().mean()) * camera.MILLIMETRES


def _row(metric: str, variant: str, interval: statistics.Interval, n: int) -> dict[str, Any]:
    return {
        "metric": metric,
        "variant": variant,
        "value": interval.value,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "n": n,
    }
