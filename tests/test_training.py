"""The trainer: exact resume after SIGKILL, the same result however a batch is shared out, readable results."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training_shards import write_shards
from thedit.config import Config, Train
from thedit.errors import UserError
from thedit.methods import trained
from thedit.methods.capture import Capture
from thedit.methods.lia import method as lia
from thedit.training import checkpoint, loop
from thedit.training.loop import train

RUN = """
import sys, torch
from pathlib import Path
from thedit.config import Config
from thedit.training.loop import train
from thedit.methods import trained
from thedit.methods.capture import Capture
shards, folder, config, name = sys.argv[1:]
train(Config.model_validate_json(config), name, Path(shards), Path(folder))
"""
KILLED = """
import os, signal
from thedit.training import checkpoint
save = checkpoint.save

def killed(path, state):
    save(path, state)
    os.kill(os.getpid(), signal.SIGKILL)

checkpoint.save = killed
"""
IMAGES = 40


def settings(**changes):
    values = {"images": IMAGES, "batch": 4, "checkpoint_every": 8, "preview_every": 24, "ema_halflife": 8, "decay": 0.9}
    return Config(train=Train(**{**values, **changes}))


def command(shards, folder, config, name="planedict", before=""):
    return ["-c", before + RUN, str(shards), str(folder), config.model_dump_json(), name]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def undisturbed(shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    train(settings(), "planedict", shards, folder)
    return folder


def weights(folder):
    return load_file(folder / "weights.safetensors")


def assert_equal(first, second, tolerance=0.0):
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], atol=tolerance, rtol=tolerance, msg=name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="bit-equal results are promised on the CPU")
def test_killed_training_ends_in_the_same_weights(shards, undisturbed, tmp_path):
    killed = subprocess.run([sys.executable, *command(shards, tmp_path, settings(), before=KILLED)], env=environment())
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("checkpoints/*.pt")) and not (tmp_path / "weights.safetensors").exists()
    train(settings(), "planedict", shards, tmp_path)
    assert_equal(weights(tmp_path), weights(undisturbed))
    first, second = (pd.read_parquet(folder / "log.parquet") for folder in (tmp_path, undisturbed))
    pd.testing.assert_frame_equal(first, second)


def test_longer_training_goes_on_from_the_checkpoint(shards, tmp_path):
    train(settings(images=20, decay=0), "planedict", shards, tmp_path / "longer")
    path = next(tmp_path.glob("longer/checkpoints/*.pt"))
    assert torch.load(path, weights_only=True)["step"] == 5
    for folder in ("longer", "at once"):
        train(settings(images=28, decay=0), "planedict", shards, tmp_path / folder)
    assert list(tmp_path.glob("longer/checkpoints/*.pt")) == [path]
    assert_equal(weights(tmp_path / "longer"), weights(tmp_path / "at once"))


def step_sizes(shards, folder, monkeypatch, **changes):
    made, step = [], torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self, *rest: made.append(self.param_groups[0]["lr"]) or step(self, *rest)
    )
    train(settings(learning_rate=1.0, **changes), "lia", shards, folder)
    return made


def test_step_size_falls_to_zero_over_the_last_share_of_the_pairs(shards, tmp_path, monkeypatch):
    assert step_sizes(shards, tmp_path, monkeypatch, images=20, decay=0.4) == pytest.approx([1, 1, 1, 1, 0.5])


def test_step_size_falls_to_zero_over_the_last_share_of_the_hours(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "FLUSH_EVERY", 1)
    monkeypatch.setattr(loop.Trainer, "_spent", lambda self, began: self.step / 5)
    assert step_sizes(shards, tmp_path, monkeypatch, hours=1, decay=0.4) == pytest.approx([1, 1, 1, 1, 0.5])


def test_training_from_given_weights_goes_on_whenever_their_file_was_written(shards, undisturbed, tmp_path):
    files = [tmp_path / f"{number}.safetensors" for number in range(2)]
    for number, path in enumerate(files):
        with trained.opened(undisturbed / "weights.safetensors") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            trained.save(path, tensors, {**file.metadata(), "seconds": str(number)})
    assert files[0].read_bytes() != files[1].read_bytes()
    for path, images in zip(files, (8, 12)):
        train(settings(images=images), "planedict", shards, tmp_path / "run", init=path)
    (kept,) = (tmp_path / "run").glob("checkpoints/*.pt")
    assert torch.load(kept, weights_only=True)["step"] == 3


def test_training_ends_with_its_hours_and_goes_on_with_more(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "FLUSH_EVERY", 2)
    train(settings(hours=1e-9), "lia", shards, tmp_path)
    assert list(pd.read_parquet(tmp_path / "log.parquet")["step"]) == [1, 2]
    with safe_open(tmp_path / "weights.safetensors", "pt") as file:
        assert file.metadata()["images"] == "8"
    train(settings(hours=1e-9), "lia", shards, tmp_path)  # nothing is left to do
    assert len(pd.read_parquet(tmp_path / "log.parquet")) == 2
    train(settings(hours=10.0, images=16), "lia", shards, tmp_path)
    assert len(pd.read_parquet(tmp_path / "log.parquet")) == 4


def test_other_options_begin_anew(shards, undisturbed, tmp_path):
    train(settings(images=8), "planedict", shards, tmp_path)
    train(settings(images=8, learning_rate=1e-4), "planedict", shards, tmp_path)
    assert len(list(tmp_path.glob("checkpoints/*.pt"))) == 2


def test_other_code_goes_on_only_if_asked_to(shards, tmp_path):
    train(settings(images=8), "planedict", shards, tmp_path)
    (path,) = tmp_path.glob("checkpoints/*.pt")
    state = torch.load(path, weights_only=True)
    state["code"]["thedit.camera"] = "another"
    checkpoint.save(path, state)
    with pytest.raises(UserError, match=r"before thedit\.camera changed; go on from its 2 steps with .*restart"):
        train(settings(images=12), "planedict", shards, tmp_path)
    train(settings(images=12), "planedict", shards, tmp_path, "anyway")
    assert len(pd.read_parquet(tmp_path / "log.parquet")) == 3
    train(settings(images=4), "planedict", shards, tmp_path, "restart")
    assert torch.load(path, weights_only=True)["step"] == 1


def test_log_is_read_by_pandas_and_tensorboard(undisturbed):
    log = pd.read_parquet(undisturbed / "log.parquet")
    assert log["images"].tolist() == list(range(4, IMAGES + 1, 4))
    assert {"total", "photometric", "parts", "perceptual", "cross_code", "cross_face"} <= set(log)
    events = EventAccumulator(str(undisturbed / "events")).Reload()
    assert [event.step for event in events.Scalars("loss/total")] == log["step"].tolist()


def test_weights_say_what_they_are(undisturbed):
    with safe_open(undisturbed / "weights.safetensors", "pt") as file:
        facts = file.metadata()
    assert (facts["method"], facts["preset"], facts["size"], facts["images"]) == ("planedict", "tiny", "32", "40")
    assert json.loads(facts["preprocess"]) == settings().data.preprocess.model_dump(mode="json")
    assert {"options", "seconds", "parameters", "config_hash", "code_version", "device"} <= set(facts)


def test_previews_are_pictures(undisturbed):
    assert [path.name for path in (undisturbed / "previews").iterdir()] == ["000000024.png"]


def start_two(shards, folder, config, name="planedict", before=""):
    """The training in two processes that torchrun starts (gloo, on the CPU)."""
    script = folder / "script.py"
    script.write_text(before + RUN)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    return subprocess.Popen(
        [*launch, *command(shards, folder, config, name)[2:]], env=environment(), stderr=subprocess.PIPE
    )


def test_two_processes_then_one(shards, tmp_path):
    process = start_two(shards, tmp_path, settings(images=8))
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said.decode()
    assert pd.read_parquet(tmp_path / "log.parquet")["images"].tolist() == [4, 8]
    train(settings(images=12), "planedict", shards, tmp_path)  # the checkpoint loads in one process
    assert len(pd.read_parquet(tmp_path / "log.parquet")) == 3


def gradients(folder):
    """Those of the last step, which Adam keeps as its first moment because its first beta is 0."""
    state = torch.load(next(folder.glob("checkpoints/*.pt")), weights_only=True)["optimiser"]["state"]
    return {index: moments["exp_avg"] for index, moments in state.items()}


MEAN_OF_PAIRS = """
from thedit.methods.lia import method
method.pyramid_loss = lambda image, target: (image - target).square().mean()
"""


def test_two_processes_make_the_gradients_of_one(shards, tmp_path, monkeypatch):
    """The losses of `lia` draw no random numbers; without the perceptual one they are means over the pairs.

    Both take the last step alone, from the same weights: at first most gradients are 0, and Adam's steps take every
    gradient as large, and so enlarge what single precision rounds off.
    """
    monkeypatch.setattr(lia, "pyramid_loss", lambda image, target: (image - target).square().mean())
    one, two = tmp_path / "one", tmp_path / "two"
    train(settings(images=8, augment=False), "lia", shards, one)
    shutil.copytree(one, two)
    train(settings(images=12, augment=False), "lia", shards, one)
    process = start_two(shards, two, settings(images=12, augment=False, accumulation_steps=2), "lia", MEAN_OF_PAIRS)
    process.communicate(timeout=240)
    assert process.returncode == 0
    assert len(list(two.glob("checkpoints/*.pt"))) == 1  # it went on from the copy
    made, wanted = gradients(two), gradients(one)
    assert sum(gradient.any().item() for gradient in wanted.values()) >= len(wanted) - 1  # one layer only sees zeros
    assert all((made[index] - wanted[index]).norm() <= 1e-5 * wanted[index].norm() for index in wanted)


def test_mistake_of_several_processes_ends_the_job_with_its_sentence(shards, tmp_path):
    process = start_two(shards, tmp_path, settings(images=100_000, learning_rate=1e30))
    _, message = process.communicate(timeout=120)
    assert process.returncode != 0 and b"not finite" in message


def test_process_that_dies_ends_the_job_and_leaves_the_checkpoint(shards, tmp_path):
    process = start_two(shards, tmp_path, settings(images=100_000))
    while not list(tmp_path.glob("checkpoints/*.pt")) and process.poll() is None:
        time.sleep(0.05)
    psutil.Process(process.pid).children()[-1].kill()
    _, message = process.communicate(timeout=120)
    assert process.returncode != 0 and b"SIGKILL" in message
    assert torch.load(next(tmp_path.glob("checkpoints/*.pt")), weights_only=True)["step"] >= 2


def test_accumulated_batch(shards, tmp_path):
    train(settings(images=4), "fomm", shards, tmp_path / "whole")
    train(settings(images=4, accumulation_steps=2), "fomm", shards, tmp_path / "parts")
    first, second = (pd.read_parquet(tmp_path / name / "log.parquet")["total"][0] for name in ("whole", "parts"))
    assert abs(first - second) < 0.2 * first


@pytest.mark.parametrize(
    "name, config, words",
    [
        ("copy-source", {}, "nothing to train"),
        ("planedict", {"learning_rate": 1e30, "images": 400}, "not finite"),
    ],
)
def test_mistakes_are_one_sentence(shards, tmp_path, name, config, words):
    with pytest.raises(UserError, match=words):
        train(settings(**config), name, shards, tmp_path)


def test_damaged_checkpoint(shards, tmp_path):
    train(settings(images=4), "planedict", shards, tmp_path)
    path = next(tmp_path.glob("checkpoints/*.pt"))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="is damaged"):
        train(settings(images=4), "planedict", shards, tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU; `thedit bench check` has this too")
@pytest.mark.parametrize("name", ["planedict", "fomm"])
def test_captured_steps_learn_what_plain_ones_learn(shards, tmp_path, monkeypatch, name):
    train(settings(), name, shards, tmp_path / "captured")
    monkeypatch.setattr(Capture, "__call__", lambda self, batch, key: self.function(batch))
    train(settings(), name, shards, tmp_path / "plain")
    first, second = (pd.read_parquet(tmp_path / kind / "log.parquet")["total"] for kind in ("captured", "plain"))
    assert (first - second).abs().max() < 0.02 * second.abs().max()
