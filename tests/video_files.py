"""Video files made for the tests, a real face (skimage's astronaut) on a grey wall, and data sets of them."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa
import skimage.data

from thedit.config import Config


def portrait() -> np.ndarray:
    """Head and shoulders (240, 240, 3)."""
    return skimage.data.astronaut()[10:250, 100:340]


def wall(width: int = 320, height: int = 256) -> np.ndarray:
    """A wall without anybody (H, W, 3), a little structured."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([100 + x // 8 % 2 * 4, 110 + y // 8 % 2 * 4, 120 + 0 * x], axis=-1).astype(np.uint8)


def with_face(left: int = 40, top: int = 8, width: int = 320, height: int = 256, mirrored: bool = False) -> np.ndarray:
    """The wall with the portrait at (left, top), which may lie partly outside."""
    picture = wall(width, height)
    face = portrait()[:, ::-1] if mirrored else portrait()
    matrix = np.array([[1, 0, left], [0, 1, top]], float)
    return cv2.warpAffine(
        np.ascontiguousarray(face), matrix, (width, height), dst=picture, borderMode=cv2.BORDER_TRANSPARENT
    )


def moving(frames: int = 12, **options: int) -> list[np.ndarray]:
    """A face that moves a little from side to side."""
    return [with_face(left=40 + round(6 * np.sin(n / 2)), **options) for n in range(frames)]


def write(
    path: Path,
    frames: Iterable[np.ndarray],
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    times: Callable[[int], int] | None = None,
    options: dict[str, str] | None = None,
    beep: float | None = None,
    sound: str = "aac",
    codec_options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    colours: dict[str, int] | None = None,
) -> Path:
    """Encode frames (H, W, 3) at 25 a second, or with presentation ``times`` in thousandths of a second.

    With a ``beep`` there is sound of the codec ``sound``: silence, and from that second on a tone. ``aspect`` is that
    of a pixel, ``colours`` the tags colorspace, color_trc and the like, with which they are encoded.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = list(frames)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        stream.options = codec_options or {}
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for name, value in (colours or {}).items():
            setattr(stream.codec_context, name, value)
        if rotation:
            stream.set_display_rotation(rotation)
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        if beep is not None:
            _write_beep(container, beep, times(len(frames)) / 1000 if times else len(frames) / 25, sound)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times:
                frame.time_base, frame.pts = Fraction(1, 1000), times(number)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _write_beep(container: av.container.OutputContainer, beep: float, seconds: float, codec: str) -> None:
    """A tone of 1 kHz from second ``beep`` on."""
    rate = 48000
    stream = container.add_stream(codec, rate=rate, layout="mono")
    wave = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * rate)) / rate)
    wave[: round(beep * rate)] = 0
    for start in range(0, len(wave) - 1023, 1024):
        part = wave[None, start : start + 1024]
        frame = av.AudioFrame.from_ndarray((32767 * part).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def write_sound(path: Path) -> Path:
    """A second of sound without a picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        for _ in range(16):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def config(folder: Path, spec: str = 'videos: "*.mp4"', **settings) -> Config:
    """A data set of all videos in ``folder``/in."""
    path = folder / "spec.yaml"
    path.write_text(f"title: Test\nroot: {folder / 'in'}\n{spec}\n")
    return Config(data={"name": "test", "spec": str(path), "preprocess": {"size": 64, **settings}})


def content(shard: Path) -> pa.RecordBatch:
    """A shard without its metadata, in which the version of the code may differ from minute to minute."""
    return pa.ipc.open_file(shard.read_bytes()).get_batch(0)
