"""Damage on disk: one bit, a cut, another file; and disks that fill up while something is written."""

import os
import resource
import stat
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.frames import make_store
from tests.training_shards import write_shards
from thedit import files
from thedit.config import Config
from thedit.errors import UserError
from thedit.shards.store import FrameStore
from thedit.training import checkpoint
from thedit.training.loop import train

BRIEF = Config(run="brief", train={"images": 4, "batch": 2, "checkpoint_every": 2, "augment": False})
FLIPS = 150


@contextmanager
def full_disk(room):
    """No file can grow beyond ``room`` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def flipped(content, bit):
    """``content`` with one bit changed."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def everything(folder):
    """All that a folder of shards gives."""
    store = FrameStore(folder)
    batch = store.batch(range(len(store)))
    return store.index, batch


def test_one_flipped_bit_in_a_shard_is_found(tmp_path):
    make_store(tmp_path, {"test-0000": ("00",), "train-0001": ("00",)}, 2, 8)
    path = tmp_path / "test.arrow"
    good, (index, batch) = path.read_bytes(), everything(tmp_path)
    found = 0
    for bit in np.random.default_rng(0).integers(8 * len(good), size=FLIPS).tolist():
        path.write_bytes(flipped(good, bit))
        try:
            other_index, other = everything(tmp_path)
        except UserError as error:
            assert str(error).startswith(f"{path}: ")
            found += 1
        else:  # a bit that means nothing, such as of the padding
            assert other_index.to_json() == index.to_json()
            assert all(
                one is two or torch.equal(one, two) for one, two in zip(vars(other).values(), vars(batch).values())
            )
    assert found > FLIPS / 2


def test_a_flipped_bit_in_a_camera_is_named(tmp_path):
    make_store(tmp_path, {"test-0000": ("00",)}, 2, 8)
    path = tmp_path / "test.arrow"
    content, camera = path.read_bytes(), FrameStore(tmp_path).column("camera")[1].astype(np.float32).tobytes()
    path.write_bytes(flipped(content, 8 * content.index(camera) + 30))
    with pytest.raises(UserError, match=r"test\.arrow: column camera is damaged, its checksum differs; delete it and"):
        FrameStore(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A brief training: its folder and its shards."""
    root = tmp_path_factory.mktemp("training")
    train(BRIEF, "fomm", write_shards(root / "shards", 32), root / "fomm")
    return root


def again(trained, folder):
    """Go on with a training whose checkpoint lies in ``folder``."""
    longer = BRIEF.model_copy(update={"train": BRIEF.train.model_copy(update={"images": 6})})
    train(longer, "fomm", trained / "shards", folder)


def place(trained, folder, content):
    """A folder of a training with ``content`` as its checkpoint."""
    (path,) = (trained / "fomm/checkpoints").glob("*.pt")
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / path.name).write_bytes(content)
    return folder / "checkpoints" / path.name


def test_one_flipped_bit_in_a_checkpoint_is_found(trained, tmp_path):
    (path,) = (trained / "fomm/checkpoints").glob("*.pt")
    good = path.read_bytes()
    weight = next(iter(checkpoint.load(path)["method"].values())).numpy().tobytes()
    broken = place(trained, tmp_path / "fomm", flipped(good, 8 * good.index(weight) + 30))
    with pytest.raises(UserError, match=r"\.pt: is damaged \(the checksum of .* differs\); delete it to train anew"):
        again(trained, tmp_path / "fomm")
    assert not (tmp_path / "fomm/weights.safetensors").exists()
    broken.unlink()
    again(trained, tmp_path / "fomm")
    assert (tmp_path / "fomm/weights.safetensors").exists()


@pytest.mark.parametrize("kind", ["empty", "cut", "text", "other", "list"])
def test_a_foreign_checkpoint_is_one_sentence(trained, tmp_path, kind):
    (path,) = (trained / "fomm/checkpoints").glob("*.pt")
    torch.save({"weights": torch.ones(3)}, tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    content = {"empty": b"", "cut": path.read_bytes()[:9000], "text": b"text" * 99}.get(kind)
    place(trained, tmp_path / "fomm", content if content is not None else (tmp_path / f"{kind}.pt").read_bytes())
    with pytest.raises(UserError, match=r"\.pt: is (damaged|of another training) \(.+\); delete it to train anew\."):
        again(trained, tmp_path / "fomm")


def test_a_disk_that_fills_at_the_checkpoint_is_one_sentence(trained, tmp_path):
    with full_disk(100_000), pytest.raises(UserError, match=r"\.pt: cannot be written \(.*\); free space"):
        train(BRIEF, "fomm", trained / "shards", tmp_path / "fomm")
    assert not list((tmp_path / "fomm").rglob(".*.tmp*"))
    train(BRIEF, "fomm", trained / "shards", tmp_path / "fomm")  # and then there is room


def test_a_disk_that_fills_at_the_weights_is_one_sentence(tmp_path):
    with full_disk(1000), pytest.raises(UserError, match=r"w\.safetensors: cannot be written \(.*\); free space"):
        checkpoint.export(tmp_path / "w.safetensors", torch.nn.Linear(100, 100), {})
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_too_long_is_said(tmp_path):
    with pytest.raises(UserError, match=r"cannot be written \(File name too long\); choose a shorter name"):
        with files.atomic(tmp_path / ("x" * 250 + ".txt")) as sibling:
            sibling.write_text("text")


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot be written \((Not a directory|File exists)\); free space or"):
        with files.atomic(tmp_path / "file" / "x.txt") as sibling:
            sibling.write_text("text")


def test_a_read_only_file_system_is_said(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(files.Path, "unlink", refuse)
    with pytest.raises(UserError, match=r"cannot be written \(Read-only file system\); free space"):
        with files.atomic(tmp_path / "x.txt"):
            refuse()


def test_all_files_have_the_mode_that_the_user_wants(tmp_path):
    checkpoint.export(tmp_path / "w.safetensors", torch.nn.Linear(2, 2), {})
    with files.atomic(tmp_path / "x.txt") as sibling:
        sibling.write_text("text")
    (tmp_path / "plain").touch()
    modes = {stat.S_IMODE(os.stat(path).st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_what_a_killed_write_left_goes_when_the_training_goes_on(trained, tmp_path):
    (path,) = (trained / "fomm/checkpoints").glob("*.pt")
    kept = place(trained, tmp_path / "fomm", path.read_bytes())
    left = kept.with_name(f".{kept.stem}.123456.tmp.pt")
    left.write_bytes(b"half a checkpoint")
    again(trained, tmp_path / "fomm")
    assert not left.exists() and kept.exists()


def test_safetensors_errors_are_of_the_file(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot be written"), files.atomic(tmp_path / "a" / "x.safetensors") as sibling:
        save_file({"x": torch.ones(1)}, sibling / "nowhere")
