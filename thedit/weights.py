"""Network weights that no pip package carries: looked up in one folder and checked by sha256, never downloaded.

The folder is ``$THEDIT_WEIGHTS`` or, without that variable, ``weights/`` in the current directory.
"""

import os
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from thedit.errors import UserError
from thedit.files import atomic, sha256


@dataclass(frozen=True)
class Weights:
    """One file of weights.

    ``sha256`` is the full hash, or the prefix that the file's own name carries where the publisher states no more.
    ``size`` is in bytes, 0 where it is not known for certain.
    """

    name: str
    file: str
    role: str
    sha256: str
    size: int
    licence: str
    source: str

    @property
    def megabytes(self) -> str:
        """The size for people to read."""
        return f"{self.size / 1e6:.1f} MB" if self.size else "size not stated by its publisher"


_INSIGHTFACE = "https://github.com/deepinsight/insightface/releases (buffalo_l.zip, v0.7)"
_INSIGHTFACE_LICENCE = "non-commercial research only"
_TORCHVISION = "https://download.pytorch.org/models/"
_TORCHVISION_LICENCE = "BSD-3-Clause; trained on ImageNet"

REGISTRY = {
    entry.name: entry
    for entry in (
        Weights(
            name="yunet",
            file="face_detection_yunet_2023mar.onnx",
            role="face detection",
            sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            size=232589,
            licence="MIT",
            source="https://github.com/opencv/opencv_zoo (models/face_detection_yunet)",
        ),
        Weights(
            name="mediapipe",
            file="face_landmarker.task",
            role="face detection, landmarks, head transform",
            sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            size=3758596,
            licence="Apache-2.0",
            source="https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker",
        ),
        Weights(
            name="scrfd-10g",
            file="det_10g.onnx",
            role="face detection",
            sha256="5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
            size=16923827,
            licence=_INSIGHTFACE_LICENCE,
            source=_INSIGHTFACE,
        ),
        Weights(
            name="arcface-r50",
            file="w600k_r50.onnx",
            role="identity embedding",
            sha256="4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
            size=174383860,
            licence=_INSIGHTFACE_LICENCE,
            source=_INSIGHTFACE,
        ),
        Weights(
            name="2dfan4",
            file="2DFAN4-11f355bf06.pth.tar",
            role="68 landmarks",
            sha256="11f355bf06",
            size=0,
            licence="BSD-3-Clause code; trained on 300W-LP, academic use",
            source="https://www.adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar",
        ),
        Weights(
            name="alexnet",
            file="alexnet-owt-7be5be79.pth",
            role="perceptual features (LPIPS)",
            sha256="7be5be79",
            size=0,
            licence=_TORCHVISION_LICENCE,
            source=f"{_TORCHVISION}alexnet-owt-7be5be79.pth",
        ),
        Weights(
            name="vgg16",
            file="vgg16-397923af.pth",
            role="perceptual features (LPIPS)",
            sha256="397923af",
            size=0,
            licence=_TORCHVISION_LICENCE,
            source=f"{_TORCHVISION}vgg16-397923af.pth",
        ),
        Weights(
            name="squeezenet",
            file="squeezenet1_1-b8a52dc0.pth",
            role="perceptual features (LPIPS)",
            sha256="b8a52dc0",
            size=0,
            licence=_TORCHVISION_LICENCE,
            source=f"{_TORCHVISION}squeezenet1_1-b8a52dc0.pth",
        ),
        Weights(
            name="inception",
            file="pt_inception-2015-12-05-6726825d.pth",
            role="Fréchet features (FID)",
            sha256="6726825d",
            size=0,
            licence="Apache-2.0; trained on ImageNet",
            source="https://github.com/mseitzer/pytorch-fid/releases (fid_weights)",
        ),
    )
}


def folder() -> Path:
    """Where weights are looked up."""
    return Path(os.environ.get("THEDIT_WEIGHTS", "weights"))


def there(name: str) -> bool:
    """Whether the file of an entry is in the folder."""
    return (folder() / REGISTRY[name].file).is_file()


def find(name: str) -> Path:
    """The checked file of the entry ``name`` of `REGISTRY`.

    Raises `UserError` when it is missing (naming size, licence, source and where to put it) or its sha256 differs.
    """
    entry = REGISTRY[name]
    path = folder() / entry.file
    if not path.is_file():
        raise UserError(
            f"{path}: missing ({entry.role}; {entry.megabytes}; licence: {entry.licence}); get it from {entry.source} "
            "and add it with 'thedit weights add FILE', or set THEDIT_WEIGHTS to the folder that has it."
        )
    actual = digest(path)
    if not actual.startswith(entry.sha256):
        raise UserError(
            f"{path}: its sha256 {actual} is not the expected {entry.sha256}{_rest(entry)}; get it again from "
            f"{entry.source}."
        )
    return path


def digest(path: Path) -> str:
    """Hex SHA-256 of ``path``, computed once for each version of the file."""
    status = path.stat()
    return _digest(path.resolve(), status.st_mtime_ns, status.st_size)


def add(file: Path) -> Weights:
    """Copy ``file`` to its place in the weights folder if its sha256 belongs to an entry; which entry it is.

    A file is recognised by its content, whatever its name; by a prefix only if its name is right as well.
    """
    actual = sha256(file)
    for entry in REGISTRY.values():
        if actual == entry.sha256 or (file.name == entry.file and actual.startswith(entry.sha256)):
            with atomic(folder() / entry.file) as sibling:
                shutil.copyfile(file, sibling)
            return entry
    raise UserError(f"{file}: its sha256 {actual} belongs to no known weights; 'thedit weights list' shows these.")


def _rest(entry: Weights) -> str:
    return "" if len(entry.sha256) == 64 else "..."


@lru_cache
def _digest(path: Path, modified: int, size: int) -> str:
    return sha256(path)
