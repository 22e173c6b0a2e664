"""Whether a method can learn at all: trained on one clip alone, it has to reproduce that clip.

The step is the trainer's own; only the pairs differ. The picture error of the averaged weights is recorded as training
goes on, so that the number of steps which a method needs is known.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from thedit import layout, provenance
from thedit.config import Config, digest
from thedit.errors import UserError
from thedit.files import atomic
from thedit.methods import registry
from thedit.methods.base import Method
from thedit.methods.bounds import CopySource
from thedit.shards.batch import FrameBatch, TrainBatch
from thedit.shards.store import FrameStore
from thedit.training.distributed import group
from thedit.training.loop import Trainer


def overfit(config: Config, name: str, clip: str, steps: int, every: int, target: float, path: Path) -> pd.DataFrame:
    """Train ``name`` on pairs of frames of ``clip`` (``<person>/<clip>``) until its PSNR reaches ``target`` dB.

    Returns, and writes to ``path``, a row for each ``every`` steps: method, preset, size, clip, frames, step, images,
    psnr (`psnr` of the averaged weights), psnr_copy (of copying the first frame), seconds, device, config_hash,
    code_version. Ends after ``steps`` whatever the PSNR is. Raises `UserError` for a clip that the shards do not have.
    """
    store = FrameStore(layout.shards(config))
    own, others = _rows(store, clip)
    random = np.random.default_rng(config.seed)
    rows = []
    with tempfile.TemporaryDirectory() as folder, group() as processes:
        trainer = Trainer(config, registry.find(name), store, Path(folder), processes)
        frames, strangers = store.batch(own).to(processes.device), store.batch(others).to(processes.device)
        facts = {
            "method": name,
            "preset": config.train.preset,
            "size": store.size,
            "clip": clip,
            "frames": len(own),
            "psnr_copy": psnr(CopySource("", store.size), frames),
            "device": provenance.device(),
            "config_hash": digest(config),
            "code_version": provenance.code_version(),
        }
        start = time.perf_counter()
        bar = tqdm(range(1, steps + 1), desc=f"overfit {name}", unit="step")
        for step in bar:
            source, wanted = torch.from_numpy(random.integers(len(own), size=(2, config.train.batch)))
            other = torch.from_numpy(random.integers(len(others), size=config.train.batch))
            shown = frames[wanted]
            trainer.make_step(TrainBatch(frames[source], shown, strangers[other], driver=shown))
            if step % every and step < steps:
                continue
            value = psnr(trainer.average, frames)
            seconds = time.perf_counter() - start
            rows.append({**facts, "step": step, "images": trainer.images, "psnr": value, "seconds": seconds})
            bar.set_postfix(psnr=f"{value:.2f}")
            if value >= target:
                break
        bar.close()
    table = pd.DataFrame(rows)
    with atomic(path) as sibling:
        table.to_parquet(sibling, index=False)
    return table


@torch.no_grad()
def psnr(method: Method, frames: FrameBatch) -> float:
    """Mean PSNR in dB of all frames but the first, driven from the first, as pictures of 8 bits."""
    code = method.encode(frames[:1])
    values = []
    for number in range(1, len(frames)):
        frame = frames[number : number + 1]
        levels = method.drive(code, frame, frame.camera).float().add(1).mul(127.5).round().clamp(0, 255)
        error = (levels - (frame.image + 1) * 127.5).square().mean()
        values.append(10 * torch.log10(255**2 / error).item())
    return float(np.mean(values))


def _rows(store: FrameStore, clip: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the clip, in time order, and of everybody else."""
    person, _, number = clip.partition("/")
    index = store.index
    own = index[(index["person"] == person) & (index["clip"] == number)].sort_values("frame").index.to_numpy()
    others = index[index["person"] != person].index.to_numpy()
    if len(own) < 2 or not len(others):
        known = ", ".join(sorted(set(index["person"] + "/" + index["clip"]))[:5])
        raise UserError(f"{store.folder}: has no clip '{clip}' and other people; its clips are {known}, ...")
    return own, others
