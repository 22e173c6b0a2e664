"""`thedit bench check`: the fast paths against their reference implementations, on the device that runs them."""

import copy
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from thedit.bench import render as render_bench
from thedit.bench.frames import frames, pairs
from thedit.bench.measure import Record, environment
from thedit.bench.stream import SIZES
from thedit.bench.train import make_trainer
from thedit.kernels import planedict, sample
from thedit.kernels import render as kernel
from thedit.methods.capture import WARM_UP
from thedit.methods.planedict import PlaneDict
from thedit.methods.stream import Stream

WINDOW = 30
"""Steps over which loss curves are averaged before they are compared."""


def run(device: str, preset: str) -> Iterator[Record]:
    """Errors of kernels and streaming path, each with its limit and whether it ``passed``."""
    for checks in (
        _planedict(device),
        _render(device),
        _sample(device),
        _stream(device, preset),
        _capture(device, preset),
    ):
        for case, value, limit in checks:
            yield _record(device, case, value, limit)


def training(device: str, preset: str, steps: int, batch: int) -> Iterator[Record]:
    """Loss curves of one bf16 run and three fp32 runs, all on the same pairs.

    The bf16 run and the first fp32 run share a seed. Averaged over `WINDOW` steps, their distance must not exceed the
    spread of the three seeds, largest minus smallest; the value is the largest ratio of the two.
    """
    with ProcessPoolExecutor(len(_RUNS), multiprocessing.get_context("spawn")) as pool:
        runs = [pool.submit(_curve, device, preset, *run, steps, batch) for run in _RUNS]
        curves = torch.tensor([run.result() for run in runs])  # (4, steps)
    smooth = curves[:, : steps // WINDOW * WINDOW].unflatten(1, (-1, WINDOW)).mean(2)  # (4, windows)
    spread = smooth[1:].amax(0) - smooth[1:].amin(0)
    ratio = ((smooth[0] - smooth[1]).abs() / spread).max().item()
    case = f"{preset}, {steps} steps, batch {batch}: distance of bf16 from fp32 over the spread of three fp32 seeds"
    yield _record(device, case, ratio, 1.0, curves={f"{p}, seed {s}": c.tolist() for (p, s), c in zip(_RUNS, smooth)})


_RUNS = (("bf16", 0), ("fp32", 0), ("fp32", 1), ("fp32", 2))


def _record(device: str, case: str, value: float, limit: float, **facts: Any) -> Record:
    return {
        "command": "check",
        "case": case,
        **environment(device),
        "value": value,
        "limit": limit,
        "passed": value <= limit,
        **facts,
    }


def _error(value: Tensor, reference: Tensor) -> float:
    """Relative error in the Frobenius norm."""
    reference = reference.to(value.device)
    return ((value.double() - reference.double()).norm() / reference.double().norm()).item()


def householder(w: Tensor) -> Tensor:
    """Q of w (..., C, N) by LAPACK's Householder QR in float64, with diag(R) > 0."""
    q, r = torch.linalg.qr(w.double().cpu())
    return q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)


def conditioned(shape: tuple[int, ...], condition: float, generator: torch.Generator) -> Tensor:
    """Random matrices (..., C, N) of one condition number."""
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=generator, dtype=torch.float64), full_matrices=False)
    values = torch.logspace(0, -torch.log10(torch.tensor(condition)).item(), shape[-1], dtype=torch.float64)
    return ((u * values) @ v).float()


def _planedict(device: str) -> Iterator[tuple[str, float, float]]:
    generator = torch.Generator().manual_seed(0)
    shape, batch = (16, 16, 96, 20), 8
    identity = torch.eye(shape[-1], device=device)
    factors = torch.randn(batch, shape[-1], *shape[:2], generator=generator)
    gradient = torch.randn(batch, shape[-2], *shape[:2], generator=generator)
    cases = {
        "random initialisation": (torch.randn(shape, generator=generator) / shape[-2] ** 0.5, 2e-6),
        "condition number 1e4": (conditioned(shape, 1e4, generator), 1e-5),
    }
    for name, (start, limit) in cases.items():
        w = start.to(device).permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1).requires_grad_()
        exact = start.double().requires_grad_()
        q = planedict.orthonormalise(w)
        yield f"planedict, {name}: orthogonality", (q.mT @ q - identity).abs().max().item(), limit
        inputs = w, factors.to(device).requires_grad_()
        out = planedict.displace(*inputs)
        grads = torch.autograd.grad(out, inputs, gradient.to(device))
        reference = exact, factors.double().requires_grad_()
        wanted = planedict.combine(householder(exact), reference[1])
        wanted_grads = torch.autograd.grad(wanted, reference, gradient.double())
        yield f"planedict, {name}: displacement", _error(out, wanted), 1e-4
        for what, value, target in zip(("W", "L"), grads, wanted_grads, strict=True):
            yield f"planedict, {name}: gradient of {what}", _error(value, target), 1e-4
    broken = torch.zeros(shape, device=device)
    try:
        planedict.displace(broken, factors.to(device))
        yield "planedict, rank-deficient: no error raised", 1.0, 0.0
    except ValueError:
        yield "planedict, rank-deficient: no error raised", 0.0, 0.0


def _render(device: str) -> Iterator[tuple[str, float, float]]:
    for precision, limit in (("fp32", 1e-4), ("bf16", 1e-2)):
        planes, decoder, rays = render_bench.scene(2, 16, device)
        rays["directions"] = rays["directions"].roll(7, dims=1)
        rays["origins"] = rays["origins"] + torch.tensor([0.2, 0.0, 0.0], device=device)  # so that some rays miss
        if precision == "bf16":
            planes = planes.bfloat16()
        results = []
        for render in (kernel.render, kernel.render_plain):
            inputs = [tensor.detach().clone().requires_grad_() for tensor in (planes, *decoder)]
            out = render(inputs[0], kernel.Decoder(*inputs[1:]), **rays)
            weights = [torch.linspace(-1, 1, value.numel(), device=device).view_as(value).cos() for value in out]
            results.append((*out, *torch.autograd.grad(out, inputs, weights)))
        names = (
            *kernel.Rendering._fields,
            "gradient of planes",
            *(f"gradient of {n}" for n in kernel.Decoder._fields),
        )
        for name, value, reference in zip(names, *results, strict=True):
            yield f"render, {precision}: {name}", _error(value, reference), limit


def _sample(device: str) -> Iterator[tuple[str, float, float]]:
    """Samples of pictures and planes and their gradients, float32 against float64, which has no fused path."""
    generator = torch.Generator().manual_seed(0)
    picture, place = torch.randn(2, 35, 64, 64, generator=generator), torch.randn(2, 5000, 2, generator=generator)
    planes, points = torch.randn(2, 3, 32, 64, 64, generator=generator), torch.rand(2, 5000, 3, generator=generator)
    cases: dict[str, tuple[Callable[..., Tensor], Tensor, Tensor]] = {
        "border": (partial(sample.sample, outside="border"), picture, 0.7 * place),
        "zeros": (partial(sample.sample, outside="zeros"), picture, 0.7 * place),
        "planes": (lambda planes, points: kernel.sample_planes(planes, points.detach()), planes, points - 0.5),
    }
    for name, (function, sampled, places) in cases.items():
        results = []
        for dtype in (torch.float32, torch.float64):
            inputs = [tensor.to(device, dtype).requires_grad_() for tensor in (sampled, places)]
            out = function(*inputs)
            weights = torch.linspace(-1, 1, out.numel(), device=device, dtype=dtype).view_as(out).cos()
            results.append((out, *torch.autograd.grad(out, inputs, weights, allow_unused=True)))
        for what, value, reference in zip(("values", "gradient of what is sampled", "gradient of places"), *results):
            if value is not None:  # points in planes are constants
                yield f"sample, {name}: {what}", _error(value, reference), 1e-4


def _stream(device: str, preset: str) -> Iterator[tuple[str, float, float]]:
    """Differences of the streaming path from the plain one: float32 up to 1e-4, bf16 as 10^(-PSNR / 20)."""
    torch.manual_seed(0)
    size = SIZES[preset]
    method = PlaneDict(preset, size).to(device).eval().requires_grad_(False)
    source, first, driving = (frames(1, size, device, seed) for seed in range(3))
    with torch.no_grad():
        plain = copy.deepcopy(method).cpu()
        code = plain.encode(source.to("cpu"))
        wanted = plain.drive(code, driving.to("cpu"), driving.camera.cpu()).to(device)
    for precision, compiled in (("fp32", False), ("bf16", False), ("bf16", True)):
        if device == "cpu" and compiled:
            continue
        stream = Stream(method, source, precision, compiled)  # type: ignore[arg-type]
        for _ in range(WARM_UP + 1):  # the last is captured; the next call must not depend on it
            stream(first, first.camera)
        difference = (stream(driving, driving.camera).float() - wanted).abs()
        name = f"stream, {preset}, {precision}{', compiled' if compiled else ''}"
        if precision == "fp32":
            yield f"{name}: largest difference from the plain path on the CPU", difference.max().item(), 1e-4
        else:
            rms = difference.square().mean().sqrt().item() / 2  # of pictures scaled to [0, 1]
            yield f"{name}: RMS difference, 0.01 is 40 dB PSNR", rms, 0.01


def _capture(device: str, preset: str) -> Iterator[tuple[str, float, float]]:
    """Losses of a training whose steps are captured on the GPU, against one whose steps run as they are."""
    if device != "cpu":
        plain, captured = (_curve(device, preset, "fp32", 0, 16, 4, capture) for capture in (False, True))
        error = max(abs(a - b) / abs(a) for a, b in zip(plain, captured))
        yield f"training, {preset}, fp32: captured steps, largest relative difference of the loss", error, 1e-2


def _curve(
    device: str, preset: str, precision: str, seed: int, steps: int, batch: int, capture: bool = True
) -> list[float]:
    """Total losses of a training on made-up pairs."""
    from thedit.training.distributed import Group

    processes = Group(0, 1, torch.device(device))
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(preset, precision, batch, seed, False, Path(folder), processes)  # type: ignore[arg-type]
        if not capture:
            trainer.capture = None
        pool = [pairs(batch, SIZES[preset], device, seed=index) for index in range(8)]
        totals = [torch.stack(list(trainer.make_step(pool[step % 8]).values())).sum() for step in range(steps)]
    return torch.stack(totals).float().tolist()
