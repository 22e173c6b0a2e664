"""planedict-dense in several processes: the gradients of one, a rank that dies, and another number of processes."""

import os
import shutil
import subprocess
import sys
import time

import cv2
import numpy as np
import pandas as pd
import psutil
import pytest
import torch

from tests.filmed_heads import film
from thedit.config import Config, Train
from thedit.heads import assets
from thedit.shards import surface
from thedit.shards.writer import Frame, write_shard

SIZE, PEOPLE, MOMENTS = 32, 4, 3
# What a process draws at random follows from the pairs, so that it is the same whoever computes them.
SCRIPT = """
import sys, torch
from pathlib import Path
from thedit.config import Config
from thedit.methods.dense import DensePlaneDict
from thedit.training.loop import train
plain = DensePlaneDict.losses
def losses(self, batch, step):
    torch.manual_seed(int(1000 * batch.source.image.double().abs().sum()))
    return plain(self, batch, step)
DensePlaneDict.losses = losses
folder, config = sys.argv[1:]
train(Config.model_validate_json(config), "planedict-dense", Path("shards"), Path(folder))
"""


@pytest.fixture(scope="module")
def place(asset_file, tmp_path_factory):
    """A folder with shards of generated heads whose surfaces are known, and with the heads themselves."""
    folder = tmp_path_factory.mktemp("dense")
    (folder / "data/assets").mkdir(parents=True)
    (folder / assets.PATH).symlink_to(os.path.abspath(asset_file))
    (folder / "script.py").write_text(SCRIPT)
    frames = film(assets.load(asset_file), "train", PEOPLE, MOMENTS, SIZE)
    pictures = ((frames.wide + 1) * 127.5).round().byte().movedim(1, -1).numpy()
    surfaces = surface.pack(frames.surface)
    kept = [
        Frame(
            person=f"train-{row // MOMENTS:04d}",
            clip="00",
            split="train",
            frame=row % MOMENTS,
            time=row % MOMENTS / 25,
            image=_png(pictures[row][..., ::-1]),
            parts=_png(frames.parts[row, 0].byte().numpy()),
            camera=frames.camera[row].numpy(),
            landmarks=frames.landmarks[row].numpy(),
            expression=frames.expression[row].numpy(),
            identity=np.zeros(8, np.float32),
            quality=1.0,
            box=np.array([0, 0, SIZE], np.float32),
            performance=f"{row // MOMENTS // 2}",
            surface=surfaces[row],
        )
        for row in range(len(pictures))
    ]
    write_shard(folder / "shards/0000.arrow", kept, {})
    return folder


def _png(picture):
    return cv2.imencode(".png", np.ascontiguousarray(picture))[1].tobytes()


def start(place, folder, processes, images, parts=1):
    """A training of batches of 8, computed in ``parts`` by each of the ``processes``."""
    options = {"images": images, "batch": 8, "accumulation_steps": parts, "augment": False, "checkpoint_every": 8}
    config = Config(train=Train(**options, preview_every=10**6)).model_dump_json()
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] * (processes > 1)
    command = [sys.executable, *torchrun, "script.py", str(folder), config]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE)


def train(*arguments, **options):
    process = start(*arguments, **options)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said.decode()


def state(folder):
    (path,) = folder.glob("checkpoints/*.pt")
    return torch.load(path, weights_only=True)


def gradients(folder):
    """Those of the last step, which Adam keeps as its first moment because its first beta is 0."""
    return {index: moments["exp_avg"] for index, moments in state(folder)["optimiser"]["state"].items()}


@pytest.fixture(scope="module")
def begun(place):
    """Two steps of one process that computes each batch in two parts: until then most gradients are 0."""
    train(place, place / "begun", 1, images=16, parts=2)
    return place / "begun"


@pytest.fixture(scope="module")
def both(place, begun):
    """The third step, in one process and in two, each of which computes one of the two parts."""
    one, two = shutil.copytree(begun, place / "one"), shutil.copytree(begun, place / "two")
    train(place, one, 1, images=24, parts=2)
    train(place, two, 2, images=24)
    return one, two


def test_two_processes_make_the_gradients_of_one(both):
    wanted, made = map(gradients, both)
    assert state(both[1])["step"] == 3
    assert sum(gradient.any().item() for gradient in wanted.values()) > 0.9 * len(wanted)
    assert all((made[index] - wanted[index]).norm() <= 1e-4 * wanted[index].norm() for index in wanted)


def test_one_process_goes_on_where_two_were_and_two_where_one_was(place, both, tmp_path):
    one, two = shutil.copytree(both[0], tmp_path / "one"), shutil.copytree(both[1], tmp_path / "two")
    train(place, one, 2, images=32)
    train(place, two, 1, images=32, parts=2)
    for folder in (one, two):
        assert state(folder)["step"] == 4 and (folder / "weights.safetensors").is_file()
        assert pd.read_parquet(folder / "log.parquet")["images"].tolist() == [8, 16, 24, 32]
    first, second = (state(folder)["method"] for folder in (one, two))
    before = state(both[0])["method"]
    for name, value in first.items():
        assert (value - second[name]).norm() <= 0.05 * (value - before[name]).norm(), name


def test_a_rank_that_dies_ends_the_job_with_its_reason(place, tmp_path):
    process = start(place, tmp_path, 2, images=10**6)
    while not list(tmp_path.glob("checkpoints/*.pt")) and process.poll() is None:
        time.sleep(0.05)
    ranks = psutil.Process(process.pid).children()
    ranks[-1].kill()
    _, message = process.communicate(timeout=60)
    assert process.returncode != 0 and b"SIGKILL" in message
    assert not [rank for rank in ranks if rank.is_running()]
    assert state(tmp_path)["step"] >= 1
