"""Protocols: which source is driven by which frames and seen by which camera. One YAML file each."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

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


def find(name: str, folder: Path = FOLDER) -> Protocol:
    """Read ``folder/name.yaml``; `UserError` names the file and the key, or the protocols that there are."""
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"
        raise UserError(f"evaluation.protocols: '{name}' needs the file {path}; protocols there are: {known}.")
    return parse(read(path), Protocol, path)
