"""The README: short, its links lead somewhere, and its commands are commands."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from thedit import config
from thedit.cli import app, load_commands
from thedit.methods import registry

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "data").glob("*.md"))]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
LINES = [
    line.split("  #")[0].split("   #")[0].strip() for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()
]
ELSEWHERE = ("source", "conda")  # commands that are not this project's


def test_it_is_short_and_opens_on_what_it_does():
    assert len(TEXT.splitlines()) <= 200
    assert "makes that person move" in "\n".join(TEXT.splitlines()[:10])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    if page.name.endswith(".template.md"):
        pytest.skip("a template's links are those of its page")
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("http:", "https:", "#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("line", LINES)
def test_its_commands_are_commands_with_these_options(line):
    program, *words = shlex.split(line)
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "thedit":
        load_commands()
        command = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known
    else:
        assert program in ("snakemake", *ELSEWHERE)


def test_its_configuration_is_one(tmp_path):
    (text,) = (text for kind, text in BLOCKS if kind == "yaml")
    settings = config.parse(yaml.safe_load(text), config.Config, "README.md")
    assert (ROOT / settings.data.spec).is_file()
    assert set(settings.methods) <= set(registry.names())
