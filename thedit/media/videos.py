"""Video files to a stream of upright RGB frames of square pixels, each with its number and its own time."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
from av.stream import Disposition

from thedit.media.colours import Converter
from thedit.media.files import MOST_PIXELS, UnreadableError, check, check_size


@dataclass(frozen=True)
class Picture:
    """One decoded frame.

    number  position in the video, from 0
    time    presentation time in seconds from the video's first frame
    pixels  (H, W, 3) uint8 RGB, upright, of square pixels
    scale   side of ``pixels`` over that of the whole, upright frame
    """

    number: int
    time: float
    pixels: np.ndarray
    scale: float = 1.0


@dataclass(frozen=True)
class Timeline:
    """Presentation times of a video's frames in ticks, ascending, and seconds a tick.

    ``short`` says that the file ends before the video does, and how much of it is there.
    """

    ticks: np.ndarray
    tick: float
    seekable: bool = True
    short: str = ""

    def seconds(self, number: int) -> float:
        """Time of frame ``number`` from the first frame's."""
        return float((self.ticks[number] - self.ticks[0]) * self.tick)


def timeline(path: Path, most: int = MOST_PIXELS) -> Timeline:
    """Read when each frame is shown, without decoding. Raises `UnreadableError`, also for over ``most`` pixels."""
    return _timeline(path, check(path), most)


def frames(
    path: Path, wanted: range, longest: int | None, faults: dict[int, str], most: int = MOST_PIXELS
) -> Iterator[Picture]:
    """Decode the frames ``wanted`` in order; those that cannot be had are left out, with the reason in ``faults``.

    Frames whose longer side exceeds ``longest`` are made smaller, so that it does not. Memory does not grow with the
    video's length. Raises `UnreadableError`, also for over ``most`` pixels.
    """
    line = timeline(path, most)
    done = 0
    with _opened(path, most) as (container, stream):
        stream.thread_type = "NONE"  # parallel by clip instead
        if line.seekable and wanted.start:
            container.seek(int(line.ticks[wanted.start]), stream=stream, backward=True)
        convert, count = Converter(stream.sample_aspect_ratio, most), 0
        for frame in _decoded(container, stream):
            number = int(np.searchsorted(line.ticks, frame.pts)) if line.seekable and frame.pts is not None else count
            count += 1
            if number >= wanted.stop:
                break
            if number >= max(wanted.start, done) and number < len(line.ticks):
                try:
                    pixels, scale = convert(frame, longest)
                except UnreadableError as error:
                    faults[number] = str(error)
                    continue
                done = number + 1
                yield Picture(number, line.seconds(number), pixels, scale)


@functools.lru_cache(maxsize=4)
def _timeline(path: Path, stamp: tuple[int, int], most: int) -> Timeline:
    with _opened(path, most) as (container, stream):
        times, packets = [], 0
        try:
            for packet in container.demux(stream):
                packets += bool(packet.size)
                if packet.size and not packet.is_discard:
                    times.append(packet.pts)
        except av.error.FFmpegError:
            pass  # cut short: what came before still counts
        if not times:
            raise UnreadableError("the video has no frames")
        if None in times or len(set(times)) < len(times) or not stream.time_base:
            rate = float(stream.average_rate or 25)
            return Timeline(np.arange(len(times)), 1 / rate, False, _short(container, stream, packets, 0.0))
        ticks, tick = np.sort(np.array(times, np.int64)), float(stream.time_base)
        end = float(ticks[-1] - ticks[0]) * tick * (1 + 1 / max(1, len(ticks) - 1))  # of the last frame, on average
        return Timeline(ticks, tick, True, _short(container, stream, packets, end))


def _short(container: av.container.InputContainer, stream: av.VideoStream, packets: int, end: float) -> str:
    """What the header promises and the file does not hold, in frames or in seconds up to ``end``."""
    if packets < stream.frames:
        return f"is cut short: {packets} of {stream.frames} frames are there"
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        promised = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        promised = (container.duration or 0) / 1e6 if "matroska" in container.format.name else 0.0
        promised *= len(container.streams) == 1  # else it may be the sound's
    if 0 < end < 0.95 * promised - 0.1:
        return f"is cut short: {end:.1f} of {promised:.1f} seconds are there"
    return ""


@contextmanager
def _opened(path: Path, most: int) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """The container and its video; whatever a damaged file does becomes an `UnreadableError`."""
    check(path)
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            streams = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
            if not streams:
                sound = bool(container.streams.audio)
                raise UnreadableError(f"has no picture{', only sound' if sound else ' or is cut short'}")
            if streams[0].codec_context is None:
                raise UnreadableError("is encoded in a way that is not known here")
            check_size(streams[0].width, streams[0].height, most)
            yield container, streams[0]
    except (av.error.FFmpegError, ValueError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(f"is no video or is cut short ({reason.lower()})") from error


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Frames that decode; damaged packets are skipped, a damaged rest ends the video."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        try:
            yield from (frame for frame in packet.decode() if not frame.is_corrupt)
        except av.error.FFmpegError:
            continue
