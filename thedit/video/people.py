"""Telling people apart by their faces, in videos that show several: which clips show the same person?"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from safetensors.numpy import load_file, save_file

from thedit.files import atomic
from thedit.shards.writer import write_batch

NETWORK = "dlib-resnet"  # whose embeddings tell people apart
SAME = 0.55  # distance of its embeddings below which two clips show one person


def save(path: Path, embeddings: dict[tuple[str, str], np.ndarray]) -> None:
    """Keep the embeddings (128,) of a shard's clips by provisional person and clip."""
    with atomic(path) as sibling:
        save_file({"\n".join(name): np.ascontiguousarray(vector) for name, vector in embeddings.items()}, sibling)


def load(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """What `save` kept."""
    return {(key.split("\n")[0], key.split("\n")[1]): vector for key, vector in load_file(path).items()}


def name(work: Path, table: pa.Table) -> pa.Table:
    """Give the people in the shards of ``work`` and in the QA ``table`` their final names; the new table.

    Provisional names are ``<video's person>#<segment>.<face>``. Of a video with one person the name is the video's,
    with several it is numbered.
    """
    embeddings: dict[tuple[str, str], np.ndarray] = {}
    for path in sorted(work.glob("*.safetensors")):
        embeddings |= load(path)
    final = group(embeddings, _presence(table))
    for path in sorted(work.glob("*.arrow")):
        with pa.memory_map(str(path)) as source:
            batch = pa.ipc.open_file(source).get_batch(0)
            metadata = {key.decode(): value.decode() for key, value in batch.schema.metadata.items()}
            if _renamed(batch["person"], final) != batch["person"]:
                column = batch.schema.get_field_index("person")
                batch = batch.set_column(column, "person", _renamed(batch["person"], final))
                write_batch(path, batch, metadata)
    return table.set_column(table.schema.get_field_index("person"), "person", _renamed(table["person"], final))


def group(embeddings: dict[tuple[str, str], np.ndarray], presence: dict[tuple[str, str], set[int]]) -> dict[str, str]:
    """Final names by provisional name.

    Clip by clip: a clip belongs to the nearest known person of its video, unless that is too far or seen elsewhere in
    the same frame (``presence``: frames by person and clip).
    """
    people: dict[str, list[list[tuple[str, str]]]] = {}
    for clip in sorted(embeddings, key=lambda clip: (min(presence[clip]), clip)):
        known = people.setdefault(clip[0].rpartition("#")[0], [])
        distances = []
        for members in known:
            together = any(presence[clip] & presence[member] for member in members)
            nearest = min(float(np.linalg.norm(embeddings[clip] - embeddings[member])) for member in members)
            distances.append(np.inf if together else nearest)
        if distances and min(distances) < SAME:
            known[int(np.argmin(distances))].append(clip)
        else:
            known.append([clip])
    return {
        clip[0]: person if len(known) == 1 else f"{person}-{number}"
        for person, known in people.items()
        for number, members in enumerate(known, start=1)
        for clip in members
    }


def _presence(table: pa.Table) -> dict[tuple[str, str], set[int]]:
    presence: dict[tuple[str, str], set[int]] = {}
    for person, clip, frame in zip(*(table[column].to_pylist() for column in ("person", "clip", "frame"))):
        presence.setdefault((person, clip), set()).add(frame)
    return presence


def _renamed(column: pa.Array, final: dict[str, str]) -> pa.Array:
    """Final names; a face of which no frame was kept loses the mark of its provisional name."""
    names = [final.get(name, name.rpartition("#")[0] or name) for name in column.to_pylist()]
    return pa.array(names, pa.string())
