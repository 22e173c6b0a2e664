"""Suites: which network plays which role."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from importlib import import_module
from typing import Any

from torch import Tensor

from thedit.errors import UserError
from thedit.faces import registry
from thedit.metrics.backends import Blendshapes, Detector, Embedder, Features, Landmarker, Perceptual, faces
from thedit.metrics.distribution import frechet_distance, kernel_distance

INCEPTION = "inception-2015"
PICTURES = {  # the networks that are not asked about faces
    "perceptual": {
        "efficientnet-lite0": "thedit.metrics.backends.efficientnet:efficientnet_lite0",
        "lpips-alex": "thedit.metrics.backends.lpips:alex",
        "lpips-vgg": "thedit.metrics.backends.lpips:vgg",
        "lpips-squeeze": "thedit.metrics.backends.lpips:squeeze",
    },
    "features": {
        "efficientnet-lite0": "thedit.metrics.backends.efficientnet:efficientnet_lite0",
        INCEPTION: "thedit.metrics.backends.inception:Inception",
    },
}
SUITES: dict[str, dict[str, str]] = {
    "embedded": {
        "detector": "dlib-hog+cnn",
        "landmarks": "dlib-68",
        "tracking": "annyheads",
        "embedding": "dlib-resnet",
        "perceptual": "efficientnet-lite0",
        "features": "efficientnet-lite0",
    },
    "paper": {
        "detector": "scrfd-10g",
        "landmarks": "2dfan4",
        "tracking": "2dfan4",
        "embedding": "arcface-r50",
        "perceptual": "lpips-alex",
        "features": INCEPTION,
    },
}


def feature_metrics(backend: str) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Distances between sets of features, by name: fid and kid are Inception's alone."""
    names = ("fid", "kid") if backend == INCEPTION else ("frechet", "kernel")
    return dict(zip(names, (frechet_distance, kernel_distance)))


@dataclass(frozen=True)
class Suite:
    """One backend per role; blendshapes are optional. Expressions are followed by the landmarks of ``tracking``."""

    name: str
    detector: Detector
    landmarks: Landmarker
    tracking: Landmarker
    embedding: Embedder
    perceptual: Perceptual
    features: Features
    blendshapes: Blendshapes | None = None

    @property
    def digest(self) -> str:
        """Twelve hex digits of the names and weights of all that is measured a picture."""
        state = hashlib.sha256()
        for field in fields(self)[1:]:
            backend = getattr(self, field.name)
            if backend is not None:
                state.update(f"{field.name} {backend.name} {backend.sha256}\n".encode())
        return state.hexdigest()[:12]

    @property
    def modules(self) -> list[str]:
        """The modules that the backends are written in, sorted."""
        backends = (getattr(self, field.name) for field in fields(self)[1:])
        return sorted({type(backend).__module__ for backend in backends if backend is not None})


def load(name: str, overrides: Mapping[str, str] | None = None) -> Suite:
    """The suite ``name`` with the backends of some roles replaced, e.g. ``{"landmarks": "annyheads"}``.

    Raises `UserError` for unknown names, and when weights are missing or damaged, naming the file and where to put it.
    """
    if name not in SUITES:
        raise UserError(f"metrics.suite: '{name}' is unknown; there are {', '.join(SUITES)}.")
    chosen = {**SUITES[name], **(overrides or {})}
    factories = {role: _factory(role, backend) for role, backend in chosen.items()}
    return Suite(name=name, **{role: factory() for role, factory in factories.items()})


def _factory(role: str, backend: str) -> Callable[[], Any]:
    roles = (*faces.ROLES, *PICTURES)
    if role not in roles:
        raise UserError(f"metrics.backends: role '{role}' is unknown; there are {', '.join(roles)}.")
    face = faces.ROLES.get(role)
    known = registry.names(face.role) if face else tuple(PICTURES[role])
    if backend not in known:
        raise UserError(f"metrics.backends.{role}: '{backend}' is unknown; there are {', '.join(known)}.")
    if face:
        return partial(face, registry.find(face.role, backend))
    module, _, factory = PICTURES[role][backend].partition(":")
    return getattr(import_module(module), factory)
