"""Gradients side by side in memory, so that processes exchange all of them at once."""

import torch
from torch import distributed, nn

ALIGNMENT = 64
"""Every gradient begins at a multiple of so many values; the optimiser reads aligned ones in wide loads."""


class Gradients:
    """The gradients of ``parameters``, which must have one type and device, as views of one tensor.

    They keep their place: clear them with `clear`, not by setting them to None.
    """

    def __init__(self, parameters: list[nn.Parameter]):
        sizes = [-(-p.numel() // ALIGNMENT) * ALIGNMENT for p in parameters]
        self._all = torch.zeros(sum(sizes), dtype=parameters[0].dtype, device=parameters[0].device)
        for parameter, part in zip(parameters, self._all.split(sizes)):
            parameter.grad = part.as_strided(parameter.shape, parameter.stride())

    def clear(self) -> None:
        """Set them to zero."""
        self._all.zero_()

    def add_up(self) -> None:
        """Replace them by their sum over all processes; a collective call."""
        distributed.all_reduce(self._all)
