# mypy: ignore-errors
"""Geometric queries and noise for building figures: warp on the CPU behind numpy functions."""

import numpy as np
import warp as wp
from numpy.typing import NDArray

wp.config.log_level = wp.LOG_ERROR  # its banner and compiler notes are not for the user

Array = NDArray[np.floating]


class Surface:
    """A triangle mesh that answers questions: vertices (V, 3), triangles (T, 3)."""

    def __init__(self, vertices: Array, triangles: NDArray[np.int32]):
        self.mesh = wp.Mesh(_vectors(vertices), wp.array(triangles.ravel(), dtype=wp.int32, device="cpu"))

    def nearest(self, points: Array) -> tuple[NDArray[np.int32], Array, Array]:
        """Nearest triangle (N,), barycentric coordinates (N, 3) and that triangle's normal (N, 3)."""
        count = len(points)
        face = wp.empty(count, dtype=wp.int32, device="cpu")
        weights, normal = (wp.empty(count, dtype=wp.vec3, device="cpu") for _ in range(2))
        inputs = [self.mesh.id, _vectors(points)]
        wp.launch(_nearest, dim=count, inputs=inputs, outputs=[face, weights, normal], device="cpu")
        return face.numpy(), weights.numpy(), normal.numpy()

    def settle(self, points: Array, least: Array, most: Array) -> Array:
        """Points (N, 3) moved to where they are at least ``least`` and at most ``most`` (N,) outside the surface."""
        moved = wp.empty(len(points), dtype=wp.vec3, device="cpu")
        inputs = [self.mesh.id, _vectors(points), _numbers(least), _numbers(most)]
        wp.launch(_settle, dim=len(points), inputs=inputs, outputs=[moved], device="cpu")
        return moved.numpy()


def under_texels(corners: Array, side: int) -> tuple[NDArray[np.int32], Array]:
    """What triangles laid out in texture space (T, 3, 2) cover.

    Returns for each of side x side texels, row by row from the top, the triangle (-1 for none) and the barycentric
    coordinates (3) of the texel's centre.
    """
    flat = np.zeros((corners.shape[0] * 3, 3), np.float32)
    flat[:, :2] = corners.reshape(-1, 2)
    surface = Surface(flat, np.arange(len(flat), dtype=np.int32))
    face = wp.empty(side * side, dtype=wp.int32, device="cpu")
    weights = wp.empty(side * side, dtype=wp.vec3, device="cpu")
    wp.launch(_under_texel, dim=side * side, inputs=[surface.mesh.id, side], outputs=[face, weights], device="cpu")
    return face.numpy(), weights.numpy()


def noise(points: Array, frequency: float, seed: int) -> Array:
    """Perlin noise (N,) in about [-1, 1] at points (N, 3), with ``frequency`` cells a unit."""
    value = wp.empty(len(points), dtype=wp.float32, device="cpu")
    wp.launch(_noise, dim=len(points), inputs=[_vectors(points), frequency, seed], outputs=[value], device="cpu")
    return value.numpy() * np.float32(1.6)


def _vectors(values: Array) -> wp.array:
    return wp.array(np.ascontiguousarray(values, np.float32), dtype=wp.vec3, device="cpu")


def _numbers(values: Array) -> wp.array:
    return wp.array(np.ascontiguousarray(values, np.float32), dtype=wp.float32, device="cpu")


@wp.kernel
def _nearest(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    face: wp.array(dtype=wp.int32),
    weights: wp.array(dtype=wp.vec3),
    normal: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    near = wp.mesh_query_point_no_sign(mesh, points[i], 10.0)
    face[i] = near.face
    weights[i] = wp.vec3(near.u, near.v, 1.0 - near.u - near.v)
    normal[i] = wp.mesh_eval_face_normal(mesh, near.face)


@wp.kernel
def _settle(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    least: wp.array(dtype=wp.float32),
    most: wp.array(dtype=wp.float32),
    moved: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    p = points[i]
    near = wp.mesh_query_point_sign_normal(mesh, p, 10.0)
    on = wp.mesh_eval_position(mesh, near.face, near.u, near.v)
    away = (p - on) * near.sign
    distance = wp.length(away)
    moved[i] = p
    wanted = wp.clamp(distance * near.sign, least[i], most[i])
    if wanted != distance:
        direction = wp.mesh_eval_face_normal(mesh, near.face)
        if distance > 0.0005:
            direction = wp.normalize(away + direction * 0.001)
        moved[i] = on + direction * wanted


@wp.kernel
def _under_texel(mesh: wp.uint64, side: int, face: wp.array(dtype=wp.int32), weights: wp.array(dtype=wp.vec3)):
    texel = wp.tid()
    u = (float(texel % side) + 0.5) / float(side)
    v = 1.0 - (float(texel // side) + 0.5) / float(side)
    hit = wp.mesh_query_ray(mesh, wp.vec3(u, v, 1.0), wp.vec3(0.0, 0.0, -1.0), 2.0)
    face[texel] = -1
    if hit.result:
        face[texel] = hit.face
        weights[texel] = wp.vec3(hit.u, hit.v, 1.0 - hit.u - hit.v)


@wp.kernel
def _noise(points: wp.array(dtype=wp.vec3), frequency: float, seed: int, value: wp.array(dtype=wp.float32)):
    i = wp.tid()
    value[i] = wp.noise(wp.rand_init(seed), points[i] * frequency)
