"""All shards of a folder as one table with random access; pictures are decoded only when asked for."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from thedit.config import digest
from thedit.errors import UserError
from thedit.shards.batch import FrameBatch, TrainBatch, centre
from thedit.shards.sampler import Pairs
from thedit.shards.schema import PICTURES, VERSION, checksum, schema
from thedit.shards.surface import Surface, unpack

Rows = Sequence[int] | np.ndarray | Tensor


class FrameStore:
    """The frames of ``folder``'s shards, in the order of the shards' names; rows count from 0 over all of them.

    Files are memory-mapped: opening is quick, and only what is read is loaded. Checksums of labels are verified here,
    those of a shard's pictures when the first of them is read. Safe to read from several threads.
    Raises `UserError` for a folder without shards, a damaged shard, or shards that do not fit together.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.paths = sorted(path for path in self.folder.glob("*.arrow") if not path.name.startswith("."))
        if not self.paths:
            raise UserError(f"{self.folder}: holds no shards; make them with 'thedit preprocess'.")
        self._batches = [_open(path) for path in self.paths]
        for path, batch in zip(self.paths, self._batches):
            if batch.schema != self._batches[0].schema:
                raise UserError(f"{path}: its columns differ from those of {self.paths[0].name}; {_REMEDY}")
        self._ends = np.cumsum([batch.num_rows for batch in self._batches])
        self._columns: dict[str, np.ndarray] = {}
        self._sound: set[tuple[int, str]] = set()  # shards and columns of pictures whose checksum was found right

    def __len__(self) -> int:
        return int(self._ends[-1])

    @cached_property
    def index(self) -> pd.DataFrame:
        """Everything but the pictures, one row per frame; vectors are arrays in the cells."""
        return self.table([name for name in self._batches[0].schema.names if name not in PICTURES])

    def table(self, columns: Sequence[str]) -> pd.DataFrame:
        """Some columns of all frames; vectors are arrays in the cells."""
        return pa.Table.from_batches(self._batches).select(columns).to_pandas()

    @cached_property
    def size(self) -> int:
        """Side of the frames in pixels."""
        return self.picture(0).shape[0]

    @cached_property
    def surfaces(self) -> bool:
        """Whether it is known of every frame what is seen where."""
        return all(pc.min(pc.binary_length(batch.column("surface"))).as_py() > 0 for batch in self._batches)

    @property
    def provenance(self) -> dict[Path, dict[str, str]]:
        """The metadata of each shard: schema version, sources' sha256, config hash, code version."""
        return {
            path: {key.decode(): value.decode() for key, value in (batch.schema.metadata or {}).items()}
            for path, batch in zip(self.paths, self._batches)
        }

    @property
    def digest(self) -> str:
        """Changes with the frames: with what they were made from, how, and what came out."""
        return digest(list(self.provenance.values()))

    def column(self, name: str) -> np.ndarray:
        """One label of all frames as a dense float32 array (frames, numbers): camera, landmarks, box, ..."""
        if name not in self._columns:
            parts = [batch.column(name).flatten().to_numpy() for batch in self._batches]
            self._columns[name] = np.concatenate(parts).reshape(len(self), -1)
        return self._columns[name]

    def label(self, name: str, row: int) -> np.ndarray:
        """One label (numbers,) of one frame, float32."""
        _, value = self._cell(name, row)
        return np.array(value.as_py(), np.float32)

    def picture(self, row: int, name: str = "image") -> np.ndarray:
        """``image`` (S, S, 3) RGB, ``wide`` (3S/2, 3S/2, 3) RGB or ``parts`` (S, S) of one frame, decoded, uint8."""
        column = "parts" if name == "parts" else "image"
        shard, value = self._cell(column, row)
        encoded = value.as_buffer()
        flag = cv2.IMREAD_GRAYSCALE if name == "parts" else cv2.IMREAD_COLOR_RGB
        picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), flag) if encoded.size else None
        if picture is None:
            raise self._damaged(shard, column, row)
        if name != "image":
            return picture
        margin = len(picture) // 6
        return picture[margin:-margin, margin:-margin]

    def surface(self, rows: Rows) -> Surface:
        """What is seen where in the frames ``rows`` (B)."""
        cells = [self._cell("surface", row) for row in np.asarray(rows, dtype=np.int64).reshape(-1).tolist()]
        try:
            return unpack([value.as_py() for _, value in cells])
        except ValueError:
            raise self._damaged(cells[0][0], "surface", int(np.asarray(rows).flat[0])) from None

    def batch(self, rows: Rows) -> FrameBatch:
        """The frames ``rows`` (B) with their labels."""
        chosen = np.asarray(rows, dtype=np.int64).reshape(-1)
        pictures = [self.picture(row, "wide") for row in chosen.tolist()]  # B x (3S/2, 3S/2, 3)
        wide = torch.from_numpy(cv2.dnn.blobFromImages(pictures, 1 / 127.5, mean=(127.5,) * 3))  # (B, 3, 3S/2, 3S/2)
        parts = np.stack([self.picture(row, "parts") for row in chosen.tolist()])  # (B, S, S)
        camera, landmarks, expression, identity = (
            torch.from_numpy(self.column(name)[chosen]) for name in ("camera", "landmarks", "expression", "identity")
        )
        return FrameBatch(
            image=centre(wide).contiguous(),
            parts=torch.from_numpy(parts).unsqueeze(1),  # (B, 1, S, S)
            camera=camera,
            landmarks=landmarks.unflatten(1, (68, 2)),
            expression=expression,
            identity=identity,
            wide=wide,
            surface=self.surface(chosen) if self.surfaces else None,
        )

    def pairs(self, rows: Pairs) -> TrainBatch:
        """The training pairs ``rows``."""
        source, target, other = (self.batch(part) for part in rows[:3])
        return TrainBatch(source, target, other, target if rows.driver is rows.target else self.batch(rows.driver))

    def _damaged(self, shard: int, name: str, row: int) -> UserError:
        return UserError(f"{self.paths[shard]}: the {name} of row {row} is damaged; {_REMEDY}")

    def _cell(self, name: str, row: int) -> tuple[int, pa.Scalar]:
        """The number of a frame's shard, and its value of column ``name``."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        shard = int(np.searchsorted(self._ends, row, side="right"))
        batch = self._batches[shard]
        if name in PICTURES and (shard, name) not in self._sound:
            _verify(self.paths[shard], batch, name)
            self._sound.add((shard, name))
        return shard, batch.column(name)[row - int(self._ends[shard]) + batch.num_rows]


def verify(path: Path) -> None:
    """`UserError` unless the shard ``path``, its pictures included, is as it was written."""
    batch = _open(path)
    for name in PICTURES:
        _verify(path, batch, name)


_REMEDY = "delete it and run 'thedit preprocess' again."


def _open(path: Path) -> pa.RecordBatch:
    """The one record batch of a shard, memory-mapped."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        version = (reader.schema.metadata or {}).get(b"schema_version", b"none").decode()
        if version != VERSION:
            raise UserError(f"{path}: has schema version {version}, this program reads {VERSION}; {_REMEDY}")
        batch = reader.get_batch(0)
        batch.validate(full=True)
        identity = batch.schema.field("identity").type.list_size
    except (pa.ArrowException, OSError, KeyError, AttributeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is damaged or no shard ({' '.join(str(error).split())}); {_REMEDY}") from error
    for name in batch.schema.names:
        if name not in PICTURES:
            _verify(path, batch, name)
    if batch.schema.names != schema(identity).names:
        raise UserError(f"{path}: has columns {', '.join(batch.schema.names)}; {_REMEDY}")
    return batch


def _verify(path: Path, batch: pa.RecordBatch, name: str) -> None:
    """`UserError` if a column is not as it was written."""
    try:
        written = json.loads(batch.schema.metadata[b"checksums"])[name]
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: says no checksum of column {name}; {_REMEDY}") from error
    if checksum(batch.column(name)) != written:
        raise UserError(f"{path}: column {name} is damaged, its checksum differs; {_REMEDY}")
