"""The record of a run, the tables that follow from it, pages that show their numbers; and what is committed of it."""

import itertools
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageSequence
from safetensors import safe_open

from tests.test_metrics_tables import protocol, scores
from thedit import config, config_text, layout, pretrained
from thedit.errors import UserError
from thedit.files import sha256
from thedit.methods import registry, trained
from thedit.metrics import aggregate, tables, tracking
from thedit.metrics.questions import SHOWN
from thedit.metrics.scale import DIFFERENT, SAME
from thedit.report import artefacts, comparison, derive, pages, reference
from thedit.report.figures import draw
from thedit.report.readme import marks
from thedit.training.checkpoint import export

DEFAULT = Path("data/pretrained") / pretrained.NAME
ROOT = Path(__file__).parents[1]
COMMITTED = sorted(path.parent for path in (ROOT / "results").glob("reference*/provenance.json"))
DERIVED = ("metrics", "comparisons", "views")
OPENINGS = {("expression-tracking", f"{opening}-correlation") for opening in tracking.STILL}
PLACE = "{{reference/metrics cross planedict psnr target}}"


def settings(run="reference", seed=0, methods=("planedict", "copy-source"), **train):
    evaluation = config.Evaluation(protocols=["cross", "side-views"])
    return config.Config(
        run=run, seed=seed, methods=list(methods), evaluation=evaluation, train=config.Train(**train),
        metrics=config.Metrics(bootstrap=50),
    )  # fmt: skip


def _state(method, protocol):
    outside = method == "copy-source" and protocol == "side-views"
    status, reason = ("not applicable", "no camera control") if outside else ("ok", "")
    return {"method": method, "protocol": protocol, "status": status, "reason": reason, "frames": 12}


def write_record(made, folder, noise):
    """The record of a run in the working directory, made up from pictures with ``noise``."""
    run = layout.run(made)
    found = [scores(folder / method, method, noise + number) for number, method in enumerate(made.methods)]
    both = pd.concat([one.assign(protocol=name) for one in found for name in made.evaluation.protocols])
    without = both[(both["method"] != "copy-source") | (both["protocol"] == "cross")]  # copies cannot move the camera
    ends = {"group": [SAME, DIFFERENT], "value": [0.96, 0.9], "ci_low": 0.8, "ci_high": 1.0, "n": 9}
    scale = pd.DataFrame(ends).assign(backend="fake", weights_sha256="0", n_people=3, n_failed=0)
    status = pd.DataFrame([_state(*one) for one in itertools.product(made.methods, made.evaluation.protocols)])
    training = pd.DataFrame({"method": made.methods[0], "loss": "total", "images": range(9), "value": np.arange(9.0)})
    for name, table, schema in (
        ("frames", aggregate.frames(without), tables.FRAMES),
        ("distances", aggregate.distances(without), tables.VALUES),
        ("scale", scale, tables.SCALE),
        ("status", status, tables.STATUS),
        ("training", training, tables.TRAINING),
    ):
        tables.write(table, schema, run / f"{name}.parquet")
    facts = {"images": "40000", "seconds": "7200", "processes": "2", "device": "an abacus", "sha256": "ab"}
    known = {
        "seed": made.seed,
        "config_hash": "0123",
        "code_version": "1.0",
        "device": "a loom",
        "packages": {"a": "1"},
    }
    (run / "provenance.json").write_text(json.dumps(known | {"weights": {made.methods[0]: facts}}))
    config_text.write(made, run / "config.yaml")
    pd.DataFrame([{"method": "planedict", "reason": "", "training_hours": 4.0, "parameters": 27e6}]).reindex(
        columns=["method", "reason", *comparison.COST]
    ).to_parquet(run / "cost.parquet")
    moved = protocol().assign(protocol="side-views", yaw=[0.0, 15.0, -45.0, 45.0] * 3, pitch=0.0)
    moved.to_parquet(layout.pairs(made, "side-views").with_suffix(".parquet"))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a run, one that adds a method, both with another seed, and a longer one."""
    folder = tmp_path_factory.mktemp("project")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    (folder / "config").symlink_to(ROOT / "config")
    planned = [
        settings(),
        settings("reference-1", 1),
        settings("reference-1-added", 1, ["lia"]),
        settings("reference-added", methods=["lia"]),
        settings("reference-long", images=50000),
    ]
    for number, made in enumerate(planned):
        layout.pairs(made, "side-views").parent.mkdir(parents=True)
        write_record(made, folder / "made" / made.run, 10 * number)
    begin, end = marks("reference", reference.COMMAND)
    (folder / "README.md").write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    export(Path("data/pretrained/few.safetensors"), _nothing(), {"images": "40000", "method": "planedict"})
    for page in pages.PAGES:
        page.parent.mkdir(parents=True, exist_ok=True)
        pages.template(page).write_text(f"so {PLACE}, ja")
    reference.regenerate()
    yield folder
    patch.undo()


def _nothing():
    import torch

    return torch.nn.Linear(1, 1)


def bytes_of(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_one_command_makes_everything_again_byte_by_byte(project):
    first = bytes_of(project)
    for name in DERIVED:
        (project / f"results/reference/{name}.parquet").unlink()
    reference.regenerate()
    assert bytes_of(project) == first


def test_the_tables_carry_the_provenance_of_the_record(project):
    derive.write(settings())
    table = tables.read("results/reference/metrics.parquet", tables.METRICS)
    assert set(table["device"]) == {"a loom"} and set(table["code_version"]) == {"1.0"}
    assert set(table["variant"]) >= {"target", "target-parts", "source-rescaled", "driver"}
    seen = tables.read("results/reference/views.parquet", tables.VIEWS)
    assert set(seen["yaw"]) == {0, 15, 45} and set(seen["protocol"]) == {"side-views"}


def test_the_readme_shows_longer_runs_beside_the_main_one(project):
    text = Path("README.md").read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    methods = re.findall(r"^\| ([a-z][a-z-]+(?: \([a-z-]+\))?) \|", text, re.MULTILINE)
    assert methods == [
        "method",
        "planedict",
        "planedict (reference-long)",
        "lia",
        "copy-source",
        "copy-source (reference-long)",
    ]
    assert "reference-1" not in text  # a repetition is no other method
    whole = Path("results/reference/tables.md").read_text()
    assert "cross, mean of 2 seeds, lowest to highest: is it the same person?" in whole
    assert "seeds" not in Path("results/reference-long/tables.md").read_text()
    assert "| planedict | 40,000 | 4.00 | an abacus |" in whole
    assert "–<br><sub>no camera control</sub> |" in whole
    row = tables.read("results/reference-long/metrics.parquet", tables.METRICS).set_index(pages.ROW)
    value = row.loc[("cross", "planedict", "csim", "source-rescaled"), "value"]
    assert f"{value:.3g}" in text


def test_seeds_show_what_was_seen(project):
    key = pages.ROW
    table = tables.read("results/reference/seeds.parquet", tables.SEEDS).set_index(key)
    for name, runs in (
        (("cross", "planedict", "psnr", "target"), ("reference", "reference-1")),
        (("cross", "planedict", "csim", "source-rescaled"), ("reference", "reference-1")),
        (("side-views", "lia", "psnr", "target"), ("reference-added", "reference-1-added")),
    ):
        both = [pd.read_parquet(f"results/{run}/metrics.parquet").set_index(key) for run in runs]
        values = [one.loc[name, "value"] for one in both]
        row = table.loc[name]
        assert [row["lowest"], row["highest"], row["n_seeds"]] == [min(values), max(values), 2]
        assert row["mean"] == pytest.approx(np.mean(values))


def test_a_seed_without_a_value_is_not_passed_over():
    key = {"protocol": "cross", "method": "m", "metric": "csim", "variant": "source", "backend": "net"}
    one, other = (pd.DataFrame([{**key, "value": value}]) for value in (0.9, np.nan))
    assert reference.seeds([one, other])[["mean", "lowest", "highest"]].isna().all(axis=None)


def filled(text, tmp_path):
    path = tmp_path / "page.template.md"
    path.write_text(text)
    return pages.fill(path)


def test_a_page_gets_the_values_that_its_template_names(project, tmp_path):
    row = (
        pd.read_parquet("results/reference/metrics.parquet")
        .set_index(pages.ROW)
        .loc[("cross", "planedict", "psnr", "target")]
    )
    shown = f"{row['value'].item():.3g} ({row['ci_low'].item():.3g} to {row['ci_high'].item():.3g})"
    assert Path("docs/findings.md").read_text() == f"so {shown}, ja"
    assert filled("{{reference/metrics cross planedict psnr target n}}", tmp_path) == "12"
    assert filled('{{reference/scale "one person"}}', tmp_path) == "0.96 (0.8 to 1)"
    assert filled("{{reference/provenance weights planedict images}}", tmp_path) == "40,000"
    assert filled("{{reference/cost planedict parameters}}", tmp_path) == "27,000,000"
    weights = "data/pretrained/few.safetensors"
    assert filled("{{%s images}} {{%s sha256}}" % (weights, weights), tmp_path) == f"40,000 {sha256(weights)}"  # noqa: UP031
    change = filled("{{reference/views side-views planedict psnr target 45 change}}", tmp_path)
    assert change.count("to") == 1 and change != filled(
        "{{reference/views side-views planedict psnr target 45}}", tmp_path
    )


def test_failures_stand_beside_the_value(project, tmp_path):
    path = Path("results/reference/metrics.parquet")
    kept = path.read_bytes()
    table = pd.read_parquet(path)
    table.assign(n_failed=3, value=np.nan, ci_low=np.nan, ci_high=np.nan).to_parquet(path)
    assert filled(PLACE, tmp_path) == "none (3 of 15 failed)"
    path.write_bytes(kept)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("reference/metrics cross planedict psnr mask", "0 rows of 'metrics'"),
        ("reference/metrics cross planedict psnr", "is named by protocol, method, metric, variant"),
        ("reference/result cross", "there is no table 'result'; there are metrics"),
        ("nowhere/metrics cross planedict psnr target", "results/nowhere/metrics.parquet"),
        ("reference/provenance weights fomm images", "fomm"),
        ("data/pretrained/few.safetensors colour", "colour"),
        ("data/pretrained/none.safetensors sha256", "none.safetensors"),
    ],
)
def test_a_place_without_a_value_is_one_sentence(project, tmp_path, place, words):
    with pytest.raises(UserError) as error:
        filled("{{%s}}" % place, tmp_path)  # noqa: UP031
    assert words in str(error.value) and "page.template.md: {{" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("page", pages.PAGES, ids=str)
def test_the_templates_name_rows_that_the_runs_will_have(page):
    places = pages.PLACE.findall(pages.template(ROOT / page).read_text())
    assert places
    for place in places:
        source, *words = shlex.split(place)
        run, _, name = source.partition("/")
        if name not in pages.TABLES:
            assert name == "provenance" or Path(source).parent == DEFAULT.parent, place
            continue
        keys, _ = pages.TABLES[name]
        assert (ROOT / "config" / f"{run}.yaml").is_file(), place
        assert len(words) in (len(keys), len(keys) + 1), place
        planned, row = config.load(ROOT / "config" / f"{run}.yaml"), dict(zip(keys, words))
        assert row.get("protocol", "cross") in planned.evaluation.protocols, place
        methods = registry.names() if name == "seeds" else planned.methods  # runs beside it are repeated too
        assert row.get("method", planned.methods[0]) in methods, place
        if "protocol" in row:
            assert (row["metric"], row["variant"]) in SHOWN.keys() | OPENINGS, place


def test_without_the_main_run_the_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"results/reference/provenance\.json: is missing; finish the run"):
        reference.regenerate()


def test_a_long_log_is_thinned_to_means(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = settings()
    folder = layout.weights(made, "planedict").parent
    folder.mkdir(parents=True)
    steps = np.arange(1, 2001)
    log = pd.DataFrame({"step": steps, "images": 4 * steps, "total": steps / 2, "l1": np.where(steps % 2, 1.0, np.nan)})
    log.to_parquet(folder / "log.parquet")
    table = artefacts._training(made)
    total = table[table["loss"] == "total"]
    assert len(total) == artefacts.POINTS and total["images"].iloc[-1] == 8000
    assert total["value"].iloc[0] == pytest.approx(np.mean([0.5, 1.0, 1.5, 2.0]))
    assert set(table.loc[table["loss"] == "l1", "value"]) == {1.0}


def pixels(path):
    """Every frame of a picture or an animation."""
    return [np.asarray(frame.convert("RGB")).tobytes() for frame in ImageSequence.Iterator(Image.open(path))]


@pytest.mark.skipif(not COMMITTED, reason="no reference run is committed yet")
class TestCommitted:
    """What is committed in results/reference*/ and what is told of it."""

    @pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
    def test_tables_follow_from_the_record_byte_by_byte(self, folder, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "config").symlink_to(ROOT / "config")
        left_out = shutil.ignore_patterns("figures", "pictures", "methods")
        shutil.copytree(folder, tmp_path / "results" / folder.name, ignore=left_out)
        for name in DERIVED:
            (tmp_path / "results" / folder.name / f"{name}.parquet").unlink()
        derive.write(config.load(folder / "config.yaml"))
        for name in DERIVED:
            made = tmp_path / "results" / folder.name / f"{name}.parquet"
            assert made.read_bytes() == (folder / f"{name}.parquet").read_bytes(), name

    def test_pictures_that_a_page_shows_follow_from_the_artefacts(self, tmp_path, monkeypatch):
        pages_of = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
        found = {
            match
            for page in pages_of
            for match in re.findall(r"(results/(reference[^/]*)/figures/[^)]*)\)", page.read_text())
        }
        shown = {
            (figure, run)
            for figure, run in found
            if (ROOT / f"results/{run}/pictures/{Path(figure).name}.parquet").is_file()
        }
        assert shown and all((ROOT / figure).is_file() for figure, _ in found)
        monkeypatch.chdir(tmp_path)
        for run in {run for _, run in shown}:
            copied = shutil.copytree(ROOT / "results" / run / "pictures", tmp_path / "results" / run / "pictures")
            for path in copied.iterdir():
                if f"results/{run}/figures/{path.stem}" not in {figure for figure, _ in shown}:
                    path.unlink()
            draw.pictures_of(config.load(ROOT / "results" / run / "config.yaml"))
        for figure, _ in shown:
            assert pixels(tmp_path / figure) == pixels(ROOT / figure), figure

    @pytest.mark.parametrize("page", pages.PAGES, ids=str)
    def test_pages_show_the_rows(self, page, monkeypatch):
        monkeypatch.chdir(ROOT)
        assert page.read_text() == pages.fill(pages.template(page))

    def test_the_readme_shows_the_rows(self, monkeypatch):
        monkeypatch.chdir(ROOT)
        begin, end = marks(reference.MAIN, reference.COMMAND)
        shown = Path("README.md").read_text().split(begin)[1].split(end)[0]
        assert shown.strip() == reference.block(reference.runs())

    def test_the_default_weights_are_those_that_were_scored(self):
        with safe_open(ROOT / DEFAULT, framework="pt") as file:
            facts = file.metadata()
        scored = artefacts.provenance_of(ROOT / "results/reference-dense")["weights"][facts["method"]]
        assert facts["source_sha256"] == scored["sha256"]

    def test_the_default_weights_name_the_networks_that_labelled_their_data(self):
        _, settings = trained.load(ROOT / DEFAULT)
        assert settings == config.load(ROOT / "config/reference-dense.yaml").data.preprocess
