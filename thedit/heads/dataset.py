"""AnnyHeads on disk: video files as a camera would record them, a sample sheet, and the truth beside them.

A clip follows from (seed, split, person's index, clip's index) alone, so clips can be made in any order by any number
of processes, and again at any time: `Truth` renders a recorded person with another expression or from elsewhere.
"""

import csv
import json
import zlib
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from thedit import camera, config, layout, provenance
from thedit.errors import UserError
from thedit.files import atomic, sha256
from thedit.heads import gestures, motion, people, scene
from thedit.heads.assets import Assets
from thedit.heads.frames import Frames, write_maps
from thedit.heads.motion import Motion
from thedit.heads.people import Person
from thedit.heads.renderer import Renderer
from thedit.heads.scene import Scene

CELL = 4  # recorded pixels along the side of a cell of the maps of training people; test people's cells are pixels
VERSION = 2  # of what `thedit heads render` makes with the same settings
Split = Literal["train", "test"]
SPLITS: tuple[Split, Split] = ("train", "test")


@dataclass(frozen=True)
class Clip:
    """One clip of a data set: its name is ``<split>-<person>/<clip>``."""

    split: Split
    person: int
    number: int

    @property
    def name(self) -> str:
        """As in ``test-0002/01``."""
        return f"{self.split}-{self.person:04d}/{self.number:02d}"

    @property
    def take(self) -> int:
        """Counts the performances of a split that have the same number; training people give each in twos.

        Test people have theirs alone, because protocols drive one of them by another.
        """
        return self.person // 2 if self.split == "train" else self.person

    @property
    def performance(self) -> str:
        """What is done in the clip, under one path of the camera."""
        return f"train-take-{self.take:04d}/{self.number:02d}" if self.split == "train" else self.name

    def light(self, seed: int) -> Scene:
        """Light, background and stance."""
        return scene.sample(_generator(seed, self.name, 2))

    def moves(self, heads: config.Heads) -> Motion:
        """Expressions and cameras of the frames that are recorded."""
        dealt = gestures.deal(_generator(heads.seed, f"{self.split}/{self.number:02d}", 4), self.take)
        frames = heads.frames_per_clip * heads.stride
        moves = motion.animate(_generator(heads.seed, self.performance, 1), frames, dealt)
        return Motion(moves.expression[:: heads.stride], moves.camera[:: heads.stride])


def clips(heads: config.Heads, splits: tuple[Split, ...] = SPLITS) -> list[Clip]:
    """All clips of these splits of a data set, training people first."""
    counts = {"train": heads.train_people, "test": heads.test_people}
    return [Clip(split, i, k) for split in splits for i in range(counts[split]) for k in range(heads.clips_per_person)]


def fingerprint(heads: config.Heads) -> str:
    """Changes whenever a clip would look different: with size, length, stride, seed or the code that makes it."""
    code = provenance.code_hash(__name__)
    return config.digest([heads.size, heads.frames_per_clip, heads.stride, heads.seed, code])


def finished(folder: Path, clip: Clip, key: str) -> bool:
    """Whether the clip's files are there, as they were written, and made with this fingerprint.

    The truth is written last and has the sha256 of the others.
    """
    path = folder / "truth" / f"{clip.name}.parquet"
    try:
        metadata = pq.read_table(path).schema.metadata or {}
        files = json.loads(metadata.get(b"files", b"{}"))
        if metadata.get(b"fingerprint") != key.encode() or not files:
            return False
        return all(sha256(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, pa.ArrowException, UserError):
        return False


def record(renderer: Renderer, heads: config.Heads, takes: list[Clip], folder: Path, key: str) -> None:
    """Render clips of one person; write videos, maps and truth."""
    split, number = takes[0].split, takes[0].person
    person = people.sample(renderer.assets, heads.seed, number + 1, split)[number]
    for clip in takes:
        _record(renderer, heads, person, clip, folder, key)


def _record(renderer: Renderer, heads: config.Heads, person: Person, clip: Clip, folder: Path, key: str) -> None:
    moves, light = clip.moves(heads), clip.light(heads.seed)
    maps = heads.size if clip.split == "test" else heads.size // CELL
    frames = renderer.render(person, moves.expression, moves.camera, light, maps=maps)
    rate, random = Fraction(motion.RATE) / heads.stride, _generator(heads.seed, clip.name, 3)
    _write_video(folder / "videos" / f"{clip.name}.mp4", frames.image, light, random, rate)
    write_maps(folder / "truth" / f"{clip.name}.maps.arrow", frames)
    names = [f"videos/{clip.name}.mp4", f"truth/{clip.name}.maps.arrow"]
    files = json.dumps({name: sha256(folder / name) for name in names})
    made = {"version": str(VERSION), "fingerprint": key, "files": files}
    _write_truth(folder / "truth" / f"{clip.name}.parquet", renderer.assets, clip, person.identity, moves, made)


def write_sheet(folder: Path, heads: config.Heads, listed: list[Clip]) -> None:
    """The sample sheet of the clips ``listed``, and the settings that `Truth` needs."""
    with atomic(folder / "sheet.csv") as path, open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["video", "person", "split", "start", "end", "frames"])
        for clip in listed:
            writer.writerow(
                [f"videos/{clip.name}.mp4", clip.name.split("/")[0], clip.split, "", "", heads.frames_per_clip]
            )
    with atomic(folder / "heads.json") as path:
        path.write_text(json.dumps(heads.model_dump(mode="json"), indent=2) + "\n")


class Truth:
    """True pictures of the people of a rendered data set, in situations that were never recorded.

    folder: the data set; size: side of the wanted pictures; raises `UserError` if the folder is no such data set.
    """

    def __init__(self, folder: str | Path, assets: Assets, size: int, device: str = "cpu"):
        path = Path(folder) / "heads.json"
        try:
            self.heads = config.parse(json.loads(path.read_text()), config.Heads, path)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read; make the data set with 'thedit heads render'.") from error
        self.size = size
        self.factor = max(round(self.heads.size / size), 1)
        self._fine = Renderer(assets, size * self.factor, device)
        self._people: dict[str, Person] = {}

    def frames(
        self, clip: str, expression: Tensor, cameras: Tensor, *, recorded: Tensor | None = None,
        window: Tensor | None = None,
    ) -> Frames:  # fmt: skip
        """The person of ``clip`` (``test-0002/01``, or a part of it), in that clip's light and before its background.

        expression (T, 52), cameras (T, 25); ``recorded`` and ``window`` as in `Renderer.render`. The picture is
        rendered at the recorded size and averaged down; mask, depth and correspondence are those of pixel centres.
        """
        name, take = layout.recorded(clip).split("/")
        split, index = name.split("-")
        which = Clip("test" if split == "test" else "train", int(index), int(take))
        light = which.light(self.heads.seed)
        if name not in self._people:
            sampled = people.sample(self._fine.assets, self.heads.seed, which.person + 1, which.split)
            self._people[name] = sampled[which.person]
        person = self._people[name]
        seen = self._fine.render(person, expression, cameras, light, recorded=recorded, window=window, maps=self.size)
        blocks = seen.image.reshape(len(seen.image), self.size, self.factor, self.size, self.factor, 3)
        image = (blocks.astype(np.float32).mean((2, 4)) + 0.5).astype(np.uint8)
        return replace(seen, image=image)


def _generator(seed: int, name: str, purpose: int) -> np.random.Generator:
    """Random numbers that belong to a clip or a performance and one purpose."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), purpose])


def _write_video(
    path: Path, images: NDArray[np.uint8], light: Scene, generator: np.random.Generator, rate: Fraction
) -> None:
    """What a camera makes of pictures: a little blur, noise that smoother places show too, and compression."""
    size = images.shape[1]
    with atomic(path) as sibling, av.open(str(sibling), "w") as container:
        options = {"crf": str(light.quality), "preset": "superfast", "x264-params": "asm=0"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        # The same bytes with any number of processors and on each kind of them: x264's vector code looks at memory
        # beside a picture whose side is no multiple of 128, and differs from one instruction set to the next.
        stream.codec_context.thread_count = 1
        for image in images:
            seen = image.astype(np.float32)
            if light.blur * size > 300:  # less than 0.3 pixels is nothing
                seen = cv2.GaussianBlur(seen, (0, 0), light.blur * size / 1000)
            seen = seen + light.noise * generator.standard_normal(image.shape, np.float32)
            planes = cv2.cvtColor(seen.clip(0, 255).round().astype(np.uint8), cv2.COLOR_RGB2YUV_I420)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())


def _write_truth(
    path: Path, assets: Assets, clip: Clip, identity: NDArray[np.float32], moves: Motion, made: dict[str, str]
) -> None:
    frames = len(moves.camera)
    rest = assets.vertices(torch.from_numpy(identity))[assets.landmarks]
    points = rest + torch.einsum("tk,kvc->tvc", moves.expression, assets.blendshapes[:, assets.landmarks])
    landmarks = camera.project(points, moves.camera)

    def rows(values: NDArray) -> pa.FixedSizeListArray:
        flat = np.ascontiguousarray(values, np.float32).reshape(frames, -1)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])

    person, number = clip.name.split("/")
    table = pa.table(
        {
            "person": [person] * frames,
            "clip": [number] * frames,
            "split": [clip.split] * frames,
            "performance": [clip.performance] * frames,
            "frame": pa.array(range(frames), pa.int32()),
            "camera": rows(moves.camera.numpy()),
            "expression": rows(moves.expression.numpy()),
            "identity": rows(np.broadcast_to(identity, (frames, len(identity)))),
            "landmarks": rows(landmarks.numpy()),
        },
        metadata=made,
    )
    with atomic(path) as sibling:
        pq.write_table(table, sibling, compression="zstd")
