"""Lock file, pyproject.toml, environment.yml and what is installed agree."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()


def pins(lines):
    """Versions by normalised name of lines such as ``numpy==2.4.6``."""
    found = (re.match(r"([\w.-]+)==([^;\s]+)", line) for line in lines)
    return {canonicalize_name(pin[1]): pin[2] for pin in found if pin}


LOCKED = pins(LOCK.splitlines())


def declared():
    """What pyproject.toml asks for, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for listed in lists for line in listed]


def closure():
    """Names of all packages that an environment with all extras needs, by what the installed ones say of themselves."""
    found, waiting = set(), [(wanted.name, frozenset(wanted.extras)) for wanted in declared()]
    while waiting:
        name, extras = waiting.pop()
        if (canonicalize_name(name), extras) in found:
            continue
        found.add((canonicalize_name(name), extras))
        for wanted in map(Requirement, importlib.metadata.requires(name) or []):
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                waiting.append((wanted.name, frozenset(wanted.extras)))
    return {name for name, _ in found}


def test_every_pin_has_hashes():
    entries = [entry for entry in re.split(r"\n(?=\S)", LOCK) if not entry.startswith("#")]
    assert len(entries) == len(LOCKED)
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_fulfils_what_is_declared():
    for wanted in declared():
        assert wanted.specifier.contains(LOCKED[canonicalize_name(wanted.name)]), wanted


def test_nothing_is_missing_in_the_lock_and_nothing_too_much():
    assert closure() == set(LOCKED)


@pytest.mark.parametrize("name", sorted(LOCKED))
def test_what_is_installed_is_what_is_locked(name):
    assert importlib.metadata.version(name) == LOCKED[name]


def test_conda_users_get_the_same_pins():
    """Made by: make generated"""
    packages = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert pins(packages[-1]["pip"]) == LOCKED
    python = next(package for package in packages if str(package).startswith("python="))
    assert python == "python=3.11"


def test_the_page_moves_no_shared_pin():
    page = pins((ROOT / "requirements-demo.lock").read_text().splitlines())
    assert {"gradio", "selenium"} <= set(page)
    assert {name: LOCKED[name] for name in set(page) & set(LOCKED)} == {}
