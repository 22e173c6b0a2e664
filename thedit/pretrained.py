"""The default weights: found from any folder of the machine, and checked."""

import os
from pathlib import Path

from thedit import shipped, weights
from thedit.errors import UserError

NAME = "planedict-dense-small.safetensors"
SHA256 = "a90a8196fa86ef9c8f75c789e07e34d2f7e19cac824d4b175d2b0f74cec70447"


def folders() -> list[Path]:
    """Where they are looked for: the weights folder if it is named, what came with the package, the user's folder."""
    named = [Path(os.environ["THEDIT_WEIGHTS"])] if "THEDIT_WEIGHTS" in os.environ else []
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return [*named, shipped.FOLDER / "data" / "pretrained", Path(data) / "thedit"]


def find() -> Path:
    """The default weights; `UserError` when they are nowhere or differ from those of this version."""
    for folder in folders():
        path = folder / NAME
        if path.is_file():
            if weights.digest(path) != SHA256:
                raise UserError(
                    f"{path}: its sha256 is not that of this version; get it again, or name it with --weights."
                )
            return path
    places = " or ".join(str(folder) for folder in folders())
    raise UserError(f"{NAME}: the default weights are missing; put them in {places}, or name others with --weights.")
