"""The pictures and true landmarks that the landmark network learns from, all in memory."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from thedit import config
from thedit.errors import UserError
from thedit.heads import people
from thedit.heads.assets import Assets
from thedit.video.boxes import box


@dataclass(frozen=True)
class Faces:
    """N pictures of side S with one face each, of ``people`` people.

    image (N, S, S, 3) uint8 RGB; landmarks (N, 68, 2) projected vertices; box (N, 4) as dlib would draw it around them:
    left, top, right, bottom. Both in normalised picture coordinates.
    """

    image: Tensor
    landmarks: Tensor
    box: Tensor
    people: int

    def __len__(self) -> int:
        return len(self.image)

    def to(self, device: torch.device) -> "Faces":
        """The same faces on another device."""
        return Faces(self.image.to(device), self.landmarks.to(device), self.box.to(device), self.people)


def load(folder: Path, split: str, heads: Assets) -> Faces:
    """Decode all clips of a split of the AnnyHeads data set in ``folder``, but those of `benchmark` people.

    Raises `UserError` if no clip is there.
    """
    known = benchmark(heads)
    paths = sorted((folder / "truth").glob(f"{split}-*/*.parquet"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        clips = [clip for clip in pool.map(lambda path: _read(folder, path, known), paths) if clip is not None]
    if not clips:
        raise UserError(f"{folder}: has no clips of {split} people; make them with 'thedit heads render'.")
    image, landmarks, person = (np.concatenate(parts) for parts in zip(*clips))
    boxes = np.stack([box(points) for points in landmarks]).astype(np.float32)
    tensors = {"image": image, "landmarks": landmarks, "box": boxes}
    return Faces(**{name: torch.from_numpy(values) for name, values in tensors.items()}, people=len(np.unique(person)))


def benchmark(heads: Assets) -> set[bytes]:
    """Identities that results are about, as bytes: all test people of the default data set, and its training people.

    Data sets of another seed sample their people from the same bank, so some of theirs have one of these identities.
    """
    default = config.Heads()
    tested = people.sample(heads, default.seed, len(heads.bank) // people.TEST_SHARE, "test")
    calibrated = people.sample(heads, default.seed, default.train_people, "train")
    return {person.identity.tobytes() for person in (*tested, *calibrated)}


def _read(folder: Path, path: Path, known: set[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Pictures, landmarks and the person of each frame of one clip; None if the person is ``known``."""
    table = pq.read_table(path, columns=["person", "identity", "landmarks"])
    identity, landmarks = (
        table[name].combine_chunks().flatten().to_numpy().astype(np.float32).reshape(len(table), -1)
        for name in ("identity", "landmarks")
    )
    if identity[0].tobytes() in known:
        return None
    with av.open(str(folder / "videos" / path.parent.name / f"{path.stem}.mp4")) as container:
        image = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    return image, landmarks.reshape(-1, 68, 2), table["person"].to_numpy()
