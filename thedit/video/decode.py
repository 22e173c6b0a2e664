"""Decoding videos and pictures as a stream: upright RGB frames with their number and time, one at a time."""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from thedit.video.spec import Source


class UnreadableError(Exception):
    """An input that cannot be decoded; the message is the reason, as it stands in the QA table."""


@dataclass(frozen=True)
class Picture:
    """One decoded frame.

    number  position in the video, from 0
    time    presentation time in seconds from the video's first frame
    pixels  (H, W, 3) uint8 RGB, upright
    scale   side of ``pixels`` over that of the whole, upright frame
    """

    number: int
    time: float
    pixels: np.ndarray
    scale: float = 1.0


@dataclass(frozen=True)
class Timeline:
    """Presentation times of a video's frames in ticks, ascending, and seconds a tick; of stills one a file."""

    ticks: np.ndarray
    tick: float
    seekable: bool = True

    def seconds(self, number: int) -> float:
        """Time of frame ``number`` from the first frame's."""
        return float((self.ticks[number] - self.ticks[0]) * self.tick)


def timeline(source: Source) -> Timeline:
    """Read when each frame of ``source`` is shown, without decoding. Raises `UnreadableError`."""
    if source.still:
        return Timeline(np.arange(len(source.paths)), 1 / 25)
    path = source.paths[0]
    return _timeline(path, check(path))


def numbers(source: Source, line: Timeline) -> range:
    """Numbers of the frames of ``source`` that lie between its start and end."""
    if source.start == 0 and math.isinf(source.end):
        return range(len(line.ticks))
    seconds = (line.ticks - line.ticks[0]) * line.tick
    return range(int(np.searchsorted(seconds, source.start - 1e-6)), int(np.searchsorted(seconds, source.end - 1e-6)))


def read(source: Source, wanted: range, longest: int | None = None) -> Iterator[Picture]:
    """Decode the frames ``wanted`` in order; frames that do not decode are left out.

    Pictures whose longer side exceeds ``longest`` are made smaller, so that it does not. Memory does not grow with
    the video's length. Raises `UnreadableError`.
    """
    if source.still:
        yield from _read_stills(source.paths, wanted, longest)
    else:
        yield from _read_video(source.paths[0], timeline(source), wanted, longest)


def check(path: Path) -> tuple[int, int]:
    """Size and modification time of a file that can be read; `UnreadableError` says why another cannot."""
    try:
        status = path.stat()
        with open(path, "rb"):
            pass
    except OSError as error:
        raise UnreadableError(_why(error)) from error
    if status.st_size == 0:
        raise UnreadableError("the file is empty (0 bytes)")
    return status.st_size, status.st_mtime_ns


def _why(error: OSError) -> str:
    known = {FileNotFoundError: "there is no such file", PermissionError: "no permission to read the file"}
    return known.get(type(error), (error.strerror or str(error)).lower())


@functools.lru_cache(maxsize=4)
def _timeline(path: Path, stamp: tuple[int, int]) -> Timeline:
    with _open(path) as container:
        stream = container.streams.video[0]
        times = []
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    times.append(packet.pts)
        except av.error.FFmpegError:
            pass  # cut short: what came before still counts
        if not times:
            raise UnreadableError("the video has no frames")
        if None in times or len(set(times)) < len(times) or stream.time_base is None:
            rate = float(stream.average_rate or 25)
            return Timeline(np.arange(len(times)), 1 / rate, seekable=False)
        return Timeline(np.sort(np.array(times, np.int64)), float(stream.time_base))


def _open(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path), metadata_errors="ignore")
    except av.error.FFmpegError as error:
        raise UnreadableError(f"is no video or is cut short ({str(error.strerror).lower()})") from error
    if not container.streams.video:
        reason = "has no picture, only sound" if container.streams.audio else "has no picture or is cut short"
        container.close()
        raise UnreadableError(reason)
    return container


def _read_video(path: Path, line: Timeline, wanted: range, longest: int | None) -> Iterator[Picture]:
    if not wanted:
        return
    with _open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"  # parallel by clip instead
        if line.seekable and wanted.start:
            container.seek(int(line.ticks[wanted.start]), stream=stream, backward=True)
        convert, count = VideoReformatter(), 0  # one for all frames: each sets up tables and threads
        for frame in _frames(container, stream):
            number = int(np.searchsorted(line.ticks, frame.pts)) if line.seekable and frame.pts is not None else count
            count += 1
            if number >= wanted.stop:
                return
            if number >= wanted.start and number < len(line.ticks):
                yield _upright(frame, convert, number, line.seconds(number), longest)


def _frames(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
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


def _upright(frame: av.VideoFrame, convert: VideoReformatter, number: int, time: float, longest: int | None) -> Picture:
    scale = min(1.0, longest / max(frame.width, frame.height)) if longest else 1.0
    width, height = round(frame.width * scale), round(frame.height * scale)
    pixels = convert.reformat(frame, width, height, "rgb24", interpolation="AREA", threads=1).to_ndarray()
    pixels = np.rot90(pixels, round(frame.rotation / 90))  # the flag turns counter-clockwise, as rot90 does
    return Picture(number, time, np.ascontiguousarray(pixels), width / frame.width)


def _read_stills(paths: tuple[Path, ...], wanted: range, longest: int | None) -> Iterator[Picture]:
    for number in wanted:
        check(paths[number])
        data = np.fromfile(paths[number], np.uint8)
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)  # turns the picture as its EXIF flag says
        if pixels is None:
            if len(paths) == 1:
                raise UnreadableError("is no picture that can be decoded")
            continue
        scale = min(1.0, longest / max(pixels.shape[:2])) if longest else 1.0
        if scale < 1:
            width = round(pixels.shape[1] * scale)
            scale = width / pixels.shape[1]
            pixels = cv2.resize(pixels, (width, round(pixels.shape[0] * scale)), interpolation=cv2.INTER_AREA)
        yield Picture(number, number / 25, pixels, scale)
