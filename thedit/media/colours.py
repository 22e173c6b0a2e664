"""From a decoded video frame to RGB pixels as a player shows them: square, progressive, upright, BT.709."""

from fractions import Fraction

import av
import av.error
import av.filter
import numpy as np
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, VideoReformatter

from thedit.media.files import UnreadableError, check_size

UNTAGGED = 2  # the number that stands for no colour matrix
HIGH_DEFINITION = 576  # lines above which an untagged video has the colour matrix of BT.709, below that of BT.601
HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)  # PQ and HLG
WIDE = (ColorPrimaries.BT2020, ColorPrimaries.SMPTE431, ColorPrimaries.SMPTE432)  # gamuts beyond BT.709's


class Converter:
    """Call it with the frames of one stream: at most ``most`` pixels, each ``aspect`` times as wide as high."""

    def __init__(self, aspect: Fraction | None, most: int):
        self._most = most
        self._aspect = aspect or Fraction(1)
        self._reformat = VideoReformatter().reformat  # one for all frames: each sets up tables and threads
        self._fields: tuple[tuple[int, int, str], av.filter.Graph] | None = None

    def __call__(self, frame: av.VideoFrame, longest: int | None) -> tuple[np.ndarray, float]:
        """uint8 RGB (H, W, 3), and the side of it over that of the whole frame in square pixels.

        The matrix and range are those that the frame names. PQ, HLG and wide gamuts are mapped to BT.709. Of an
        interlaced frame the upper field is shown. Raises `UnreadableError` for colours that cannot be converted.
        """
        width, height = self._square(frame.width, frame.height)
        check_size(width, height, self._most)
        scale = min(1.0, longest / max(width, height)) if longest else 1.0
        small = round(width * scale), max(1, round(height * scale))
        untagged = frame.colorspace == UNTAGGED and frame.height > HIGH_DEFINITION
        hdr = frame.color_trc in HDR
        try:
            turn = round(frame.rotation / 90)  # counter-clockwise, as rot90 does
            shown = self._reformat(
                self._upper_field(frame) if frame.interlaced_frame else frame,
                *small,
                "rgb24",
                interpolation="AREA",
                threads=1,
                src_colorspace=Colorspace.ITU709 if untagged else None,
                dst_color_trc=ColorTrc.BT709 if hdr else None,
                dst_color_primaries=ColorPrimaries.BT709 if hdr or frame.color_primaries in WIDE else None,
            )
        except (av.error.FFmpegError, ValueError) as error:
            raise UnreadableError(f"its colours cannot be converted ({str(error).lower()})") from error
        return np.ascontiguousarray(np.rot90(shown.to_ndarray(), turn)), small[0] / width

    def _square(self, width: int, height: int) -> tuple[int, int]:
        """The frame's size in square pixels, of which it has at least as many."""
        if self._aspect > 1:
            return round(width * self._aspect), height
        return width, round(height / self._aspect)

    def _upper_field(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Every second line: the two fields of an interlaced frame are 1/50 s apart."""
        key = frame.width, frame.height, frame.format.name
        if self._fields is None or self._fields[0] != key:
            graph = av.filter.Graph()
            start = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
            )
            graph.link_nodes(start, graph.add("field", "top"), graph.add("buffersink")).configure()
            self._fields = key, graph
        graph = self._fields[1]
        graph.push(frame)
        return graph.pull()  # type: ignore[return-value]
