"""AnnyHeads on disk: files, resuming, and truth that was never recorded."""

import json
import shutil
from collections import Counter

import av
import numpy as np
import pandas as pd
import pytest
import torch

from thedit import camera, config, layout
from thedit.errors import UserError
from thedit.evaluation.annyheads import TrueLabels
from thedit.heads import counts, gestures, render
from thedit.heads.assets import BLENDSHAPES, load
from thedit.heads.dataset import Clip, Truth, clips, fingerprint, finished
from thedit.heads.frames import read_maps
from thedit.shards.surface import unpack
from thedit.video import spec, truth

HEADS = config.Heads(train_people=1, test_people=1, clips_per_person=1, frames_per_clip=3, size=64)


@pytest.fixture(scope="module")
def folder(asset_file, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("heads") / "small"
    render.render(HEADS, out, asset_file, jobs=1)
    return out


def test_files_and_columns(folder, asset_file):
    sheet = pd.read_csv(folder / "sheet.csv")
    assert list(sheet["video"]) == ["videos/train-0000/00.mp4", "videos/test-0000/00.mp4"]
    assert list(sheet["split"]) == ["train", "test"]
    truth = pd.read_parquet(folder / "truth/test-0000/00.parquet")
    assert list(truth["frame"]) == [0, 1, 2]
    assert truth["camera"][0].shape == (25,)
    assert truth["expression"][0].shape == (52,)
    assert truth["landmarks"][0].shape == (136,)
    assert truth["identity"][0].shape == (load(asset_file).bank.shape[1],)
    assert read_maps(folder / "truth/test-0000/00.maps.arrow").mask.shape == (3, 64, 64)
    assert read_maps(folder / "truth/train-0000/00.maps.arrow").mask.shape == (3, 16, 16)


def test_the_sheet_is_a_sample_sheet(folder):
    values = {"title": "AnnyHeads", "root": str(folder), "sheet": "sheet.csv"}
    inputs = spec.collect(config.parse(values, spec.Spec, "spec"), "small")
    assert [(source.person, source.split) for source in inputs.sources] == [
        ("test-0000", "test"),
        ("train-0000", "train"),
    ]
    assert not inputs.problems


def test_finished_clips_are_kept_and_changed_ones_are_not(folder, asset_file):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.mp4")}
    render.render(HEADS, folder, asset_file, jobs=1)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.mp4")} == before
    other = HEADS.model_copy(update={"seed": 1})
    assert fingerprint(other) != fingerprint(HEADS)
    assert not any(finished(folder, clip, fingerprint(other)) for clip in clips(other))
    longer = HEADS.model_copy(update={"train_people": 5})
    assert fingerprint(longer) == fingerprint(HEADS), "more people leave finished clips valid"


def test_the_same_bytes_every_time(folder, asset_file, tmp_path):
    one = HEADS.model_copy(update={"train_people": 1, "test_people": 1})
    render.render(one, tmp_path / "again", asset_file, jobs=2)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        again = tmp_path / "again" / path.relative_to(folder)
        assert again.read_bytes() == path.read_bytes(), path.name


def test_a_stride_records_fewer_frames_of_the_same_motion(asset_file, tmp_path):
    cameras = {}
    for stride in (1, 2):
        heads = HEADS.model_copy(update={"frames_per_clip": 4 // stride, "stride": stride})
        render.render(heads, tmp_path / str(stride), asset_file, jobs=1)
        cameras[stride] = np.stack(pd.read_parquet(tmp_path / str(stride) / "truth/test-0000/00.parquet")["camera"])
    assert np.array_equal(cameras[2], cameras[1][::2])
    with av.open(str(tmp_path / "2/videos/test-0000/00.mp4")) as video:
        assert [frame.time for frame in video.decode(video=0)] == pytest.approx([0, 2 / 25])


def test_truth_repeats_what_was_recorded(folder, asset_file):
    table = pd.read_parquet(folder / "truth/test-0000/00.parquet")
    expression = torch.tensor(np.stack(table["expression"]))
    cameras = torch.tensor(np.stack(table["camera"]))
    with av.open(str(folder / "videos/test-0000/00.mp4")) as video:
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])
    truth = Truth(folder, load(asset_file), 64)
    same = truth.frames("test-0000/00", expression, cameras)
    error = np.mean((same.image.astype(float) - pictures) ** 2)
    assert 10 * np.log10(255**2 / error) > 27, "but for the camera's noise and the codec"
    assert np.array_equal(same.mask, read_maps(folder / "truth/test-0000/00.maps.arrow").mask)
    # Half of the picture: the same scene through a smaller window.
    window = torch.tensor([0.25, 0.25, 0.5]).expand(3, 3)
    part = Truth(folder, load(asset_file), 32).frames(
        "test-0000/00", expression, camera.crop(cameras, window), recorded=cameras, window=window
    )
    error = np.mean((part.image.astype(float) - pictures[:, 16:48, 16:48]) ** 2)
    assert 10 * np.log10(255**2 / error) > 22


def test_a_clip_that_was_cut_in_parts_has_the_truth_of_the_whole(folder, asset_file):
    table = pd.read_parquet(folder / "truth/test-0000/00.parquet")
    expression, cameras = (torch.tensor(np.stack(table[name][1:3])) for name in ("expression", "camera"))
    truth = Truth(folder, load(asset_file), 32)
    whole, part = (truth.frames(clip, expression, cameras).image for clip in ("test-0000/00", "test-0000/00.1"))
    assert np.array_equal(whole, part)

    class Shards:
        index = pd.DataFrame({"person": "test-0000", "clip": "00.1", "frame": table["frame"][1:3]})

    assert torch.equal(TrueLabels(folder, Shards(), 64).labels(np.array([0, 1]), "expression"), expression)
    assert layout.truth(folder, "test-0000/00.1").is_file()


def test_no_truth_without_a_data_set(tmp_path, asset_file):
    with pytest.raises(UserError, match="thedit heads render"):
        Truth(tmp_path, load(asset_file), 64)


def test_training_people_give_performances_in_twos():
    heads = HEADS.model_copy(update={"train_people": 4, "test_people": 2})
    first, second, third = (Clip("train", person, 0) for person in range(3))
    one, same, other = (clip.moves(heads) for clip in (first, second, third))
    assert first.performance == second.performance != third.performance
    assert torch.equal(one.expression, same.expression) and torch.equal(one.camera, same.camera)
    assert not torch.equal(one.expression, other.expression) and not torch.equal(one.camera, other.camera)
    assert not np.array_equal(first.light(0).background, second.light(0).background)
    assert Clip("test", 0, 0).performance != Clip("test", 1, 0).performance


def test_damaged_maps_are_a_sentence_and_only_their_clip_is_rendered_again(folder, asset_file, tmp_path):
    shutil.copytree(folder, tmp_path / "data")
    path = tmp_path / "data/truth/train-0000/00.maps.arrow"
    path.write_bytes(path.read_bytes()[:-200])
    boxes = np.tile([0.1, 0.1, 0.8], (3, 1))
    with pytest.raises(UserError, match=r"train-0000/00\.maps\.arrow: is missing or damaged .*'thedit heads render'"):
        truth.surfaces(tmp_path / "data", "train-0000", "00", np.arange(3), boxes, 32)
    kept = tmp_path / "data/videos/test-0000/00.mp4"
    before = kept.stat().st_mtime_ns
    render.render(HEADS, tmp_path / "data", asset_file, jobs=1)
    assert kept.stat().st_mtime_ns == before
    assert path.read_bytes() == (folder / "truth/train-0000/00.maps.arrow").read_bytes()


def test_what_crops_show_is_known(folder):
    boxes = np.tile([0.1, 0.1, 0.8], (3, 1))
    known = truth.surfaces(folder, "train-0000", "00", np.arange(3), boxes, 32)
    assert known.performance == "train-take-0000/00"
    seen = unpack(known.surfaces)
    assert seen.label.shape == (3, 8, 8) and (seen.label > 0).float().mean() > 0.2
    table = pd.read_parquet(folder / "truth/train-0000/00.parquet")
    assert np.array_equal(seen.expression, np.stack(table["expression"]))
    assert np.array_equal(seen.identity, np.stack(table["identity"]))
    assert truth.surfaces(folder, "nobody", "00", np.arange(3), boxes, 32) is None
    with pytest.raises(ValueError, match="no packed surface"):
        unpack([known.surfaces[0][:50]])


def test_a_data_set_counts_what_it_holds(folder):
    counts = json.loads((folder / "counts.json").read_text())
    assert {name: counts[name] for name in ("version", "people", "clips", "performances", "frames")} == {
        "version": 2, "people": 2, "clips": 2, "performances": 2, "frames": 6,
    }  # fmt: skip
    assert set(counts["blendshapes"]) == set(BLENDSHAPES)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_default_set_shows_each_of_the_52(seed):
    heads = config.load("config/config.yaml").data.heads.model_copy(update={"seed": seed})
    counted = counts.count(heads, clips(heads, ("train",)))
    assert [name for name, share in counted["blendshapes"].items() if share == 0] == []


def test_gestures_are_dealt_through():
    hands = [gestures.deal(np.random.default_rng(5), take) for take in range(len(gestures.GESTURES))]
    dealt = Counter(name for hand in hands for name in hand)
    assert dealt == Counter(dict.fromkeys(gestures.GESTURES, gestures.HAND))
    assert hands[0] != gestures.deal(np.random.default_rng(6), 0)
