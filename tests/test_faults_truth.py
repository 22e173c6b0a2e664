"""True pictures are kept under all that they follow from, so that none is scored for another configuration."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.frames import make_store
from thedit import cache, config
from thedit.errors import UserError
from thedit.evaluation import pairs, protocols
from thedit.evaluation.annyheads import TruePictures
from thedit.evaluation.stage import make
from thedit.heads import assets, build, dataset, render
from thedit.shards.store import FrameStore
from thedit.video.preprocess import preprocess

HEADS = config.Heads(train_people=1, test_people=1, clips_per_person=1, frames_per_clip=5, size=224)
SELF = protocols.Protocol(kind="self")
# Another value of every option of `Preprocess`. Other detectors and landmarks need weights that no package carries.
OTHER = {
    "size": 48,
    "crop": "aligned",
    "camera": "truth",
    "detector": None,
    "landmarks": "annyheads",
    "pose": "dlib-68",
    "crop_scale": 1.2,
    "min_face": 20,
    "min_sharpness": 0.5,
    "max_yaw": 60.0,
    "max_pixels": 224 * 224,
    "frames_per_shard": 7,  # a clip that is longer than a shard is cut, and no clip of the truth
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with head assets and a rendered data set."""
    root = tmp_path_factory.mktemp("project")
    file = root / assets.PATH
    try:
        assets.load()
        file.parent.mkdir(parents=True)
        file.symlink_to(Path(assets.PATH).resolve())
    except UserError:
        build.build(file)
    render.render(HEADS, root / "data/small", file, jobs=1)
    spec = f"title: Small\nroot: {root}/data/small\nsheet: sheet.csv\n"
    (root / "spec.yaml").write_text(spec)
    return root


def truths(project, **options):
    """True pictures over frames preprocessed with ``options``, and the rows of a protocol that moves the camera."""
    settings = {"size": 64, **options}
    data = {"name": "small", "spec": str(project / "spec.yaml"), "preprocess": settings}
    out = project / config.digest(settings)
    if not (out / "shards").is_dir():
        preprocess(config.Config(data=data), out)
    store = FrameStore(out / "shards")
    protocol = protocols.Protocol(kind="multiview", yaw=[-20, 0, 20])
    rows = pairs.make("sides", protocol, store.index, config.Evaluation(max_clips=1), lambda clip: True)
    return TruePictures(project / "data/small", store, store.size, project / "cache"), rows


@pytest.mark.parametrize("option", sorted(config.Preprocess.model_fields))
def test_every_option_of_preprocessing_has_other_keys_or_the_same_pictures(project, monkeypatch, option):
    monkeypatch.chdir(project)
    if OTHER[option] is None:
        pytest.skip("needs weights")
    first, rows = truths(project)
    kept = first.render(rows)
    second, others = truths(project, **{option: OTHER[option]})
    fresh, _ = truths(project, **{option: OTHER[option]})
    fresh._folder = project / "nothing kept" / option
    wanted = fresh.render(others)
    found = second.render(others)
    assert np.array_equal(found.image, wanted.image) and np.array_equal(found.mask, wanted.mask)
    assert kept.image.std() > 10


def test_another_crop_is_another_picture(project, monkeypatch):
    monkeypatch.chdir(project)
    pictures = [truth.render(rows).image for truth, rows in (truths(project), truths(project, crop_scale=1.2))]
    assert not np.array_equal(*pictures)


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign"])
def test_a_damaged_picture_is_rendered_again(project, monkeypatch, damage):
    monkeypatch.chdir(project)
    truth, rows = truths(project)
    good = truth.render(rows)
    path = truth._folder / f"{truth._key(truth._wanted(rows))}.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    cut = bytes(content[:100])
    path.write_bytes({"cut": cut, "flipped": bytes(content), "foreign": b"no archive"}[damage])
    assert cache.load(path, type(good)) is None
    assert np.array_equal(truth.render(rows).image, good.image)
    assert cache.load(path, type(good)) is not None


@pytest.mark.parametrize("kind", ["videos", "truth"])
def test_a_damaged_rendering_is_rendered_again(project, monkeypatch, kind):
    monkeypatch.chdir(project)
    folder, key = project / "data/small", dataset.fingerprint(HEADS)
    (clip,) = dataset.clips(HEADS, ("test",))
    path = next((folder / kind / "test-0000").glob("*.m*"))
    good = path.read_bytes()
    path.write_bytes(good[:-200] + bytes([good[-200] ^ 1]) + good[-199:])
    assert not dataset.finished(folder, clip, key)
    render.render(HEADS, folder, project / assets.PATH, jobs=1)
    assert path.read_bytes() == good and dataset.finished(folder, clip, key)


def test_predictions_of_other_frames_are_made_again(tmp_path, monkeypatch):
    """The same pairs over shards that were preprocessed anew: the frames that a copying method made are stale."""
    monkeypatch.chdir(tmp_path)
    settings = config.Config(run="again", data={"name": "made-up"}, methods=["copy-driver"])
    people = {"test-0000": ("00",), "test-0001": ("00",)}
    protocol = tmp_path / "results/again/protocols/self.parquet"
    protocol.parent.mkdir(parents=True)
    shown = []
    for size in (16, 32):
        store = make_store(Path("data/made-up/shards"), people, 3, size)
        table = pairs.make(
            "self", protocols.Protocol(kind="self"), store.index, settings.evaluation, lambda clip: False
        )
        if size == 16:
            table.to_parquet(protocol, index=False)
        else:
            pd.testing.assert_frame_equal(table, pd.read_parquet(protocol), check_dtype=False)
        shown.append(make(settings, "copy-driver", "self")["sha256"])
    assert not set(shown[0]) & set(shown[1])
