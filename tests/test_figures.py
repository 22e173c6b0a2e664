"""Figures: from a run of made-up frames to files, and the numbers that a table shows."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from tests.frames import make_store
from thedit import config, layout
from thedit.errors import UserError
from thedit.evaluation import pairs
from thedit.evaluation.stage import make
from thedit.methods import registry
from thedit.metrics import tables
from thedit.metrics.questions import QUESTIONS, Cell, questions
from thedit.report import comparison, readme
from thedit.report.figures import bases, charts, crossing, draw, grid, sheet, views
from thedit.report.figures.examples import Examples
from thedit.report.figures.sheet import Sheet
from thedit.training import checkpoint

PEOPLE = {f"test-{number:04d}": ("00", "01") for number in range(3)}
SETTINGS = config.Config(
    run="made-up",
    methods=["planedict", "copy-source"],
    data=config.Data(name="made-up"),
    evaluation=config.Evaluation(protocols=["self", "cross"], max_clips=2, frames_per_pair=2),
)


MADE = {"seed": 0, "device": "an abacus", "code_version": "1.0+abc", "config_hash": "0123"}


def metrics():
    """Aggregates with one value of each kind: plain, with failures, and missing."""
    none = np.nan
    rows = [
        ("planedict", "csim", "source", 0.93, 0.91, 0.95, 7, 1),
        ("copy-source", "csim", "source", 1.0, none, none, 8, 0),
        ("planedict", "frechet", "driver", none, none, none, 0, 8),
    ]
    columns = ["method", "metric", "variant", "value", "ci_low", "ci_high", "n", "n_failed"]
    made = pd.DataFrame(rows, columns=columns).assign(protocol="cross", backend="net", **MADE)
    return made.assign(n_reference=0, packages="{}", weights_sha256="0").reindex(columns=list(tables.METRICS.columns))


def by_yaw():
    """Rows of one metric at three yaws."""
    row = {"method": "planedict", "protocol": "sides", "metric": "csim", "variant": "source", "backend": "net", "n": 8}
    ends = {"ci_low": [0.8, 0.7, 0.6], "ci_high": [1.0, 0.9, 0.8], "value": [0.9, 0.8, 0.7], "yaw": [0, 15, 30]}
    rest = dict.fromkeys(("change", "change_low", "change_high"), np.nan)
    made = {"seed": 0, "config_hash": "0123", "code_version": "1.0+abc", "weights_sha256": "0"}
    return pd.DataFrame({**row, **ends, **rest, **made, "n_failed": 0}).reindex(columns=list(tables.VIEWS.columns))


def cost():
    """What a trained method and a bound cost."""
    known = {"method": "planedict", "reason": "", **dict.fromkeys(comparison.COST, 1234567.0)}
    return pd.DataFrame([known, {"method": "copy-source", "reason": "copies a picture"}])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project folder with a run whose model is untrained."""
    folder = tmp_path_factory.mktemp("project")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    protocols = folder / "config/protocols"
    protocols.mkdir(parents=True)
    for kind in SETTINGS.evaluation.protocols:
        (protocols / f"{kind}.yaml").write_text(f"kind: {kind}\n")
    layout.shards(SETTINGS).mkdir(parents=True)
    make_store(layout.shards(SETTINGS), PEOPLE, 4, 64)
    torch.manual_seed(0)
    weights = layout.weights(SETTINGS, "planedict")
    checkpoint.export(weights, registry.find("planedict").build("tiny", 64), {})
    log = pd.DataFrame({"method": "planedict", "loss": "total", "images": range(9), "value": np.linspace(9, 1, 9)})
    tables.write(log, tables.TRAINING, layout.run(SETTINGS) / "training.parquet")
    for protocol in SETTINGS.evaluation.protocols:
        pairs.write_pairs(SETTINGS, protocol)
        for method in SETTINGS.methods:
            make(SETTINGS, method, protocol)
    tables.write(by_yaw(), tables.VIEWS, layout.run(SETTINGS) / "views.parquet")
    status = pd.DataFrame({"method": ["planedict", "copy-source"], "status": "ok", "reason": "", "frames": 8})
    tables.write(status.assign(protocol="cross"), tables.STATUS, layout.run(SETTINGS) / "status.parquet")
    metrics().to_parquet(layout.run(SETTINGS) / "metrics.parquet")
    cost().to_parquet(layout.run(SETTINGS) / "cost.parquet")
    yield folder
    patch.undo()


def test_two_networks_of_one_variant_are_two_columns_and_two_panels():
    both = pd.concat([metrics(), metrics().assign(backend="other")])
    identity = questions("cross", both, dict.fromkeys(SETTINGS.methods, ""))[0]
    assert len(identity.headings) == 2 + 2 and identity.note == "CSIM source: net; CSIM source: other"
    assert len(charts.comparison(both, SETTINGS, QUESTIONS["identity"]).axes) == 2 * len(SETTINGS.evaluation.protocols)
    assert charts.comparison(both, SETTINGS, QUESTIONS["pose"]) is None


def test_every_figure_of_the_workflow_is_written(project):
    folder = draw.all_figures(SETTINGS)
    for name in (
        "comparison_identity",
        "comparison_pose",
        "training",
        "views",
        "methods",
        "cross_identity",
        "multiview",
        "plane_bases",
    ):
        picture = np.array(Image.open(folder / f"{name}.png").convert("RGB"))
        assert picture.std() > 10, name
    for name, frames in (("cross_identity", 20), ("multiview", 36)):
        assert Image.open(folder / f"{name}.webp").n_frames == frames


def test_a_grid_puts_every_picture_in_its_place():
    colours = np.arange(6).reshape(2, 3) * 40 + 20
    pictures = [[np.full((8, 8, 3), value, np.uint8) for value in row] for row in colours]
    drawn = np.array(grid.Grid(columns=["a", "b", "c"], rows=["x", "y"], cell=10, heading=40).draw(pictures))
    for row in range(2):
        for column in range(3):
            assert (drawn[30 + 14 * row + 5, 44 + 14 * column + 5] == colours[row, column]).all()


def test_the_cast_drives_other_people_than_the_sources(project):
    examples = Examples(SETTINGS)
    people = examples.store.index["person"]
    sources, drivers = examples.sources(3), [examples.striking(clip) for clip in examples.driving_clips(3)]
    assert people[sources].nunique() == 3
    assert people[drivers].nunique() == 3
    assert examples.name == "planedict"


def test_moving_a_basis_changes_the_face(project):
    picture = np.array(bases.show(Examples(SETTINGS)).draw()[0])
    assert picture.shape[1] > 10 * 104


def test_a_camera_on_its_way_changes_the_picture(project):
    frames = views.moving(Examples(SETTINGS), people=1, frames=4).draw()
    assert np.abs(np.asarray(frames[0], float) - np.asarray(frames[2], float)).max() > 0
    assert len(crossing.moving(Examples(SETTINGS), sources=1, drivers=1, frames=9).moments) == 9


def noise(seed: int, side: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_a_sheet_that_was_kept_is_drawn_again_to_the_pixel(tmp_path):
    still, turned = noise(0, 24), [noise(seed, 8) for seed in (1, 2, 3)]
    above, below = grid.Grid(columns=["a", "b"], cell=12), grid.Grid(rows=["x"], cell=8, heading=30)
    moments = [[[[None, still]], [[picture]]] for picture in (turned[0], None, turned[1], turned[2])]
    shown = Sheet([above, below], moments, rate=5)
    sheet.save(tmp_path / "shown.webp.parquet", shown)
    again = sheet.load(tmp_path / "shown.webp.parquet")
    assert again.rate == 5
    drawn = [np.asarray(moment) for moment in shown.draw()]
    for one, other in zip(again.draw(), drawn, strict=True):
        assert (np.asarray(one) == other).all()
    assert (drawn[0] != drawn[1]).any() and (drawn[0] != drawn[2]).any()
    assert pq.read_metadata(tmp_path / "shown.webp.parquet").num_rows == 2 + 4  # what stands still is kept once


def test_a_sheet_without_pictures_says_why(tmp_path):
    sheet.save(tmp_path / "none.png.parquet", sheet.nothing("fomm has no camera control"))
    (drawn,) = sheet.load(tmp_path / "none.png.parquet").draw()
    assert (np.asarray(drawn) == np.asarray(grid.notice("fomm has no camera control"))).all()


def test_a_damaged_sheet_is_named_with_its_remedy(tmp_path):
    (tmp_path / "torn.png.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"torn.png.parquet: cannot be read .*thedit figures"):
        sheet.load(tmp_path / "torn.png.parquet")


def test_quality_by_yaw_is_a_line_a_method_and_a_panel_a_metric():
    both = pd.concat(
        [by_yaw(), by_yaw().assign(method="copy-source"), by_yaw().assign(metric="psnr", variant="target")]
    )
    first, second = charts.views(both, SETTINGS).axes
    assert [len(axis.lines) for axis in (first, second)] == [2, 1]
    assert list(first.lines[0].get_xdata()) == [0, 15, 30] and list(first.lines[0].get_ydata()) == [0.9, 0.8, 0.7]


def test_the_strip_shows_the_views_that_are_scored(project):
    usual = views.strip(Examples(SETTINGS), people=1).draw()[0]
    (project / "config/protocols/sides.yaml").write_text("kind: multiview\nyaw: [-45, 0, 45]\n")
    evaluation = SETTINGS.evaluation.model_copy(update={"protocols": ["self", "sides"]})
    strip = views.strip(Examples(SETTINGS.model_copy(update={"evaluation": evaluation})), people=1).draw()[0]
    assert strip.height < 0.6 * usual.height  # no rows of pitch
    assert strip.width == 60 + 4 + 5 * (112 + 4) + 2 * 14


def test_cost_is_shown_in_units_that_people_read(project):
    (table,) = comparison.costs(SETTINGS)
    assert table.rows[0][:2] == [Cell("planedict"), Cell("1.2")]
    assert table.rows[1][:2] == [Cell("copy-source", "copies a picture"), Cell("–")]


def test_without_metrics_the_sentence_says_what_to_do(project):
    with pytest.raises(UserError, match=r"metrics\.parquet: is missing; make it with 'thedit aggregate'"):
        draw.all_figures(SETTINGS.model_copy(update={"run": "other"}))


def test_the_readme_gets_the_numbers_between_its_marks(project):
    logs = project / "logs/train"
    logs.mkdir(parents=True)
    for name, seconds in (("made-up-planedict", 12), ("made-up-other", 30), ("another-planedict", 500)):
        (logs / f"{name}.benchmark.tsv").write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:12\t{seconds + 900}\n")
    path = project / "README.md"
    begin, end = readme.marks("results", "thedit readme")
    path.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    figures = layout.run(SETTINGS) / "figures"
    figures.mkdir(exist_ok=True)
    for name in readme.PICTURES:
        (figures / name).write_bytes(b"moving")
    scaled = metrics().replace({"variant": {"source": "source-rescaled"}})  # the README shows what matters
    scaled.to_parquet(layout.run(SETTINGS) / "metrics.parquet")
    readme.insert(SETTINGS, path)
    assert {(project / name).read_bytes() for name in readme.PICTURES} == {b"moving"}
    once = path.read_text()
    assert once.startswith(f"before\n{begin}\n")
    assert once.endswith(f"{end}\nafter\n")
    assert "old" not in once
    assert "measured on an abacus" in once
    assert "| planedict | 0.93<br><sub>0.91…0.95</sub> |" in once
    assert "| planedict | 1.2 |" in once
    assert "| train | 2 | 42 | 930 |" in once
    readme.insert(SETTINGS, path)
    assert path.read_text() == once


def test_a_readme_without_marks_stays_as_it_is(project):
    path = project / "plain.md"
    path.write_text("nothing here\n")
    with pytest.raises(UserError, match=r"plain\.md: needs the lines"):
        readme.insert(SETTINGS, path)
    assert path.read_text() == "nothing here\n"
