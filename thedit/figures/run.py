"""All figures of a run: results/<run>/figures/."""

from pathlib import Path

import pandas as pd

from metrics import tables
from thedit.config import Config
from thedit.errors import UserError
from thedit.evaluation import layout
from thedit.figures import bases, charts, crossing, grid, sidebyside, style, table, views
from thedit.figures.cast import Cast
from thedit.files import atomic


def write(config: Config) -> Path:
    """Make every figure and return their folder."""
    folder = charts_of(config)
    cast = Cast(config)
    grid.save(folder / "methods.png", sidebyside.draw(config, cast.store))
    grid.save(folder / "cross_identity.png", crossing.still(cast))
    grid.animate(folder / "cross_identity.gif", crossing.moving(cast), rate=10)
    grid.save(folder / "plane_bases.png", bases.draw(cast))
    if cast.method.camera_control:
        grid.save(folder / "multiview.png", views.strip(cast))
        grid.animate(folder / "multiview.gif", views.moving(cast), rate=15)
    else:
        reason = grid.notice(f"{cast.name} has no camera control")
        grid.save(folder / "multiview.png", reason)
        grid.animate(folder / "multiview.gif", [reason], rate=1)
    return folder


def charts_of(config: Config) -> Path:
    """Make the figures that follow from tables alone: the comparison as a page and a chart, training, and yaw."""
    folder = layout.run(config) / "figures"
    path = layout.run(config) / "metrics.parquet"
    if not path.is_file():
        raise UserError(f"{path}: is missing; make it with 'thedit aggregate'.")
    page = table.as_html(table.of_run(config))
    with atomic(folder / "table.html") as sibling:
        sibling.write_text(page)
    style.save(folder / "comparison.png", charts.comparison(pd.read_parquet(path), config))
    style.save(folder / "training.png", charts.training(config))
    seen = tables.read(layout.run(config) / "views.parquet", tables.VIEWS)
    if len(seen):
        style.save(folder / "views.png", charts.views(seen, config))
    else:
        grid.save(folder / "views.png", grid.notice("no protocol moves the camera"))
    return folder
