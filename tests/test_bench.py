"""The benchmark commands: their records, their report, their errors."""

import json

import pytest
import torch
from typer.testing import CliRunner

from thedit.bench import measure, report, train
from thedit.bench.frames import pairs
from thedit.cli import app
from thedit.cli import bench as command
from thedit.errors import UserError

if not any(group.name == "bench" for group in app.registered_groups):
    command.register(app)


def record(**facts):
    work = measure.Work(bytes=1e6, operations=1e6)
    times = [0.001, 0.002, 0.003]
    return measure.describe("stream", "a case", times, "cpu", work, peak_mib=None, added_mib=None, **facts)


def test_record_holds_time_floor_and_origin():
    made = record()
    assert made["median_ms"] == pytest.approx(2)
    assert made["repetitions"] == 3
    floor = max(made["floor_bytes_ms"], made["floor_operations_ms"])
    assert made["ratio"] == pytest.approx(made["median_ms"] / floor)
    assert made["floor_bytes_ms"] == pytest.approx(1e6 / made["device_gb_per_second"] / 1e6)
    assert made["versions"]["torch"] == torch.__version__
    json.dumps(made)


@pytest.mark.parametrize(("goal", "reached"), [(1e6, "**no**"), (1.0, "yes")])
def test_report_says_whether_a_goal_was_reached(tmp_path, goal, reached):
    rate = {"frames_per_second": 500.0, "goal_frames_per_second": goal}
    (tmp_path / "machine.jsonl").write_text(json.dumps(record(**rate)) + "\n")
    text = report.render(tmp_path)
    assert "## machine" in text
    assert f"| {reached} |" in text


@pytest.mark.parametrize(("rate", "reached"), [(350.0, "**no**"), (370.0, "yes")])
def test_several_gpus_are_compared_with_one(tmp_path, monkeypatch, rate, reached):
    rates = {1: 100.0, 4: rate}

    def launch(gpus, preset, precision, batch, *rest):
        facts = {"batch": batch * gpus, "gpus": gpus, "images_per_second": rates[gpus]}
        return [record(**facts, **({"goal_efficiency": 0.9} if gpus > 1 else {}))]

    monkeypatch.setattr(train, "_launch", launch)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    one, four = train.run("cuda", "paper", "bf16", 8, True, 4, 20)
    assert "efficiency" not in one
    assert four["efficiency"] == pytest.approx(rate / 400)
    (tmp_path / "machine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (one, four)))
    assert f"| ≥ 0.9 of linear | {reached} |" in report.render(tmp_path)


def test_report_names_a_broken_record(tmp_path):
    (tmp_path / "machine.jsonl").write_text("{\n")
    with pytest.raises(UserError, match=r"machine\.jsonl: line 1"):
        report.render(tmp_path)
    with pytest.raises(UserError, match="holds no"):
        report.render(tmp_path / "empty")


def test_synthetic_pairs_follow_from_the_seed():
    first, again, other = (pairs(2, 32, "cpu", seed) for seed in (0, 0, 1))
    assert torch.equal(first.target.image, again.target.image)
    assert not torch.equal(first.target.image, other.target.image)
    assert first.source.image.shape == (2, 3, 32, 32) and first.source.image.abs().max() <= 1
    assert set(first.source.parts.unique().tolist()) <= set(range(6))


def test_stream_command_prints_one_json_line_and_keeps_it(tmp_path):
    out = tmp_path / "cpu.jsonl"
    arguments = ["bench", "stream", "--preset", "tiny", "--device", "cpu", "--repetitions", "2", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    (line,) = out.read_text().splitlines()
    assert json.loads(line)["frames_per_second"] > 0
    assert line in result.output


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_asking_for_an_absent_gpu_is_explained():
    result = CliRunner().invoke(app, ["bench", "planedict", "--device", "cuda"])
    assert isinstance(result.exception, UserError) and "no GPU" in str(result.exception)
