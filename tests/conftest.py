"""Settings that have to stand before the first test module is imported."""

import os
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # Triton reads it once, at its own import


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
