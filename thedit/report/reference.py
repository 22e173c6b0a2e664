"""The reference runs: everything that can be told from what is committed of them in results/reference*/."""

from pathlib import Path

import pandas as pd

from thedit import layout
from thedit.config import Config, load
from thedit.errors import UserError
from thedit.evaluation import protocols
from thedit.files import atomic
from thedit.metrics import tables
from thedit.metrics.questions import Cell, Table, questions
from thedit.report import comparison, derive, pages
from thedit.report.artefacts import provenance_of
from thedit.report.figures import draw
from thedit.report.readme import put
from thedit.report.render import as_markdown

MAIN = "reference"
COMMAND = "thedit reference"
README = Path("README.md")


def regenerate() -> list[Path]:
    """Make every table, figure and page of the reference runs again, and return what was written.

    For each run its tables, its figures and tables.md; for the main one seeds.parquet, if it was repeated with another
    seed; the block of the README and the `pages`. Raises `UserError` if the main run is not there.
    """
    main, *_ = found = runs()
    for config in found:
        derive.write(config)
    by_seed: dict[int, list[pd.DataFrame]] = {}
    for config in found:
        if _same(config, main):  # what one run leaves out another one may add
            by_seed.setdefault(config.seed, []).append(_metrics(config))
    if len(by_seed) > 1:
        repeated = [pd.concat(measured) for measured in by_seed.values()]
        tables.write(seeds(repeated), tables.SEEDS, layout.run(main) / "seeds.parquet")
    for config in found:
        draw.charts_of(config)
        draw.pictures_of(config)
        with atomic(layout.run(config) / "tables.md") as sibling:
            sibling.write_text(_all(config))
    put(README, MAIN, COMMAND, block(found))
    return [*map(layout.run, found), README, *map(pages.write, pages.PAGES)]


def runs() -> list[Config]:
    """Configurations of the finished runs in results/reference*/, the main one first."""
    found = [load(path.with_name("config.yaml")) for path in sorted(Path("results").glob(f"{MAIN}*/provenance.json"))]
    if not found or found[0].run != MAIN:
        raise UserError(f"results/{MAIN}/provenance.json: is missing; finish the run of config/{MAIN}.yaml first.")
    return found


def seeds(repeated: list[pd.DataFrame]) -> pd.DataFrame:
    """Mean, lowest and highest value of each row that all ``repeated`` tables of `thedit.metrics.tables.METRICS` have.

    Two or three values have no interval worth the name; the spread is what was seen. NaN where one has no value.
    """
    key = ["protocol", "method", "metric", "variant", "backend"]
    values = pd.concat([one.set_index(key)["value"] for one in repeated], axis=1, join="inner")
    spread = {"mean": "mean", "lowest": "min", "highest": "max"}
    columns = {name: getattr(values, function)(axis=1, skipna=False) for name, function in spread.items()}
    return pd.DataFrame({**columns, "n_seeds": len(repeated)}).sort_index().reset_index()


def block(found: list[Config]) -> str:
    """What the README says of the main run, the first one, and of those with its seed that were scored as it was.

    Their methods become further rows; after those that were trained otherwise stands the run's name.
    """
    main = found[0]
    shown = [config for config in found if (config.seed, config.evaluation) == (main.seed, main.evaluation)]
    metrics: list[pd.DataFrame] = []
    kinds: dict[str, str] = {}
    for config in shown:
        suffix = "" if config.train == main.train else f" ({config.run})"
        names = {method: method + suffix for method in config.methods}
        kinds |= {name: comparison.kind(method) for method, name in names.items()}
        metrics.append(_metrics(config).replace({"method": names}))
    rows = dict.fromkeys(sorted(kinds, key=lambda name: comparison.KINDS.index(kinds[name])), "")
    bounds = [name for name, kind in kinds.items() if kind == "bound"]
    together = pd.concat(metrics)
    compared = [
        table
        for protocol in main.evaluation.protocols
        if protocols.find(protocol).kind == "cross"
        for table in questions(protocol, together[together["protocol"] == protocol], rows, bounds, comparison.GLANCE)
    ]
    parts = [
        as_markdown(compared),
        "What this says about the paper's claims: [docs/findings.md](docs/findings.md). Every metric and variant, "
        "training and cost: " + ", ".join(f"[{one}]({one}/tables.md)" for one in map(layout.run, shown)) + ".",
    ]
    return "\n\n".join(parts)


def _made(config: Config) -> str:
    """Where the numbers of a run come from."""
    made = provenance_of(layout.run(config))
    return (
        f"Run `{config.run}`: code {made['code_version']}, configuration {made['config_hash']}, seed {made['seed']}, "
        f"scored on {made['device']}."
    )


def _same(one: Config, other: Config) -> bool:
    return (one.data, one.train, one.evaluation) == (other.data, other.train, other.evaluation)


def _metrics(config: Config) -> pd.DataFrame:
    return tables.read(layout.run(config) / "metrics.parquet", tables.METRICS)


def _training(config: Config) -> Table:
    """What the trained methods saw, how long and where, as their weights tell."""
    rows = []
    for method, facts in provenance_of(layout.run(config))["weights"].items():
        hours = float(facts["seconds"]) * int(facts["processes"]) / 3600
        rows.append([Cell(cell) for cell in (method, f"{int(facts['images']):,}", f"{hours:.2f}", facts["device"])])
    return Table("training", ["method", "pairs seen", "device hours", "device"], rows)


def _over_seeds(config: Config) -> list[Table]:
    """The tables of seeds.parquet, if there is one: the lowest and the highest value stand in place of an interval."""
    path = layout.run(config) / "seeds.parquet"
    if not path.is_file():
        return []
    read = tables.read(path, tables.SEEDS)
    count = read["n_seeds"].iloc[0]
    shown = read.rename(columns={"mean": "value", "lowest": "ci_low", "highest": "ci_high"}).assign(n=count, n_failed=0)
    repeated = comparison.ordered([*config.methods, *sorted(set(shown["method"]))])  # also those of runs beside it
    methods = [method for method in repeated if method in set(shown["method"])]
    return [
        table
        for protocol, reasons in comparison.outside(config).items()
        for table in questions(
            f"{protocol}, mean of {count} seeds, lowest to highest",
            shown[shown["protocol"] == protocol],
            {method: reasons.get(method, "") for method in methods},
            comparison.bounds(methods),
        )
    ]


def _all(config: Config) -> str:
    """Every table of a run in Markdown."""
    shown = as_markdown([*comparison.of_run(config), _training(config), *_over_seeds(config)])
    return f"# Run {config.run}\n\n{_made(config)}\n\n{shown}\n"
