"""One method, one protocol: load the weights, make the frames."""

import pandas as pd

from thedit import layout, provenance
from thedit.config import Config, digest
from thedit.errors import UserError
from thedit.evaluation.predict import predict
from thedit.files import sha256
from thedit.methods import registry, trained
from thedit.methods.base import Method
from thedit.metrics import tables
from thedit.parts import WHOLE, Part
from thedit.shards.store import FrameStore


def make(config: Config, name: str, protocol: str, part: Part = WHOLE) -> pd.DataFrame:
    """Make the frames of a protocol, or a part of them, with the method ``name``; returns the table of predictions."""
    path = layout.pairs(config, protocol)
    if not path.is_file():
        raise UserError(f"{path}: is missing; make it with 'thedit pairs --protocol {protocol}'.")
    store = FrameStore(layout.shards(config))
    spec = registry.find(name)
    method = ready(config, name, store.size)
    state = trained.digest(layout.weights(config, name)) if spec.trained else ""
    code = provenance.code_hash(spec.module, __name__)
    run = digest([state, spec.model_dump(), sha256(path), store.digest, code])
    pairs = tables.read(path, tables.PAIRS)
    return predict(name, method, store, pairs, layout.predictions(config, name, protocol), run, part)


def ready(config: Config, name: str, size: int) -> Method:
    """A method of the run, with its weights, on the accelerator if there is one."""
    spec = registry.find(name)
    method = spec.build(config.train.preset, size)
    if spec.trained:
        trained.fill(method, layout.weights(config, name))
    return trained.ready(method)
