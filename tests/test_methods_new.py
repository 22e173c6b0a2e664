"""The skeleton of a new method, the check of the interface, and overfitting."""

import importlib
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.training_shards import write_shards
from thedit import config
from thedit.errors import UserError
from thedit.methods import registry
from thedit.methods.base import Method
from thedit.methods.bounds import CopyDriver, CopySource
from thedit.methods.conformance import check
from thedit.methods.skeleton import create
from thedit.shards.synthetic import frames
from thedit.training.overfit import overfit, psnr

ROOT = Path(__file__).parents[1]


@pytest.fixture
def install(monkeypatch):
    """Make a folder importable and its package offer methods."""

    def offer(folder, package):
        monkeypatch.syspath_prepend(folder)
        sys.modules.pop(package, None)
        importlib.invalidate_caches()
        entries = [EntryPoint("test", package, registry.GROUP)]
        monkeypatch.setattr(registry, "entry_points", lambda group: entries)

    return offer


def test_a_new_package_works_as_it_is(tmp_path, install):
    files = create("first-try", tmp_path)
    assert all(path.read_text().strip() for path in files)
    assert not any("$" in path.read_text() for path in files)
    install(tmp_path / "first-try", "first_try")
    assert registry.names() == ["first-try"]
    assert check("first-try") == [
        "losses: l1; all finite, and so are their gradients",
        "pictures: 2 x 3 x 64 x 64, in [-1, 1], the same every time",
        "camera: ignored",
    ]
    assert config.load(tmp_path / "first-try" / "config.yaml").methods[0] == "first-try"


def test_in_tree_files_go_where_the_others_are(tmp_path):
    (tmp_path / "thedit" / "methods").mkdir(parents=True)
    files = create("first-try", tmp_path, in_tree=True)
    assert [str(path.relative_to(tmp_path)) for path in files] == [
        "thedit/methods/first_try.py",
        "thedit/methods/specs/first-try.yaml",
        "tests/test_methods_first_try.py",
    ]
    assert "class: thedit.methods.first_try:FirstTry" in files[1].read_text()


def test_mistakes_leave_nothing_behind(tmp_path):
    for name in ("First", "1st", "a--b", "a_b", ""):
        with pytest.raises(UserError, match="no name for a method"):
            create(name, tmp_path)
    with pytest.raises(UserError, match="not the root"):
        create("first", tmp_path, in_tree=True)
    assert not list(tmp_path.iterdir())
    create("first", tmp_path)
    with pytest.raises(UserError, match="is there already"):
        create("first", tmp_path)


class Honest(Method):
    """A method without faults, to be given one."""

    trainable, camera_control = False, False

    def __init__(self, preset, size):
        super().__init__()

    def encode(self, source):
        return source.image

    def drive(self, code, driving, camera):
        return code


class Trainable(Honest):
    trainable = True


class Camera(Honest):
    camera_control = True


class Cropped(Honest):
    def drive(self, code, driving, camera):
        return code[..., 1:]


class Loud(Honest):
    def drive(self, code, driving, camera):
        return 2 * code


class Random(Honest):
    def drive(self, code, driving, camera):
        return torch.rand_like(code)


@pytest.mark.parametrize(
    "fault, words",
    [
        (Trainable, "these three must agree"),
        (Camera, "the camera is ignored"),
        (Cropped, r"made \(2, 3, 64, 63\)"),
        (Loud, "outside"),
        (Random, "differently the second time"),
    ],
)
def test_the_check_names_what_is_wrong(fault, words, monkeypatch):
    values = {"name": "m", "kind": "baseline", "licence": "MIT", "citation": "None.", "class": "m:M"}
    spec = registry.Spec.model_validate(values)
    monkeypatch.setattr(registry, "find", lambda name: spec)
    monkeypatch.setattr(registry.Spec, "load_class", lambda self: fault)
    with pytest.raises(UserError, match=words):
        check("m")


def test_made_up_frames_move_and_keep_their_person():
    batch = frames(4, 32)
    assert batch.image.shape == (4, 3, 32, 32) and batch.image.abs().max() <= 1
    assert not torch.equal(batch.image[0], batch.image[1])
    corner = batch.image[:, :, 0, 0]
    torch.testing.assert_close(corner, corner[:1].expand(4, -1), atol=1e-3, rtol=0)
    assert not torch.allclose(frames(1, 32, person=1).image[0, :, 0, 0], corner[0], atol=0.05)
    assert set(batch.parts.unique().tolist()) == {0, 1, 5}


def test_psnr_is_that_of_the_pictures():
    batch = frames(3, 32)
    assert psnr(CopyDriver("tiny", 32), batch) > 55  # what rounding to 8 bits leaves
    error = (batch.image[1:] - batch.image[:1]).square().flatten(1).mean(1)
    wanted = (10 * torch.log10(4 / error)).mean().item()
    assert psnr(CopySource("tiny", 32), batch) == pytest.approx(wanted, abs=0.05)


def test_overfitting_stops_at_its_target_and_keeps_its_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_shards(tmp_path / "data" / "few" / "shards", size=64)
    settings = config.parse({"data": {"name": "few"}, "train": {"batch": 2}}, config.Config, "test")
    path = tmp_path / "rows.parquet"
    table = overfit(settings, "lia", "train-0000/train-0000/01", 4, 2, 99.0, path)
    assert list(table["step"]) == [2, 4] and list(table["images"]) == [4, 8]
    assert table["psnr"].between(0, 60).all() and table["psnr_copy"].nunique() == 1
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    assert len(overfit(settings, "lia", "train-0000/train-0000/01", 4, 2, 1.0, path)) == 1
    with pytest.raises(UserError, match="has no clip 'nobody/00'"):
        overfit(settings, "lia", "nobody/00", 4, 2, 1.0, path)


def test_the_page_tells_what_was_measured():
    page = (ROOT / "docs" / "methods.md").read_text()
    paths = sorted((ROOT / "results" / "reference" / "overfit").glob("*.parquet"))
    assert paths
    for path in paths:
        last = pd.read_parquet(path).iloc[-1]
        assert last["method"] == path.stem and last["psnr"] >= 28
        assert f"| `{path.stem}` | {last['step']} | {last['psnr']:.1f} dB | {last['device']} |" in page
