"""All figures of a run: results/<run>/figures/."""

from pathlib import Path

from thedit import layout
from thedit.config import Config
from thedit.metrics import tables
from thedit.metrics.questions import QUESTIONS
from thedit.report import comparison
from thedit.report.figures import bases, charts, crossing, grid, sheet, sidebyside, style, views
from thedit.report.figures.examples import Examples


def all_figures(config: Config) -> Path:
    """Make every figure and return their folder."""
    folder = charts_of(config)
    examples = Examples(config)
    sheets = {
        "methods.png": sidebyside.show(config, examples.store),
        "cross_identity.png": crossing.still(examples),
        "cross_identity.webp": crossing.moving(examples),
        "plane_bases.png": bases.show(examples),
        "multiview.png": views.strip(examples),
        "multiview.webp": views.moving(examples),
    }
    for name, shown in sheets.items():
        sheet.save(_pictures(config) / f"{name}.parquet", shown)
    pictures_of(config)
    return folder


def pictures_of(config: Config) -> None:
    """Draw the figures of pictures from what `all_figures` kept of them in results/<run>/pictures/, if it did."""
    for path in sorted(_pictures(config).glob("*.parquet")):
        shown = sheet.load(path)
        out = layout.run(config) / "figures" / path.stem
        if out.suffix == ".webp":
            grid.animate(out, shown.draw(), shown.rate or 1)
        else:
            grid.save(out, *shown.draw())


def charts_of(config: Config) -> Path:
    """Make the figures that follow from tables alone: a chart a question, training, and yaw; return their folder."""
    folder, metrics = layout.run(config) / "figures", comparison.measured(config)
    for question, columns in QUESTIONS.items():
        chart = charts.comparison(metrics, config, columns)
        path = folder / f"comparison_{question}.png"
        grid.save(path, grid.notice(f"{question}: not measured")) if chart is None else style.save(path, chart)
    style.save(folder / "training.png", charts.training(config))
    seen = tables.read(layout.run(config) / "views.parquet", tables.VIEWS)
    if len(seen):
        style.save(folder / "views.png", charts.views(seen, config))
    else:
        grid.save(folder / "views.png", grid.notice("no protocol moves the camera"))
    return folder


def _pictures(config: Config) -> Path:
    return layout.run(config) / "pictures"
