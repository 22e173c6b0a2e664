"""`thedit bench report`: BENCHMARKS.md from stored records."""

import json
from pathlib import Path
from string import Template
from typing import Any

from thedit.bench.measure import Record
from thedit.errors import UserError

COLUMNS = ("case", "median ms", "p10 to p90", "rate", "memory MiB", "floor ms", "median / floor", "goal", "reached")


def load(folder: str | Path) -> list[Record]:
    """Every record of the ``*.jsonl`` files of a folder, by file name and line."""
    records = []
    for path in sorted(Path(folder).glob("*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                records.append({**json.loads(line), "file": path.name})
            except json.JSONDecodeError as error:
                raise UserError(f"{path}: line {number} is no JSON record; remove it or measure again.") from error
    if not records:
        raise UserError(f"{folder}: holds no *.jsonl records; measure with thedit bench ... --out {folder}/NAME.jsonl.")
    return records


def render(folder: str | Path) -> str:
    """The text of BENCHMARKS.md."""
    template = Template(Path(__file__).with_name("report.md").read_text())
    records = load(folder)
    parts = []
    for name in dict.fromkeys(record["file"] for record in records):
        group = [record for record in records if record["file"] == name]
        first = group[0]
        versions = ", ".join(f"{key} {value}" for key, value in first["versions"].items() if value)
        code = ", ".join(dict.fromkeys(record["code"] for record in group))
        parts.append(f"## {name.removesuffix('.jsonl')}\n\n{first['device']}; {versions}; code {code}\n")
        for command in dict.fromkeys(record["command"] for record in group):
            rows = [record for record in group if record["command"] == command]
            table = checks(rows) if command == "check" else timings(rows)
            parts.append(f"### thedit bench {command}\n\n{table}")
    return template.substitute(results="\n".join(parts), folder=folder)


def timings(records: list[Record]) -> str:
    """A Markdown table of measured times."""
    return _table(COLUMNS, [row(record) for record in records])


def checks(records: list[Record]) -> str:
    """A Markdown table of checks."""
    rows = [(r["case"], f"{r['value']:.2g}", f"{r['limit']:.2g}", "yes" if r["passed"] else "**no**") for r in records]
    return _table(("check", "value", "limit", "passed"), rows)


def row(record: Record) -> tuple[str, ...]:
    """One measurement, readable; the order is that of `COLUMNS`."""
    goals, reached = [], []
    for key, unit, better in (
        ("ms", "ms", "low"),
        ("frames_per_second", "frames/s", "high"),
        ("images_per_second", "images/s", "high"),
        ("efficiency", "of linear", "high"),
        ("mib", "MiB", "low"),
        ("added_mib", "MiB added", "low"),
    ):
        goal = record.get(f"goal_{key}")
        if goal is None:
            continue
        value = record[{"ms": "median_ms", "mib": "peak_mib"}.get(key, key)]
        goals.append(f"{'≤' if better == 'low' else '≥'} {goal:.4g} {unit}")
        reached.append(value <= goal if better == "low" else value >= goal)
    rates = [f"{record[f'{n}_per_second']:.4g} {n}/s" for n in ("frames", "images") if f"{n}_per_second" in record]
    if "efficiency" in record:
        rates.append(f"{100 * record['efficiency']:.0f} % of linear")
    gpus = f" on {record['gpus']} GPUs" if record.get("gpus", 1) > 1 else ""
    memory = record.get("peak_mib")
    return (
        record["case"] + gpus,
        f"{record['median_ms']:.3g}",
        f"{record['p10_ms']:.3g} to {record['p90_ms']:.3g}",
        ", ".join(rates) or "–",
        "–" if memory is None else f"{memory:.0f} ({record['added_mib']:.0f} added)",
        f"{max(record['floor_bytes_ms'], record['floor_operations_ms']):.3g}",
        f"{record['ratio']:.3g}",
        ", ".join(goals) or "–",
        ("yes" if all(reached) else "**no**") if goals else "–",
    )


def _table(header: tuple[str, ...], rows: list[Any]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
