"""Picture files to uint8 RGB as a viewer shows them: upright, in sRGB, without transparency; animated ones too."""

import functools
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from thedit.media.files import MOST_PIXELS, PICTURES, UnreadableError, check, check_size

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
ANIMATED = ("PNG", "WEBP", "GIF", "AVIF")  # what else holds several pictures is no animation
BACKGROUND = (255, 255, 255)  # what transparent pictures are laid over
STILL = 0.1  # seconds of an animation's picture that names none or at most `HASTE`, as browsers show it
HASTE = 0.01

Image.MAX_IMAGE_PIXELS = None  # the limit is `check_size`, before anything is decoded


def is_picture(path: Path) -> bool:
    """Whether a file that can be read is a picture, by its first bytes or else by its name."""
    with open(path, "rb") as file:
        head = file.read(64)
    magic = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
    return (
        head.startswith(magic)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and bool(_brands(head) & {b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"}))
        or path.suffix.lower() in PICTURES
    )


def read(path: Path, most: int = MOST_PIXELS) -> np.ndarray:
    """Decode a file of one picture to uint8 RGB (H, W, 3).

    It is turned as its EXIF flag says, brought to sRGB from its colour profile, and laid over `BACKGROUND` where it is
    transparent; 16 bits are rounded to 8. Raises `UnreadableError`, also for an animation and for more than ``most``
    pixels.
    """
    with _opened(path, most) as picture:
        count = _count(picture)
        if count > 1:
            raise UnreadableError(f"holds {count} pictures where one belongs")
        return _rgb(picture)


def transparent(path: Path) -> bool:
    """Whether some of a picture, or of an animation's first one, is transparent. Raises `UnreadableError`."""
    with _opened(path, MOST_PIXELS) as picture:
        alpha = _alpha(picture)
        return alpha is not None and alpha.tobytes().count(255) < alpha.width * alpha.height


def starts(path: Path, most: int = MOST_PIXELS) -> tuple[float, ...]:
    """When each picture of a file is shown, in seconds from the first; one picture: 0. Raises `UnreadableError`."""
    return _starts(path, check(path), most)


def frames(path: Path, most: int = MOST_PIXELS) -> Iterator[np.ndarray]:
    """Every picture of an animation as by `read`."""
    with _opened(path, most) as picture:
        for number in range(_count(picture)):
            picture.seek(number)
            yield _rgb(picture)


@functools.lru_cache(maxsize=64)
def _starts(path: Path, stamp: tuple[int, int], most: int) -> tuple[float, ...]:
    with _opened(path, most) as picture:
        times = [0.0]
        for number in range(_count(picture) - 1):
            picture.seek(number)
            picture.load()  # the duration is known when the picture is
            seconds = picture.info.get("duration", 0) / 1000
            times.append(times[-1] + (seconds if seconds > HASTE else STILL))
        return tuple(times)


@contextmanager
def _opened(path: Path, most: int) -> Iterator[Image.Image]:
    """The file, its header read and its size allowed; whatever a damaged file does becomes an `UnreadableError`."""
    check(path)
    with open(path, "rb") as file:
        brands = _brands(file.read(64))
    if brands & {b"heic", b"heix", b"hevc"} and not brands & {b"avif", b"avis"}:
        raise UnreadableError("is a HEIC picture, which cannot be read; save it as JPEG or PNG")
    try:
        with Image.open(path, formats=FORMATS) as picture:
            check_size(*picture.size, most)
            yield picture
    except UnidentifiedImageError as error:
        raise UnreadableError("is no picture that can be decoded") from error
    except UnreadableError:
        raise
    except Exception as error:  # decoders raise anything for damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableError(f"is no picture that can be decoded ({reason.lower()})") from error


def _count(picture: Image.Image) -> int:
    count = getattr(picture, "n_frames", 1)
    if count > 1 and picture.format == "TIFF":
        raise UnreadableError(f"is a TIFF file of {count} pages; save each as a file of its own")
    return count if picture.format in ANIMATED else 1


def _rgb(picture: Image.Image) -> np.ndarray:
    kind = picture.format
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16") or (picture.mode == "I" and kind == "PNG"):
        values = np.asarray(picture).astype(np.uint32)
        picture = Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        raise UnreadableError("has 32 bits a pixel; save it with 8 or 16")
    alpha = _alpha(picture)
    colours = _srgb(picture)
    if alpha is not None:
        colours = Image.composite(colours, Image.new("RGB", colours.size, BACKGROUND), alpha)
    return np.asarray(colours)


def _alpha(picture: Image.Image) -> Image.Image | None:
    return picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None


def _srgb(picture: Image.Image) -> Image.Image:
    """The picture as RGB in sRGB; a profile that cannot be used is left aside, as viewers do."""
    data = picture.info.get("icc_profile")
    if data:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
            if "sRGB" not in ImageCms.getProfileDescription(profile):
                plain = picture if picture.mode in ("L", "CMYK") else picture.convert("RGB")
                changed = ImageCms.profileToProfile(plain, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
                if changed is not None:
                    return changed
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return picture.convert("RGB")


def _brands(head: bytes) -> set[bytes]:
    """The brands that an ISO media file names in its first box."""
    if head[4:8] != b"ftyp":
        return set()
    box = head[8 : int.from_bytes(head[:4])]
    return {box[:4], *(box[start : start + 4] for start in range(8, len(box), 4))}
