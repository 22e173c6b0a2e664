"""Strands as opaque ribbons, two vertices a point: what hair, brows, lashes and beards are made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Ribbons:
    """V vertices and T triangles of many ribbons.

    vertices, normal, tangent (V, 3); tint (V, 3) linear RGB; triangles (T, 3)
    """

    vertices: Array
    normal: Array
    tangent: Array
    tint: Array
    triangles: NDArray[np.int32]


def ribbons(points: Array, normals: Array, width: Array, tint: Array) -> Ribbons:
    """Ribbons along strands: points, normals (N, S, 3), width (N, S), tint (N, S, 3)."""
    count, steps = points.shape[:2]
    tangent = unit(np.gradient(points, axis=1))
    side = unit(np.cross(tangent, normals)) * width[..., None] / 2
    vertices = np.stack([points - side, points + side], 2).reshape(-1, 3)  # (N * S * 2, 3)
    corner = (np.arange(count)[:, None] * steps + np.arange(steps - 1)) * 2  # (N, S-1)
    quads = np.stack([corner, corner + 1, corner + 3, corner, corner + 3, corner + 2], -1).reshape(-1, 3)
    double = lambda values: np.repeat(values.reshape(-1, 3), 2, axis=0).astype(np.float32)  # noqa: E731
    return Ribbons(vertices.astype(np.float32), double(normals), double(tangent), double(tint), quads.astype(np.int32))


def join(parts: list[Ribbons]) -> Ribbons:
    """Several sets of ribbons as one."""
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    triangles = [part.triangles + start for part, start in zip(parts, starts)]
    return Ribbons(
        vertices=np.concatenate([part.vertices for part in parts]),
        normal=np.concatenate([part.normal for part in parts]),
        tangent=np.concatenate([part.tangent for part in parts]),
        tint=np.concatenate([part.tint for part in parts]),
        triangles=np.concatenate(triangles).astype(np.int32),
    )


def pick(
    vertices: Array, triangles: NDArray[np.int32], density: Array, count: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], Array]:
    """Random triangles in proportion to area times density, and random barycentric coordinates."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) * density
    face = generator.choice(len(triangles), count, p=area / area.sum())
    u, v = generator.random((2, count))
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u), np.where(fold, 1 - v, v)
    return face, np.stack([1 - u - v, u, v], -1).astype(np.float32)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Smooth step from 0 at ``low`` to 1 at ``high``, which may be the smaller."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def unit(vectors: Array) -> Array:
    """Vectors (..., 3) at length 1."""
    return (vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)).astype(np.float32)
