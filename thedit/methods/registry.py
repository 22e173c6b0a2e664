"""Methods by name: specs in YAML, found through the entry points of installed packages.

A package offers methods by an entry point of the group ``thedit.methods`` that names a package of ``*.yaml`` files,
one a method; the methods of this project are found the same way. A spec with ``base: NAME`` is that method's with its
own entries over it: its ``options`` are added to the base's, and its ``change`` ends the base's citation.
"""

import difflib
import importlib
import importlib.resources
from importlib.metadata import entry_points
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from thedit.config import Section, parse, read
from thedit.errors import UserError

if TYPE_CHECKING:  # the workflow reads specs without loading torch
    from thedit.methods.base import Method

GROUP = "thedit.methods"


class Spec(Section):
    """What is to be known of a method before it runs."""

    name: str = Field(pattern=r"^[a-z0-9-]+$", description="the file's name without .yaml; what configs call it")
    kind: Literal["model", "ablation", "baseline", "bound"] = Field(description="its role in the comparison")
    licence: str = Field(description="SPDX identifier of the implementation")
    citation: str = Field(description="the publication it implements")
    implementation: str = Field(
        alias="class", pattern=r"^[\w.]+:\w+$", description="module:Class, a subclass of thedit.methods.base.Method"
    )
    options: dict[str, Any] = Field({}, description="keyword arguments of the class")
    presets: list[Literal["tiny", "small", "paper"]] = Field(
        [], description="sizes it offers; empty if it is not trained"
    )

    @property
    def trained(self) -> bool:
        """Whether it needs weights that training makes."""
        return bool(self.presets)

    @property
    def module(self) -> str:
        """Name of the module that holds the class."""
        return self.implementation.partition(":")[0]

    def load_class(self) -> "type[Method]":
        """Import the class; `UserError` if it cannot be found or is no `Method`."""
        from thedit.methods.base import Method

        module, _, name = self.implementation.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UserError(f"method {self.name}: class {self.implementation} cannot be imported ({error}).") from error
        if not (isinstance(found, type) and issubclass(found, Method)):
            raise UserError(f"method {self.name}: {self.implementation} is no subclass of thedit.methods.base.Method.")
        return found

    def build(self, preset: str, size: int) -> "Method":
        """A new, untrained method for pictures of ``size`` pixels a side."""
        if self.presets and preset not in self.presets:
            raise UserError(f"method {self.name}: has no preset '{preset}'; its presets are {', '.join(self.presets)}.")
        return self.load_class()(preset, size, **self.options)


def names() -> list[str]:
    """Names of all methods that installed packages offer, sorted."""
    return sorted(_files())


def find(name: str) -> Spec:
    """The spec of a method; `UserError` if no installed package offers it or its file has a mistake."""
    files = _files()
    if name not in files:
        near = difflib.get_close_matches(name, files, n=1)
        remedy = f"did you mean '{near[0]}'?" if near else f"known methods are {', '.join(sorted(files))}."
        raise UserError(f"methods: '{name}' is offered by no installed package; {remedy}")
    path = files[name]
    values = read(path)
    if isinstance(values, dict) and "base" in values:
        values = _overlay(values, path, files)
    spec = parse(values, Spec, str(path))
    if spec.name != name:
        raise UserError(f"{path}: name: is '{spec.name}', but the file is called '{name}'; make them equal.")
    return spec


def _overlay(values: dict[str, Any], path: Traversable, files: dict[str, Traversable]) -> dict[str, Any]:
    """The entries of a spec with those of its base under them."""
    name, change = values["base"], values.get("change")
    base = read(files[name]) if name in files else None
    if not isinstance(base, dict) or "base" in base:
        raise UserError(f"{path}: base: '{name}' is no method with a spec of its own; name one that has.")
    if not isinstance(change, str):
        raise UserError(f"{path}: change: is missing; say in one sentence what differs from '{name}'.")
    own = {key: value for key, value in values.items() if key not in ("base", "change")}
    citation = {"citation": f"{base.get('citation', '').rstrip('. ')}; {change}"}
    return {**base, **citation, **own, "options": {**base.get("options", {}), **own.get("options", {})}}


def _files() -> dict[str, Traversable]:
    files: dict[str, Traversable] = {}
    for package in sorted({entry.value for entry in entry_points(group=GROUP)}):
        for path in importlib.resources.files(package).iterdir():
            name, dot, suffix = path.name.rpartition(".")
            if not dot or suffix != "yaml":
                continue
            if name in files:
                raise UserError(f"{path}: method '{name}' is also offered by {files[name]}; rename one of them.")
            files[name] = path
    return files
