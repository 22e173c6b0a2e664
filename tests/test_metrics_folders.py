"""``python -m thedit.metrics``: folders of frames or videos made elsewhere."""

import contextlib
import functools
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import video_files
from tests.shared import SHARED, needs_shared
from tests.test_metrics_tables import measurer
from thedit.errors import UserError
from thedit.metrics import __main__ as program
from thedit.metrics import clips, folders, images, scale, tables


def write(folder, name, count, seed=0, side=32):
    rng = np.random.default_rng(seed)
    for number in range(count):
        path = folder / name / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)


def pixels(folder: Path, name: str) -> list[np.ndarray]:
    return list(folders.frames(folders.read(folder).clips[name]))


def picture(path: Path, seed: int, side: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)
    return path


def test_clips_are_paired_by_name(tmp_path):
    for side in ("pred", "target"):
        write(tmp_path / side, "a", 3)
        write(tmp_path / side, "b/one", 2)
    found, remarks = clips.find(tmp_path / "pred", tmp_path / "target", None)
    assert [(clip.name, len(clip.frames)) for clip in found] == [("a", 3), ("b/one", 2)]
    assert remarks == []
    write(tmp_path / "pred", "c", 1)
    with pytest.raises(UserError, match="has no clip 'c'"):
        clips.find(tmp_path / "pred", tmp_path / "target", None)


def test_folders_without_frames_are_errors(tmp_path):
    with pytest.raises(UserError, match="neither pictures nor videos"):
        folders.read(tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        folders.read(tmp_path / "nothing")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match=r"broken\.mp4: is no video or is cut short"):
        pixels(tmp_path, "broken")


def renamed(folder: Path, name: Callable[[int], str], count: int = 12) -> Path:
    """``count`` frames under names of their numbers; picture k is the same whatever its name."""
    for number in range(count):
        picture(folder / "clip" / f"{name(number)}.png", number, 16)
    return folder


def compared(pred: Path, target: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    (clip,), _ = clips.find(pred, target, None)
    return list(zip(folders.frames(clip.predictions), folders.frames(clip.targets)))


def test_frames_are_paired_by_number(tmp_path):
    pred = renamed(tmp_path / "pred", lambda n: f"{n + 1}")
    target = renamed(tmp_path / "target", lambda n: f"{n + 1:04d}")
    assert all(np.array_equal(ours, theirs) for ours, theirs in compared(pred, target))
    (clip,), _ = clips.find(pred, target, None)
    table = clips.pairs([clip])
    assert [Path(name).name for name in table["prediction"]] == [f"{number}.png" for number in range(1, 13)]
    assert [Path(name).name for name in table["target"]] == [f"{number:04d}.png" for number in range(1, 13)]
    assert table["prediction_number"].tolist() == table["target_number"].tolist() == list(range(1, 13))
    tables.write(table, tables.PAIRING, tmp_path / "pairing.parquet")


TEXT = st.text(st.characters(exclude_categories=("Nd", "Cs", "Cc"), exclude_characters="/."), max_size=6)
# How a side's frames may be called: words around their numbers, which have so many digits and begin at 0 or 1.
NAMINGS = st.tuples(TEXT, TEXT, st.integers(1, 6), st.sampled_from([0, 1])).map(
    lambda said: lambda n: f"x{said[0]}{n + said[3]:0{said[2]}d}{said[1]}x"
)


@settings(max_examples=40, deadline=None)
@given(ours=NAMINGS, theirs=NAMINGS)
def test_renaming_that_keeps_the_numbers_changes_no_pair(ours, theirs):
    with tempfile.TemporaryDirectory() as name:
        got = compared(
            *(renamed(Path(name, side), naming, 11) for side, naming in (("pred", ours), ("target", theirs)))
        )
    assert len(got) == 11
    for number, (ours, theirs) in enumerate(got):
        assert np.array_equal(ours, theirs)
        assert np.array_equal(ours, np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8))


def scores(namings: list[Callable[[int], str]]) -> tuple[str, list[bytes]]:
    """What the program prints of two clips of 11 frames whose sides are named so, and the tables that it stores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side, naming in enumerate(namings):
            for number in range(11):
                path = folder / ("pred", "target")[side % 2] / f"clip{side // 2}" / f"{naming(number)}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                shown = video_files.with_face(40 + 2 * number, 8 + side, width=192, height=192)
                Image.fromarray(shown).save(path, quality=90 - 20 * (side % 2))
        done = run(folder, "--pred", "pred", "--target", "target", "--resamples", 10, "--out", "out", "--jobs", 1)
        assert done.returncode == 0, done.stderr
        return done.stdout, [(folder / "out" / f"{table}.parquet").read_bytes() for table in ("metrics", "frames")]


@functools.cache
def plain() -> tuple[str, list[bytes]]:
    return scores([str] * 4)


@settings(max_examples=2, deadline=None)
@given(namings=st.lists(NAMINGS, min_size=4, max_size=4))
def test_renaming_that_keeps_the_numbers_changes_no_score(namings):
    assert scores(namings) == plain()


@settings(max_examples=60, deadline=None)
@given(names=st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=6), min_size=2, max_size=2))
def test_any_names_pair_whole_or_say_why_not(names):
    with tempfile.TemporaryDirectory() as name:
        sizes = []
        for side, stems in zip(("pred", "target"), names):
            folder = Path(name) / side / "clip"
            folder.mkdir(parents=True)
            for stem in stems:
                with contextlib.suppress(OSError, ValueError, UnicodeEncodeError):  # no name that a file can have
                    picture(folder / f"{stem.replace('/', '_')}.png", 0, 12)
            sizes.append(sum(path.name[0] != "." for path in folder.iterdir()))
        try:
            (clip,), _ = clips.find(Path(name) / "pred", Path(name) / "target", None)
        except UserError as error:
            assert str(error)
        else:
            assert len(clip.frames) == sizes[0] == sizes[1]
            assert len({frame.prediction for frame in clip.frames}) == sizes[0]


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (["1", "2", "4"], ["1", "2", "3", "4"], r"pred/clip: lacks frame 3, which .*target/clip/3\.png has"),
        (["0", "1", "2"], ["1", "2"], r"target/clip: lacks frame 0, which .*pred/clip/0\.png has"),
        (["0", "1", "2"], ["1", "2", "4"], r"pred/clip: lacks frame 4, which"),
        (["1", "01"], ["1", "2"], r"pred/clip/1\.png: is frame 1 like 01\.png"),
        (["open", "shut"], ["open", "smile"], r"pred/clip: lacks frame 'smile', which"),
    ],
)
def test_a_frame_that_one_side_lacks_is_named(tmp_path, ours, theirs, words):
    for side, names in (("pred", ours), ("target", theirs)):
        for name in names:
            picture(tmp_path / side / "clip" / f"{name}.png", 0)
    with pytest.raises(UserError, match=words):
        clips.find(tmp_path / "pred", tmp_path / "target", None)


def test_names_without_numbers_pair_by_name(tmp_path):
    for side, suffix in (("pred", "png"), ("target", "bmp")):
        for seed, name in enumerate(("smile", "open", "shut")):
            picture(tmp_path / side / "clip" / f"{name}.{suffix}", seed)
    assert all(np.array_equal(ours, theirs) for ours, theirs in compared(tmp_path / "pred", tmp_path / "target"))


def test_a_video_pairs_with_pictures_that_count_from_0_or_1(tmp_path):
    shown = [np.full((32, 32, 3), 20 * number, np.uint8) for number in range(11)]
    video_files.write(tmp_path / "pred" / "clip.mp4", shown)
    for first in (0, 1):
        target = tmp_path / f"target{first}"
        for number, values in enumerate(shown):
            path = target / "clip" / f"{number + first}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(path)
        for ours, theirs in compared(tmp_path / "pred", target):
            assert np.abs(ours.astype(int) - theirs).max() < 6


def test_every_file_is_used_or_named(tmp_path):
    frames = [Image.fromarray(np.full((16, 16, 3), 40 * number, np.uint8)) for number in range(4)]
    for side in ("pred", "target"):
        folder = tmp_path / side
        picture(folder / "still.png", 0)
        picture(folder / "._still.png", 1)
        (folder / "notes.txt").write_text("notes")
        for suffix in ("gif", "webp"):
            frames[0].save(folder / f"{suffix}.{suffix}", save_all=True, append_images=frames[1:])
    found, remarks = clips.find(tmp_path / "pred", tmp_path / "target", None)
    assert {clip.name: len(clip.frames) for clip in found} == {".": 1, "gif": 4, "webp": 4}
    assert [len(compared) for compared in (pixels(tmp_path / "pred", "gif"), pixels(tmp_path / "pred", "webp"))] == [
        4,
        4,
    ]
    assert remarks == [
        f"{tmp_path / side}: 1 files are neither pictures nor videos and are not used (notes.txt)"
        for side in ("pred", "target")
    ]
    video_files.write(tmp_path / "pred" / "gif.mp4", [np.zeros((16, 16, 3), np.uint8)] * 4)
    with pytest.raises(UserError, match=r"is the clip 'gif', and so is .*gif\.mp4; remove or rename"):
        folders.read(tmp_path / "pred")


def test_transparency_is_said(tmp_path):
    for side, alpha in (("pred", 0), ("target", 255)):
        (tmp_path / side).mkdir()
        values = np.full((16, 16, 4), 9, np.uint8)
        values[..., 3] = alpha
        Image.fromarray(values).save(tmp_path / side / "0.png")
    _, remarks = clips.find(tmp_path / "pred", tmp_path / "target", None)
    assert remarks == [f"{tmp_path / 'pred'}: 1 pictures have transparency and are laid over white (0.png)"]
    assert (pixels(tmp_path / "pred", ".")[0] == 255).all()


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        ((32, 32, 16), r"pred/a/2\.png: frame 2 is 16 x 16 pixels, in .*target/a/2\.png 32 x 32; give both"),
        ((8, 8, 8), r"pred/a/0\.png: is 8 x 8 pixels; SSIM needs 11 a side"),
    ],
)
def test_a_frame_of_another_size_is_named(tmp_path, sides, words):
    for number, side in enumerate(sides):
        picture(tmp_path / "pred" / "a" / f"{number}.png", number, side)
        picture(tmp_path / "target" / "a" / f"{number}.png", number, sides[0])
    (clip,), _ = clips.find(tmp_path / "pred", tmp_path / "target", None)
    with pytest.raises(UserError, match=words):
        clips._score(clip)


def test_sources_are_pictures_named_as_clips_or_in_folders_of_that_name(tmp_path):
    for side in ("pred", "target"):
        write(tmp_path / side, "a", 2)
        write(tmp_path / side, "b/one", 2)
    write(tmp_path / "source", "a", 1)
    write(tmp_path / "source", "b", 1)
    (tmp_path / "source" / "b" / "000.png").rename(tmp_path / "source" / "b" / "one.png")
    found, _ = clips.find(*(tmp_path / side for side in ("pred", "target", "source")))
    assert [clip.source.relative_to(tmp_path).as_posix() for clip in found] == ["source/a/000.png", "source/b/one.png"]
    (tmp_path / "source" / "b" / "one.png").unlink()
    with pytest.raises(UserError, match="no source picture for clip 'b/one'"):
        clips.find(*(tmp_path / side for side in ("pred", "target", "source")))


def run(folder, *arguments):
    command = [sys.executable, "-m", "thedit.metrics", *map(str, arguments)]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PATH": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@needs_shared
def test_the_program_works_alone_in_any_folder(tmp_path):
    face = images.read(SHARED / "portraits" / "liveportrait_s9.jpg")
    side = min(face.shape[:2])
    rng = np.random.default_rng(0)
    for number in range(2):
        picture = images.enlarge(np.ascontiguousarray(face[10 * number : 10 * number + side, :side]), 128)
        noisy = (picture + rng.integers(-9, 10, picture.shape)).clip(0, 255).astype(np.uint8)
        for name, values in (("target", picture), ("pred", noisy)):
            for clip in ("one", "two"):
                path = tmp_path / name / clip / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(path)
    alone = run(tmp_path, "--pred", "pred", "--target", "target", "--resamples", 10, "--jobs", 1, "--out", "alone")
    assert alone.returncode == 0, alone.stderr
    done = run(tmp_path, "--pred", "pred", "--target", "target", "--suite", "embedded", "--resamples", 10)
    assert done.returncode == 0, done.stderr
    assert "csim" in done.stdout and "dlib-resnet" in done.stdout
    assert "csim of dlib-resnet is 0.967 for two clips of one person, 0.906 for two people" in done.stdout
    assert len(tables.read(tmp_path / "metrics-out" / "scale.parquet", tables.SCALE)) == 2
    assert len(tables.read(tmp_path / "metrics-out" / "pairing.parquet", tables.PAIRING)) == 4
    table = tables.read(tmp_path / "metrics-out" / "metrics.parquet", tables.METRICS)
    values = table.set_index(["metric", "variant"])["value"]
    assert values["psnr", "target"] > 25
    assert values["csim", "target"] > 0.9
    assert values["apd", "geodesic-degrees"] < 10
    assert len(pd.read_parquet(tmp_path / "metrics-out" / "frames.parquet")) > 0
    for name in ("frames", "metrics"):
        assert (tmp_path / "alone" / f"{name}.parquet").read_bytes() == (
            tmp_path / "metrics-out" / f"{name}.parquet"
        ).read_bytes()


def test_mistakes_end_in_one_sentence(tmp_path):
    write(tmp_path / "pred", "a", 2)
    write(tmp_path / "target", "a", 3)
    done = run(tmp_path, "--pred", "pred", "--target", "target")
    assert done.returncode == 2
    assert done.stderr.strip().endswith(
        "metrics: pred/a: lacks frame 2, which target/a/002.png has; frames are paired by the number in their name."
    )
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_found_before_the_work(tmp_path, monkeypatch):
    for side in ("pred", "target"):
        write(tmp_path / side, "a", 1)
    (tmp_path / "file").write_text("")
    done = run(tmp_path, "--pred", "pred", "--target", "target", "--out", "file/out")
    assert done.returncode == 2
    assert done.stderr.strip().endswith("file/out: cannot be written (Not a directory); choose another folder.")


def test_the_scale_of_an_earlier_network_does_not_stay(tmp_path, monkeypatch, capsys):
    for side in ("pred", "target"):
        write(tmp_path / side, "a", 2, seed=len(side))
    networks = measurer()
    monkeypatch.setattr(clips, "_measurer", networks, raising=False)
    monkeypatch.setattr(clips, "score", lambda found, *_: (row for clip in found for row in clips._score(clip)))
    monkeypatch.setattr(program.suite, "load", lambda *_: networks.suite)
    monkeypatch.setattr(program.torch, "set_num_threads", lambda count: None)
    (tmp_path / "scale.parquet").write_text("of another network")
    program.main(tmp_path / "pred", tmp_path / "target", out=tmp_path, jobs=1)
    assert {path.name for path in tmp_path.glob("*.parquet")} == {
        f"{t}.parquet" for t in ("frames", "metrics", "pairing")
    }


def test_the_known_scale_is_that_of_the_reference_run():
    measured = pd.read_parquet(Path(__file__).parents[1] / "results" / "reference" / "scale.parquet")
    row = measured.iloc[0]
    data, ends = scale.known(row["backend"], row["weights_sha256"])
    assert "AnnyHeads" in data
    pd.testing.assert_frame_equal(ends.reset_index(drop=True), measured, check_dtype=False)
    assert scale.known("another", row["weights_sha256"])[1].empty
