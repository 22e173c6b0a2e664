"""Writing one shard: an Arrow IPC file with a single record batch, complete or absent."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from thedit.files import atomic
from thedit.shards.schema import VERSION, checksum, schema


@dataclass(frozen=True)
class Frame:
    """One kept frame; the fields are the columns of `thedit.shards.schema.schema`, vectors as float32 arrays."""

    person: str
    clip: str
    split: str
    frame: int
    time: float
    image: bytes
    parts: bytes
    camera: np.ndarray
    landmarks: np.ndarray
    expression: np.ndarray
    identity: np.ndarray
    quality: float
    box: np.ndarray
    performance: str
    surface: bytes


def write_shard(path: str | Path, frames: list[Frame], provenance: dict[str, str]) -> None:
    """Write ``frames`` (at least one) to ``path``; ``provenance`` joins the schema version in the metadata.

    Raises `thedit.errors.UserError` when the disk is full or the folder is not writable; then nothing is left behind.
    """
    columns = schema(len(frames[0].identity))
    arrays = [
        _column([getattr(frame, field.name) for frame in frames], columns.field(field.name)) for field in fields(Frame)
    ]
    batch = pa.RecordBatch.from_arrays(arrays, schema=columns)
    write_batch(path, batch, provenance)


def write_batch(path: str | Path, batch: pa.RecordBatch, provenance: dict[str, str]) -> None:
    """Write a record batch of `thedit.shards.schema.schema` as a shard, with a checksum of each column."""
    checksums = {name: checksum(batch.column(name)) for name in batch.schema.names}
    described = batch.schema.with_metadata(
        {**provenance, "schema_version": VERSION, "checksums": json.dumps(checksums)}
    )
    with atomic(path) as sibling, pa.OSFile(str(sibling), "wb") as file, pa.ipc.new_file(file, described) as sink:
        sink.write_batch(batch.replace_schema_metadata(described.metadata))


def _column(values: list, field: pa.Field) -> pa.Array:
    if not pa.types.is_fixed_size_list(field.type):
        return pa.array(values, field.type)
    flat = np.stack(values).astype(np.float32).reshape(len(values), -1)  # (rows, numbers)
    if flat.shape[1] != field.type.list_size:
        raise ValueError(f"{field.name}: {flat.shape[1]} numbers a row, not {field.type.list_size}")
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), field.type.list_size)
