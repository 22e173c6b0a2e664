"""docs/reliability.md promises what tests hold: every test that it names exists, and every test of faults is named."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/reliability.md").read_text()
# Beside a promise's own test: what is shown on the way there.
UNNAMED = {
    "test_good_weights_load",
    "test_what_is_kept_comes_back_as_it_was",
    "test_ordinary_names_can_be_read",
    "test_another_crop_is_another_picture",
    "test_the_sheet_says_how_many_frames_each_video_has",
    "test_a_sheet_with_another_word_for_a_number_is_refused",
    "test_safetensors_errors_are_of_the_file",
    "test_what_was_measured_is_forgotten_after_a_while",
}


def functions(pattern):
    """Names of the test functions in the files that match."""
    return {
        name
        for path in (ROOT / "tests").glob(pattern)
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }


def test_every_test_that_the_page_names_exists():
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named and named <= functions("test_*.py"), sorted(named - functions("test_*.py"))


def test_every_fault_that_is_tested_is_promised():
    ours = functions("test_faults_*.py") - functions("test_faults_page.py") - UNNAMED
    missing = {name for name in ours if f"`{name}`" not in PAGE}
    assert not missing, sorted(missing)
