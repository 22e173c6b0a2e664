"""The frames of one input, whatever it is: a video, an animated picture, one picture, or the pictures of a clip."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from thedit.media import pictures, videos
from thedit.media.files import MOST_PIXELS, UnreadableError, check
from thedit.media.videos import Picture, Timeline

RATE = 25  # pictures a second that single pictures in a row are taken to be


def timeline(paths: Sequence[Path], most: int = MOST_PIXELS) -> Timeline:
    """When each frame is shown, without decoding a video. Raises `UnreadableError`, also for over ``most`` pixels."""
    if len(paths) > 1:
        return Timeline(np.arange(len(paths)), 1 / RATE)
    check(paths[0])
    if not pictures.is_picture(paths[0]):
        return videos.timeline(paths[0], most)
    return Timeline(np.round(1000 * np.array(pictures.starts(paths[0], most))).astype(np.int64), 1 / 1000)


def read(
    paths: Sequence[Path],
    wanted: range,
    longest: int | None = None,
    faults: dict[int, str] | None = None,
    most: int = MOST_PIXELS,
) -> Iterator[Picture]:
    """Decode the frames ``wanted`` in order; those that cannot be had are left out, with the reason in ``faults``.

    Frames whose longer side exceeds ``longest`` are made smaller, so that it does not. Memory does not grow with the
    number of frames. What has more than ``most`` pixels is not decoded. Raises `UnreadableError` when there is nothing
    to decode at all.
    """
    faults = {} if faults is None else faults
    if not wanted:
        return
    if len(paths) > 1:
        yield from _stills(paths, wanted, longest, faults, most)
        return
    check(paths[0])
    if pictures.is_picture(paths[0]):
        times = pictures.starts(paths[0], most)
        for number, pixels in enumerate(pictures.frames(paths[0], most)):
            if number in wanted:
                yield _shown(number, times[number], pixels, longest)
    else:
        yield from videos.frames(paths[0], wanted, longest, faults, most)


def _stills(
    paths: Sequence[Path], wanted: range, longest: int | None, faults: dict[int, str], most: int
) -> Iterator[Picture]:
    for number in wanted:
        try:
            pixels = pictures.read(paths[number], most)
        except UnreadableError as error:
            faults[number] = f"{paths[number].name} {error}"
        else:
            yield _shown(number, number / RATE, pixels, longest)


def _shown(number: int, time: float, pixels: np.ndarray, longest: int | None) -> Picture:
    height, width = pixels.shape[:2]
    if longest is None or max(width, height) <= longest:
        return Picture(number, time, pixels)
    small = max(1, round(width * longest / max(width, height)))
    scale = small / width
    return Picture(
        number, time, cv2.resize(pixels, (small, max(1, round(height * scale))), interpolation=cv2.INTER_AREA), scale
    )
