"""The wheel, built and unpacked, in an empty folder: nothing is missing that a checkout has."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import thedit

ROOT = Path(__file__).parents[1]
THEDIT = ["-c", "from thedit.cli import main; main()"]
CHECK = """
import importlib.util
from pathlib import Path
import thedit
from thedit import metrics, pretrained
from thedit.evaluation import protocols
from thedit.methods import registry
from thedit.metrics import suite
from thedit.video import spec

assert Path(thedit.__file__).is_relative_to(WHEEL), thedit.__file__
assert Path(metrics.__file__) == Path(WHEEL) / "thedit/metrics/__init__.py", metrics.__file__
assert (Path(thedit.__file__).parent / "py.typed").is_file()
for name in PROTOCOLS:
    protocols.find(name)
for name in SPECS:
    spec.load(f"data/{name}")
registry.find("planedict")
assert pretrained.find().is_relative_to(WHEEL), pretrained.find()
print(thedit.__version__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A folder with the unpacked wheel alone, built from a copy of what git has of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("needs a git checkout, whose files the wheel is built from")
    for name in tracked.stdout.splitlines():
        if name.startswith(("thedit/", "metrics/", "config/", "data/")) or "/" not in name:
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name, follow_symlinks=False)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", folder, folder / "source"], check=True)
    (path,) = folder.glob("thedit-*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def run(wheel, folder, *arguments):
    """Python with the unpacked wheel before all that is installed."""
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_specs_protocols_and_metrics_are_found_in_an_empty_folder(wheel, tmp_path):
    names = {
        "WHEEL": str(wheel),
        "PROTOCOLS": [path.stem for path in (ROOT / "config/protocols").glob("*.yaml")],
        "SPECS": [path.name for path in (ROOT / "data").glob("*.yaml")],
    }
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    result = run(wheel, tmp_path, "-c", given + CHECK)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == thedit.__version__


def test_no_package_but_thedit_is_installed(wheel):
    assert {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")} == {"thedit"}


def test_the_commands_work_in_an_empty_folder(wheel, tmp_path):
    assert run(wheel, tmp_path, *THEDIT, "--version").stdout.startswith(thedit.__version__)
    result = run(wheel, tmp_path, *THEDIT, "config", "defaults")
    assert result.stdout == (ROOT / "config/config.yaml").read_text()


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project["version"] == thedit.__version__ == citation["version"]
