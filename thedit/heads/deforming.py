# mypy: ignore-errors
"""The head's surface in a frame: where its vertices are and which way they face; one source for CPU and CUDA."""

import warp as wp

wp.set_module_options({"fast_math": False, "fuse_fp": False, "enable_backward": False})


@wp.kernel
def deform(
    base: wp.array(dtype=wp.vec3),
    blendshapes: wp.array2d(dtype=wp.vec3),
    follow: wp.array(dtype=wp.float32),
    expression: wp.array2d(dtype=wp.float32),
    turn: wp.array(dtype=wp.vec3),
    neck: wp.vec3,
    points: wp.array2d(dtype=wp.vec3),
):
    """Vertices under blendshapes, the neck twisted; summed in a fixed order, so that every run agrees to the bit.

    ``turn`` is the body's rotation vector seen from the head; half of it, as a Gibbs vector, is very nearly the same.
    """
    frame, vertex = wp.tid()
    point = base[vertex]
    for k in range(blendshapes.shape[0]):
        if expression[frame, k] != 0.0:
            point = point + blendshapes[k, vertex] * expression[frame, k]
    if follow[vertex] > 0.0:
        half = turn[frame] * (0.5 * follow[vertex])
        arm = point - neck
        swing = wp.cross(half, arm)
        point = point + (swing + wp.cross(half, swing)) * (2.0 / (1.0 + wp.dot(half, half)))
    points[frame, vertex] = point


@wp.kernel
def vertex_normals(
    points: wp.array2d(dtype=wp.vec3),
    triangles: wp.array2d(dtype=wp.int32),
    first: wp.array(dtype=wp.int32),
    around: wp.array(dtype=wp.int32),
    still: wp.array(dtype=wp.vec3),
    normals: wp.array2d(dtype=wp.vec3),
):
    """Normals from the triangles around a vertex, in a fixed order; vertices without triangles keep ``still``."""
    frame, vertex = wp.tid()
    total = wp.vec3()
    for k in range(first[vertex], first[vertex + 1]):
        face = around[k]
        a = points[frame, triangles[face, 0]]
        total = total + wp.cross(points[frame, triangles[face, 1]] - a, points[frame, triangles[face, 2]] - a)
    if first[vertex] == first[vertex + 1]:
        total = still[vertex]
    normals[frame, vertex] = wp.normalize(total)
