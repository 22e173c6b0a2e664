"""One small run from videos to report, as a user starts it, and then what it must have left."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from thedit import config, layout
from thedit.files import sha256
from thedit.metrics import tables

ROOT = Path(__file__).parents[1]
CONFIG = ".test/config.yaml"
COMMAND = [sys.executable, "-m", "snakemake", "--cores", "all", "--configfile", CONFIG]
THEDIT = [sys.executable, "-c", "from thedit.cli import main; main()"]

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def settings(request):
    """The configuration of the finished run."""
    patch = pytest.MonkeyPatch()
    patch.chdir(ROOT)
    subprocess.run(COMMAND, check=True, stdin=subprocess.DEVNULL)
    yield config.load("results/test/config.yaml")
    patch.undo()


def test_every_method_has_a_value_on_every_protocol_that_applies(settings):
    metrics = tables.read(layout.run(settings) / "metrics.parquet", tables.METRICS)
    measured = metrics[metrics["value"].notna()].groupby("protocol")["method"].unique()
    for protocol in ("self", "cross"):
        assert set(measured[protocol]) == set(settings.methods)
    assert set(measured["multiview"]) == {"planedict-dense", "planedict"}


def test_the_bounds_bound(settings):
    metrics = tables.read(layout.run(settings) / "metrics.parquet", tables.METRICS)
    cross = metrics[metrics["protocol"] == "cross"].set_index(["metric", "variant", "method"])["value"]
    assert cross["apd", "geodesic-degrees", "copy-driver"] < 0.1
    assert cross["apd", "geodesic-degrees", "copy-source"] > 1
    assert cross["csim", "source", "copy-source"] > cross["csim", "source", "copy-driver"]


def test_predictions_are_what_their_table_says(settings):
    for method in settings.methods:
        folder = layout.predictions(settings, method, "cross")
        made = pd.read_parquet(folder / "predictions.parquet")
        assert (made["status"] == "ok").all()
        for row in made.itertuples():
            path = folder / row.pair / f"{row.frame:04d}.png"
            assert sha256(path) == row.sha256
            assert np.array(Image.open(path)).shape == (settings.data.preprocess.size,) * 2 + (3,)


def test_the_weights_of_the_run_animate_a_picture_with_a_video(settings, tmp_path):
    videos = layout.data(settings) / "videos"
    with av.open(str(videos / "test-0000/00.mp4")) as container:
        next(container.decode(video=0)).to_image().save(tmp_path / "source.png")
    driving, out, full = videos / "test-0001/00.mp4", tmp_path / "out.mp4", layout.weights(settings, "planedict")
    half = tmp_path / "half.safetensors"
    export = ["export", "--config", CONFIG, "--method", "planedict", "--out", half]
    subprocess.run([*THEDIT, *export], check=True, stdin=subprocess.DEVNULL)
    assert half.stat().st_size < 0.6 * full.stat().st_size
    files = ["--source", tmp_path / "source.png", "--driving", driving, "--out", out, "--weights", half]
    subprocess.run([*THEDIT, "reenact", *files], check=True, stdin=subprocess.DEVNULL)
    with av.open(str(out)) as container:
        made = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        assert container.streams.video[0].average_rate == 25
    size = settings.data.preprocess.size
    assert made.shape == (settings.data.heads.frames_per_clip, size, size, 3)
    assert made.std() > 5


def test_the_report_holds_every_figure_and_needs_no_network(settings):
    page = (layout.run(settings) / "workflow.html").read_text()
    for figure in (layout.run(settings) / "figures").iterdir():
        assert str(figure) in page
    for tag in ('<script src="http', '<link href="http', '@import url("http', '<link rel="stylesheet"'):
        assert tag not in page


def test_a_second_run_has_nothing_to_do(settings):
    result = subprocess.run([*COMMAND, "--dry-run"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout + result.stderr
