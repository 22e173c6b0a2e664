"""`thedit bench render`: the tri-plane renderer alone, at the paper's size."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from thedit import camera
from thedit.bench.measure import Record, Work, measure
from thedit.kernels import render as kernel

CHANNELS, HIDDEN, SIDE = 32, 64, 256
COARSE = FINE = 48
NEAR, FAR = 2.25, 3.3


def scene(batch: int, size: int, device: str, seed: int = 0) -> tuple[Tensor, kernel.Decoder, dict[str, Any]]:
    """Random planes (B, 3, 32, 256, 256), a decoder, and what else `render` takes, for pictures of ``size`` pixels."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    planes = random(batch, 3, SIDE, SIDE, CHANNELS).permute(0, 1, 4, 2, 3)
    decoder = kernel.Decoder(
        0.3 * random(HIDDEN, CHANNELS), random(HIDDEN), 0.3 * random(1 + CHANNELS, HIDDEN), random(1 + CHANNELS)
    )
    cameras = camera.join(camera.orbit(torch.linspace(-20, 20, batch), 0.0), camera.intrinsics()).to(device)
    origins, directions = camera.rays(cameras, size)
    noise = torch.rand(batch, size * size, COARSE + FINE, generator=generator).to(device)
    rays = {"origins": origins, "directions": directions, "near": NEAR, "far": FAR}
    return planes, decoder, {**rays, "coarse": COARSE, "fine": FINE, "noise": noise}


def run(device: str) -> Iterator[Record]:
    """Forward at 128 x 128, batch 1; forward and backward at 64 x 64, batch 8; fused and plain."""
    precisions = ["bf16", "fp32"] if device != "cpu" else ["fp32"]
    planes, decoder, rays = scene(1, 128, device)
    for precision in precisions:
        with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            yield measure(
                "render",
                f"128 x 128, batch 1, forward, {precision}",
                lambda: kernel.render(planes, decoder, **rays),
                device,
                _work(1, 128, precision),
                goal_ms=1.0,
            )
    with torch.no_grad():
        yield measure(
            "render",
            "128 x 128, batch 1, forward, plain torch",
            lambda: kernel.render_plain(planes, decoder, **rays),
            device,
            _work(1, 128, "fp32"),
        )
    planes, decoder, rays = scene(8, 64, device)
    inputs = [tensor.requires_grad_() for tensor in (planes, *decoder)]
    gradient = torch.randn(8, 64 * 64, CHANNELS, generator=torch.Generator().manual_seed(1)).to(device)

    def both(render: Any) -> None:
        torch.autograd.grad(render(planes, decoder, **rays).features, inputs, gradient)

    plain = measure(
        "render",
        "64 x 64, batch 8, forward and backward, plain torch",
        lambda: both(kernel.render_plain),
        device,
        _work(8, 64, "fp32", backward=True),
        repetitions=10,
    )
    yield plain
    for precision in precisions:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            yield measure(
                "render",
                f"64 x 64, batch 8, forward and backward, {precision}",
                lambda: both(kernel.render),
                device,
                _work(8, 64, precision, backward=True),
                plain_ms=plain["median_ms"],
                plain_added_mib=plain["added_mib"],
                goal_ms=plain["median_ms"] / 4,
                goal_added_mib=plain["added_mib"] and plain["added_mib"] / 4,
            )


def _work(batch: int, size: int, precision: str, backward: bool = False) -> Work:
    rays = batch * size * size
    layers = 2 * (CHANNELS * HIDDEN + HIDDEN * (1 + CHANNELS))
    bilinear = 3 * 4 * 2 * CHANNELS
    operations = rays * ((COARSE + FINE) * (layers + bilinear) + COARSE * (layers + bilinear))
    moved = 4 * rays * (6 + COARSE + FINE + CHANNELS + 2) + 4 * batch * 3 * CHANNELS * SIDE**2
    if backward:  # the samples again, and twice their arithmetic for the gradients
        operations += rays * (COARSE + FINE) * 3 * (layers + bilinear)
        moved += 4 * 2 * batch * 3 * CHANNELS * SIDE**2
    return Work(moved, operations, precision)
