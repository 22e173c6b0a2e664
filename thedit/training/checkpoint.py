"""What training leaves on disk: checkpoints to resume from, and the weights that are used afterwards."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from thedit.errors import UserError
from thedit.files import atomic


def save(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers and strings in nested dicts and lists; a crash leaves the file before it intact."""
    with atomic(path) as temporary:
        torch.save(state, temporary)


def load(path: Path) -> dict[str, Any] | None:
    """What `save` wrote, on the CPU; None if there is no such file, `UserError` if it is damaged."""
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError) as error:
        raise UserError(f"{path}: is damaged ({str(error).splitlines()[0]}); delete it to train anew.") from error


def export(path: Path, method: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write a method's parameters and buffers as safetensors, with ``metadata``."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in method.state_dict().items()}
    with atomic(path) as temporary:
        save_file(tensors, temporary, dict(metadata))
