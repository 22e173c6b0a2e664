"""Picture files as viewers show them, whatever wrote them."""

import io
import os
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from PIL import Image, ImageCms

from thedit.media import pictures, stream
from thedit.media.files import UnreadableError

SIDE = 24
RAMP = np.stack(np.broadcast_arrays(*np.ogrid[0:240:10, 0:240:10], 90), -1).astype(np.uint8)  # (24, 24, 3)


def saved(path, picture, **options):
    Image.fromarray(picture).save(path, **options) if isinstance(picture, np.ndarray) else picture.save(path, **options)
    return path


def why(path) -> str:
    with pytest.raises(UnreadableError) as error:
        pictures.read(path)
    return str(error.value)


@pytest.mark.parametrize("flag", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_orientation_flags_are_honoured(tmp_path, flag, suffix):
    stored = {  # how a camera that is held so stores the picture
        1: RAMP, 2: RAMP[:, ::-1], 3: RAMP[::-1, ::-1], 4: RAMP[::-1], 5: RAMP.transpose(1, 0, 2),
        6: np.rot90(RAMP), 7: RAMP[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(RAMP, -1),
    }[flag]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = flag
    options = {"quality": 98, "subsampling": 0} if suffix == "jpg" else {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path / f"a.{suffix}", np.ascontiguousarray(stored), exif=exif, **options)
    assert np.abs(pictures.read(path).astype(int) - RAMP).max() <= 8


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_rounded_to_eight(tmp_path, suffix):
    grey = RAMP[..., 0]
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(grey.astype(np.uint16) * 257))
    assert np.array_equal(pictures.read(path), np.repeat(grey[..., None], 3, -1))


def test_grey_palette_and_bilevel_become_rgb(tmp_path):
    whole = Image.fromarray(RAMP)
    for mode in ("L", "1", "P", "LA"):
        path = saved(tmp_path / f"{mode}.png", whole.convert(mode))
        assert np.array_equal(pictures.read(path), np.asarray(whole.convert(mode).convert("RGB")))


def test_cmyk_becomes_rgb(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.fromarray(RAMP).convert("CMYK"), quality=98, subsampling=0)
    assert np.abs(pictures.read(path).astype(int) - RAMP).mean() < 4


def test_a_colour_profile_is_followed(tmp_path):
    unusable = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()  # left aside, as viewers do
    assert np.array_equal(pictures.read(saved(tmp_path / "a.png", RAMP, icc_profile=unusable)), RAMP)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(pictures.read(saved(tmp_path / "b.png", RAMP, icc_profile=srgb)), RAMP)
    red, green = b"rXYZ", b"gXYZ"  # a profile that calls green what is red
    swapped = srgb.replace(red, b"----").replace(green, red).replace(b"----", green)
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    got = pictures.read(saved(tmp_path / "c.png", RAMP, icc_profile=swapped)).astype(int)
    assert np.abs(got - RAMP[..., [1, 0, 2]]).max() <= 2


@pytest.mark.parametrize("kind", ["RGBA", "palette", "grey"])
def test_transparent_pictures_lie_over_white(tmp_path, kind):
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    alpha[:8] = 0  # hidden
    if kind == "RGBA":
        path = saved(tmp_path / "a.png", np.dstack([RAMP, alpha]))
        expected = RAMP
    elif kind == "grey":
        path = saved(tmp_path / "a.png", Image.merge("LA", [Image.fromarray(RAMP[..., 0]), Image.fromarray(alpha)]))
        expected = np.repeat(RAMP[..., :1], 3, -1)
    else:
        picture = Image.fromarray((alpha > 0).astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 50, 100, 150])
        path = saved(tmp_path / "a.png", picture, transparency=0)
        expected = np.broadcast_to(np.uint8([50, 100, 150]), RAMP.shape)
    got = pictures.read(path)
    assert pictures.transparent(path)
    assert (got[:8] == 255).all()
    assert np.array_equal(got[8:], expected[8:])
    assert not pictures.transparent(saved(tmp_path / "b.png", np.dstack([RAMP, np.full_like(alpha, 255)])))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
def test_every_picture_of_an_animation_counts_with_its_own_time(tmp_path, suffix):
    frames = [np.full((SIDE, SIDE, 3), 40 * number, np.uint8) for number in range(5)]
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    first, *rest = map(Image.fromarray, frames)
    first.save(path, save_all=True, append_images=rest, duration=[40, 40, 200, 40, 80], **options)
    line = stream.timeline([path])
    assert [round(1000 * line.seconds(number)) for number in range(5)] == [0, 40, 80, 280, 320]
    got = list(stream.read([path], range(1, 5)))
    assert [picture.number for picture in got] == [1, 2, 3, 4]
    assert np.allclose([picture.pixels.mean() for picture in got], [40, 80, 120, 160], atol=3)
    assert why(path) == "holds 5 pictures where one belongs"


@pytest.mark.parametrize("duration", [0, 10])
def test_a_gif_in_a_hurry_is_shown_as_browsers_show_it(tmp_path, duration):
    frames = [Image.fromarray(np.full((SIDE, SIDE, 3), 40 * number, np.uint8)) for number in range(3)]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=duration)
    assert pictures.starts(path) == pytest.approx((0, 0.1, 0.2))


def test_a_tiled_avif_is_read_whole(tmp_path):
    """Shown with one of several tiles by tests of Pillow; here that its one reader is used, not a video decoder."""
    path = saved(tmp_path / "a.avif", np.kron(RAMP, np.ones((4, 4, 1), np.uint8)), quality=100)
    assert pictures.read(path).shape == (4 * SIDE, 4 * SIDE, 3)


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50))
    assert why(tmp_path / "a.heic") == "is a HEIC picture, which cannot be read; save it as JPEG or PNG"
    Image.fromarray(RAMP).save(tmp_path / "a.tif", save_all=True, append_images=[Image.fromarray(RAMP)] * 2)
    assert why(tmp_path / "a.tif") == "is a TIFF file of 3 pages; save each as a file of its own"
    saved(tmp_path / "f.tif", Image.fromarray(RAMP[..., 0].astype(np.float32)))
    assert why(tmp_path / "f.tif") == "has 32 bits a pixel; save it with 8 or 16"
    (tmp_path / "no.png").write_bytes(b"no picture")
    assert why(tmp_path / "no.png") == "is no picture that can be decoded"
    (tmp_path / "empty.png").write_bytes(b"")
    assert why(tmp_path / "empty.png") == "the file is empty (0 bytes)"
    os.mkfifo(tmp_path / "pipe.png")
    assert why(tmp_path / "pipe.png") == "is no regular file"
    assert why(tmp_path / "none.png") == "there is no such file"


def test_a_header_that_claims_too_much_is_refused_before_decoding(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(RAMP).save(buffer, "png")
    data = bytearray(buffer.getvalue())
    data[16:24] = (50_000).to_bytes(4) * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    (tmp_path / "bomb.png").write_bytes(data)
    assert why(tmp_path / "bomb.png") == "has 50000 x 50000 pixels, more than 100,000,000; make it smaller"


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.fromarray(np.roll(RAMP, number, 0)) for number in range(3)]
    several = {"save_all": True, "append_images": frames[1:]} if kind in ("gif", "webp") else {}
    frames[0].save(buffer, kind, **several)
    return buffer.getvalue()


WHOLE = {kind: encoded(kind) for kind in ("jpeg", "png", "gif", "webp", "bmp", "tiff", "avif")}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=some.sampled_from(sorted(WHOLE)), data=some.data())
def test_damaged_pictures_are_an_error_or_whole(tmp_path, kind, data):
    """Truncated or bit-flipped: a sentence or a picture, never another exception, and no frame less without a word."""
    content = bytearray(WHOLE[kind])
    if data.draw(some.booleans()):
        content = content[: data.draw(some.integers(1, len(content) - 1))]
    for _ in range(data.draw(some.integers(0, 3))):
        place = data.draw(some.integers(0, len(content) - 1))
        content[place] ^= 1 << data.draw(some.integers(0, 7))
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    try:
        wanted = range(len(stream.timeline([path]).ticks))
        got = list(stream.read([path], wanted))
    except UnreadableError as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert [picture.number for picture in got] == list(wanted)
        assert all(picture.pixels.dtype == np.uint8 and picture.pixels.shape[2] == 3 for picture in got)
