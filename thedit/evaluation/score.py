"""Measure the frames that a method made of a protocol, and how well the metrics track the truth of a data set."""

from pathlib import Path

import pandas as pd

from thedit import layout, provenance
from thedit.config import Config, digest
from thedit.evaluation import annyheads, faults, protocols
from thedit.evaluation.legible import legible
from thedit.evaluation.pairs import make
from thedit.files import sha256
from thedit.heads import assets
from thedit.methods import trained
from thedit.metrics import scoring, tables, validity
from thedit.metrics.measure import Measurer
from thedit.metrics.suite import load
from thedit.parts import WHOLE, Part
from thedit.shards.store import FrameStore


def score(config: Config, method: str, protocol: str, part: Part = WHOLE) -> pd.DataFrame:
    """Score the frames of ``method`` and write `layout.scores`; returns its rows, schema `tables.SCORES`.

    A part scores some of the pairs, and writes no table.
    """
    weights = layout.weights(config, method)
    version = trained.digest(weights)[:12] if weights.is_file() else provenance.code_version()
    rows = measure(config, method, version, protocol, layout.predictions(config, method, protocol), part)
    if part.whole:
        tables.write(rows, tables.SCORES, layout.scores(config, method, protocol))
    return rows


def measure(
    config: Config, method: str, version: str, protocol: str, predictions: Path, part: Part = WHOLE
) -> pd.DataFrame:
    """Score rows (schema `tables.SCORES`) of the frames of a protocol, or a part of them, in ``predictions``."""
    pairs = tables.read(layout.pairs(config, protocol), tables.PAIRS)
    store, data = FrameStore(layout.shards(config)), layout.data(config)
    truth, true = None, []
    if (data / "truth").is_dir():  # only AnnyHeads has true pictures that nobody recorded
        true = [sha256(data / "heads.json"), sha256(assets.PATH)]
        truth = annyheads.TruePictures(data, store, store.size, layout.measured(config) / "truth")
    labels = {"method": method, "method_version": version, "dataset": config.data.name, "protocol": protocol}
    networks = measurer(config)
    code = provenance.code_hash(__name__, *networks.suite.modules)
    kept = layout.measured(config) / "pairs" / digest([store.digest, networks.suite.digest, true, code])
    return scoring.score(pairs, predictions, store, networks, truth, labels, kept, part)


def validate(config: Config) -> pd.DataFrame:
    """Measure AnnyHeads' test frames and write results/<run>/validity.parquet; returns it, schema `tables.VALIDITY`.

    Beside what single frames tell stand how well openings are read in true pictures, and what the metrics say of
    cross-identity results whose faults are known.
    """
    networks, data, size = measurer(config), layout.data(config), config.data.heads.size
    store = FrameStore(layout.shards(config))
    sample = annyheads.validity_sample(data, store, networks, size)
    truth = annyheads.TruePictures(data, store, store.size, layout.measured(config) / "truth")
    pairs = make("cross", protocols.find("cross"), store.index, config.evaluation, lambda clip: True)
    parts = [
        validity.validity(sample, networks.suite),
        legible(annyheads.TrueLabels(data, store, size), store, networks),
        faults.seen(pairs, store, networks, truth, config.metrics.bootstrap, config.seed),
    ]
    stamp = {"dataset": config.data.name, "config_hash": digest(config), "code_version": provenance.code_version()}
    rows = pd.concat(parts, ignore_index=True).assign(**stamp)
    tables.write(rows, tables.VALIDITY, layout.run(config) / "validity.parquet")
    return rows


def measurer(config: Config) -> Measurer:
    """The run's suite; what it says of a picture is kept for all methods and protocols of the run."""
    return Measurer(load(config.metrics.suite, config.metrics.backends), layout.measured(config))
