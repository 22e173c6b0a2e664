"""The landmark model that fitting uses, measured on rendered people whose truth is known, never written by hand.

A landmark detector does not put its points on the vertices that stand for them: the offsets are systematic. What
remains are errors that all pictures of a person share, and errors that differ from picture to picture; in both,
landmarks err together. Last, fits with these find heads a little too small, which `thedit.fitting.solver` corrects by a
share that is to be found. All four are measured on the training people of an AnnyHeads data set, for each detector of
`thedit.fitting.model.CALIBRATED`::

    python -m thedit.landmarks.calibration data/annyheads-quick

writes `thedit.fitting.model.PATH`, so that fitting needs no other file: the landmarks of the head
assets, and what was measured. With names of detectors behind the folder, these alone are measured, and the others'
tensors stay as they are, which is sound as long as the assets' people are the same: they are lengths in space, whatever
the signs and order of the assets' components. The metadata say what each was measured on: the data set's options,
frames, and the sha256 of head assets and detector.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from thedit import camera, parquet
from thedit.errors import UserError
from thedit.faces.registry import NETWORKS, Network, find
from thedit.files import atomic, sha256
from thedit.fitting import fit_clip
from thedit.fitting.model import CALIBRATED, PATH, LandmarkModel, assemble
from thedit.fitting.solver import upright
from thedit.heads import assets
from thedit.spacing import evenly
from thedit.video.pose import FIRST_FRAMES
from thedit.video.track import settled

ROUNDS = 5  # of reweighted least squares
TRIES = 6  # bisections of the share that heads' size needs
OUTLIER = 3.0  # frames whose error is this many medians are left out: the detector lost the face
RIDGE = 1e-3  # of the squared sensitivity: keeps offsets along the line of sight small
SMALLEST_FACE = 80.0
# How far covariances are drawn towards uncorrelated landmarks. Chosen on training people left out in turn (3 folds):
# rotation error 3.63, 3.51, 3.38 degrees for 0.05, 0.2, 0.5 of the people's.
SHRINK_PERSON, SHRINK_FRAME = 0.5, 0.05


@dataclass(frozen=True)
class Sample:
    """N detected faces of people who are known.

    detected (N, 68, 2), true (N, 68, 3) world points, cameras (N, 25), person (N,) and clip (N,) numbers.
    """

    detected: Tensor
    true: Tensor
    cameras: Tensor
    person: Tensor
    clip: Tensor


def detect(folder: Path, heads: assets.Assets, network: Network, split: str = "train") -> Sample:
    """Landmarks of ``network`` in the frames of a split where dlib finds a face, in boxes of their own."""
    boxes_of, place = find("detector", "dlib-hog").load(), network.load()
    detected, true, cameras, person, clip = [], [], [], [], []
    clips = sorted((folder / "truth").glob(f"{split}-*/*.parquet"))
    if not clips:
        raise UserError(f"{folder}: has no truth of {split} people; make it with 'thedit heads render'.")
    people = sorted({path.parent.name for path in clips})
    for number, path in enumerate(tqdm(clips, desc=network.name, unit="clip")):
        truth = parquet.read(path)
        video = folder / "videos" / path.parent.name / f"{path.stem}.mp4"
        with av.open(str(video)) as container:
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        points = heads.vertices(*(_stack(truth[name]) for name in ("identity", "expression")))[:, heads.landmarks]
        for picture, point, view in zip(pictures, points, _stack(truth["camera"])):
            boxes = boxes_of(picture, SMALLEST_FACE)
            if len(boxes):
                detected.append(torch.from_numpy(settled(place, picture, boxes[0]) / picture.shape[0]))
                true.append(point)
                cameras.append(view)
                person.append(people.index(path.parent.name))
                clip.append(number)
    known = (torch.stack(true).double(), torch.stack(cameras).double())
    return Sample(torch.stack(detected), *known, torch.tensor(person), torch.tensor(clip))


def measure(sample: Sample) -> dict[str, Tensor]:
    """What `thedit.fitting.model.LandmarkModel` needs of a detector, in world units.

    offset (68, 3) in the head's frame; person and frame (136, 136), covariances of upright errors (see `solver`).
    """
    cam2world, intrinsics = camera.split(sample.cameras)
    depth = ((sample.true.mean(1) - cam2world[:, :3, 3]) * cam2world[:, :3, 2]).sum(-1)
    scale = intrinsics[:, 0, 0] / depth  # picture widths a world unit
    offset = torch.zeros(68, 3, dtype=torch.float64)
    for _ in range(ROUNDS):
        error = sample.detected - camera.project(sample.true + offset, sample.cameras)
        size = (error / scale[:, None, None]).square().sum(-1).mean(-1).sqrt()  # (N,) world units
        kept = size < OUTLIER * size.median()
        slope = _slope(sample.true + offset, sample.cameras)[kept]  # (N, 68, 2, 3)
        weight = 1 / scale[kept, None, None]
        rows, goal = slope * weight[..., None], error[kept] * weight
        normal = torch.einsum("nlij,nlik->ljk", rows, rows)
        normal += RIDGE * normal.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None] * torch.eye(3)
        offset = offset + torch.linalg.solve(normal, torch.einsum("nlij,nli->lj", rows, goal))
    error = sample.detected - camera.project(sample.true + offset, sample.cameras)
    error = (error @ upright(sample.detected, scale).mT).flatten(1)[kept]  # (N, 136)
    person = sample.person[kept]
    means = {int(number): error[person == number].mean(0) for number in person.unique()}
    shared = torch.stack(list(means.values()))  # (people, 136)
    rest = error - torch.stack([means[int(number)] for number in person])
    return {
        "offset": offset,
        "person": _shrunk(shared.mT @ shared / len(shared), SHRINK_PERSON),
        "frame": _shrunk(rest.mT @ rest / (len(rest) - len(shared)), SHRINK_FRAME),
    }


def size(sample: Sample, model: LandmarkModel) -> Tensor:
    """`LandmarkModel.size` () with which the median clip's head comes out as large as it is; all else as in ``model``.

    Clips are fitted as in preprocessing, with the lens that it would take if it knew the scale. The result is next to 0
    where heads are not too small without, next to 1 where they are too small even with all of it.
    """
    low, high = 0.0, 1.0
    for _ in range(TRIES):
        share = (low + high) / 2
        tried = replace(model, size=torch.tensor(share, dtype=torch.float64))
        low, high = (share, high) if _growth(sample, tried) > 0 else (low, share)
    return torch.tensor((low + high) / 2, dtype=torch.float64)


def _growth(sample: Sample, model: LandmarkModel) -> float:
    """Median over the clips of the logarithm of the fitted scale over the true one."""
    growth = []
    for number in sample.clip.unique():
        rows = (sample.clip == number).nonzero()[:, 0]
        rows = rows[evenly(len(rows), FIRST_FRAMES)]
        true = _scale(sample.cameras[rows], model.centroid)
        lens = camera.intrinsics(camera.RADIUS * float(true.median()))
        fitted = fit_clip(sample.detected[rows], lens, model=model).camera.double()
        growth.append((_scale(fitted, model.centroid) / true).log().median())
    return float(torch.stack(growth).median())


def _scale(cameras: Tensor, point: Tensor) -> Tensor:
    """Picture widths a world unit (N,) at a point (3,)."""
    cam2world, intrinsics = camera.split(cameras)
    return intrinsics[:, 0, 0] / ((point - cam2world[:, :3, 3]) * cam2world[:, :3, 2]).sum(-1)


def main(folder: Path, detectors: Sequence[str] = ()) -> None:
    """Measure all detectors, or ``detectors`` and keep what the file says of the others; write the model."""
    heads = assets.load()
    tensors, made_from = {}, {}
    if detectors:
        tensors = load_file(PATH)
        with safe_open(PATH, "pt") as file:
            made_from = file.metadata()
    tensors |= {name: getattr(heads, name)[:, heads.landmarks] for name in ("identity", "blendshapes")}
    tensors["mean"] = heads.mean[heads.landmarks]
    made_from["heads_sha256"] = sha256(assets.PATH)
    for name in detectors or CALIBRATED:
        network = next(one for one in NETWORKS if one.role == "landmarks" and one.model == name)
        sample = detect(folder, heads, network)
        tensors |= {f"{name}.{key}": tensor.float() for key, tensor in measure(sample).items()}
        tensors[f"{name}.size"] = torch.zeros(())
        tensors[f"{name}.size"] = size(sample, assemble(tensors, name)).float()
        facts = {
            "data": json.loads((folder / "heads.json").read_text()),
            "frames": len(sample.cameras),
            "heads_sha256": sha256(assets.PATH),
            "detector_sha256": network.sha256,
        }
        made_from[name] = json.dumps(facts)
    with atomic(PATH) as sibling:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, sibling, made_from)
        sibling.chmod(0o644)


def _shrunk(covariance: Tensor, share: float) -> Tensor:
    return (1 - share) * covariance + share * torch.diag(covariance.diagonal())


def _slope(points: Tensor, cameras: Tensor) -> Tensor:
    """Derivative (N, 68, 2, 3) of picture coordinates by world points (N, 68, 3)."""
    cam2world, intrinsics = camera.split(cameras)
    rotation = cam2world[:, :3, :3].mT
    seen = (points - cam2world[:, None, :3, 3]) @ rotation.mT
    homogeneous = seen @ intrinsics.mT
    depth = homogeneous[..., 2:, None]
    picture = homogeneous[..., :2] / homogeneous[..., 2:]
    return (intrinsics[:, None, :2] - picture[..., None] * intrinsics[:, None, 2:]) / depth @ rotation[:, None]


def _stack(column: pd.Series) -> Tensor:
    return torch.from_numpy(np.stack(column.to_list())).float()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
