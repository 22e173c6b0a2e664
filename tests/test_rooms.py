"""The rooms of the package: the table of docs/architecture.md is true."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text()
ROOMS = [Path(folder).name for folder in re.findall(r"^\| `((?:thedit|metrics)/[a-z/]*)`", PAGE, re.MULTILINE)]


def imports(path):
    """Modules that a file imports, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_of(path):
    """Rooms that a file imports from."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("thedit.")} & set(ROOMS)


def test_the_table_names_every_room():
    assert set(ROOMS) == {path.parent.name for path in (ROOT / "thedit").glob("*/__init__.py")}


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_from_a_room_further_down(room):
    further_down = set(ROOMS[ROOMS.index(room) + 1 :])
    back = {path.name: rooms_of(path) & further_down for path in (ROOT / "thedit" / room).rglob("*.py")}
    assert {name: found for name, found in back.items() if found} == {}


def test_modules_beside_the_rooms_import_from_none():
    assert {path.name: rooms_of(path) for path in (ROOT / "thedit").glob("*.py") if rooms_of(path)} == {}
