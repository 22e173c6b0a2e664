from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from thedit import camera
from thedit.config import Config
from thedit.errors import UserError
from thedit.fitting.model import PATH
from thedit.shards import writer
from thedit.video.accuracy import check

FRAMES = 20


def prepare(folder: Path, turn: float = 0.0, zoom: float = 1.0, wobble: float = 0.0) -> pd.DataFrame:
    """Two people whose heads are still, labelled with an error: ``turn`` degrees, ``zoom`` of the focal length with the
    distance that goes with it, ``wobble`` degrees to and fro; then checked.
    """
    path = folder / "spec.yaml"
    path.write_text(f"title: Test\nroot: {folder}\nvideos: '*.mp4'\n")
    (folder / "a.mp4").touch()
    identities = len(load_file(PATH)["identity"])
    picture = cv2.imencode(".png", np.zeros((48, 48, 3), np.uint8))[1].tobytes()
    mask = cv2.imencode(".png", np.zeros((32, 32), np.uint8))[1].tobytes()
    box = np.array([20.0, 10.0, 200.0])
    frames = []
    for person, yaw in (("a", 20.0), ("b", -30.0)):
        true = camera.join(camera.orbit(yaw, 5.0), camera.intrinsics())
        rows = []
        for number in range(FRAMES):
            off = turn + wobble * (-1) ** number / 2
            pose = camera.orbit(yaw + off, 5.0, radius=camera.RADIUS * zoom)
            label = camera.crop(
                camera.join(pose, camera.intrinsics(camera.FOCAL * zoom)), torch.tensor(box / 256).float()
            )
            zero = np.zeros(52, np.float32)
            frames.append(
                writer.Frame(
                    person, "1", "train", number, number / 25, picture, mask, label.numpy(),
                    np.zeros(136), zero, np.zeros(3), 0.5, box, "1", b"",
                )
            )  # fmt: skip
            rows.append({"frame": number, "camera": true.numpy(), "expression": zero, "identity": np.zeros(identities)})
        truth = folder / "truth" / person / "1.parquet"
        truth.parent.mkdir(parents=True)
        pd.DataFrame(rows).to_parquet(truth)
    writer.write_shard(folder / "shards" / "00000.arrow", frames, {})
    pd.DataFrame({"status": ["kept"] * 9 + ["dropped"]}).to_parquet(folder / "qa.parquet")
    return check(Config(data={"spec": str(path)}), folder).set_index("quantity")


def test_true_labels_have_no_error(tmp_path):
    table = prepare(tmp_path)
    for quantity in table.index[1:6]:
        assert table.loc[quantity, "value"] < 0.02 and table.loc[quantity, "passed"]
    assert table.loc["frames kept", "value"] == 0.9 and not table.loc["frames kept", "passed"]
    assert table.loc["pictures loaded, 32 x 32", "value"] > 0
    assert pd.read_parquet(tmp_path / "preprocess_check.parquet").equals(table.reset_index())


def test_a_turn_is_measured_in_degrees_and_is_no_jitter(tmp_path):
    table = prepare(tmp_path, turn=4.0)
    assert table.loc["rotation error, median", "value"] == pytest.approx(4 * np.cos(np.radians(5)), abs=0.1)
    assert not table.loc["rotation error, median", "passed"]
    assert table.loc["translation error, median", "value"] < 1e-3
    assert table.loc["jitter of a still head, median", "value"] < 0.02
    assert 1 < table.loc["reprojection error, median", "value"] < 3


def test_a_wrong_focal_length_is_compensated(tmp_path):
    table = prepare(tmp_path, zoom=1.3)
    assert table.loc["translation error, median", "value"] < 1e-3
    assert table.loc["rotation error, median", "value"] < 0.02


def test_wobble_is_jitter(tmp_path):
    table = prepare(tmp_path, wobble=1.0)
    assert table.loc["jitter of a still head, median", "value"] == pytest.approx(1, abs=0.02)


def test_unprocessed_data_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="holds no shards; make them with 'thedit preprocess'"):
        check(Config(), tmp_path)
