"""Every face network once: its name in configurations, suites and tables, its role, its file and licence.

Pictures are uint8 RGB arrays (H, W, 3), coordinates are in their pixels, pixel centres at half-integers. A network is
called with a picture and

detector     the side of the smallest face of interest  -> boxes (N, 4): left, top, right, bottom
landmarks    one box (4,)                               -> the 68 iBUG landmarks (68, 2)
embedding    landmarks (68, 2)                          -> numbers (D,) that tell people apart
blendshapes  one box (4,)                               -> the 52 ARKit coefficients in [0, 1]; NaN without a face
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from thedit import weights
from thedit.errors import UserError

Detector = Callable[[np.ndarray, float], np.ndarray]
Landmarker = Callable[[np.ndarray, np.ndarray], np.ndarray]
ANNYHEADS = Path(__file__).parents[1] / "video" / "backends" / "annyheads.safetensors"


@dataclass(frozen=True)
class Network:
    """One network in one role.

    ``weights`` is an entry of `thedit.weights`, or a file that comes with a package: "package:path" or a path.
    ``model``, of landmarks, is the calibration of `thedit.fitting.model` that says where on a head it sees them.
    """

    name: str
    role: str
    implementation: str  # module:class, called without arguments
    weights: str | Path | None  # None: it is part of its library
    licence: str
    model: str = ""

    def load(self) -> Any:
        """The network; `UserError` when its weights are missing or wrong."""
        module, _, name = self.implementation.partition(":")
        return getattr(import_module(module), name)()

    @property
    def file(self) -> Path:
        """Its weights, checked where they do not come with a package; `UserError` when they are missing or wrong."""
        assert self.weights is not None
        if isinstance(self.weights, Path):
            return self.weights
        package, colon, path = self.weights.partition(":")
        return packaged(package, path) if colon else weights.find(package)

    @property
    def sha256(self) -> str:
        """Of its weights; empty where it has none of its own."""
        return "" if self.weights is None else weights.digest(self.file)


def packaged(package: str, path: str) -> Path:
    """A file of an installed package, which is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(package)
    return Path(spec.origin).parent / path


_MODELS = "face_recognition_models:models/"
_PUBLIC, _APACHE, _RESEARCH = "public domain", "Apache-2.0", "non-commercial research only"
NETWORKS = (
    Network("dlib-hog", "detector", "thedit.faces.dlib:Hog", None, "BSL-1.0"),
    Network("dlib-hog+cnn", "detector", "thedit.faces.dlib:HogCnn", _MODELS + "mmod_human_face_detector.dat", _PUBLIC),
    Network("yunet", "detector", "thedit.faces.yunet:YuNet", "yunet", "MIT"),
    Network("scrfd-10g", "detector", "thedit.faces.scrfd:Scrfd", "scrfd-10g", _RESEARCH),
    Network("blazeface", "detector", "thedit.faces.mediapipe:BlazeFace", "mediapipe", _APACHE),
    Network(
        name="dlib-68",
        role="landmarks",
        implementation="thedit.faces.dlib:Landmarks",
        weights=_MODELS + "shape_predictor_68_face_landmarks.dat",
        licence="public domain; the data behind it excluded commercial use",
        model="dlib",
    ),
    Network("annyheads", "landmarks", "thedit.faces.annyheads:AnnyHeadsLandmarks", ANNYHEADS, _APACHE, "annyheads"),
    Network("2dfan4", "landmarks", "thedit.faces.fan:Fan", "2dfan4", "BSD-3-Clause; data for academic use", "dlib"),
    Network("facemesh-68", "landmarks", "thedit.faces.mediapipe:FaceMesh", "mediapipe", _APACHE, "mediapipe"),
    Network(
        name="dlib-resnet",
        role="embedding",
        implementation="thedit.faces.dlib:Embedding",
        weights=_MODELS + "dlib_face_recognition_resnet_model_v1.dat",
        licence=_PUBLIC,
    ),
    Network("arcface-r50", "embedding", "thedit.faces.arcface:ArcFace", "arcface-r50", _RESEARCH),
    Network("mediapipe-blendshapes", "blendshapes", "thedit.faces.blendshapes:Blendshapes", "mediapipe", _APACHE),
)


def names(role: str) -> tuple[str, ...]:
    """Names of all networks of a role."""
    return tuple(network.name for network in NETWORKS if network.role == role)


def find(role: str, name: str) -> Network:
    """The network ``name`` of a role; `UserError` names those that there are."""
    for network in NETWORKS:
        if (network.role, network.name) == (role, name):
            return network
    raise UserError(f"{role}: '{name}' is no face network; there are {', '.join(names(role))}.")
