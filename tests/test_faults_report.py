"""Odd names of a user's own videos go through the whole workflow, and nothing in them is live in its report."""

import re
import shutil
import subprocess

import pytest
import yaml

from tests.test_workflow import finished, settings, snakemake  # noqa: F401  the stubbed project

NAMES = [
    "{brace}.mp4",
    "<results>.mp4",
    "a b'c\"d;e.mp4",
    "<script>document.title='live'</script>.mp4".replace("/", "\u2215"),
    "a</script><img src=x onerror=document.title='live'>/clip.mp4",
    *(f"plain-{number}.mp4" for number in range(4)),
]
BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")


@pytest.fixture(scope="module")
def report(finished):  # noqa: F811
    """The report of a run over videos with these names."""
    for name in NAMES:
        path = finished / "data/mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video")
    spec = {"title": "Mine <img src=x onerror=document.title='live'>", "root": "data/mine", "videos": "**/*.mp4"}
    spec |= {"split": {"test_share": 0.4}}
    (finished / "data/mine.yaml").write_text(yaml.safe_dump(spec))
    settings(finished, data={"name": "mine", "spec": "data/mine.yaml"})
    result = snakemake(finished)
    assert result.returncode == 0, result.stdout + result.stderr
    return finished / "results/test/workflow.html"


def test_odd_names_of_videos_are_no_part_of_the_workflow(report):
    folder = report.parents[2]
    dry = snakemake(folder, "--dry-run")
    assert dry.returncode == 0 and "Nothing to be done" in dry.stdout + dry.stderr
    (folder / "data/mine" / NAMES[0]).write_bytes(b"another video")
    dry = snakemake(folder, "--dry-run", "--quiet", "reason")
    assert dry.returncode == 0 and "preprocess" in dry.stdout + dry.stderr


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_nothing_in_a_name_is_live_in_a_page(report, tmp_path):
    options = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-sync --virtual-time-budget=3000 --dump-dom"
    )
    command = [BROWSER, *options.split(), f"--user-data-dir={tmp_path}", report.as_uri()]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    assert "</html>" in page and "Snakemake" in page
    assert re.findall(r"<title>(.*?)</title>", page)[:1] != ["live"]
    assert "onerror=document" not in page
