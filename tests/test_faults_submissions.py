"""Submissions that are damaged, odd or of another day: refused or named, never scored as what they are not."""

import io
import json
import os
import socket
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image

from tests.test_benchmark import SIZE, changed, problems
from tests.test_benchmark import answered as answered
from tests.test_benchmark import packed as packed
from tests.test_benchmark import settings as settings
from thedit import layout, locks
from thedit.benchmark import pack, record, task
from thedit.benchmark.score import score
from thedit.benchmark.submission import Submission
from thedit.errors import UserError
from thedit.metrics import tables
from thedit.shards.store import FrameStore

BLACK = Image.new("RGB", (SIZE, SIZE))


def named(path, name, **about):
    """A copy of a submission that calls itself so, and says ``about`` itself what is given."""
    with zipfile.ZipFile(path) as file:
        said = json.loads(file.read("method.json"))
    return changed(path, {"method.json": json.dumps(said | {"name": name} | about)}, path.with_name(f"{name}.zip"))


def saved(picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, "png", **options)
    return buffer.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(BLACK, exif=exif)


@examples(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_a_sentence_or_named_pictures(answered, packed, data):
    content = bytearray(answered.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    for place in data.draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=4)) if content else []:
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path = answered.with_name("damaged.zip")
    path.write_bytes(content)
    try:
        with Submission(path, task.read(packed)) as submission:
            told = submission.problems()
            made = list(submission.pictures())
    except UserError as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert len(made) == task.read(packed).frames
        assert all((picture is None) == bool(reason) for _, picture, reason in made)
        assert told or not any(reason for _, _, reason in made)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (cv2.imencode(".png", np.zeros((SIZE, SIZE, 3), np.uint16))[1].tobytes(), "16 bits, not PNG with 8 bits RGB"),
        (saved(BLACK, transparency=(0, 0, 0)), "transparent, animated or turned"),
        (saved(BLACK, save_all=True, append_images=[Image.new("RGB", (SIZE, SIZE), "red")]), "transparent, animated"),
        (turned(), "transparent, animated or turned"),
    ],
    ids=["16 bits", "transparent", "animated", "turned"],
)
def test_only_plain_pictures_are_taken(answered, packed, tmp_path, content, words):
    with Submission(answered, task.read(packed)) as submission:
        name = submission.asked()[0].name
    (told,) = problems(changed(answered, {name: content}, tmp_path / "odd.zip"), packed)
    assert words in told and told.endswith(name)


def test_of_two_files_of_one_name_none_is_taken(answered, packed, tmp_path):
    with Submission(answered, task.read(packed)) as submission:
        name = submission.asked()[0].name
    with zipfile.ZipFile(answered, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr(name, saved(BLACK))
    assert problems(answered, packed) == [f"1 given twice: {name}"]
    with zipfile.ZipFile(answered, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("method.json", "{}")
    with pytest.raises(UserError, match=r"method\.json: is given twice"):
        problems(answered, packed)


def test_a_pipe_is_no_submission(packed, tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(UserError, match="is no regular file"):
        problems(tmp_path / "pipe.zip", packed)


def test_what_is_shown_is_part_of_the_task(settings, monkeypatch):
    store, seen = FrameStore(layout.shards(settings)), FrameStore.picture
    before = task.of(settings, store).digest
    monkeypatch.setattr(FrameStore, "picture", lambda self, row, name="image": 255 - seen(self, row, name))
    assert task.of(settings, store).digest != before


def test_the_name_of_an_installed_method_is_refused(settings, packed, answered):
    settings = settings.model_copy(update={"methods": ["planedict"]})
    for name in ("planedict", "lia"):
        with pytest.raises(UserError, match=rf"method\.json: name: '{name}' is .*; choose another name"):
            score(settings, named(answered, name))


def test_who_answers_nothing_is_told_so(settings, packed, answered):
    flat = settings.model_copy(
        update={"evaluation": settings.evaluation.model_copy(update={"protocols": ["multiview"]})}
    )
    digest = task.of(flat, FrameStore(layout.shards(flat))).digest
    with pytest.raises(UserError, match="camera_control: false answers no protocol of run 'mine'"):
        score(flat, named(answered, "flat", camera_control=False, benchmark=digest))


@pytest.fixture
def scored(settings, packed, answered):
    """A run of one protocol, for which two submissions were scored."""

    settings = settings.model_copy(
        update={"evaluation": settings.evaluation.model_copy(update={"protocols": ["self"]})}
    )
    digest = task.of(settings, FrameStore(layout.shards(settings))).digest
    for name in ("one", "two"):
        score(settings, named(answered, name, benchmark=digest))
    return settings


def test_scores_of_other_pairs_are_left_out_with_a_word(scored, capsys):
    assert set(record.rows(scored)["method"]) == {"one", "two"}
    path = layout.pairs(scored, "self")
    table = tables.read(path, tables.PAIRS)
    tables.write(table.assign(source_row=table["source_row"] + 1), tables.PAIRS, path)
    capsys.readouterr()
    record._say.cache_clear()
    for _ in range(2):
        assert record.rows(scored).empty
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].endswith(
        "'one' was not scored on the pairs that protocol 'self' has now; score its file again. Its rows are left out."
    )


def test_a_name_that_a_method_takes_later_is_left_out(scored, capsys):
    record._say.cache_clear()
    later = scored.model_copy(update={"methods": [*scored.methods, "two"]})
    assert set(record.rows(later)["method"]) == {"one"}
    assert "'two' is a method of run 'mine'" in capsys.readouterr().err


def test_rows_of_which_nothing_is_said_do_not_count(scored):
    """As a scoring that is killed between its files leaves them."""
    path = layout.run(scored) / "submissions.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({"two": known["two"]}))
    assert set(record.rows(scored)["method"]) == {"two"}
    path.write_text("{")
    with pytest.raises(UserError, match=r"submissions\.json: cannot be read .*; delete it and score"):
        record.rows(scored)


def test_two_are_not_scored_at_once(scored, answered):
    """Each would write a table without the other's rows."""
    process = os.getpid()
    holder = locks.Holder("other", False, "", socket.gethostname(), process, locks._started(process), "thedit", "now")
    (layout.run(scored) / f".lock-other-{process}-0.json").write_text(json.dumps(vars(holder)))
    with pytest.raises(UserError, match="another run works in this folder"):
        score(scored, answered)


def test_what_is_missing_is_said_when_it_is_scored(scored, answered, capsys):
    with zipfile.ZipFile(answered.with_name("one.zip")) as file:
        name = next(name for name in file.namelist() if name.startswith("self/") and "/output/" in name)
    score(scored, changed(answered.with_name("one.zip"), {name: None}, answered.with_name("less.zip")))
    assert f"less.zip: 1 missing: {name}" in capsys.readouterr().err


def test_a_task_is_packed_into_a_folder(settings, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is not empty, or no folder"):
        pack.pack(settings, tmp_path / "file")
