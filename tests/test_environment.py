"""Lock file, pyproject.toml and environment.yml agree."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines):
    """Versions by normalised name of lines such as ``numpy==2.4.6; sys_platform == 'linux'``."""
    found = (re.match(r"([\w.-]+)==([^;\s]+)", line) for line in lines)
    return {normal(pin[1]): pin[2] for pin in found if pin}


def lock_lines():
    return [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]


def test_every_line_of_the_lock_file_is_a_pin():
    lines = lock_lines()
    assert len(pins(lines)) == len(lines)


def test_declared_packages_are_pinned_as_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    locked = pins(lock_lines())
    assert len(pins(declared)) == len(declared)
    assert {name: locked.get(name) for name in pins(declared)} == pins(declared)


def test_conda_users_get_the_same_pins():
    """Made by: make generated"""
    packages = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert packages[-1]["pip"] == lock_lines()
    python = next(package for package in packages if str(package).startswith("python="))
    assert python == "python=3.11"
