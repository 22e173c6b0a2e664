"""External methods: a real program in an environment of its own, and every way in which one can fail."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
import typer
from typer.testing import CliRunner

from tests.frames import make_store
from thedit import config
from thedit.cli import predict as cli
from thedit.errors import UserError
from thedit.evaluation import pairs, predict, protocols
from thedit.methods.external import External
from thedit.shards.batch import FrameBatch

SIZE, FRAMES = 16, 10
PROGRAM = """
import json, pathlib, shutil, struct, subprocess, sys, time, zlib

folder, behaviour = pathlib.Path(sys.argv[1]), sys.argv[2]
frames = sorted((folder / "driving").iterdir())
assert len(json.loads((folder / "cameras.json").read_text())["driving"]) == len(frames)
output = folder / "output"
print("running in", sys.prefix, flush=True)

def png(path, side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\\0" + b"\\x40" * 3 * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
                     + chunk(b"IEND", b""))

def npy(path, side, value):
    header = repr({"descr": "<f4", "fortran_order": False, "shape": (side, side, 3)}).ljust(117).encode() + b"\\n"
    path.write_bytes(b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", len(header)) + header
                     + struct.pack("<f", value) * (side * side * 3))

for number, frame in enumerate(frames):
    if number == 3 and behaviour == "crash":
        sys.exit(7)
    if number == 3 and behaviour == "stop early":
        break
    if number == 3 and behaviour == "hang":
        child = subprocess.Popen(["sleep", "600"])
        print("child", child.pid, flush=True)
        time.sleep(600)
    if number == 3 and behaviour == "wrong size":
        png(output / frame.name, 8)
    elif number == 3 and behaviour == "nan":
        npy((output / frame.name).with_suffix(".npy"), 16, float("nan"))
    elif number == 3 and behaviour == "damaged":
        (output / frame.name).write_bytes(frame.read_bytes()[:60])
    else:
        shutil.copy(frame, output / frame.name)
if behaviour == "too many":
    png(output / "0010.png", 16)
if behaviour == "floats":
    for path in sorted(output.iterdir()):
        path.unlink()
        npy(path.with_suffix(".npy"), 16, 0.5)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("external")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (folder / "program.py").write_text(PROGRAM)
    return folder


@pytest.fixture(scope="module")
def frames() -> FrameBatch:
    random = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (FRAMES, 3, SIZE, SIZE), generator=random) / 127.5 - 1
    empty = [torch.zeros(FRAMES, n) for n in (25, 52, 8)]
    parts = torch.zeros(FRAMES, 1, SIZE, SIZE, dtype=torch.uint8)
    return FrameBatch(image, parts, empty[0], torch.zeros(FRAMES, 68, 2), empty[1], empty[2])


def run(environment: Path, frames: FrameBatch, behaviour: str, tmp_path: Path, time_limit: float = 300.0):
    command = [str(environment / "venv/bin/python"), str(environment / "program.py"), "$input", behaviour]
    method = External("tiny", SIZE, command=command, time_limit=time_limit)
    return method.animate(frames[:1], frames, frames.camera, tmp_path / "log.txt")


def test_pictures_come_back_unchanged(environment: Path, frames: FrameBatch, tmp_path: Path):
    result = run(environment, frames, "copy", tmp_path)
    assert result.exit_code == 0
    returned = torch.stack([torch.from_numpy(frame.picture) for frame in result.frames]).permute(0, 3, 1, 2)
    assert torch.equal(returned, ((frames.image + 1) * 127.5).round().byte())
    assert str(environment / "venv") in (tmp_path / "log.txt").read_text()


def test_floats_are_rounded(environment: Path, frames: FrameBatch, tmp_path: Path):
    result = run(environment, frames, "floats", tmp_path)
    assert all((frame.picture == 128).all() for frame in result.frames)


@pytest.mark.parametrize(
    "behaviour, exit_code, failed, reason",
    [
        ("crash", 7, range(3, 10), "exit_code=7"),
        ("stop early", 0, range(3, 10), "exit_code=0"),
        ("wrong size", 0, [3], "shape (8, 8, 3)"),
        ("nan", 0, [3], "NaN"),
        ("damaged", 0, [3], "damaged"),
        ("too many", 0, range(10), "numbering"),
    ],
)
def test_failures_are_told_frame_by_frame(
    environment: Path, frames: FrameBatch, tmp_path: Path, behaviour: str, exit_code: int, failed, reason: str
):
    result = run(environment, frames, behaviour, tmp_path)
    assert result.exit_code == exit_code
    assert [number for number, frame in enumerate(result.frames) if frame.picture is None] == list(failed)
    assert all(reason in result.frames[number].reason for number in failed)


def test_a_hanging_command_is_ended_with_its_children(
    environment: Path, frames: FrameBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    wait, log = subprocess.Popen.wait, tmp_path / "log.txt"

    def patient(process: subprocess.Popen, timeout: float | None = None) -> int:
        """Time begins when the command hangs, however busy the machine is."""
        while timeout and not re.search(r"child \d+\n", log.read_text()):
            time.sleep(0.01)
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", patient)
    result = run(environment, frames, "hang", tmp_path, time_limit=0.5)
    assert result.exit_code is None
    assert [frame.picture is None for frame in result.frames] == [False] * 3 + [True] * 7
    assert "time limit of 0.5 s" in result.frames[3].reason
    child = int(log.read_text().split("child ")[1])
    assert _gone(child)


def test_unused_gpus_are_hidden(frames: FrameBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    for gpus, seen in [(0, ""), (2, "4,5")]:
        method = External("tiny", SIZE, command=["sh", "-c", 'echo "[$$CUDA_VISIBLE_DEVICES]"'], gpus=gpus)
        method.animate(frames[:1], frames, frames.camera, tmp_path / "log.txt")
        assert (tmp_path / "log.txt").read_text() == f"[{seen}]\n"


def test_mistakes_of_the_spec_are_explained(frames: FrameBatch, tmp_path: Path):
    for command, words in [(["no-such-program"], "cannot be started"), (["$NO_SUCH_VARIABLE/x"], "NO_SUCH_VARIABLE")]:
        with pytest.raises(UserError, match=words):
            External("tiny", SIZE, command=command).animate(frames[:1], frames, frames.camera, tmp_path / "log")


def test_drive_marks_failures_with_nan(environment: Path, frames: FrameBatch):
    program = [str(environment / "venv/bin/python"), str(environment / "program.py"), "$input"]
    good = External("tiny", SIZE, command=[*program, "copy"])
    bad = External("tiny", SIZE, command=["false"])
    one = frames[:1]
    assert torch.allclose(good.drive(good.encode(one), one, one.camera), one.image, atol=1e-6)
    assert bad.drive(bad.encode(one), one, one.camera).isnan().all()


def test_failed_frames_are_rows_and_other_rows_are_complete(environment: Path, tmp_path: Path):
    store = make_store(tmp_path / "shards", {"test-0000": ["00"], "test-0001": ["00"]}, FRAMES, SIZE)
    kind = protocols.Protocol(kind="cross")
    rows = pairs.make("cross", kind, store.index, config.Evaluation(frames_per_pair=FRAMES), lambda clip: False)
    command = [str(environment / "venv/bin/python"), str(environment / "program.py"), "$input", "crash"]
    table = predict.predict("p", External("tiny", SIZE, command=command), store, rows, tmp_path / "out", "run")
    assert len(table) == 2 * FRAMES
    assert list(table["status"]) == 2 * [*["ok"] * 3, *["failed"] * 7]
    assert set(table.loc[table["status"] == "failed", "reason"]) == {"no frame; exit_code=7"}
    for row, entry in zip(rows.itertuples(), table.itertuples()):
        path = tmp_path / "out" / row.pair / f"{row.frame:04d}.png"
        assert path.exists() == (entry.status == "ok")
    assert "running in" in (tmp_path / "out" / rows["pair"][0] / "command.log").read_text()


@pytest.mark.parametrize("status, code", [("ok", 0), ("failed", 3)])
def test_the_exit_code_tells(status: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table = pd.DataFrame({"status": ["ok", status], "reason": ["", "" if status == "ok" else "time limit"]})
    monkeypatch.setattr("thedit.evaluation.stage.make", lambda *arguments: table)
    (tmp_path / "config.yaml").write_text("run: r")
    app = typer.Typer()
    cli.register(app)
    arguments = ["predict", "--config", str(tmp_path / "config.yaml"), "--method", "p", "--protocol", "cross"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code
    assert CliRunner().invoke(app, [*arguments, "--keep-going"]).exit_code == 0
    assert ("time limit" in result.output) == (code == 3)


def _gone(process: int, patience: float = 60.0) -> bool:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":  # dead, and left to be collected by whoever adopted it
            return True
        time.sleep(0.05)
    return False
