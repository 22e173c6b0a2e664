"""What a shard holds: its columns, and the metadata that make it self-describing."""

import zlib

import pyarrow as pa

VERSION = "2"
EXPRESSIONS = 52
PICTURES = ("image", "parts", "surface")


def schema(identity: int) -> pa.Schema:
    """The columns of a shard whose identity vectors have ``identity`` numbers. A row is a kept frame.

    person, clip   text; a clip's name is ``<person>/<clip>``
    split          text, e.g. ``train`` or ``test``
    frame, time    number of the frame in its video, from 0, and its presentation time in seconds
    image          PNG bytes: RGB picture, 3/2 of the frame's side, of which the frame is the centre
    parts          PNG bytes: labels of `thedit.shards.batch.PARTS` in the frame
    camera         25, of the crop, see `thedit.camera`
    landmarks      136, 68 x (x, y) in the crop's normalised coordinates
    expression     52, fitted, in [0, 1]
    identity       fitted
    quality        how good a source the frame is, in [0, 1]
    box            left, top, side of the crop in the video's pixels
    performance    what is done in the clip, its own name unless several people do the same (frame by frame)
    surface        `thedit.shards.surface.pack`; empty where it is not known
    """
    return pa.schema(
        [
            ("person", pa.string()),
            ("clip", pa.string()),
            ("split", pa.string()),
            ("frame", pa.int32()),
            ("time", pa.float64()),
            ("image", pa.binary()),
            ("parts", pa.binary()),
            ("camera", pa.list_(pa.float32(), 25)),
            ("landmarks", pa.list_(pa.float32(), 136)),
            ("expression", pa.list_(pa.float32(), EXPRESSIONS)),
            ("identity", pa.list_(pa.float32(), identity)),
            ("quality", pa.float32()),
            ("box", pa.list_(pa.float32(), 3)),
            ("performance", pa.string()),
            ("surface", pa.binary()),
        ]
    )


def checksum(column: pa.Array) -> str:
    """CRC-32 of a column's values, wherever they lie."""
    return f"{zlib.crc32(pa.record_batch([column], ['']).serialize()):08x}"
