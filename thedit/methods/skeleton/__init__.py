"""A new method to start from: a class, a spec and a test that work as they are."""

import importlib.resources
import re
import string
from pathlib import Path

from thedit.errors import UserError
from thedit.files import atomic

PACKAGE = {
    "pyproject.txt": "{name}/pyproject.toml",
    "package.txt": "{name}/{module}/__init__.py",
    "method.txt": "{name}/{module}/method.py",
    "spec.txt": "{name}/{module}/{name}.yaml",
    "test.txt": "{name}/tests/test_{module}.py",
    "config.txt": "{name}/config.yaml",
}
IN_TREE = {
    "method.txt": "thedit/methods/{module}.py",
    "spec.txt": "thedit/methods/specs/{name}.yaml",
    "test.txt": "tests/test_methods_{module}.py",
}


def create(name: str, folder: Path, in_tree: bool = False) -> list[Path]:
    """Write the skeleton of a method: an installable package below ``folder``, or files of this project's tree.

    Returns the files. Raises `UserError` for a name that is none, or if any of the files is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UserError(f"method new: '{name}' is no name for a method; use small letters, digits and single hyphens.")
    module = name.replace("-", "_")
    if in_tree and not (folder / "thedit" / "methods").is_dir():
        raise UserError(f"method new: {folder} is not the root of the project's tree; change to it, or omit --in-tree.")
    words = {
        "name": name,
        "module": module,
        "class_name": "".join(part.capitalize() for part in name.split("-")),
        "location": f"thedit.methods.{module}" if in_tree else f"{module}.method",
    }
    files = {source: folder / path.format(**words) for source, path in (IN_TREE if in_tree else PACKAGE).items()}
    if there := [path for path in files.values() if path.exists()]:
        raise UserError(f"{there[0]}: is there already; choose another name or remove it.")
    for source, path in files.items():
        template = importlib.resources.files(__package__).joinpath(source).read_text()
        with atomic(path) as sibling:
            sibling.write_text(string.Template(template).substitute(words))
    return list(files.values())
