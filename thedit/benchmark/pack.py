"""Write what a stranger needs to take part: sources, drivers and cameras as plain files, and how to send results."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from thedit import layout
from thedit.benchmark import task as tasks
from thedit.config import Config
from thedit.errors import UserError
from thedit.files import atomic, check_writable
from thedit.methods.external import write_exchange
from thedit.shards.store import FrameStore

ABOUT = Path(__file__).with_name("participate.md")
EXAMPLE = {
    "name": "my-method",
    "version": "1.0",
    "authors": "who made it",
    "url": "https://example.org/my-method",
    "training_data": "what its weights have seen",
    "licence": "of its code and weights",
    "camera_control": True,
}


def pack(config: Config, folder: Path) -> tasks.Task:
    """Write the benchmark of a run to the new folder ``folder``.

    Each pair is a folder ``<protocol>/<pair>/`` in the form of `thedit.methods.external`: ``source.png``,
    ``driving/0000.png`` ..., ``cameras.json``. True pictures are not among them, but for protocols whose driving
    frames are the truth by definition (self-reenactment). Raises `UserError` when ``folder`` has files already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is not empty, or no folder; name a new one.")
    check_writable(folder)
    store = FrameStore(layout.shards(config))
    task = tasks.of(config, store)
    bar = tqdm(total=task.frames, desc="pack", unit="frame")
    for protocol in task.protocols:
        rows = tasks.wanted(config, protocol)
        for pair, frames in rows.groupby("pair", sort=True):
            place = folder / protocol / str(pair)
            place.mkdir(parents=True)
            views = torch.from_numpy(np.stack(frames["camera"].to_list())).float()  # (F, 25)
            driving = store.batch(frames["driver_row"].to_numpy())
            write_exchange(place, store.batch([frames["source_row"].iloc[0]]), driving, views)
            bar.update(len(frames))
    bar.close()
    shutil.copyfile(ABOUT, folder / "README.md")
    example = {"benchmark": task.digest, **EXAMPLE}
    (folder / "method.example.json").write_text(json.dumps(example, indent=2) + "\n")
    with atomic(folder / tasks.FILE) as path:
        path.write_text(task.model_dump_json(indent=2) + "\n")
    return task
