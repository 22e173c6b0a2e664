"""`thedit bench planedict`: the plane dictionary alone, at the paper's size."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from thedit.bench.measure import Record, Work, measure
from thedit.kernels import planedict


def run(device: str, side: int = 256, channels: int = 96, bases: int = 20, batch: int = 8) -> Iterator[Record]:
    """Orthonormalise and combine with gradients; combine with bases already cached; the plain torch version."""
    generator = torch.Generator(device).manual_seed(0)
    w = torch.randn(channels, bases, side, side, device=device, generator=generator) / channels**0.5
    w = w.permute(2, 3, 0, 1).requires_grad_()  # (U, V, C, N)
    factors = torch.randn(batch, bases, side, side, device=device, generator=generator).requires_grad_()
    gradient = torch.randn(batch, channels, side, side, device=device, generator=generator)
    positions, size = side * side, {"side": side, "channels": channels, "bases": bases}

    def both() -> None:
        torch.autograd.grad(planedict.displace(w, factors), (w, factors), gradient)

    def plain() -> None:
        torch.autograd.grad(planedict.combine(planedict.orthonormalise(w), factors), (w, factors), gradient)

    # Read W twice (the backward pass needs it again), write dW; the same of L; write out, read its gradient.
    moved = 4 * positions * (3 * channels * bases + 3 * batch * bases + 2 * batch * channels)
    gram, product = channels * bases * (bases + 1), 2 * channels * bases * batch
    work = Work(moved, positions * (gram + 3 * product + 2 * channels * bases**2))
    yield measure(
        "planedict", "orthonormalise, combine and gradients", both, device, work, batch=batch, goal_ms=3.0, **size
    )
    yield measure(
        "planedict", "the same in plain torch", plain, device, work, repetitions=5, warmup=1, batch=batch, **size
    )
    cached = planedict.BasisCache()
    for count in (1, batch):
        with torch.no_grad():
            few = factors[:count].contiguous()
            moved = 4 * positions * (channels * bases + count * (bases + channels))
            yield measure(
                "planedict",
                f"combine with cached bases, batch {count}",
                partial(_combine, cached, w, few),
                device,
                Work(moved, positions * 2 * channels * bases * count),
                batch=count,
                goal_ms=0.3,
                **size,
            )


def _combine(cached: planedict.BasisCache, w: Tensor, factors: Tensor) -> Tensor:
    return planedict.combine(cached(w), factors)
