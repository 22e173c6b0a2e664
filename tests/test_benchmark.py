"""Taking part from elsewhere: what is packed, what is refused, and a program without this package that answers."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.frames import make_store, png
from thedit import config, layout
from thedit.benchmark import pack, task
from thedit.benchmark.score import score
from thedit.benchmark.submission import Submission
from thedit.errors import UserError
from thedit.evaluation import pairs
from thedit.files import sha256
from thedit.metrics import tables

SIZE, FRAMES = 16, 4
PEOPLE = {"test-0000": ("00",), "test-0001": ("00",), "train-0000": ("00",)}
# The method of somebody else: a program that knows only the packed folder.
PROGRAM = """
import pathlib, shutil, sys
for place in pathlib.Path(sys.argv[1]).glob("*/*/cameras.json"):
    for frame in (place.parent / "driving").iterdir():
        shutil.copy(place.parent / "source.png", place.parent / "output" / frame.name)
"""


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A run whose shards and protocols are there."""
    monkeypatch.chdir(tmp_path)
    settings = config.Config(run="mine", evaluation=config.Evaluation(protocols=["self", "cross", "multiview"]))
    folder = layout.shards(settings)
    folder.mkdir(parents=True)
    make_store(folder, PEOPLE, FRAMES, SIZE)
    (tmp_path / "config").symlink_to(task.Path(__file__).resolve().parents[1] / "config")
    for name in settings.evaluation.protocols:
        pairs.write_pairs(settings, name)
    return settings


@pytest.fixture
def packed(settings, tmp_path):
    pack.pack(settings, tmp_path / "packed")
    return tmp_path / "packed"


@pytest.fixture
def answered(packed, tmp_path):
    """The zip file of a program that answered with the source pictures."""
    subprocess.run([sys.executable, "-I", "-c", PROGRAM, str(packed)], check=True)
    about = json.loads((packed / "method.example.json").read_text()) | {"camera_control": True}
    (packed / "method.json").write_text(json.dumps(about))
    path = tmp_path / "submission.zip"
    with zipfile.ZipFile(path, "w") as file:
        for one in sorted(packed.rglob("*")):
            if one.is_file():
                file.write(one, one.relative_to(packed).as_posix())
    return path


def problems(path, packed):
    with Submission(path, task.read(packed)) as submission:
        return submission.problems()


def changed(path, changes, out):
    """A copy of a zip file with files added, replaced or, for None, left out."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if name not in changes:
                new.writestr(name, old.read(name))
        for name, content in changes.items():
            if content is not None:
                new.writestr(name, content)
    return out


def test_the_folder_holds_the_pictures_of_every_pair_and_no_truth(packed):
    asked = task.read(packed)
    assert asked.size == SIZE and set(asked.protocols) == {"self", "cross", "multiview"}
    assert asked.protocols["multiview"].moves_camera and not asked.protocols["cross"].moves_camera
    for protocol, one in asked.protocols.items():
        for pair, frames in one.pairs.items():
            place = packed / protocol / pair
            files = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
            assert files == ["cameras.json", *(f"driving/{number:04d}.png" for number in range(frames)), "source.png"]
            assert len(json.loads((place / "cameras.json").read_text())["driving"]) == frames


def test_a_program_that_knows_only_the_folder_can_answer(answered, packed):
    assert problems(answered, packed) == []
    with Submission(answered, task.read(packed)) as submission:
        made = list(submission.pictures())
    assert len(made) == task.read(packed).frames
    place, picture, reason = made[0]
    assert reason == ""
    np.testing.assert_array_equal(picture, Image.open(packed / place.protocol / place.pair / "source.png"))


def test_everything_missing_or_misnamed_is_named(answered, packed, tmp_path):
    with Submission(answered, task.read(packed)) as submission:
        first, second, third, fourth = (place.name for place in submission.asked()[:4])
    wrong = changed(
        answered,
        {
            first: None,
            second: png(np.zeros((SIZE, SIZE + 1, 3), np.uint8)),
            third: b"no picture",
            fourth: png(np.zeros((SIZE, SIZE), np.uint8)),
            "cross/frame1.png": b"",
            "../../escape.png": b"",
        },
        tmp_path / "wrong.zip",
    )
    told = "\n".join(problems(wrong, packed))
    assert f"1 missing: {first}" in told
    assert f"1 {SIZE + 1} x {SIZE} pixels, not {SIZE} x {SIZE}: {second}" in told
    assert f"1 damaged: {third}" in told
    assert f"1 PNG in mode L, not PNG with 8 bits RGB: {fourth}" in told
    assert "2 unexpected: cross/frame1.png, ../../escape.png" in told


def test_pictures_that_unpack_to_gigabytes_are_not_unpacked(answered, packed, tmp_path):
    with Submission(answered, task.read(packed)) as submission:
        name = submission.asked()[0].name
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, bytes(50_000_000))
        file.writestr("method.json", (packed / "method.json").read_text())
    path = tmp_path / "bomb.zip"
    path.write_bytes(bomb.getvalue())
    assert any("larger than a picture" in problem for problem in problems(path, packed))


def test_a_method_without_camera_leaves_moved_cameras_out(answered, packed, tmp_path):
    about = json.loads((packed / "method.json").read_text()) | {"camera_control": False}
    path = changed(answered, {"method.json": json.dumps(about)}, tmp_path / "flat.zip")
    with Submission(path, task.read(packed)) as submission:
        assert {place.protocol for place in submission.asked()} == {"self", "cross"}


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (None, "method.json: is missing"),
        ("{", "cannot be read"),
        ({"name": "../up"}, "name"),
        ({"benchmark": "other"}, "this task is"),
        ({"command": "rm"}, "unknown key"),
    ],
)
def test_a_wrong_method_json_is_one_sentence(answered, packed, tmp_path, about, words):
    if isinstance(about, dict):
        about = json.dumps(json.loads((packed / "method.json").read_text()) | about)
    path = changed(answered, {"method.json": about}, tmp_path / "wrong.zip")
    with pytest.raises(UserError, match=words):
        problems(path, packed)


def test_what_is_no_zip_file_is_one_sentence(packed, tmp_path):
    (tmp_path / "a.zip").write_text("hello")
    with pytest.raises(UserError, match="cannot be read as a zip file"):
        problems(tmp_path / "a.zip", packed)


def test_a_folder_with_files_is_not_written_to(settings, packed):
    with pytest.raises(UserError, match="is not empty"):
        pack.pack(settings, packed)


def test_a_submission_is_scored_and_stands_in_the_table_with_where_it_came_from(settings, packed, answered):
    about = json.loads((packed / "method.json").read_text()) | {"camera_control": False, "name": "theirs"}
    path = changed(answered, {"method.json": json.dumps(about)}, answered.with_name("flat.zip"))
    with Submission(path, task.read(packed)) as submission:
        missing = submission.asked()[0].name
    changed(path, {missing: None}, answered.with_name("theirs.zip"))
    for _ in range(2):  # a second time replaces the first
        rows = score(settings, answered.with_name("theirs.zip"))
    table = tables.read(layout.run(settings) / "submissions.parquet", tables.METRICS)
    assert len(table) == len(rows) and set(table["method"]) == {"theirs"}
    psnr = table[(table["protocol"] == "self") & (table["metric"] == "psnr") & (table["variant"] == "target")].iloc[0]
    expected = sum(asked for asked in task.read(packed).protocols["self"].pairs.values())
    assert (psnr["n"], psnr["n_failed"]) == (expected - 1, 1)
    known = json.loads((layout.run(settings) / "submissions.json").read_text())["theirs"]
    assert known["sha256"] == sha256(answered.with_name("theirs.zip"))
    assert known["training_data"] == about["training_data"]


def test_a_submission_may_not_take_the_name_of_a_method_of_the_run(settings, packed, answered):
    about = json.loads((packed / "method.json").read_text()) | {"name": settings.methods[0]}
    path = changed(answered, {"method.json": json.dumps(about)}, answered.with_name("thief.zip"))
    with pytest.raises(UserError, match="choose another name"):
        score(settings, path)
