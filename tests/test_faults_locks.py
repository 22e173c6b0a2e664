"""Two runs that meet in one folder: who works there is left alone, who comes second is told who that is."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests import video_files
from tests.video_files import config
from thedit import locks
from thedit.errors import UserError
from thedit.shards.store import FrameStore
from thedit.video.preprocess import preprocess

HOLD = """
import sys, time
from thedit import locks
locks.claim(sys.argv[1], shared=sys.argv[2] == "shared", key=sys.argv[3])
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def other():
    """Start another process that holds a folder; all are ended afterwards."""
    started = []

    def hold(folder, how="alone", key="", owner=None):
        environment = {**os.environ, "PYTHONPATH": os.getcwd(), **({locks.OWNER: owner} if owner else {})}
        command = [sys.executable, "-c", HOLD, str(folder), how, key]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()


def test_a_folder_is_held_by_one_and_the_second_is_told_by_whom(tmp_path, other):
    first = other(tmp_path)
    with pytest.raises(UserError) as refused, locks.held(tmp_path):
        pass
    assert f"{tmp_path}: another run works in this folder (-c" in str(refused.value)
    assert f"process {first.pid} on {socket.gethostname()}, since" in str(refused.value)
    assert str(refused.value).endswith("wait for it, or end it.")


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        (("shared", "a"), ("shared", "a"), True),
        (("shared", "a"), ("shared", "b"), False),
        (("shared", "a"), ("alone", ""), False),
        (("alone", ""), ("shared", "a"), False),
    ],
    ids=["readers of one", "readers of two settings", "a writer after a reader", "a reader after a writer"],
)
def test_readers_share_what_was_made_with_the_same_settings(tmp_path, other, first, second, allowed):
    other(tmp_path, *first)
    how, key = second
    try:
        with locks.held(tmp_path, shared=how == "shared", key=key):
            assert allowed
    except UserError as error:
        assert not allowed
        assert ("another data.name" in str(error)) == (first[0] == how == "shared")


def test_the_stages_of_one_workflow_do_not_lock_each_other_out(tmp_path, other):
    other(tmp_path, "shared", "a", owner=locks._owner)
    with locks.held(tmp_path):
        assert len(list(tmp_path.iterdir())) == 2  # both hold it


def test_a_killed_process_holds_nothing(tmp_path, other):
    first = other(tmp_path)
    first.send_signal(signal.SIGKILL)
    while locks._started(first.pid) is not None:  # a zombie until it is waited for, which counts as ended
        time.sleep(0.01)
    with locks.held(tmp_path):
        (mine,) = tmp_path.iterdir()
        assert f"-{os.getpid()}-" in mine.name
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("age", "alive"), [(0, True), (2 * locks.PATIENCE, False)], ids=["touched", "long untouched"])
def test_another_hosts_process_holds_as_long_as_it_touches_its_file(tmp_path, age, alive):
    file = tmp_path / ".lock-elsewhere-1-0.json"
    holder = locks.Holder("somebody", False, "", "elsewhere", 1, "0", "thedit preprocess", "2026-01-01 00:00")
    file.write_text(json.dumps(vars(holder)))
    os.utime(file, (time.time() - age,) * 2)
    if alive:
        with (
            pytest.raises(UserError, match=r"process 1 on elsewhere, .* or if it is gone delete"),
            locks.held(tmp_path),
        ):
            pass
    else:
        with locks.held(tmp_path):
            assert not file.exists()


def test_a_held_lock_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.05)
    for thread in locks.threading.enumerate():
        assert thread.name != "locks" or thread.daemon
    monkeypatch.setattr(
        locks, "_start_beating", lambda: locks.threading.Thread(target=locks._beat, daemon=True).start()
    )
    with locks.held(tmp_path):
        (file,) = tmp_path.iterdir()
        os.utime(file, (0, 0))
        until = time.monotonic() + 120
        while file.stat().st_mtime == 0:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_of_many_that_come_at_once_one_gets_the_folder(tmp_path):
    script = """
import sys, time
from thedit import locks
from thedit.errors import UserError
while time.time() < float(sys.argv[2]): pass
try:
    with locks.held(sys.argv[1]):
        open(sys.argv[1] + "/in", "x").close()  # fails if somebody else is inside
        time.sleep(1)
        import os; os.remove(sys.argv[1] + "/in")
        print("got it")
except UserError:
    print("refused")
"""
    start = str(time.time() + 2)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", script, str(tmp_path), start]
    racers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = [racer.communicate()[0].strip() for racer in racers]
    assert set(said) <= {"got it", "refused"} and "got it" in said
    assert all(racer.returncode == 0 for racer in racers)


def test_two_preprocessings_do_not_meet_in_one_folder(tmp_path, other):
    video_files.write(tmp_path / "in" / "a.mp4", video_files.moving(3))
    settings, out = config(tmp_path), tmp_path / "out"
    first = other(out)
    with pytest.raises(UserError, match=f"out: another run works in this folder .*process {first.pid} on"):
        preprocess(settings, out)
    first.kill()
    first.wait()
    preprocess(settings, out)
    assert len(FrameStore(out / "shards")) == 3
    reader = other(out, "shared", "settings")
    with pytest.raises(UserError, match=f"out: another run works in this folder .*process {reader.pid} on"):
        preprocess(settings, out)
    assert len(FrameStore(out / "shards")) == 3
