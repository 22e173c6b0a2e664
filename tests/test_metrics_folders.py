"""``python -m thedit.metrics``: folders of frames or videos made elsewhere."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from thedit.errors import UserError
from thedit.metrics import clips, folders, images, tables

SHARED = Path(__file__).resolve().parents[2] / "shared"


def write(folder, name, count, seed=0, side=32):
    rng = np.random.default_rng(seed)
    for number in range(count):
        path = folder / name / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)


def test_clips_are_paired_by_name(tmp_path):
    for side in ("pred", "target"):
        write(tmp_path / side, "a", 3)
        write(tmp_path / side, "b/one", 2)
    found = list(folders.paired(tmp_path / "pred", tmp_path / "target"))
    assert [(name, len(ours), len(theirs)) for name, ours, theirs in found] == [("a", 3, 3), ("b/one", 2, 2)]
    write(tmp_path / "pred", "c", 1)
    with pytest.raises(UserError, match="has no clip 'c'"):
        list(folders.paired(tmp_path / "pred", tmp_path / "target"))


def test_folders_without_frames_are_errors(tmp_path):
    with pytest.raises(UserError, match="neither pictures nor videos"):
        folders.clips(tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        folders.clips(tmp_path / "nothing")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match=r"broken\.mp4: cannot be decoded"):
        folders.frames(folders.clips(tmp_path)["broken"])


def test_sources_are_pictures_named_as_clips_or_in_folders_of_that_name(tmp_path):
    for side in ("pred", "target"):
        write(tmp_path / side, "a", 2)
        write(tmp_path / side, "b/one", 2)
    write(tmp_path / "source", "a", 1)
    write(tmp_path / "source", "b", 1)
    (tmp_path / "source" / "b" / "000.png").rename(tmp_path / "source" / "b" / "one.png")
    found = clips.find(*(tmp_path / side for side in ("pred", "target", "source")))
    assert [clip.source.relative_to(tmp_path).as_posix() for clip in found] == ["source/a/000.png", "source/b/one.png"]
    (tmp_path / "source" / "b" / "one.png").unlink()
    with pytest.raises(UserError, match="no source picture for clip 'b/one'"):
        clips.find(*(tmp_path / side for side in ("pred", "target", "source")))


def run(folder, *arguments):
    command = [sys.executable, "-m", "thedit.metrics", *map(str, arguments)]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PATH": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the pictures of ../shared")
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
    assert done.stderr.strip().endswith("metrics: pred: clip 'a' has 2 frames, its target 3; give both as many.")
    assert "Traceback" not in done.stderr
