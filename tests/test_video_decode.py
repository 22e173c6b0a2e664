import os

import cv2
import numpy as np
import pytest
from PIL import Image

from tests import video_files
from thedit.media.files import UnreadableError
from thedit.video import decode
from thedit.video.spec import Source


def source(*paths, **options) -> Source:
    return Source("name", tuple(paths), "person", "clip", "train", **options)


def frames(given: Source, **options):
    return list(decode.read(given, decode.numbers(given, decode.timeline(given)), **options))


def numbered(count: int) -> list[np.ndarray]:
    """Pictures whose brightness is their number times 8."""
    return [np.full((48, 64, 3), 8 * number, np.uint8) for number in range(count)]


def test_every_frame_comes_once_with_its_number_and_time(tmp_path):
    got = frames(source(video_files.write(tmp_path / "a.mp4", numbered(30))))
    assert [picture.number for picture in got] == list(range(30))
    assert np.allclose([picture.time for picture in got], np.arange(30) / 25)
    assert np.allclose([picture.pixels.mean() for picture in got], 8 * np.arange(30), atol=3)


def test_reading_may_begin_anywhere(tmp_path):
    given = source(video_files.write(tmp_path / "a.mp4", numbered(30), options={"g": "10"}))
    for first in (1, 9, 10, 23):
        got = list(decode.read(given, range(first, first + 3)))
        assert [picture.number for picture in got] == [first, first + 1, first + 2]
        assert abs(got[0].pixels.mean() - 8 * first) < 3


def test_start_and_end_are_seconds(tmp_path):
    path = video_files.write(tmp_path / "a.mp4", numbered(30))
    assert [picture.number for picture in frames(source(path, start=0.4, end=0.6))] == [10, 11, 12, 13, 14]
    assert frames(source(path, start=5.0)) == []


def test_a_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0, 40, 160, 200, 500, 1000]
    path = video_files.write(tmp_path / "a.mkv", numbered(6), times=lambda number: times[number])
    got = frames(source(path))
    assert [round(picture.time * 1000) for picture in got] == times
    assert np.allclose([picture.pixels.mean() for picture in got], 8 * np.arange(6), atol=3)


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_the_rotation_flag_is_honoured(tmp_path, rotation):
    """The flag turns counter-clockwise, as players do."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:16, :16] = 255  # white upper left corner
    plain = frames(source(video_files.write(tmp_path / "plain.mp4", [picture] * 3)))[0].pixels
    turned = frames(source(video_files.write(tmp_path / "turned.mp4", [picture] * 3, rotation=rotation)))[0].pixels
    expected = {90: plain.transpose(1, 0, 2)[::-1], 180: plain[::-1, ::-1], -90: plain.transpose(1, 0, 2)[:, ::-1]}
    assert plain[8, 8].min() > 200
    assert np.array_equal(turned, expected[rotation])


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix", "height", "width"),
    [
        ("libx264", "yuv420p10le", ".mp4", 48, 64),
        ("ffv1", "gray", ".mkv", 48, 64),
        ("libx264", "yuv444p", ".mp4", 481, 853),
        ("ffv1", "bgr0", ".mkv", 481, 853),
    ],
)
def test_unusual_pixels_and_sizes_decode(tmp_path, codec, pixels, suffix, height, width):
    picture = np.full((height, width, 3), 100, np.uint8)
    got = frames(source(video_files.write(tmp_path / f"a{suffix}", [picture] * 3, codec, pixels)))
    assert len(got) == 3
    assert got[0].pixels.shape == (height, width, 3) and got[0].pixels.dtype == np.uint8
    assert abs(got[0].pixels.mean() - 100) < 3


def test_large_pictures_are_made_smaller(tmp_path):
    picture = video_files.with_face(width=640, height=360)
    got = frames(source(video_files.write(tmp_path / "a.mp4", [picture])), longest=320)[0]
    assert got.pixels.shape == (180, 320, 3) and got.scale == 0.5
    assert np.abs(got.pixels.astype(int) - cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA)).mean() < 4


def test_a_video_cut_short_gives_what_is_there(tmp_path):
    random = np.random.default_rng(0)
    noise = [random.integers(256, size=(48, 64, 3), dtype=np.uint8) for _ in range(40)]
    whole = video_files.write(tmp_path / "a.mkv", noise, "mjpeg", "yuvj420p")
    part = tmp_path / "part.mkv"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    got = frames(source(part))
    assert 5 < len(got) < 35


def reason(path) -> str:
    with pytest.raises(UnreadableError) as error:
        frames(source(path))
    return str(error.value)


def test_files_that_are_no_videos_are_told_apart(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("Dear diary, " * 99)
    whole = video_files.write(tmp_path / "whole.mp4", video_files.moving()).read_bytes()
    (tmp_path / "short.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    assert reason(tmp_path / "empty.mp4") == "the file is empty (0 bytes)"
    assert reason(tmp_path / "text.mp4").startswith("is no video or is cut short (invalid data")
    assert reason(tmp_path / "short.mp4").startswith("is no video or is cut short")
    assert reason(video_files.write_sound(tmp_path / "sound.mp4")) == "has no picture, only sound"
    assert reason(tmp_path / "loop.mp4") == "too many levels of symbolic links"
    assert reason(tmp_path / "nowhere.mp4") == "there is no such file"


def test_a_file_without_read_permission_is_told_apart(tmp_path):
    path = video_files.write(tmp_path / "a.mp4", numbered(3))
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read everything
        tmp_path.chmod(0o755)
        for parent in list(tmp_path.parents)[:2]:
            parent.chmod(0o755)
        os.seteuid(65534)
    try:
        assert reason(path) == "no permission to read the file"
    finally:
        os.seteuid(user)


def test_stills_are_frames_and_honour_their_rotation_flag(tmp_path):
    picture = Image.fromarray(np.zeros((20, 30, 3), np.uint8))
    flags = Image.Exif()
    flags[0x0112] = 6  # turn a quarter clockwise
    picture.save(tmp_path / "0.jpg", exif=flags)
    picture.convert("L").save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"no picture")
    got = frames(source(*sorted(tmp_path.iterdir())))
    assert [picture.pixels.shape for picture in got] == [(30, 20, 3), (20, 30, 3)]
    with pytest.raises(UnreadableError, match="is no picture that can be decoded"):
        frames(source(tmp_path / "2.png"))
