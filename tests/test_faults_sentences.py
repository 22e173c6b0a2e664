"""Files that were cut, and machines that lack something, are a sentence of the command line and never a traceback."""

import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import pandas as pd
import pytest

from tests import video_files
from tests.video_files import config, content
from thedit import parquet
from thedit.errors import UserError, sentence
from thedit.metrics import tables
from thedit.shards import store
from thedit.video.preprocess import preprocess


def thedit(*arguments, folder=None, **environment):
    """Run the command line in a process of its own; its status and what it says on standard error."""
    command = [sys.executable, "-c", "from thedit.cli import main; main()", *map(str, arguments)]
    paths = os.pathsep.join(filter(None, [environment.pop("PYTHONPATH", ""), os.getcwd()]))
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": paths, **environment}, capture_output=True, text=True
    )
    return result.returncode, result.stderr


def refused(status, said, words):
    """Whether a command ended with status 2 and one sentence."""
    assert "Traceback" not in said, said
    assert status == 2 and words in said.splitlines()[-1], said
    return True


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "missing", "other columns"])
def test_a_damaged_table_is_named(tmp_path, damage):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": range(1000)}).to_parquet(path)
    good = path.read_bytes()
    match damage:
        case "missing":
            path.unlink()
        case "other columns":
            pass
        case _:
            path.write_bytes({"empty": b"", "cut": good[: len(good) // 2], "text": b"PAR1 text"}[damage])
    with pytest.raises(
        UserError, match=r"table\.parquet: (is missing; run|is damaged or no such table \(.+\); delete)"
    ):
        parquet.read(path, ["b"])
    if damage != "other columns":
        with pytest.raises(UserError, match=r"table\.parquet: is "):
            tables.read(path, tables.METRICS)


@pytest.mark.parametrize("damage", ["rows cut", "shard flipped", "shard missing"])
def test_a_damaged_finished_shard_is_made_again(tmp_path, monkeypatch, damage):
    video_files.write(tmp_path / "in" / "a.mp4", video_files.moving(6))
    settings, out = config(tmp_path, frames_per_shard=3), tmp_path / "out"
    preprocess(settings, tmp_path / "undisturbed")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("thedit.video.preprocess._publish", stop)
    with pytest.raises(KeyboardInterrupt):
        preprocess(settings, out)
    monkeypatch.undo()
    (work,) = out.glob(".preprocess-*")
    shard, rows = work / "00000.arrow", work / "00000.parquet"
    match damage:
        case "rows cut":
            rows.write_bytes(rows.read_bytes()[:99])
        case "shard missing":
            shard.unlink()
        case _:
            changed = bytearray(shard.read_bytes())
            changed[changed.index(b"IDAT") + 20] ^= 1
            shard.write_bytes(changed)
            with pytest.raises(UserError, match="column image is damaged"):
                store.verify(shard)
    preprocess(settings, out)
    for path in (tmp_path / "undisturbed" / "shards").iterdir():
        assert content(path).equals(content(out / "shards" / path.name))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "not enough memory (MemoryError); end other programs"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory ("),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "not enough memory (CUDA out of memory"),
        (BrokenProcessPool("abruptly"), "a worker process was ended from outside"),
        (OSError(28, "No space left on device", "logs/x"), "logs/x: No space left on device; free space"),
        (UserError("a: b; c."), "a: b; c."),
        (RuntimeError("a fault of ours"), None),
        (AttributeError("a fault of ours"), None),
    ],
    ids=str,
)
def test_what_the_machine_lacks_is_said(error, words):
    told = sentence(error)
    assert told is None if words is None else told is not None and told.startswith(words)


def test_a_binary_configuration_is_a_sentence(tmp_path):
    (tmp_path / "config.yaml").write_bytes(bytes(range(256)))
    status, said = thedit("pairs", "--config", "config.yaml", "--protocol", "self", folder=tmp_path)
    assert refused(status, said, "config.yaml: ")


@pytest.mark.parametrize("fake", ["numpy.py", "numpy/__init__.py"])
def test_a_file_that_hides_a_package_is_named(tmp_path, fake):
    path = tmp_path / "hiding" / fake
    path.parent.mkdir(parents=True)
    path.write_text("")
    (tmp_path / "config.yaml").write_text("run: quick")
    command = "pairs", "--config", "config.yaml", "--protocol", "self"
    status, said = thedit(*command, folder=tmp_path, PYTHONPATH=str(tmp_path / "hiding"))
    assert refused(status, said, f"{path}: hides the installed package numpy; rename it")


def test_too_little_memory_is_a_sentence(tmp_path):
    script = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (3 << 29,) * 2); "
    script += (
        "from thedit.cli import app, main; app.command('hungry')(lambda: __import__('numpy').ones(1 << 30)); main()"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    result = subprocess.run([sys.executable, "-c", script, "hungry"], env=environment, capture_output=True, text=True)
    assert refused(result.returncode, result.stderr, "not enough memory (Unable to allocate 8.00 GiB")
