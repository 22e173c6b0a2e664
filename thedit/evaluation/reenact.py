"""One method, one protocol: load the weights, make the frames."""

import textwrap
from pathlib import Path

import pandas as pd
import safetensors
import safetensors.torch
import torch

from thedit import provenance
from thedit.config import Config, digest
from thedit.errors import UserError
from thedit.evaluation import layout
from thedit.evaluation.predict import predict
from thedit.files import sha256
from thedit.methods import registry
from thedit.methods.base import Method
from thedit.shards.store import FrameStore


def reenact(config: Config, name: str, protocol: str) -> pd.DataFrame:
    """Make the frames of a protocol with the method ``name``; returns the table of predictions."""
    path = layout.pairs(config, protocol)
    if not path.is_file():
        raise UserError(f"{path}: is missing; make it with 'thedit pairs --protocol {protocol}'.")
    store = FrameStore(layout.shards(config))
    spec = registry.find(name)
    method = ready(config, name, store.size)
    state = sha256(layout.weights(config, name)) if spec.trained else ""
    run = digest([state, spec.model_dump(), sha256(path), provenance.code_hash(spec.module, __name__)])
    return predict(name, method, store, pd.read_parquet(path), layout.predictions(config, name, protocol), run)


def ready(config: Config, name: str, size: int) -> Method:
    """A method of the run, with its weights, on the accelerator if there is one."""
    spec = registry.find(name)
    method = spec.build(config.train.preset, size)
    if spec.trained:
        load_weights(method, layout.weights(config, name))
    return method.eval().requires_grad_(False).to("cuda" if torch.cuda.is_available() else "cpu")


def load_weights(method: Method, path: Path) -> None:
    """Fill ``method`` from a safetensors file; `UserError` if it is missing, damaged or of another architecture."""
    try:
        method.load_state_dict(safetensors.torch.load_file(path))
    except FileNotFoundError as error:
        raise UserError(f"{path}: is missing; train the method with 'thedit train' first.") from error
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: is damaged ({error}); delete it and train again.") from error
    except RuntimeError as error:
        reason = textwrap.shorten(str(error), 200)
        raise UserError(f"{path}: does not fit the method ({reason}); train again with this configuration.") from error
