"""Memory does not grow with the length of what is scored."""

import weakref

import numpy as np
import pandas as pd

from tests.test_metrics_tables import measurer
from tests.video_files import write
from thedit.metrics import clips, folders, measure


def test_the_metrics_hold_a_few_frames_of_a_clip_at_a_time(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    pictures = rng.integers(60, 200, (60, 48, 64, 3), dtype=np.uint8)
    for side in ("pred", "target"):
        write(tmp_path / side / "a.mp4", pictures)
    decode, alive, most = folders.frames, weakref.WeakSet(), 0

    class Counted(np.ndarray):
        """A picture that can be counted."""

        __hash__ = object.__hash__

    def counted(files):
        nonlocal most
        for picture in decode(files):
            shown = picture.view(Counted)
            alive.add(shown)
            most = max(most, len(alive))
            del picture
            yield shown

    monkeypatch.setattr(folders, "frames", counted)
    monkeypatch.setattr(clips, "_measurer", measurer(), raising=False)
    (clip,), _ = clips.find(tmp_path / "pred", tmp_path / "target", None)
    rows = pd.DataFrame(clips._score(clip))
    assert len(rows.loc[rows["metric"] == "psnr", "frame"].unique()) == 60
    assert most < 20


def test_what_was_measured_is_forgotten_after_a_while(monkeypatch):
    monkeypatch.setattr(measure, "REMEMBERED", 3)
    one = measurer()
    for level in range(1, 9):
        one(np.full((16, 16, 3), level, np.uint8))
    assert len(one._memory) == 3
