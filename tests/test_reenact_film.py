"""`--whole` with a source video: each of its frames gets its head back, and its surroundings go on."""

from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from tests import video_files
from tests.test_reenact import FRAMES, invoke, read, request
from tests.test_reenact import folder as folder
from tests.test_reenact import weights as weights
from tests.test_reenact_options import Spy
from tests.test_reenact_options import spy as spy
from thedit.cli import reenact as command
from thedit.errors import UserError
from thedit.reenact import pipeline
from thedit.reenact.camera import View

LENGTH = 8


def walking(frames=LENGTH):
    """Frames in which a face goes from left to right through a larger picture."""
    return [video_files.with_face(30 + 8 * number, 20, 420, 300) for number in range(frames)]


def film(path, pictures):
    video_files.write(path, pictures, codec_options={"crf": "10"})
    return path


def whole(folder, weights, out, source, **options):
    return request(folder, weights, out, sources=[source], show="whole", view=View("source"), **options)


def difference(first, second):
    """The mean difference of each pair of frames."""
    return np.abs(first.astype(float) - second).mean((1, 2, 3))


def test_each_frame_gets_its_own_head_back(folder, weights, tmp_path, spy):
    """The method of `spy` shows the source as it is, so that every frame of the film has to come out as it went in."""
    source = film(tmp_path / "film.mp4", walking(FRAMES + 3))
    made = pipeline.reenact(whole(folder, weights, tmp_path / "out.mp4", source))
    pictures, went_in = read(tmp_path / "out.mp4")[0], read(source)[0]
    assert pictures.shape == (FRAMES, 300, 420, 3) and made.remarks == []
    own, late = difference(pictures, went_in[:FRAMES]), difference(pictures[1:], went_in[: FRAMES - 1])
    assert own.max() < 3 and late.min() > 2 * own.max()


def test_one_frame_is_chosen_when_told(folder, weights, tmp_path, spy):
    source = film(tmp_path / "film.mp4", walking())
    pipeline.reenact(whole(folder, weights, tmp_path / "out.mp4", source, source_frame=2))
    assert difference(read(tmp_path / "out.mp4")[0], read(source)[0][2]).max() < 3


class Inverted(Spy):
    """Shows the source in other colours."""

    def show(self, code, motion, camera):
        return -code.image[:1]


def test_what_a_frame_cannot_give_stays_as_it_is(folder, weights, tmp_path, spy, monkeypatch):
    """Frames without a face in the middle are shown untouched; the others are not."""
    monkeypatch.setattr(Spy, "show", Inverted.show)
    walk = walking(FRAMES)
    wall = video_files.wall(420, 300)
    source = film(tmp_path / "film.mp4", [*walk[:4], wall, wall, wall, *walk[7:]])
    made = pipeline.reenact(whole(folder, weights, tmp_path / "out.mp4", source))
    changed = difference(read(tmp_path / "out.mp4")[0], read(source)[0]) > 3
    assert changed.tolist() == [True] * 4 + [False] * 3 + [True] * (FRAMES - 7)
    assert made.remarks == [f"{source}: 3 frames are shown as they are (no face found)"]


def test_the_result_ends_with_the_film_and_so_does_the_sound(folder, weights, tmp_path, spy):
    source = film(tmp_path / "film.mp4", walking())
    driving = video_files.write(tmp_path / "talk.mp4", video_files.moving(50), beep=0.1)
    files = ["--source", source, "--driving", driving, "--out", tmp_path / "out.mp4", "--weights", weights, "--whole"]
    result = invoke(command, "reenact", *files)
    assert f"{source}: ends before the driver, and so does the result" in result.output
    assert f"out.mp4: {LENGTH} frames" in result.output
    assert len(read(tmp_path / "out.mp4")[0]) == LENGTH
    with av.open(str(tmp_path / "out.mp4")) as container:
        sound = max(float((packet.pts + packet.duration) * packet.time_base) for packet in container.demux(audio=0)
                    if packet.pts is not None)  # fmt: skip
    assert 0.1 < sound < LENGTH / 25 + 0.1


def test_of_a_film_with_several_faces_it_is_said(folder, weights, tmp_path, spy):
    pictures = [video_files.with_face(20, 60, 520, 320) for _ in range(4)]
    for picture in pictures:
        picture[80:260, 320:500] = cv2.resize(video_files.portrait(), (180, 180))
    source = film(tmp_path / "source.mp4", pictures)
    asked = request(folder, weights, tmp_path / "out.mp4", sources=[source], show="whole", view=View("source"))
    assert [remark for remark in pipeline.reenact(asked).remarks if "faces" in remark] == [
        f"{source}: shows up to 2 faces; the one that fills most of it moves; crop it to choose another"
    ]


def test_a_film_without_a_face_is_one_sentence(folder, weights, tmp_path, spy):
    source = film(tmp_path / "film.mp4", [video_files.wall()] * 5)
    with pytest.raises(UserError, match=r"film\.mp4: no face found; choose another file, or --detector yunet"):
        pipeline.reenact(whole(folder, weights, tmp_path / "out.mp4", source))
    two = replace(whole(folder, weights, tmp_path / "out.mp4", source), driving=source)
    with pytest.raises(UserError, match="no face found"):
        pipeline.reenact(two)
