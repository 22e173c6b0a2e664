"""File: an H.264 video whose frames are shown when the driver's were, with the driver's sound in time."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.resampler import AudioResampler
from PIL import Image

from thedit.files import atomic

TICK = Fraction(1, 90000)  # seconds a tick of the picture's clock
COPIED = ("aac", "mp3", "ac3", "alac", "opus")  # sound that MP4 holds as it is; other sound is encoded as AAC


class Video:
    """An open file: pictures with their times, and the sound of ``driver``, whose picture begins at ``start``.

    The sound ends after so many ``seconds``.
    """

    def __init__(
        self, container: av.container.OutputContainer, rate: float, driver: Path | None, start: float, seconds: float
    ):
        self._container, self._rate, self._seconds = container, rate, seconds
        self._stream: av.VideoStream | None = None
        self._driver, self._start = driver, start
        self._sound: Iterator[tuple[float, list[av.Packet]]] = iter(())
        self._next: tuple[float, list[av.Packet]] | None = None

    def add(self, picture: np.ndarray, time: float) -> None:
        """Show a picture (H, W, 3) uint8 of even sides from ``time`` seconds on."""
        if self._stream is None:
            self._open(picture)
        assert self._stream is not None
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.time_base, frame.pts = TICK, round(time / TICK)
        self._container.mux(self._stream.encode(frame))
        self._hear(time)

    def close(self) -> None:
        """Write what is still to come."""
        assert self._stream is not None
        self._container.mux(self._stream.encode())
        self._hear(self._seconds)

    def _open(self, picture: np.ndarray) -> None:
        rate = Fraction(self._rate).limit_denominator(1001)
        self._stream = self._container.add_stream("libx264", rate=rate, options={"crf": "18"})
        self._stream.height, self._stream.width = picture.shape[:2]
        self._stream.pix_fmt, self._stream.codec_context.time_base = "yuv420p", TICK
        self._stream.time_base = TICK
        if self._driver is not None:
            self._sound = _sound(self._driver, self._container, self._start)
            self._next = next(self._sound, None)

    def _hear(self, time: float) -> None:
        """Write the sound up to ``time``."""
        while self._next is not None and self._next[0] <= time:
            self._container.mux(self._next[1])
            self._next = next(self._sound, None)


class Photograph:
    """A picture file for the one frame of a picture."""

    def __init__(self, path: Path):
        self._path = path

    def add(self, picture: np.ndarray, time: float) -> None:
        """Save a picture (H, W, 3) uint8."""
        with atomic(self._path) as sibling:
            Image.fromarray(picture).save(sibling, quality=95)


@contextmanager
def video(
    path: Path, rate: float, driver: Path | None = None, start: float = 0.0, seconds: float = math.inf
) -> Iterator[Video]:
    """A video that appears at ``path`` when it is complete; ``driver`` None: without sound."""
    with atomic(path) as sibling, av.open(str(sibling), "w") as container:
        made = Video(container, rate, driver, start, seconds)
        yield made
        made.close()


def _sound(
    driver: Path, container: av.container.OutputContainer, start: float
) -> Iterator[tuple[float, list[av.Packet]]]:
    """Packets of the driver's sound and the time at which each begins; time 0 is ``start`` on the driver's clock."""
    try:
        with av.open(str(driver), metadata_errors="ignore") as source:
            if not source.streams.audio:
                return
            stream = source.streams.audio[0]
            copied = stream.codec_context.name in COPIED
            yield from (_copy if copied else _encode)(source, stream, container, start)
    except av.error.FFmpegError:
        return  # a picture, or a damaged rest


def _copy(
    source: av.container.InputContainer, stream: av.AudioStream, container: av.container.OutputContainer, start: float
) -> Iterator[tuple[float, list[av.Packet]]]:
    target = container.add_stream_from_template(stream)
    for packet in source.demux(stream):
        if packet.pts is None or packet.dts is None or packet.time_base is None:
            continue
        offset = round(start / packet.time_base)
        if packet.pts + (packet.duration or 0) <= offset:
            continue  # before the picture begins
        packet.pts, packet.dts, packet.stream = packet.pts - offset, packet.dts - offset, target
        yield float(packet.pts * packet.time_base), [packet]


def _encode(
    source: av.container.InputContainer, stream: av.AudioStream, container: av.container.OutputContainer, start: float
) -> Iterator[tuple[float, list[av.Packet]]]:
    rate = stream.rate if stream.rate in (8000, 16000, 22050, 24000, 32000, 44100, 48000) else 48000
    target = container.add_stream("aac", rate=rate, layout=stream.layout.name)
    resample, time = AudioResampler("fltp", stream.layout.name, rate), 0.0
    for frame in source.decode(stream):
        if frame.pts is None or frame.time_base is None:
            continue
        time = float(frame.pts * frame.time_base) - start
        if time + frame.samples / frame.sample_rate <= 0:
            continue
        frame.pts -= round(start / frame.time_base)
        for part in resample.resample(frame):
            yield time, target.encode(part)
    for part in resample.resample(None):
        yield time, target.encode(part)
    yield time, target.encode(None)
