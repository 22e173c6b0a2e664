"""Weights to give away: half as large, and traceable to those that they come from."""

from pathlib import Path

import torch

from thedit.errors import UserError
from thedit.files import sha256
from thedit.methods.trained import digest, opened, save


def export(weights: Path, out: Path) -> None:
    """Write the weights of a run in half precision, with their metadata.

    ``source_sha256`` and ``source_digest`` are of the file that they were made from.
    Raises `UserError` when they are missing or damaged, or hold a value that half precision cannot.
    """
    with opened(weights) as file:
        metadata = file.metadata() or {}
        tensors = {name: _halve(file.get_tensor(name)) for name in file.keys()}
    if wrong := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise UserError(f"{weights}: {wrong[0]} holds values that half precision cannot; use the file as it is.")
    save(out, tensors, metadata | {"source_sha256": sha256(weights), "source_digest": digest(weights)})


def _halve(tensor: torch.Tensor) -> torch.Tensor:
    """Single precision as half; anything else, such as counters, stays as it is."""
    return tensor.half() if tensor.dtype == torch.float32 else tensor
