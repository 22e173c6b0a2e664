import itertools
import json
import resource

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from thedit.errors import UserError
from thedit.shards import writer
from thedit.shards.loader import PairLoader
from thedit.shards.sampler import PairSampler
from thedit.shards.store import FrameStore


def frame(person: str, clip: str, number: int, split: str = "train", side: int = 16) -> writer.Frame:
    random = np.random.default_rng([len(person), int(clip), number])
    picture = random.integers(256, size=(3 * side // 2, 3 * side // 2, 3), dtype=np.uint8)
    parts = random.integers(6, size=(side, side), dtype=np.uint8)
    vector = lambda size: random.random(size, dtype=np.float32)  # noqa: E731
    png = lambda array: cv2.imencode(".png", array)[1].tobytes()  # noqa: E731
    return writer.Frame(
        person, clip, split, number, number / 25, png(picture[..., ::-1]), png(parts),
        vector(25), vector(136), vector(52), vector(7), 0.5, vector(3), clip, b"",
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Three training people with two clips of four frames, and a test person; two shards."""
    frames = [frame(p, c, n) for p in ("a", "bb", "ccc") for c in ("1", "2") for n in range(4)]
    writer.write_shard(tmp_path / "00000.arrow", frames[:13], {"config_hash": "abc"})
    writer.write_shard(tmp_path / "00001.arrow", [*frames[13:], frame("dddd", "1", 0, "test")], {"config_hash": "abc"})
    return tmp_path


def test_what_was_written_is_read(folder):
    store = FrameStore(folder)
    expected = frame("bb", "2", 3)
    row = store.index.query("person == 'bb' and clip == '2' and frame == 3").index.item()
    batch = store.batch([0, row])
    assert len(store) == 25 and store.size == 16
    assert not {"image", "parts"} & set(store.index)
    assert batch.image.shape == (2, 3, 16, 16) and batch.image.dtype == torch.float32
    decoded = cv2.imdecode(np.frombuffer(expected.image, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.allclose(batch.wide[1].permute(1, 2, 0).numpy(), decoded / 127.5 - 1, atol=1e-6)
    assert batch.wide.shape == (2, 3, 24, 24) and torch.equal(batch.wide[..., 4:-4, 4:-4], batch.image)
    assert np.array_equal(store.picture(row), decoded[4:-4, 4:-4]) and batch.surface is None
    assert batch.parts.shape == (2, 1, 16, 16) and batch.parts.dtype == torch.uint8
    for name in ("camera", "expression", "identity"):
        assert np.array_equal(getattr(batch, name)[1].numpy(), getattr(expected, name))
    assert np.array_equal(batch.landmarks[1].numpy().ravel(), expected.landmarks)
    assert store.index.loc[row, "time"] == 3 / 25
    assert np.array_equal(store.label("camera", row), expected.camera)


def test_shards_describe_themselves(folder):
    for metadata in FrameStore(folder).provenance.values():
        assert set(json.loads(metadata.pop("checksums"))) == set(FrameStore(folder)._batches[0].schema.names)
        assert metadata == {"schema_version": "2", "config_hash": "abc"}


def test_an_empty_folder_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="holds no shards; make them with"):
        FrameStore(tmp_path)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"text" * 99])
def test_a_damaged_shard_is_named(folder, damage):
    path = folder / "00001.arrow"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"00001\.arrow: is damaged or no shard"):
        FrameStore(folder)


def test_a_damaged_picture_is_named(folder):
    path = folder / "00001.arrow"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x89PNG", b"\x00\x00\x00\x00"))
    with pytest.raises(UserError, match=r"00001\.arrow: column image is damaged, its checksum differs"):
        FrameStore(folder).batch([20])


def test_another_schema_version_is_refused(folder):
    path = folder / "00000.arrow"
    batch = pa.ipc.open_file(path.read_bytes()).get_batch(0)
    with pa.ipc.new_file(str(path), batch.schema.with_metadata({"schema_version": "9"})) as sink:
        sink.write_batch(batch)
    with pytest.raises(UserError, match="has schema version 9, this program reads 2"):
        FrameStore(folder)


def test_a_disk_that_fills_leaves_nothing_and_keeps_the_old_shard(folder):
    old = (folder / "00000.arrow").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # writing fails after 4 KB
    try:
        with pytest.raises(UserError, match=r"00000\.arrow: cannot be written .*; free space"):
            writer.write_shard(folder / "00000.arrow", [frame("a", "1", n) for n in range(40)], {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (folder / "00000.arrow").read_bytes() == old
    assert sorted(path.name for path in folder.iterdir()) == ["00000.arrow", "00001.arrow"]


def test_vectors_of_the_wrong_length_are_refused(tmp_path):
    wrong = writer.Frame(**{**vars(frame("a", "1", 0)), "camera": np.zeros(24, np.float32)})
    with pytest.raises(ValueError, match="camera: 24 numbers a row, not 25"):
        writer.write_shard(tmp_path / "x.arrow", [wrong], {})


def test_pairs_keep_their_promises(folder):
    index = FrameStore(folder).index
    sampler = PairSampler(index, batch=64)
    drawn = [sampler[n] for n in range(20)]
    source, target, other = (np.concatenate(rows) for rows in list(zip(*drawn))[:3])
    assert all(pair.driver is pair.target for pair in drawn)
    person, clip, split = (index[name].to_numpy() for name in ("person", "clip", "split"))
    assert (person[source] == person[target]).all()
    assert (person[other] != person[target]).all()
    assert (source != target).all()
    assert (clip[source] == clip[target]).all()
    assert {*split[source], *split[target], *split[other]} == {"train"}
    counts = np.bincount(target, minlength=25)[:24]
    assert counts.min() > 0.6 * counts.mean() and counts.max() < 1.5 * counts.mean()


def test_people_are_drawn_equally_often_however_long_their_clips():
    index = pd.DataFrame({"person": ["a"] * 100 + ["b"] * 4, "clip": "1", "split": "train"})
    targets = np.concatenate([PairSampler(index, 32)[n].target for n in range(50)])
    assert 0.4 < (targets >= 100).mean() < 0.6


def test_a_share_of_drivers_gives_the_targets_performance():
    rows = [("abc"[p], f"{p}/{k}", f"take-{k}", n) for p in range(3) for k in range(2) for n in range(5)]
    index = pd.DataFrame(rows, columns=["person", "clip", "performance", "frame"]).assign(split="train")
    index.loc[index["person"] == "c", "performance"] = "nobody else's"
    pairs = [PairSampler(index, 32, doubles=0.5)[n] for n in range(50)]
    target, driver = (index.loc[np.concatenate(rows)] for rows in zip(*((pair.target, pair.driver) for pair in pairs)))
    same = target["person"].to_numpy() == driver["person"].to_numpy()
    assert (target.index == driver.index)[same].all()
    for column in ("performance", "frame"):
        assert (target[column].to_numpy() == driver[column].to_numpy())[~same].all()
    assert same[target["person"] == "c"].all()
    assert 0.4 < 1 - same[target["person"] != "c"].mean() < 0.6


def test_frames_are_targets_as_often_as_their_weight_says():
    index = pd.DataFrame(
        {"person": ["a"] * 4 + ["b"] * 2 + ["c"] * 3, "clip": "1", "split": ["train"] * 6 + ["test"] * 3}
    )
    weight = np.array([1.0, 2.0, 4.0, 1.0, 3.0, 1.0, 9.0, 9.0, 9.0])
    targets = np.concatenate([PairSampler(index, 64, weight=weight)[n].target for n in range(200)])
    share = np.bincount(targets, minlength=9) / len(targets)
    assert np.allclose(share, [1 / 16, 2 / 16, 4 / 16, 1 / 16, 3 / 8, 1 / 8, 0, 0, 0], atol=0.02)


def test_one_person_is_not_enough():
    index = pd.DataFrame({"person": ["a", "a", "b"], "clip": "1", "split": ["train", "train", "test"]})
    with pytest.raises(UserError, match="split 'train' has frames of 1 people"):
        PairSampler(index, 4)


def test_a_batch_depends_on_seed_and_position_alone():
    index = pd.DataFrame({"person": ["a"] * 50 + ["b"] * 50, "clip": "1", "split": "train"})
    one, two, different = PairSampler(index, 8, seed=1), PairSampler(index, 8, seed=1), PairSampler(index, 8, seed=2)
    _ = [two[n] for n in range(5)]
    assert all(np.array_equal(a, b) for a, b in zip(one[7], two[7]))
    assert not np.array_equal(one[7].target, different[7].target)
    assert not np.array_equal(one[7].target, one[8].target)


def test_the_loader_resumes_at_its_position_with_any_number_of_workers(folder):
    store = FrameStore(folder)
    sampler = PairSampler(store.index, batch=4)
    first = PairLoader(store, sampler, workers=1)
    batches = list(itertools.islice(first, 6))
    assert first.position == 6
    resumed = PairLoader(store, sampler, position=3, workers=3)
    for old, new in zip(batches[3:], resumed):
        assert torch.equal(old.source.image, new.source.image)
        assert torch.equal(old.target.camera, new.target.camera)
        assert torch.equal(old.other.parts, new.other.parts)
