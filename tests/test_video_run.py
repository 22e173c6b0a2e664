import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from tests import video_files
from tests.video_files import config, content
from thedit import camera
from thedit.config import Preprocess
from thedit.errors import UserError
from thedit.faces import registry
from thedit.media import stream
from thedit.shards.store import FrameStore
from thedit.video import parts, segment
from thedit.video.clips import Clip, flaws
from thedit.video.preprocess import lost, preprocess
from thedit.video.track import SETTLING


def reasons(table: pd.DataFrame, video: str) -> set[tuple[str, str]]:
    return set(table.loc[table["video"] == video, ["status", "reason"]].itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Good and bad inputs in one folder, preprocessed together."""
    folder = tmp_path_factory.mktemp("made")
    inputs = folder / "in"
    moving = video_files.moving
    video_files.write(inputs / "good.mp4", moving())
    video_files.write(inputs / "one frame.mp4", moving(1))
    video_files.write(inputs / "ünï\ncode ➤.mp4", moving(2))
    video_files.write(inputs / "ten bit.mp4", moving(3), pixels="yuv420p10le")
    grey = [np.repeat(picture.mean(-1, keepdims=True).astype(np.uint8), 3, axis=-1) for picture in moving(3)]
    video_files.write(inputs / "grey.mp4", grey)
    video_files.write(inputs / "odd.mp4", [video_files.with_face(300, 100, 853, 481)] * 2, pixels="yuv444p")
    sideways = [np.rot90(picture, -1) for picture in moving(3)]
    video_files.write(inputs / "portrait.mp4", sideways, rotation=90)
    video_files.write(inputs / "nobody.mp4", [video_files.wall()] * 4)
    lefts = [150, 100, 50, 0, -60, -120, -180, -240, -240, -180, -120, -60, 0, 50, 100, 150]
    away = [video_files.with_face(left=left, width=640) for left in lefts]
    video_files.write(inputs / "away.mp4", away)
    cut = [video_files.with_face(100)] * 4 + [video_files.with_face(-300)[::-1] // 3] * 3
    video_files.write(inputs / "shots.mp4", [*cut, *[video_files.with_face(20)] * 4])
    small = [picture[::3, ::3] for picture in (video_files.with_face(0, 0, 480, 360),) * 2]
    video_files.write(inputs / "small.mp4", small)
    blurred = [np.asarray(video_files.cv2.GaussianBlur(picture, (0, 0), 2.5)) for picture in moving(2)]
    video_files.write(inputs / "blurred.mp4", blurred)
    (inputs / "empty.mp4").write_bytes(b"")
    (inputs / "text.mp4").write_text("no video")
    data = (inputs / "good.mp4").read_bytes()
    (inputs / "short.mp4").write_bytes(data[: len(data) * 2 // 3])
    video_files.write_sound(inputs / "sound.mp4")
    (inputs / "twice.mp4").symlink_to(inputs / "good.mp4")
    (inputs / "loop.mp4").symlink_to(inputs / "loop.mp4")
    (inputs / "gone.mp4").symlink_to(inputs / "nowhere.mp4")
    table = preprocess(config(folder), folder / "out")
    return folder, table


def test_good_videos_are_kept_whatever_stands_beside_them(made):
    _, table = made
    kept = table[table["status"] == "kept"].groupby("video").size().to_dict()
    assert 6 <= kept.pop("away.mp4") <= 14
    assert kept == {
        "good.mp4": 12,
        "one frame.mp4": 1,
        "ünï\ncode ➤.mp4": 2,
        "ten bit.mp4": 3,
        "grey.mp4": 3,
        "odd.mp4": 2,
        "portrait.mp4": 3,
        "shots.mp4": 8,
    }


@pytest.mark.parametrize(
    ("video", "reason"), [("nobody.mp4", "no face found"), ("small.mp4", "no face"), ("blurred.mp4", "blurred (sharp")]
)
def test_frames_that_are_not_good_enough_are_dropped_with_the_reason(made, video, reason):
    rows = made[1][made[1]["video"] == video]
    assert set(rows["status"]) == {"dropped"}
    assert rows["reason"].str.startswith(reason).all()


def test_each_flaw_has_its_reason():
    face = 50 + 12 * np.random.default_rng(0).standard_normal((68, 2)).clip(-2, 2)
    good = dict(points=face, sharpness=99.0, yaw=0.0, within=np.full((68, 2), 0.5), misfit=0.03)
    bad = [
        {},
        {"points": 50 + (face - 50) / 3},
        {"sharpness": 3.0},
        {"points": face - [60, 0]},
        {"misfit": 0.5},
        {"misfit": np.nan},
        {"yaw": -80.0},
        {"within": np.full((68, 2), 1.2)},
    ]
    columns = {key: np.array([{**good, **flaw}[key] for flaw in bad]) for key in good}
    clip = Clip(0, np.arange(len(bad)), columns["points"], columns["points"], columns["sharpness"])
    labels = (columns["yaw"], columns["within"], columns["misfit"])
    assert flaws(clip, 100, 100, *labels, Preprocess(min_face=40)) == [
        "",
        "face too small (15 < 40 pixels)",
        "blurred (sharpness 3.0 < 12)",
        "face cut off by the picture's edge",
        "landmarks fit no head (error 0.50 > 0.12 eye distances)",
        "landmarks fit no head (error nan > 0.12 eye distances)",
        "turned too far (yaw -80 degrees, limit 75)",
        "face outside the clip's crop",
    ]


@pytest.mark.parametrize(
    ("video", "reason"),
    [
        ("empty.mp4", "the file is empty (0 bytes)"),
        ("text.mp4", "is no video or is cut short"),
        ("short.mp4", "is no video or is cut short"),
        ("sound.mp4", "has no picture, only sound"),
        ("twice.mp4", "is the same file as good.mp4"),
        ("loop.mp4", "too many levels of symbolic links"),
        ("gone.mp4", "there is no such file"),
    ],
)
def test_inputs_that_cannot_be_used_have_one_row_with_the_reason(made, video, reason):
    rows = made[1][made[1]["video"] == video]
    assert rows["status"].tolist() == ["failed"] and rows["frame"].isna().all()
    assert rows["reason"].item().startswith(reason)


def test_a_file_without_read_permission_has_one_row_and_harms_nobody(tmp_path, monkeypatch):
    good = video_files.write(tmp_path / "in" / "good.mp4", video_files.moving(4))
    preprocess(config(tmp_path), tmp_path / "alone")
    locked = tmp_path / "in" / "locked.mp4"
    locked.write_bytes(good.read_bytes())
    locked.chmod(0)
    user, check = os.geteuid(), stream.check

    def as_nobody(path: Path) -> tuple[int, int]:
        os.seteuid(65534)
        try:
            return check(path)
        finally:
            os.seteuid(user)

    if user == 0:  # root may read everything
        for folder in locked.parents:
            if folder.stat().st_mode & 0o777 == 0o700:  # pytest's own are
                folder.chmod(0o755)
        monkeypatch.setattr(stream, "check", as_nobody)
    table = preprocess(config(tmp_path), tmp_path / "out")
    row = table[table["video"] == "locked.mp4"].drop(columns="frame")
    assert row.values.tolist() == [["locked.mp4", "locked", "", "train", "failed", "no permission to read the file"]]
    assert table.loc[table["video"] == "locked.mp4", "frame"].isna().all()
    assert reasons(table, "good.mp4") == {("kept", "")}
    (shard,) = (tmp_path / "out" / "shards").iterdir()
    assert content(shard).equals(content(tmp_path / "alone" / "shards" / shard.name))


def test_a_variable_frame_rate_keeps_all_frames_with_the_times_they_are_shown(tmp_path):
    video_files.write(tmp_path / "in" / "good.mp4", video_files.moving(4))
    preprocess(config(tmp_path), tmp_path / "alone")
    times = [0, 40, 160, 200, 233, 500, 510, 1000, 1040, 1500]  # thousandths of a second
    video_files.write(
        tmp_path / "in" / "uneven.mp4", video_files.moving(len(times)), times=lambda number: times[number]
    )
    table = preprocess(config(tmp_path), tmp_path / "out")
    rows = table[table["video"] == "uneven.mp4"]
    assert rows["frame"].tolist() == list(range(len(times)))
    assert reasons(table, "uneven.mp4") == reasons(table, "good.mp4") == {("kept", "")}
    index = FrameStore(tmp_path / "out" / "shards").index
    uneven, good = index[index["person"] == "uneven"], index[index["person"] == "good"]
    assert np.allclose(uneven["time"], np.array(times) / 1000, atol=1e-6)
    alone = FrameStore(tmp_path / "alone" / "shards").index
    pd.testing.assert_frame_equal(good.reset_index(drop=True), alone)


def test_a_face_that_leaves_and_comes_back_is_the_same_person_and_a_cut_begins_a_new_clip(made):
    folder, table = made
    index = FrameStore(folder / "out" / "shards").index
    away = table[table["video"] == "away.mp4"].sort_values("frame")
    assert (away["status"].iloc[[0, 1, 2, -3, -2, -1]] == "kept").all()
    assert (away["reason"].iloc[[7, 8]] == "no face found").all()
    assert set(away["person"]) == {"away"}
    shots = index[index["person"] == "shots"].groupby("clip")["frame"].agg(list).to_dict()
    assert shots == {"shots.0": [0, 1, 2, 3], "shots.7": [7, 8, 9, 10]}


def test_every_frame_of_every_video_has_one_row(made):
    _, table = made
    frames = table.dropna(subset=["frame"])
    assert not frames.duplicated(["video", "frame"]).any()
    for _, numbers in frames.groupby("video")["frame"]:
        assert sorted(numbers) == list(range(len(numbers)))
    assert (table.loc[table["status"] != "kept", "reason"] != "").all()


def test_the_portrait_flag_turns_the_face_upright(made):
    store = FrameStore(made[0] / "out" / "shards")
    cameras = torch.from_numpy(store.column("camera"))
    roll = camera.angles(camera.split(cameras)[0])[:, 2]
    assert roll.abs().max() < 25


def test_the_label_projects_the_head_onto_its_landmarks(made):
    """The pivot lies amid the landmarks of a frontal face, and the camera is as far away as the convention says."""
    store = FrameStore(made[0] / "out" / "shards")
    cameras = torch.from_numpy(store.column("camera"))
    centre = camera.project(torch.tensor([camera.PIVOT]), cameras)[:, 0].numpy()
    landmarks = store.column("landmarks").reshape(-1, 68, 2)
    assert np.abs(centre - landmarks.mean(1)).max() < 0.1
    distance = np.linalg.norm(store.column("camera")[:, [3, 7, 11]] - np.array(camera.PIVOT), axis=1)
    assert np.abs(distance - camera.RADIUS).max() < 0.25


def test_pictures_masks_and_boxes_agree(made):
    store = FrameStore(made[0] / "out" / "shards")
    row = int(store.index.query("person == 'good' and frame == 5").index[0])
    left, top, side = store.column("box")[row].astype(int)
    region = video_files.moving()[5][top : top + side, left : left + side]
    expected = video_files.cv2.resize(region, (64, 64), interpolation=video_files.cv2.INTER_AREA)
    assert np.abs(store.picture(row).astype(int) - expected).mean() < 6  # H.264 loses a little
    mask = store.picture(row, "parts")
    assert set(np.unique(mask)) == {0, 1, 2, 3, 4, 5}
    x, y = (store.column("landmarks")[row].reshape(68, 2)[30] * 64).astype(int)
    assert mask[y, x] == 4  # the tip of the nose
    assert 0 <= store.index["quality"].min() and store.index["quality"].max() <= 1


def test_two_faces_that_cross_are_two_people(tmp_path):
    frames = []
    for step in range(16):
        picture = video_files.with_face(left=20 + 28 * step, top=20, width=720, height=480)
        other = video_files.with_face(left=450 - 28 * step, top=230, width=720, height=480, mirrored=True)
        picture[230:] = other[230:]
        frames.append(picture)
    video_files.write(tmp_path / "in" / "two.mp4", frames)
    table = preprocess(config(tmp_path, 'videos: "*.mp4"\nfaces: all'), tmp_path / "out")
    kept = table[table["status"] == "kept"].groupby("person").size()
    assert kept.to_dict() == {"two-1": 16, "two-2": 16}
    store = FrameStore(tmp_path / "out" / "shards")
    left = {person: store.column("box")[rows.index][:, 0] for person, rows in store.index.groupby("person")}
    assert sorted(np.sign(np.diff(boxes[[0, -1]])).item() for boxes in left.values()) in ([-1, 1], [0, 0])
    assert set(store.index["person"]) == {"two-1", "two-2"}


def test_a_person_who_comes_back_keeps_the_name(tmp_path):
    frames = [video_files.with_face(left=left) for left in (40, 42, 44, -300, -300, 90, 92, 94)]
    video_files.write(tmp_path / "in" / "one.mp4", frames)
    table = preprocess(config(tmp_path, 'videos: "*.mp4"\nfaces: all'), tmp_path / "out")
    assert set(table.loc[table["status"] == "kept", "person"]) == {"one"}
    assert FrameStore(tmp_path / "out" / "shards").index["clip"].unique().tolist() == ["one.0", "one.5"]


@pytest.mark.parametrize("crop", ["fixed", "aligned"])
def test_the_crop_follows_the_head_or_stays(tmp_path, crop):
    frames = [video_files.with_face(left=20 + 6 * n, width=640, height=360) for n in range(12)]
    video_files.write(tmp_path / "in" / "a.mp4", frames)
    preprocess(config(tmp_path, crop=crop), tmp_path / "out")
    boxes = FrameStore(tmp_path / "out" / "shards").column("box")
    assert (np.ptp(boxes[:, 0]) > 30) == (crop == "aligned")


def test_nothing_kept_is_one_sentence_and_leaves_the_qa_table(tmp_path):
    video_files.write(tmp_path / "in" / "a.mp4", [video_files.wall()] * 3)
    with pytest.raises(UserError, match=r"no frame could be kept \(no face found: 3\); see .*qa\.parquet"):
        preprocess(config(tmp_path), tmp_path / "out")
    assert pd.read_parquet(tmp_path / "out" / "qa.parquet")["reason"].tolist() == ["no face found"] * 3


def test_frames_that_are_lost_are_counted_by_kind_and_files_by_what_is_wrong_with_each():
    rows = [("kept", ""), ("dropped", "blurred (sharpness 3.1 < 12)"), ("dropped", "blurred (sharpness 9.0 < 12)")]
    rows += [("failed", "does not decode (error -5)"), ("failed", "does not decode (error -22)")]
    counts = lost(pd.DataFrame(rows, columns=["status", "reason"])).to_dict()
    assert counts.pop(("dropped", "blurred")) == 2
    assert counts == {("failed", "does not decode (error -5)"): 1, ("failed", "does not decode (error -22)"): 1}
    assert lost(pd.DataFrame(rows[:1], columns=["status", "reason"])).empty


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ({"detector": "yunet"}, r"face_detection_yunet_2023mar\.onnx: missing \(face detection; 0\.2 MB"),
        ({"landmarks": "2dfan4"}, r"2DFAN4-11f355bf06\.pth\.tar: missing \(68 landmarks"),
        ({"pose": "facemesh-68"}, r"face_landmarker\.task: missing \(face detection, landmarks"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_missing_backend_is_one_sentence(tmp_path, monkeypatch, backend, words):
    monkeypatch.setenv("THEDIT_WEIGHTS", str(tmp_path / "weights"))
    video_files.write(tmp_path / "in" / "a.mp4", video_files.moving(1))
    with pytest.raises(UserError, match=words):
        preprocess(config(tmp_path, **backend), tmp_path / "out")


def load(role, name):
    return registry.find(role, name).load()


class Network:
    """A landmark network that counts the faces that it sees, and starts from dlib's box whatever box it is given."""

    def __init__(self, name: str):
        self.faces = 0
        self._detector, self._landmarker = load("detector", "dlib-hog"), load("landmarks", name)

    def __call__(self, pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
        self.faces += 1
        return self._landmarker(pixels, self._detector(pixels, 48)[0])


def test_the_head_is_fitted_to_the_points_of_one_network_and_the_other_gives_the_rest(tmp_path, monkeypatch):
    video_files.write(tmp_path / "in" / "a.mp4", video_files.moving(8, top=80, width=480, height=400))

    def made(landmarks: str, pose: str) -> tuple[pa.RecordBatch, FrameStore, list[int]]:
        networks = {"dlib-68": Network("dlib-68"), "annyheads": Network("annyheads"), "2dfan4": Network("dlib-68")}
        monkeypatch.setattr(segment, "_network", lambda role, name: networks.get(name) or load(role, name))
        out = tmp_path / f"{landmarks}, {pose}"
        preprocess(config(tmp_path, landmarks=landmarks, pose=pose), out)
        counts = [network.faces for network in networks.values()]
        return content(out / "shards" / "00000.arrow"), FrameStore(out / "shards"), counts

    alone, dlib, counts = made("dlib-68", "dlib-68")
    assert counts == [8 + SETTLING, 0, 0]
    twins, _, counts = made("dlib-68", "2dfan4")  # the fit takes both to err alike
    assert counts == [8 + SETTLING, 0, 8] and twins.equals(alone)
    _, annyheads, counts = made("annyheads", "annyheads")
    assert counts == [0, 8 + SETTLING, 0]
    _, both, counts = made("dlib-68", "annyheads")
    assert counts == [8 + SETTLING, 8, 0]
    for name in ("camera", "expression", "identity"):
        fitted, same, other = (store.column(name)[:, :16] for store in (both, annyheads, dlib))
        assert np.array_equal(fitted, same) and not np.allclose(fitted, other, atol=1e-3)
    assert np.allclose(in_video(both), in_video(dlib), atol=1e-3)
    assert np.abs(in_video(both) - in_video(annyheads)).max() > 1
    middle = in_video(both).mean(1)
    left, top, side = both.column("box")[0]
    assert np.abs(np.array([left, top]) + side / 2 - (middle.min(0) + middle.max(0)) / 2).max() <= 1
    for row in range(8):
        mask = parts.draw(both.label("landmarks", row).reshape(68, 2), 64)
        assert np.array_equal(both.picture(row, "parts"), mask)


def in_video(store: FrameStore) -> np.ndarray:
    """Landmarks (N, 68, 2) in pixels of the video."""
    boxes = store.column("box")[:, None]
    return store.column("landmarks").reshape(-1, 68, 2) * boxes[..., 2:] + boxes[..., :2]


def test_true_cameras_need_a_truth(tmp_path):
    video_files.write(tmp_path / "in" / "a.mp4", video_files.moving(1))
    with pytest.raises(UserError, match=r"truth/a/a\.parquet: gives no true camera of this clip"):
        preprocess(config(tmp_path, camera="truth"), tmp_path / "out")


def test_the_result_does_not_depend_on_the_number_of_processes(tmp_path):
    for name in "abc":
        video_files.write(tmp_path / "in" / f"{name}.mp4", video_files.moving(2))
    preprocess(config(tmp_path, frames_per_shard=4), tmp_path / "one", jobs=1)
    preprocess(config(tmp_path, frames_per_shard=4), tmp_path / "two", jobs=2)
    files = sorted(path.name for path in (tmp_path / "one" / "shards").iterdir())
    assert files == ["00000.arrow", "00001.arrow"]
    for name in files:
        assert content(tmp_path / "one" / "shards" / name).equals(content(tmp_path / "two" / "shards" / name))


def test_a_long_video_becomes_several_shards(tmp_path):
    video_files.write(tmp_path / "in" / "a.mp4", video_files.moving(20), options={"g": "7"})
    preprocess(config(tmp_path, frames_per_shard=8), tmp_path / "out")
    store = FrameStore(tmp_path / "out" / "shards")
    assert len(store.paths) == 3
    assert store.index["frame"].tolist() == list(range(20))
    assert store.index["clip"].unique().tolist() == ["a.0", "a.8", "a.16"]
