"""Properties of a stream that players honour: pixel aspect, colours, fields, sizes; and files that are damaged."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests import video_files
from thedit.media import stream
from thedit.media.files import UnreadableError

BARS = np.zeros((48, 64, 3), np.uint8)
BARS[:, 16:32], BARS[:, 32:48], BARS[:, 48:] = (200, 40, 40), (40, 180, 60), (60, 60, 190)
MIDDLES = [8, 24, 40, 56]


def read(path):
    return list(stream.read([path], range(len(stream.timeline([path]).ticks))))


def colours(picture):
    """The four bars' colours (4, 3)."""
    return picture[picture.shape[0] // 2, [middle * picture.shape[1] // 64 for middle in MIDDLES]].astype(int)


@pytest.mark.parametrize(("aspect", "shape"), [("4/3", (48, 85, 3)), ("1/2", (96, 64, 3)), ("1", (48, 64, 3))])
def test_pixels_become_square(tmp_path, aspect, shape):
    path = video_files.write(tmp_path / "a.mp4", [BARS] * 3, aspect=Fraction(aspect))
    picture = read(path)[0]
    assert picture.pixels.shape == shape
    assert np.abs(colours(picture.pixels) - colours(BARS)).max() < 8


def tagged(path, matrix, span, high=False):
    """BARS in a video of colour matrix and range; without tags if ``matrix`` is negative."""
    picture = np.kron(BARS, np.ones((16, 16, 1), np.uint8)) if high else BARS
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    made = VideoReformatter().reformat(
        frame, format="yuv444p", dst_colorspace=abs(matrix), dst_color_range=span, threads=1
    )
    planes = made.to_ndarray()
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=25, options={"crf": "1"})
        track.height, track.width, track.pix_fmt = *picture.shape[:2], "yuv444p"
        if matrix > 0:
            track.codec_context.colorspace, track.codec_context.color_range = matrix, span
        plain = av.VideoFrame.from_ndarray(planes, format="yuv444p")
        for _ in range(2):
            container.mux(track.encode(plain))
            plain.pts = None
        container.mux(track.encode())
    return path


@pytest.mark.parametrize("matrix", [Colorspace.ITU709, Colorspace.ITU601])
@pytest.mark.parametrize("span", [ColorRange.MPEG, ColorRange.JPEG])
def test_colour_matrix_and_range_are_those_that_the_file_names(tmp_path, matrix, span):
    picture = read(tagged(tmp_path / "a.mp4", matrix, span))[0].pixels
    assert np.abs(colours(picture) - colours(BARS)).max() <= 4


@pytest.mark.parametrize(("matrix", "high"), [(-Colorspace.ITU709, True), (-Colorspace.ITU601, False)])
def test_without_a_tag_the_matrix_follows_the_size(tmp_path, matrix, high):
    picture = read(tagged(tmp_path / "a.mp4", matrix, ColorRange.MPEG, high))[0].pixels
    assert np.abs(colours(picture) - colours(BARS)).max() <= 4


def signal(nits: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: light in candela a square metre to a value in [0, 1]."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = (nits / 10_000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def test_pq_is_shown_about_as_bright_as_it_was_meant(tmp_path):
    """Greys of 0 to 203 nits, the reference white of BT.2408, rise to a bright picture instead of a dark one."""
    nits = np.repeat(np.linspace(0, 203, 64), 16)
    codes = np.round(64 + 876 * signal(nits)).astype(np.uint16)  # 10 bit, limited range
    luma = np.broadcast_to(codes, (48, 1024)).copy()
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        track = container.add_stream("ffv1", rate=25)
        track.height, track.width, track.pix_fmt = 48, 1024, "yuv420p10le"
        track.codec_context.colorspace, track.codec_context.color_range = Colorspace.BT2020, ColorRange.MPEG
        track.codec_context.color_trc = ColorTrc.SMPTE2084
        track.codec_context.color_primaries = ColorPrimaries.BT2020
        frame = av.VideoFrame(1024, 48, "yuv420p10le")
        for plane, values in zip(frame.planes, (luma, *[np.full((24, 512), 512, np.uint16)] * 2)):
            rows = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)
            rows[:, : plane.width] = values
        for _ in range(2):
            container.mux(track.encode(frame))
            frame.pts = None
        container.mux(track.encode())
    row = read(tmp_path / "a.mkv")[0].pixels[24].astype(int)
    assert np.ptp(row, axis=1).max() <= 6  # grey
    assert (np.diff(row[::16].mean(1)) > -2).all()
    assert row[8].max() < 12
    assert row[512].mean() == pytest.approx(255 * 0.5 ** (1 / 2.2), abs=35)  # half of white
    assert row[-8].mean() > 215


def test_of_interlaced_frames_one_field_is_shown(tmp_path):
    """A bar that moves between the fields is combed in the frame, and is not in what is shown."""
    combed = np.zeros((64, 64, 3), np.uint8)
    combed[0::2, 10:20] = 255
    combed[1::2, 30:40] = 255
    options = {"flags": "+ildct+ilme", "crf": "1", "x264-params": "tff=1"}
    path = video_files.write(tmp_path / "a.mp4", [combed] * 4, pixels="yuv422p", codec_options=options)
    with av.open(str(path)) as container:
        assert all(frame.interlaced_frame for frame in container.decode(video=0))
    pixels = read(path)[1].pixels
    assert pixels.shape == combed.shape
    assert pixels[8:-8, 12:18].min() > 200
    assert pixels[8:-8, 30:40].max() < 60


def test_frames_keep_their_own_sizes(tmp_path):
    large = np.kron(BARS, np.ones((2, 2, 1), np.uint8))
    parts = [
        video_files.write(tmp_path / f"{n}.mkv", [one] * 3, "mjpeg", "yuvj420p") for n, one in enumerate((BARS, large))
    ]
    path = tmp_path / "both.mkv"
    with av.open(str(path), "w") as out:
        target = None
        for number, part in enumerate(parts):
            with av.open(str(part)) as container:
                target = target or out.add_stream_from_template(container.streams.video[0])
                for packet in container.demux(video=0):
                    if packet.size:
                        packet.stream, packet.pts = target, packet.pts + 120 * number
                        packet.dts = packet.pts
                        out.mux(packet)
    got = read(path)
    assert [picture.pixels.shape[:2] for picture in got] == [(48, 64)] * 3 + [(96, 128)] * 3
    assert all(np.abs(colours(picture.pixels) - colours(BARS)).max() < 12 for picture in got)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_video_cut_short_says_so(tmp_path, suffix):
    random = np.random.default_rng(0)
    noise = [random.integers(256, size=(48, 64, 3), dtype=np.uint8) for _ in range(40)]
    options = {"movflags": "faststart"} if suffix == "mp4" else {}
    whole = video_files.write(tmp_path / f"a.{suffix}", noise, "mjpeg", "yuvj420p", options=options)
    assert stream.timeline([whole]).short == ""
    part = tmp_path / f"part.{suffix}"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert stream.timeline([part]).short.startswith("is cut short: ")
    assert stream.timeline([part]).short.endswith(" are there")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    files = [
        video_files.write(folder / "a.mp4", video_files.moving(8, width=96, height=64)),
        video_files.write(folder / "a.mkv", video_files.moving(8, width=96, height=64), "mpeg4"),
        video_files.write(folder / "a.avi", video_files.moving(8, width=96, height=64), "mjpeg", "yuvj420p"),
        video_files.write(folder / "a.webm", video_files.moving(8, width=96, height=64), "libvpx-vp9"),
    ]
    return {path.suffix: path.read_bytes() for path in files}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=some.sampled_from([".mp4", ".mkv", ".avi", ".webm"]), data=some.data())
def test_damaged_videos_are_an_error_or_every_frame_is_accounted_for(tmp_path, whole, kind, data):
    content = bytearray(whole[kind])
    cut = data.draw(some.booleans())
    if cut:
        content = content[: data.draw(some.integers(1, len(content) - 1))]
    for _ in range(data.draw(some.integers(0, 3))):
        place = data.draw(some.integers(0, len(content) - 1))
        content[place] ^= 1 << data.draw(some.integers(0, 7))
    path = tmp_path / f"a{kind}"
    path.write_bytes(content)
    try:
        line = stream.timeline([path])
        faults: dict[int, str] = {}
        got = list(stream.read([path], range(len(line.ticks)), faults=faults))
    except UnreadableError as error:
        assert str(error) and "\n" not in str(error)
        return
    numbers = [picture.number for picture in got]
    assert numbers == sorted(set(numbers)) and not faults.keys() & set(numbers)
    assert all(0 <= number < len(line.ticks) for number in numbers)
