"""Data-parallel training: one process per GPU, started by torchrun; a single process needs none of it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import distributed

from thedit import processes
from thedit.errors import UserError
from thedit.shards.sampler import Pairs, PairSampler


@dataclass(frozen=True)
class Group:
    """The processes that train together, and this one's place and device."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def agreed(self, said: float) -> float:
        """What the first process said, in all of them."""
        if self.size == 1:
            return said
        word = torch.tensor([said], dtype=torch.float64, device=self.device)
        distributed.broadcast(word, 0)
        return word.item()


def launch(arguments: list[str], count: int) -> NoReturn:
    """Become torchrun, which starts ``thedit`` with ``arguments`` in ``count`` processes of this machine.

    They end with it, and it with them: the first that fails ends the others.
    """
    processes.lead()
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    os.execv(sys.executable, [*torchrun, "--no-python", "thedit", *arguments])


@contextmanager
def group() -> Iterator[Group]:
    """Join the processes that torchrun started; without torchrun, a group of one.

    An error ends this process without taking leave of the others, which may never come to that; torchrun ends them.
    """
    cuda = torch.cuda.is_available()
    if "RANK" not in os.environ:
        yield Group(0, 1, torch.device("cuda" if cuda else "cpu"))
        return
    device = torch.device(f"cuda:{os.environ['LOCAL_RANK']}" if cuda else "cpu")
    if cuda:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if cuda else "gloo", device_id=device if cuda else None)
    yield Group(distributed.get_rank(), distributed.get_world_size(), device)
    distributed.destroy_process_group()


class Share:
    """The part of each batch that one process of ``group`` computes: together they compute the same batches."""

    def __init__(self, sampler: PairSampler, group: Group):
        if sampler.batch % group.size:
            raise UserError(
                f"train.batch: {sampler.batch} pairs cannot be shared equally by {group.size} processes; "
                "choose a multiple."
            )
        self.sampler, self.group = sampler, group

    def __getitem__(self, position: int) -> Pairs:
        """Pairs number rank, rank + size, ... of batch ``position``."""
        return self.sampler[position].part(self.group.rank, self.group.size)
