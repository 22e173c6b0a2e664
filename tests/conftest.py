"""Settings that have to stand before the first test module is imported."""

import os
import random
from pathlib import Path

import hypothesis
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker a core; torch and NumPy read it at their import

import numpy as np
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # Triton reads it once, at its own import
# The same examples in every run; to look for others: pytest --hypothesis-profile default
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Each test draws what it draws alone, whatever ran before."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def asset_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The head assets, built if they are not there yet."""
    from thedit.errors import UserError
    from thedit.heads import assets, build

    try:
        assets.load(assets.PATH)
        return assets.PATH
    except UserError:
        path = tmp_path_factory.mktemp("assets") / "heads.safetensors"
        build.build(path)
        return path
