"""All figures of a run: results/<run>/figures/."""

from pathlib import Path

from thedit import layout
from thedit.config import Config
from thedit.errors import UserError
from thedit.figures import bases, charts, crossing, grid, sheet, sidebyside, style, table, views
from thedit.figures.cast import Cast
from thedit.files import atomic
from thedit.metrics import tables


def write(config: Config) -> Path:
    """Make every figure and return their folder."""
    folder = charts_of(config)
    cast = Cast(config)
    sheets = {
        "methods.png": sidebyside.show(config, cast.store),
        "cross_identity.png": crossing.still(cast),
        "cross_identity.gif": crossing.moving(cast),
        "plane_bases.png": bases.show(cast),
        "multiview.png": views.strip(cast),
        "multiview.gif": views.moving(cast),
    }
    for name, shown in sheets.items():
        sheet.save(_pictures(config) / f"{name}.parquet", shown)
    pictures_of(config)
    return folder


def pictures_of(config: Config) -> None:
    """Draw the figures of pictures from what `write` kept of them in results/<run>/pictures/, if it did."""
    for path in sorted(_pictures(config).glob("*.parquet")):
        shown = sheet.load(path)
        out = layout.run(config) / "figures" / path.stem
        if out.suffix == ".gif":
            grid.animate(out, shown.draw(), shown.rate or 1)
        else:
            grid.save(out, *shown.draw())


def charts_of(config: Config) -> Path:
    """Make the figures that follow from tables alone: the comparison as a page and a chart, training, and yaw."""
    folder = layout.run(config) / "figures"
    path = layout.run(config) / "metrics.parquet"
    if not path.is_file():
        raise UserError(f"{path}: is missing; make it with 'thedit aggregate'.")
    page = table.as_html(table.of_run(config))
    with atomic(folder / "table.html") as sibling:
        sibling.write_text(page)
    style.save(folder / "comparison.png", charts.comparison(tables.read(path, tables.METRICS), config))
    style.save(folder / "training.png", charts.training(config))
    seen = tables.read(layout.run(config) / "views.parquet", tables.VIEWS)
    if len(seen):
        style.save(folder / "views.png", charts.views(seen, config))
    else:
        grid.save(folder / "views.png", grid.notice("no protocol moves the camera"))
    return folder


def _pictures(config: Config) -> Path:
    return layout.run(config) / "pictures"
