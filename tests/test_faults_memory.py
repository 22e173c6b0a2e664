"""Memory does not grow with the length of what is scored, nor with that of a driver, and little with a frame's size."""

import subprocess
import sys
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
from PIL import Image

from tests import video_files
from tests.test_metrics_tables import measurer
from thedit.config import Preprocess
from thedit.methods import trained
from thedit.methods.bounds import CopyDriver
from thedit.metrics import clips, folders, measure
from thedit.reenact import driver, faces, pipeline
from thedit.reenact.request import Request


class Counted(np.ndarray):
    """A picture that can be counted."""

    __hash__ = object.__hash__


class Census:
    """Counts the pictures that are alive; ``most`` of them at once."""

    def __init__(self):
        self.alive, self.most, self.seen = weakref.WeakSet(), 0, 0

    def __call__(self, pixels):
        shown = pixels.view(Counted)
        self.alive.add(shown)
        self.seen += 1
        self.most = max(self.most, len(self.alive))
        return shown


def test_the_metrics_hold_a_few_frames_of_a_clip_at_a_time(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    pictures = rng.integers(60, 200, (60, 48, 64, 3), dtype=np.uint8)
    for side in ("pred", "target"):
        video_files.write(tmp_path / side / "a.mp4", pictures)
    decode, census = folders.frames, Census()
    monkeypatch.setattr(folders, "frames", lambda files: map(census, decode(files)))
    monkeypatch.setattr(clips, "_measurer", measurer(), raising=False)
    (clip,), _ = clips.find(tmp_path / "pred", tmp_path / "target", None)
    rows = pd.DataFrame(clips._score(clip))
    assert len(rows.loc[rows["metric"] == "psnr", "frame"].unique()) == 60
    assert census.seen > 120 and census.most < 20


PEAK = """
import resource, sys
from pathlib import Path
from thedit.metrics import clips

clips._start("embedded", {})
for size in ("small", "large"):
    (clip,), _ = clips.find(Path(sys.argv[1], size, "pred"), Path(sys.argv[1], size, "target"), None)
    clips._score(clip)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_large_frame_takes_the_metrics_at_most_120_times_its_own_size(tmp_path):
    for size, shape in {"small": (320, 180), "large": (1920, 1080)}.items():
        for side, quality in {"pred": 30, "target": 90}.items():
            (tmp_path / size / side).mkdir(parents=True)
            for number in range(2):
                shown = Image.fromarray(video_files.with_face(40 + number)).resize(shape)
                shown.save(tmp_path / size / side / f"{number}.jpg", quality=quality)
    made = subprocess.run([sys.executable, "-c", PEAK, tmp_path], check=True, capture_output=True, text=True)
    small, large = (1024 * int(line) for line in made.stdout.split())
    assert large - small < 120 * (1920 * 1080 * 3)


def test_reenactment_holds_a_stretch_of_the_driver_at_a_time(tmp_path, monkeypatch):
    Image.fromarray(video_files.portrait()).save(tmp_path / "portrait.png")
    video_files.write(tmp_path / "driving.mp4", video_files.moving(100))
    monkeypatch.setattr(trained, "load", lambda path: (CopyDriver("tiny", 32).eval(), Preprocess(size=32)))
    for module in (faces, pipeline):
        monkeypatch.setattr(module, "STRETCH", 4)
    decode, census = driver.stream.read, Census()

    def counted(*arguments, **options):
        for picture in decode(*arguments, **options):
            yield replace(picture, pixels=census(picture.pixels))

    monkeypatch.setattr(driver.stream, "read", counted)
    files = {"sources": [tmp_path / "portrait.png"], "driving": tmp_path / "driving.mp4", "out": tmp_path / "out.mp4"}
    made = pipeline.reenact(Request(**files, weights=tmp_path / "portrait.png"))
    assert made.frames == 100 and census.seen >= 100
    assert census.most < 50


def test_what_was_measured_is_forgotten_after_a_while(monkeypatch):
    monkeypatch.setattr(measure, "REMEMBERED", 3)
    one = measurer()
    for level in range(1, 9):
        one(np.full((16, 16, 3), level, np.uint8))
    assert len(one._memory) == 3
