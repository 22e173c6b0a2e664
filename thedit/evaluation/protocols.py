"""Protocols: which source is driven by which frames and seen by which camera. One YAML file each."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from thedit import shipped
from thedit.config import Section, parse, read
from thedit.errors import UserError

FOLDER = Path("config/protocols")


class Protocol(Section):
    """A rule that pairs test clips; see `thedit.evaluation.pairs` for what each kind does."""

    kind: Literal["self", "cross", "multiview", "one-to-all", "list"] = Field(description="how clips are paired")
    description: str = Field("", description="the rule in one sentence, shown in reports")
    split: str = Field("test", description="split of the data whose clips are used")
    yaw: list[float] = Field([], description="multiview: camera angles in degrees of the horizontal sweep")
    pitch: list[float] = Field([], description="multiview: camera angles in degrees of the vertical sweep")
    driver: str | None = Field(None, description="one-to-all: the driving clip, <person>/<clip>; the first if null")
    pairs: str | None = Field(None, description="list: CSV file with the columns source and driver, <person>/<clip>")

    @model_validator(mode="after")
    def _complete(self) -> "Protocol":
        if self.kind == "multiview" and not (self.yaw or self.pitch):
            raise ValueError("a multiview protocol needs angles in yaw or pitch")
        if self.kind == "list" and self.pairs is None:
            raise ValueError("a list protocol needs the CSV file in pairs")
        return self


def path(name: str, folder: Path = FOLDER) -> Path:
    """The file of the protocol ``name``: that of ``folder``, or else the shipped one, if there is one."""
    return shipped.find(folder / f"{name}.yaml")


def find(name: str, folder: Path = FOLDER) -> Protocol:
    """Read the protocol ``name``; `UserError` names the file and the key, or the protocols that there are."""
    file = path(name, folder)
    if not file.is_file():
        known = {file.stem for place in (folder, shipped.FOLDER / FOLDER) for file in place.glob("*.yaml")}
        raise UserError(
            f"evaluation.protocols: '{name}' needs the file {file}; protocols there are: {', '.join(sorted(known))}."
        )
    return parse(read(file), Protocol, file)
