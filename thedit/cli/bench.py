"""`thedit bench`: measure and check the fast paths on this machine."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

Device = Annotated[str | None, typer.Option(help="cuda or cpu; by default the GPU if there is one")]
Preset = Annotated[Literal["tiny", "small", "paper"], typer.Option(help="size of the networks")]
Precision = Annotated[Literal["fp32", "bf16"], typer.Option(help="arithmetic")]
Out = Annotated[Path | None, typer.Option(help="also append the records to this JSON-lines file")]
Method = Annotated[str, typer.Option(help="name of the method's spec")]
Repetitions = Annotated[int, typer.Option(min=2, help="measured repetitions")]


def register(app: typer.Typer) -> None:
    """Add the command group to ``app``."""
    group = typer.Typer(
        no_args_is_help=True, help="Measure and check the fast paths: JSON lines, or a table on a terminal."
    )
    for command in (planedict, render, stream, train, heads, check, report):
        group.command()(command)
    app.add_typer(group, name="bench")


def planedict(device: Device = None, out: Out = None) -> None:
    """Orthonormalise and combine the plane dictionary, paper size."""
    from thedit.bench import planedict

    _show(planedict.run(_device(device)), out)


def render(device: Device = None, out: Out = None) -> None:
    """Render tri-planes, paper size: forward, and forward with backward."""
    from thedit.bench import render

    _show(render.run(_device(device)), out)


def stream(
    preset: Preset = "paper",
    device: Device = None,
    precision: Precision | None = None,
    compiled: Annotated[bool | None, typer.Option(help="torch.compile; by default on a GPU")] = None,
    repetitions: Repetitions = 200,
    method: Method = "planedict",
    out: Out = None,
) -> None:
    """Latency from a driving frame to a picture, the source encoded once."""
    from thedit.bench import stream

    device = _device(device)
    gpu = device != "cpu"
    precision = precision or ("bf16" if gpu else "fp32")
    _show(stream.run(device, preset, precision, gpu if compiled is None else compiled, repetitions, method), out)


def train(
    preset: Preset = "paper",
    device: Device = None,
    precision: Precision = "bf16",
    batch: Annotated[int, typer.Option(min=1, help="pairs a step on each GPU")] = 8,
    compiled: Annotated[bool | None, typer.Option(help="torch.compile; by default on a GPU")] = None,
    gpus: Annotated[int, typer.Option(min=1, help="GPUs, through torchrun; several are compared with one")] = 1,
    repetitions: Repetitions = 20,
    method: Method = "planedict",
    out: Out = None,
) -> None:
    """One optimiser step of the trainer with the full loss."""
    from thedit.bench import train

    device = _device(device)
    compiled = device != "cpu" if compiled is None else compiled
    _show(train.run(device, preset, precision, batch, compiled, gpus, repetitions, method), out)


def heads(device: Device = None, out: Out = None) -> None:
    """Frames a second of the AnnyHeads renderer with all its ground truth."""
    from thedit.bench.heads import bench_heads

    _show(bench_heads(_device(device)), out)


def check(
    device: Device = None,
    preset: Preset = "paper",
    training: Annotated[int, typer.Option(help="also compare loss curves of so many steps, bf16 against fp32")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="pairs a step of that training")] = 8,
    out: Out = None,
) -> None:
    """Compare the fast paths with their reference implementations; status 1 if a limit is exceeded."""
    from itertools import chain

    from thedit.bench import agreement

    device = _device(device)
    curves = agreement.training(device, preset, training, batch) if training else ()
    if not all(record["passed"] for record in _show(chain(agreement.run(device, preset), curves), out)):
        raise typer.Exit(1)


def report(
    records: Annotated[Path, typer.Option(help="folder of JSON-lines files")] = Path("benchmarks"),
    out: Annotated[Path, typer.Option(help="Markdown file")] = Path("BENCHMARKS.md"),
) -> None:
    """Make BENCHMARKS.md from stored records."""
    from thedit.bench.report import render
    from thedit.files import atomic

    with atomic(out) as path:
        path.write_text(render(records))


def _device(device: str | None) -> str:
    import torch

    from thedit.bench.measure import default_device
    from thedit.errors import UserError

    if device is None:
        return default_device()
    if device not in ("cpu", "cuda"):
        raise UserError(f"--device: '{device}' is unknown; choose cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no GPU here; choose --device cpu or install a CUDA build of torch.")
    return device


def _show(records: Iterable[dict[str, Any]], out: Path | None) -> list[dict[str, Any]]:
    """Print records as they come, and return them."""
    from thedit.bench.report import COLUMNS, row

    shown = []
    for record in records:
        shown.append(record)
        line = json.dumps(record)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            with out.open("a") as file:
                file.write(line + "\n")
        if not sys.stdout.isatty():
            print(line, flush=True)
        else:
            print(f"measured {record['case']}", file=sys.stderr)
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        checks = bool(shown) and shown[0]["command"] == "check"
        table = Table(*(("check", "value", "limit", "passed") if checks else COLUMNS))
        for record in shown:
            values = (record["case"], *(f"{record[key]:.2g}" for key in ("value", "limit"))) if checks else row(record)
            table.add_row(*values, *([str(record["passed"])] if checks else []))
        Console().print(table)
    return shown
