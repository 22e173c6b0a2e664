"""What docs/photographs/make.py measures, and that the pictures it made are small."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thedit.metrics.measure import Measured

FOLDER = Path(__file__).parents[1] / "docs/photographs"
MOST = 2_500_000  # bytes of all pictures together


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("photographs", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seen(mouth, embedding):
    """A face whose mouth is open so far, in eye distances."""
    points = np.zeros((68, 2))
    points[45, 0], points[65:68, 1] = 1.0, mouth
    return Measured(points, points, np.array(embedding, np.float64), np.empty(0), np.empty(0))


def test_the_pictures_are_small_and_the_first_one_moves():
    assert sum(path.stat().st_size for path in FOLDER.glob("*.webp")) < MOST
    assert Image.open(FOLDER / "talks.webp").n_frames > 1


def test_a_mouth_that_opens_half_as_far_follows_with_half_the_spread(make):
    driver = [seen(mouth, [1, 0]) for mouth in (0.0, 0.1, 0.4)]
    result = [seen(mouth / 2, [1, 0]) for mouth in (0.0, 0.1, 0.4)]
    r, spread = make.follows(result, driver, "tracked")
    assert r[0] == pytest.approx(1) and spread[0] == pytest.approx(0.5)


def test_likeness_is_the_cosine_and_the_share_near_the_source(make):
    cosine, near = make.likeness([seen(0, [1, 0]), seen(0, [0, 1])], seen(0, [1, 0]))
    assert cosine.tolist() == [1, 0] and near == 0.5
