"""What training leaves on disk: checkpoints to resume from, and the weights that are used afterwards."""

import pickle
import textwrap
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from thedit.errors import UserError
from thedit.files import atomic
from thedit.methods import trained

# What torch, zipfile and pickle say of files that are damaged, or somebody else's.
WRONG = (
    *(RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError),
    *(pickle.UnpicklingError, zipfile.BadZipFile, zlib.error),
)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers and strings in nested dicts and lists; a crash leaves the file before it intact."""
    with atomic(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # what torch makes of a full disk
            raise OSError(str(error).partition("\n")[0]) from error


def load(path: Path) -> dict[str, Any] | None:
    """What `save` wrote, on the CPU; None if there is no such file, `UserError` if it is damaged or foreign.

    The file is an archive with a checksum of each tensor, which torch does not look at.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if wrong := archive.testzip():
                raise ValueError(f"the checksum of {wrong} differs")
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise ValueError("it holds no state of a training")
    except (OSError, EOFError, *WRONG) as error:
        raise UserError(f"{path}: is damaged ({reason(error)}); delete it to train anew.") from error
    return state


def reason(error: Exception) -> str:
    """What went wrong, on one line."""
    return textwrap.shorten(str(error) or type(error).__name__, 200)


def export(path: Path, method: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write a method's parameters and buffers as safetensors, with ``metadata``."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in method.state_dict().items()}
    trained.save(path, tensors, metadata)
