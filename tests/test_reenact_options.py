"""`thedit reenact`, option by option, on small video files."""

import functools

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests import video_files
from tests.test_reenact import FRAMES, SIZE, invoke, read, request
from tests.test_reenact import folder as folder
from tests.test_reenact import weights as weights
from thedit import camera, pretrained
from thedit.cli import reenact as command
from thedit.config import Preprocess
from thedit.errors import UserError
from thedit.methods import planedict, registry, trained
from thedit.methods.base import Method
from thedit.methods.bounds import CopyDriver
from thedit.methods.motion import Motion
from thedit.reenact import faces, picture, pipeline
from thedit.reenact.camera import View, framed
from thedit.reenact.composition import Whole
from thedit.reenact.driver import Driver
from thedit.reenact.motion import Transfer, turned
from thedit.reenact.picture import Painter
from thedit.video.segment import Segment, process
from thedit.video.spec import Source


class Spy(Method):
    """Linear, with a camera; remembers what it was asked to show. Its motion is the driver's expression."""

    linear = True

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[Motion, Tensor]] = []

    def encode(self, source):
        return source

    def drive(self, code, driving, camera):
        return self.show(code, self.motion_of(code, driving), camera)

    def motion_of(self, code, driving):
        return Motion(driving.expression, driving.expression[:, :0])

    def show(self, code, motion, camera):
        self.shown.append((motion, camera))
        return code.image[:1]


@pytest.fixture
def spy(monkeypatch):
    """The method that every file of weights holds; frames are shown in their order."""
    method = Spy()
    settings = Preprocess(size=SIZE, landmarks="annyheads")
    monkeypatch.setattr(trained, "load", lambda path: (method, settings))
    monkeypatch.setattr(pipeline, "workers", lambda device: 1)
    return method


@functools.cache
def labels(path):
    """Cameras (F, 25) and expressions (F, 52) of a file's frames, read by one thread, as the pipeline does.

    More threads round otherwise, and each frame's landmarks are looked for where the last one's were.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = list(Driver(path).faces(Preprocess(size=SIZE, landmarks="annyheads")))
    finally:
        torch.set_num_threads(threads)
    return torch.cat([f.frame.camera for f in found]), torch.cat([f.frame.expression for f in found])


def angles(views):
    return camera.angles(camera.split(views)[0])


def test_faces_as_a_stream_are_those_of_preprocessing(folder):
    settings = Preprocess(size=SIZE)
    path = folder / "driving.mp4"
    source = Source("driving.mp4", (path,), "a", "b", "test")
    wanted = process(Segment(source, 0, FRAMES, whole=True), settings, folder, every_face=False).frames
    found = list(Driver(path).faces(settings))
    assert [face.number for face in found] == [frame.frame for frame in wanted] == list(range(FRAMES))
    for face, frame in zip(found, wanted):
        np.testing.assert_allclose(face.frame.camera[0], frame.camera, atol=1e-4)
        np.testing.assert_allclose(face.frame.landmarks[0].flatten(), frame.landmarks.flatten(), atol=1e-4)
        assert face.box.tolist() == frame.box.tolist()
        assert face.quality == pytest.approx(frame.quality, rel=1e-3)


def test_a_long_driver_has_no_seams_and_leaves_nothing_behind(tmp_path):
    count = 2 * faces.STRETCH + 20
    path = video_files.write(tmp_path / "long.mp4", video_files.moving(count))
    follower = faces._Follower(Preprocess(size=SIZE, landmarks="annyheads"))
    seen = []
    for shown in faces_of(path):
        follower.see(shown)
        if len(follower.waiting) == faces.STRETCH + faces.MARGIN:
            seen += follower.label(faces.STRETCH)
            assert sum(len(track.frames) for track in follower._tracker.tracks) <= 2 * faces.MARGIN
    seen += follower.label(len(follower.waiting))
    assert [face.number for face in seen] == list(range(count))
    assert all(face.usable for face in seen)
    assert len({tuple(face.box) for face in seen}) == 1
    views = torch.cat([face.frame.camera for face in seen])
    steps = camera.rotation_error(camera.split(views[1:])[0], camera.split(views[:-1])[0])
    borders = steps[[faces.STRETCH - 1, 2 * faces.STRETCH - 1]]
    assert borders.max() <= steps.max() < 3


def faces_of(path):
    from thedit.media import stream

    return stream.read([path], range(1000), faces.LONGEST)


def test_the_camera_can_be_fixed_and_can_swing(folder, weights, tmp_path, spy):
    pipeline.reenact(request(folder, weights, tmp_path / "a.mp4", view=View(yaw=20.0)))
    fixed = angles(torch.cat([view for _, view in spy.shown]))
    torch.testing.assert_close(fixed, torch.tensor([20.0, 0.0, 0.0]).expand(FRAMES, 3), atol=1e-2, rtol=0)
    spy.shown.clear()
    pipeline.reenact(request(folder, weights, tmp_path / "b.mp4", view=View(pitch=-10.0, orbit=30.0)))
    yaw, pitch, _ = angles(torch.cat([view for _, view in spy.shown])).T
    seconds = torch.arange(FRAMES) / 25
    torch.testing.assert_close(yaw, 30 * torch.sin(2 * torch.pi * seconds / 4), atol=1e-2, rtol=0)
    torch.testing.assert_close(pitch, torch.full((FRAMES,), -10.0), atol=1e-2, rtol=0)


def test_the_head_is_where_the_driver_or_the_source_has_it(folder, weights, tmp_path, spy):
    driver, _ = labels(folder / "driving.mp4")
    own, _ = labels(folder / "portrait.png")
    pipeline.reenact(request(folder, weights, tmp_path / "a.mp4"))
    torch.testing.assert_close(torch.cat([view for _, view in spy.shown]), driver, atol=1e-4, rtol=0)
    spy.shown.clear()
    pipeline.reenact(request(folder, weights, tmp_path / "b.mp4", view=View("source")))
    shown = torch.cat([view for _, view in spy.shown])
    torch.testing.assert_close(angles(shown), angles(driver), atol=1e-2, rtol=0)
    pivot = torch.tensor(camera.PIVOT).view(1, 1, 3)
    place = camera.project(pivot.expand(FRAMES, 1, 3), shown)
    torch.testing.assert_close(place, camera.project(pivot, own).expand(FRAMES, 1, 2), atol=1e-4, rtol=0)


def test_pose_and_expression_are_transferred_alone(folder, weights, tmp_path, spy):
    driver, expressions = labels(folder / "driving.mp4")
    own, expression = labels(folder / "portrait.png")
    pipeline.reenact(request(folder, weights, tmp_path / "a.mp4", transfer=Transfer("pose")))
    torch.testing.assert_close(torch.cat([motion.factors for motion, _ in spy.shown]), expression.expand(FRAMES, -1))
    torch.testing.assert_close(torch.cat([view for _, view in spy.shown]), driver, atol=1e-4, rtol=0)
    spy.shown.clear()
    moved = request(folder, weights, tmp_path / "b.mp4", transfer=Transfer("expression"), view=View("source"))
    pipeline.reenact(moved)
    torch.testing.assert_close(torch.cat([motion.factors for motion, _ in spy.shown]), expressions)
    torch.testing.assert_close(torch.cat([view for _, view in spy.shown]), own.expand(FRAMES, -1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_strength_is_one_line(folder, weights, tmp_path, spy, strength, relative):
    _, expressions = labels(folder / "driving.mp4")
    _, own = labels(folder / "portrait.png")
    pipeline.reenact(request(folder, weights, tmp_path / "a.mp4", transfer=Transfer("all", strength, relative)))
    origin = expressions[:1] if relative else own
    wanted = own + strength * (expressions - origin)
    torch.testing.assert_close(torch.cat([motion.factors for motion, _ in spy.shown]), wanted)


def test_turns_are_scaled_as_the_camera_sees_them():
    own, driver, origin = (camera.orbit(*pair)[:3, :3] for pair in ((10.0, 5.0), (-20.0, 0.0), (0.0, 0.0)))
    torch.testing.assert_close(turned(own, 0.0, driver, own), own, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned(own, 1.0, driver, own), driver, atol=1e-5, rtol=0)
    twice = turned(origin, 2.0, driver, origin)
    torch.testing.assert_close(twice, camera.orbit(-40.0, 0.0)[:3, :3], atol=1e-5, rtol=0)
    torch.testing.assert_close(turned(own, 1.0, origin, origin), own, atol=1e-5, rtol=0)
    moved = turned(camera.orbit(10.0, 0.0)[:3, :3], 1.0, driver, origin)
    torch.testing.assert_close(moved, camera.orbit(-10.0, 0.0)[:3, :3], atol=1e-5, rtol=0)
    label = camera.join(camera.orbit(15.0, -8.0, 4.0, radius=2.2), camera.intrinsics(4.0, (0.4, 0.6)))[None]
    torch.testing.assert_close(framed(camera.split(label)[0][0, :3, :3], label), label, atol=1e-5, rtol=0)


def tone(path):
    """The second at which the sound becomes loud, on the clock of the picture's first frame."""
    with av.open(str(path)) as container:
        first = min(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts is not None)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray().astype(float)[0]) > 0.1)
            if len(loud):
                return float(frame.pts * frame.time_base - first) + loud[0] / frame.sample_rate
    return None


@pytest.mark.parametrize("sound", ["aac", "flac"], ids=["copied", "encoded"])
def test_frames_and_sound_keep_the_drivers_times(folder, weights, tmp_path, monkeypatch, sound):
    monkeypatch.setattr(trained, "load", lambda path: (CopyDriver("tiny", SIZE).eval(), Preprocess(size=SIZE)))

    def times(number):
        return 40 * number + (400 if number >= 8 else 0)  # a pause of 0.4 s

    wall = [video_files.wall()] * 2
    suffix = "mp4" if sound == "aac" else "mkv"
    driving = tmp_path / f"driving.{suffix}"
    frames = [*wall, *video_files.moving(8), *wall]
    video_files.write(driving, frames, times=times, beep=0.5, sound=sound, options={"strict": "-2"})
    pipeline.reenact(request(folder, weights, tmp_path / "out.mp4", driving=driving))
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    np.testing.assert_allclose(np.subtract(shown, shown[0]), [times(n) / 1000 for n in range(12)], atol=1e-3)
    assert tone(tmp_path / "out.mp4") == pytest.approx(tone(driving), abs=0.03)
    assert tone(driving) == pytest.approx(0.5, abs=0.03)
    pipeline.reenact(request(folder, weights, tmp_path / "mute.mp4", driving=driving, sound=False))
    with av.open(str(tmp_path / "mute.mp4")) as container:
        assert not container.streams.audio


def test_source_driver_and_result_stand_side_by_side(folder, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(trained, "load", lambda path: (CopyDriver("tiny", SIZE).eval(), Preprocess(size=SIZE)))
    pipeline.reenact(request(folder, weights, tmp_path / "out.mp4", show="side-by-side"))
    pictures = read(tmp_path / "out.mp4")[0].astype(float)
    assert pictures.shape == (FRAMES, SIZE, 3 * SIZE, 3)
    source, driver, result = np.split(pictures, 3, axis=2)
    assert np.abs(driver - result).mean() < 3 < np.abs(driver - source).mean()
    assert np.abs(np.diff(source, axis=0)).mean() < 1


def test_the_head_goes_back_into_the_photograph(folder, weights, tmp_path):
    photograph = video_files.with_face(60, 40, 401, 333)
    Image.fromarray(photograph).save(tmp_path / "photograph.png")
    asked = request(folder, weights, tmp_path / "out.mp4", sources=[tmp_path / "photograph.png"])
    pipeline.reenact(type(asked)(**{**vars(asked), "show": "whole", "view": View("source")}))
    pictures = read(tmp_path / "out.mp4")[0]
    assert pictures.shape == (FRAMES, 332, 400, 3)
    assert np.abs(pictures[0][:20, :40].astype(float) - photograph[:20, :40]).mean() < 4


def test_no_seam_shows_where_the_head_goes_back():
    photograph = video_files.with_face(60, 40, 400, 332) // 2 + 60
    box = np.array([70.0, 50.0, 200.0])
    landmarks = 0.5 + 0.12 * np.random.default_rng(0).standard_normal((68, 2))
    whole = Whole(photograph, box, landmarks)
    crop = photograph[50:250, 70:270]
    same = whole(crop, crop)
    assert np.abs(same.astype(int) - photograph).max() <= 1
    tinted = (crop + np.array([18, -12, 6])).astype(np.uint8)
    put = whole(crop, tinted).astype(int)
    outside = np.ones(photograph.shape[:2], bool)
    outside[50:250, 70:270] = False
    assert (put[outside] == photograph[outside]).all()
    change = np.abs(np.diff(put - photograph.astype(int), axis=1)).max(-1)
    assert change[50:250, 68:272].max() <= 6  # nowhere an edge that the photograph does not have


def test_a_folder_of_people_is_animated_in_one_call(folder, weights, tmp_path):
    (tmp_path / "people").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "people" / name).write_bytes((folder / "portrait.png").read_bytes())
    files = ["--source", tmp_path / "people", "--driving", folder / "driving.mp4", "--weights", weights]
    result = invoke(command, "reenact", *files, "--out", tmp_path / "out", folder / "portrait.png")
    assert result.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mp4", "b.mp4", "portrait.mp4"]
    with pytest.raises(UserError, match="is one file for 2 people; name a folder, or say --same-person"):
        invoke(command, "reenact", *files, "--out", tmp_path / "out.mp4")


def test_the_source_may_be_a_frame_of_a_video(folder, weights, tmp_path):
    files = ["--source", folder / "driving.mp4", "--driving", folder / "driving.mp4", "--weights", weights]
    result = invoke(command, "reenact", *files, "--out", tmp_path / "a.mp4")
    assert f"driving.mp4: the source is frame {best(folder)} of {FRAMES}" in result.output
    result = invoke(command, "reenact", *files, "--out", tmp_path / "b.mp4", "--source-frame", 3)
    assert f"driving.mp4: the source is frame 3 of {FRAMES}" in result.output
    with pytest.raises(UserError, match=rf"has no frame 12; --source-frame goes from 0 to {FRAMES - 1}"):
        invoke(command, "reenact", *files, "--out", tmp_path / "c.mp4", "--source-frame", 12)


def best(folder):
    found = Driver(folder / "driving.mp4").faces(Preprocess(size=SIZE, landmarks="annyheads"))
    return max(found, key=lambda face: face.quality).number


def test_a_picture_may_drive(folder, weights, tmp_path):
    still = {"driving": folder / "portrait.png"}
    made = pipeline.reenact(request(folder, weights, tmp_path / "out.png", **still))
    assert made.frames == 1
    assert np.array(Image.open(tmp_path / "out.png")).shape == (SIZE, SIZE, 3)
    pipeline.reenact(request(folder, weights, tmp_path / "turn.mp4", **still, view=View(orbit=30.0)))
    assert len(read(tmp_path / "turn.mp4")[0]) == 100
    with pytest.raises(UserError, match=r"b\.png: is one picture, but the driver has 12 frames"):
        pipeline.reenact(request(folder, weights, tmp_path / "b.png"))


def test_what_is_there_is_replaced_only_when_told(folder, weights, tmp_path):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    with pytest.raises(UserError, match=r"out\.mp4: is there already; choose another name, or .* --force"):
        pipeline.reenact(request(folder, weights, out))
    assert out.read_bytes() == b"precious"
    pipeline.reenact(request(folder, weights, out, force=True))
    assert len(read(out)[0]) == FRAMES
    with pytest.raises(UserError, match=r"out\.mp4: is an input; choose another name"):
        pipeline.reenact(request(folder, weights, out, driving=out, force=True))


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("lia", {"view": View(yaw=10.0)}, "shows the driver's view alone"),
        ("lia", {"view": View("source"), "show": "whole"}, "shows the driver's view alone"),
        ("lia", {"transfer": Transfer("pose")}, "moves pose and expression together"),
        ("fomm", {"transfer": Transfer(strength=2.0)}, "is no linear code; leave out --strength"),
        ("fomm", {"transfer": Transfer(relative=True)}, "is no linear code"),
        ("lia", {"same_person": True}, "takes one picture of a person; leave out --same-person"),
        ("planedict", {"size": 128}, "makes pictures of one size; leave out --size"),
        ("planedict", {"show": "whole"}, "leave out --camera driver"),
        ("planedict", {"device": "cuda:7"}, "--device cuda:7: is not there; this machine has cpu"),
        ("planedict", {"device": "toaster"}, "--device toaster: is not there"),
        ("planedict", {"detector": "yunet"}, r"face_detection_yunet.*missing"),
        ("planedict", {"detector": "eyes"}, "detector: 'eyes' is no face network; there are dlib-hog"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said_before_the_work(folder, weights, tmp_path, monkeypatch, method, options, words):
    made = registry.find(method).build("tiny", SIZE).eval()
    monkeypatch.setattr(trained, "load", lambda path: (made, Preprocess(size=SIZE)))
    monkeypatch.setenv("THEDIT_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(pipeline, "load", lambda *arguments: pytest.fail("the work has begun"))
    faces.network.cache_clear()
    sources = {"sources": 2 * [folder / "portrait.png"]} if "same_person" in options else {}
    with pytest.raises(UserError, match=words):
        pipeline.reenact(request(folder, weights, tmp_path / "out.mp4", **sources, **options))


def test_a_face_beyond_what_was_learned_gets_a_sentence(folder, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(planedict, "FURTHEST", {"yaw": 0.01, "pitch": 90.0})
    with pytest.raises(UserError, match=r"portrait\.png: looks away by .* degrees of yaw, at most 0 can be animated"):
        pipeline.reenact(request(folder, weights, tmp_path / "out.mp4"))


def test_the_default_weights_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("THEDIT_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert pretrained.find().name == pretrained.NAME
    monkeypatch.setenv("THEDIT_WEIGHTS", str(tmp_path))
    (tmp_path / pretrained.NAME).write_bytes(b"something else")
    with pytest.raises(UserError, match="its sha256 is not that of this version"):
        pretrained.find()
    monkeypatch.setattr(pretrained, "folders", lambda: [tmp_path / "nowhere"])
    with pytest.raises(UserError, match=r"are missing; put them in .*nowhere, or name others with --weights"):
        pretrained.find()


def test_progress_ends_at_a_hundred_percent(folder, weights, tmp_path, capfd):
    pipeline.reenact(request(folder, weights, tmp_path / "out.mp4"))
    assert f"100%|██████████| {FRAMES}/{FRAMES}" in capfd.readouterr().err.split("\r")[-1]


@pytest.mark.parametrize("name", ["planedict-lifted", "planedict-dense", "coefficient-triplanes", "lia", "fomm"])
def test_bfloat16_shows_nearly_the_same(folder, monkeypatch, name):
    method = registry.find(name).build("tiny", SIZE).eval().requires_grad_(False)
    own, *_, face = Driver(folder / "driving.mp4").faces(Preprocess(size=SIZE))
    pictures = []
    for low in (False, True):
        monkeypatch.setattr(picture, "multiplies_bf16", lambda device, low=low: low)
        pictures.append(Painter(method, own.frame, own.frame)(face, Transfer(), View()).astype(int))
    assert np.abs(pictures[1] - pictures[0]).mean() < 3


@pytest.fixture
def dense(monkeypatch):
    """Weights of a method that takes several pictures of one person, and makes pictures of any size."""
    method = registry.find("planedict-dense").build("tiny", SIZE).eval().requires_grad_(False)
    monkeypatch.setattr(trained, "load", lambda path: (method, Preprocess(size=SIZE)))
    return method


def test_several_pictures_show_one_person(folder, weights, tmp_path, dense):
    two = {"sources": [folder / "portrait.png", folder / "driving.mp4"], "same_person": True}
    made = pipeline.reenact(request(folder, weights, tmp_path / "out.mp4", **two, show="side-by-side"))
    assert made.paths == [tmp_path / "out.mp4"]
    assert read(tmp_path / "out.mp4")[0].shape == (FRAMES, SIZE, 3 * SIZE, 3)


def test_a_method_of_any_size_makes_the_size_that_is_asked_for(folder, weights, tmp_path, dense):
    pipeline.reenact(request(folder, weights, tmp_path / "out.mp4", size=2 * SIZE))
    assert read(tmp_path / "out.mp4")[0].shape == (FRAMES, 2 * SIZE, 2 * SIZE, 3)
