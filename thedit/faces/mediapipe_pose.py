"""MediaPipe's head transform: its canonical face, laid onto the mesh that Face Mesh found."""

import math
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from thedit.faces.mediapipe import task_file

FIELD_OF_VIEW = 63.0  # vertical, degrees: the camera that MediaPipe assumes


def head_rotation(vertices: np.ndarray, width: int, height: int) -> np.ndarray:
    """Rotation (3, 3) from the canonical face (x to the picture's right, y up, z towards the camera) to the camera.

    vertices (478, 3) of `thedit.faces.mediapipe.Mesh` in a picture of width x height; the camera's axes are
    OpenGL's: x right, y up, z backward. Lays the canonical face onto the vertices by weighted Procrustes, after the
    perspective of a 63 degree camera has been taken out of them in two rounds.
    """
    canonical, weight = _canonical()
    near_height = 2 * math.tan(math.radians(FIELD_OF_VIEW) / 2)
    unit = near_height / height  # world units a pixel on the plane at distance 1
    points = vertices[:468] * unit
    points[:, 0] -= near_height * width / height / 2
    points[:, 1] = near_height / 2 - points[:, 1]
    middle = points[:, 2].mean()
    scale, _ = _procrustes(canonical, points * (1, 1, -1), weight)
    for last in (False, True):
        depth = (points[:, 2] - middle + 1) / scale
        seen = np.column_stack([points[:, :2] * depth[:, None], -depth])
        correction, rotation = _procrustes(canonical, seen, weight)
        if not last:
            scale *= correction
    return rotation


def _procrustes(source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    """Scale and rotation that lay source (N, 3) onto target (N, 3) best, with weight (N,) (Umeyama, 1991)."""
    share = (weight / weight.sum())[:, None]
    source = source - (share * source).sum(0)
    target = target - (share * target).sum(0)
    u, stretch, vt = np.linalg.svd((share * target).T @ source)
    sign = np.array([1, 1, np.linalg.det(u @ vt)])
    return float((stretch * sign).sum() / (share * source**2).sum()), (u * sign) @ vt


@cache
def _canonical() -> tuple[np.ndarray, np.ndarray]:
    """The canonical face (468, 3) and each vertex's weight (468,), from the task file's geometry message."""
    metadata = list(_fields(task_file("geometry_pipeline_metadata_landmarks.binarypb")))
    mesh = next(value for number, value in metadata if number == 1)
    numbers = [value for number, value in _fields(mesh) if number == 3]  # x, y, z, u, v of each vertex
    weight = np.zeros(468)
    for entry in (dict(_fields(value)) for number, value in metadata if number == 2):
        weight[entry.get(1, 0)] = entry[2]
    return np.array(numbers, float).reshape(468, 5)[:, :3], weight


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of an encoded protocol buffer."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
        elif kind == 5:
            yield number, struct.unpack_from("<f", message, at)[0]
            at += 4
        else:
            size = varint() if kind == 2 else 8
            yield number, message[at : at + size]
            at += size
