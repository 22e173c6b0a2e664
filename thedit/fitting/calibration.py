"""The landmark model that fitting uses, measured on rendered people whose truth is known, never written by hand.

A landmark detector does not put its points on the vertices that stand for them: the offsets are systematic, and some
landmarks scatter more than others. Both are measured on the training people of an AnnyHeads data set::

    python -m thedit.fitting.calibration data/NAME

writes ``landmarks.safetensors`` beside this module, so that fitting needs no other file.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from thedit import camera
from thedit.errors import UserError
from thedit.files import atomic
from thedit.fitting.model import PATH
from thedit.fitting.solver import axes
from thedit.heads import assets
from thedit.video import backends

ROUNDS = 5  # of reweighted least squares
OUTLIER = 3.0  # frames whose error is this many medians are left out: the detector lost the face
RIDGE = 1e-3  # of the squared sensitivity: keeps offsets along the line of sight small
SMALLEST_FACE = 80.0


@dataclass(frozen=True)
class Sample:
    """N detected faces of people who are known: detected (N, 68, 2), true (N, 68, 3) world points, labels (N, 25)."""

    detected: Tensor
    true: Tensor
    labels: Tensor


def detect(folder: Path, heads: assets.Assets, split: str = "train") -> Sample:
    """Detect landmarks in all frames of a split with dlib; frames without a face are left out."""
    find, place = backends.detector("dlib"), backends.landmarker("dlib")
    detected, true, labels = [], [], []
    clips = sorted((folder / "truth").glob(f"{split}-*/*.parquet"))
    if not clips:
        raise UserError(f"{folder}: has no truth of {split} people; make it with 'thedit heads render'.")
    for path in tqdm(clips, desc="landmarks", unit="clip"):
        truth = pd.read_parquet(path)
        video = folder / "videos" / path.parent.name / f"{path.stem}.mp4"
        with av.open(str(video)) as container:
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        points = heads.vertices(*(_stack(truth[name]) for name in ("identity", "expression")))[:, heads.landmarks]
        for picture, point, label in zip(pictures, points, _stack(truth["camera"])):
            boxes = find(picture, SMALLEST_FACE)
            if len(boxes):
                detected.append(torch.from_numpy(place(picture, boxes[0]) / picture.shape[0]))
                true.append(point)
                labels.append(label)
    return Sample(torch.stack(detected), torch.stack(true).double(), torch.stack(labels).double())


def offsets(sample: Sample) -> tuple[Tensor, Tensor]:
    """Offset (68, 3) in the head's frame, and sigma (68, 2) along and across the contour, in world units."""
    cam2world, intrinsics = camera.split(sample.labels)
    depth = ((sample.true.mean(1) - cam2world[:, :3, 3]) * cam2world[:, :3, 2]).sum(-1)
    scale = intrinsics[:, 0, 0] / depth  # picture widths a world unit
    offset = torch.zeros(68, 3, dtype=torch.float64)
    kept = torch.ones(len(scale), dtype=torch.bool)
    for _ in range(ROUNDS):
        error = sample.detected - camera.project(sample.true + offset, sample.labels)
        size = (error / scale[:, None, None]).square().sum(-1).mean(-1).sqrt()  # (N,) world units
        kept = size < OUTLIER * size.median()
        slope = _slope(sample.true + offset, sample.labels)[kept]  # (N, 68, 2, 3)
        weight = 1 / scale[kept, None, None]
        rows, goal = slope * weight[..., None], error[kept] * weight
        normal = torch.einsum("nlij,nlik->ljk", rows, rows)
        normal += RIDGE * normal.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None] * torch.eye(3)
        offset = offset + torch.linalg.solve(normal, torch.einsum("nlij,nli->lj", rows, goal))
    error = (sample.detected - camera.project(sample.true + offset, sample.labels)) / scale[:, None, None]
    turned = (axes(sample.detected) @ error[..., None])[kept, ..., 0]  # (N, 68, 2)
    return offset, turned.square().mean(0).sqrt()


def main(folder: Path) -> None:
    """Measure and write the model."""
    heads = assets.load()
    sample = detect(folder, heads)
    offset, sigma = offsets(sample)
    tensors = {
        "mean": heads.mean[heads.landmarks],
        "identity": heads.identity[:, heads.landmarks],
        "actions": heads.actions[:, heads.landmarks],
        "offset": offset.float(),
        "sigma": sigma.float(),
    }
    with atomic(PATH) as sibling:
        measured_on = {"frames": str(len(sample.labels)), "data": _fingerprint(folder)}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, sibling, measured_on)
        sibling.chmod(0o644)


def _fingerprint(folder: Path) -> str:
    """What identifies the rendered data: `thedit.heads.dataset.fingerprint`, stored with the truth."""
    path = min((folder / "truth").glob("*/*.parquet"))
    return (parquet.read_schema(path).metadata or {}).get(b"fingerprint", b"").decode()


def _slope(points: Tensor, labels: Tensor) -> Tensor:
    """Derivative (N, 68, 2, 3) of picture coordinates by world points (N, 68, 3)."""
    cam2world, intrinsics = camera.split(labels)
    rotation = cam2world[:, :3, :3].mT
    seen = (points - cam2world[:, None, :3, 3]) @ rotation.mT
    homogeneous = seen @ intrinsics.mT
    depth = homogeneous[..., 2:, None]
    picture = homogeneous[..., :2] / homogeneous[..., 2:]
    return (intrinsics[:, None, :2] - picture[..., None] * intrinsics[:, None, 2:]) / depth @ rotation[:, None]


def _stack(column: pd.Series) -> Tensor:
    return torch.from_numpy(np.stack(column.to_list())).float()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
