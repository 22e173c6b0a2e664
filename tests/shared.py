"""Pictures, clips and weights that are not part of the project: tests that use them skip where they are absent."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("THEDIT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs $THEDIT_SHARED, or ../shared beside the checkout")
