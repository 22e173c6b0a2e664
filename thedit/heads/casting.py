# mypy: ignore-errors
# ruff: noqa: UP018 (warp needs float(0.0) for a variable that a loop changes)
"""The ray caster's kernels: a ray a pixel, more where they are needed, and what the rays meet.

One source for CPU and CUDA, compiled by warp.
"""

import warp as wp

from thedit.heads.optics import texture_at, visible
from thedit.heads.shading import CLOTHES, FAR, HAIR, LASHES, OFFSET, SKIN, Light, Look, Sample, View, shade

wp.set_module_options({"fast_math": False, "fuse_fp": False, "enable_backward": False})

EDGE_SAMPLES = wp.constant(3)  # more rays where a pixel differs from a neighbour
STRAND_SAMPLES = wp.constant(1)  # more rays inside hair


@wp.kernel
def cast(look: Look, light: Light, view: View, samples: wp.array3d(dtype=Sample)):
    """One ray through each pixel's centre."""
    frame, row, column = wp.tid()
    size = samples.shape[1]
    x = (float(column) + 0.5) / float(size)
    y = (float(row) + 0.5) / float(size)
    samples[frame, row, column] = shade(look, light, view, frame, x, y, wp.rand_init(1, row * size + column))


@wp.func
def rays_wanted(samples: wp.array3d(dtype=Sample), frame: int, row: int, column: int) -> int:
    """How many more rays a pixel needs: many where it differs from a neighbour, few inside hair, else none."""
    here = samples[frame, row, column]
    size = samples.shape[1]
    wanted = 0
    if here.label >= LASHES and here.label <= HAIR:
        wanted = STRAND_SAMPLES
    for k in range(9):
        r = wp.clamp(row + k // 3 - 1, 0, size - 1)
        c = wp.clamp(column + k % 3 - 1, 0, size - 1)
        other = samples[frame, r, c]
        if other.label != here.label:
            wanted = EDGE_SAMPLES
        elif here.label != 0 and here.label != HAIR:
            step = other.colour - here.colour
            largest = wp.max(wp.max(wp.abs(step[0]), wp.abs(step[1])), wp.abs(step[2]))
            if largest > 0.07 or wp.abs(other.distance - here.distance) > 0.03:
                wanted = EDGE_SAMPLES
    return wanted


@wp.kernel
def refine(
    look: Look,
    light: Light,
    view: View,
    samples: wp.array3d(dtype=Sample),
    image: wp.array4d(dtype=wp.uint8),
):
    """More rays where they are needed; writes the picture."""
    frame, row, column = wp.tid()
    here = samples[frame, row, column]
    size = samples.shape[1]
    colour = here.colour
    wanted = rays_wanted(samples, frame, row, column)
    for k in range(wanted):
        turn = 0.4636476 + 2.0943951 * float(k)  # the corners of a triangle around the centre
        x = (float(column) + 0.5 + 0.3953 * wp.cos(turn)) / float(size)
        y = (float(row) + 0.5 + 0.3953 * wp.sin(turn)) / float(size)
        state = wp.rand_init(2 + k, row * size + column)
        found = shade(look, light, view, frame, x, y, state)
        colour = colour + found.colour
    colour = colour / (float(wanted) + 1.0)
    for i in range(3):
        image[frame, row, column, i] = wp.uint8(wp.clamp(colour[i] * 255.0 + 0.5, 0.0, 255.0))


@wp.kernel
def survey(
    look: Look,
    view: View,
    mask: wp.array3d(dtype=wp.uint8),
    depth: wp.array3d(dtype=wp.float32),
    triangle: wp.array3d(dtype=wp.int32),
    barycentric: wp.array3d(dtype=wp.vec2),
):
    """What the rays through the centres of the maps' cells meet; see `thedit.heads.frames.Frames`."""
    frame, row, column = wp.tid()
    size = mask.shape[1]
    x = (float(column) + 0.5) / float(size)
    y = (float(row) + 0.5) / float(size)
    origin = view.centre[frame]
    direction = wp.normalize(view.rotation[frame] * (view.lens[frame] * wp.vec3(x, y, 1.0)))
    label = wp.int32(0)
    distance = float(0.0)
    face = wp.int32(-1)
    weights = wp.vec2()
    hit = wp.mesh_query_ray(view.meshes[frame], origin, direction, FAR)
    reach = FAR
    if hit.result:
        reach = hit.t
        distance = hit.t
        label = look.label[hit.face]
        face = hit.face
        weights = wp.vec2(hit.u, hit.v)
        if label >= LASHES:  # a strand: where its nearest vertex is attached
            corner = wp.int32(2)
            if hit.u > hit.v and hit.u > 1.0 - hit.u - hit.v:
                corner = 0
            elif hit.v > 1.0 - hit.u - hit.v:
                corner = 1
            vertex = look.triangles[hit.face, corner]
            face = look.anchor[vertex]
            weights = look.anchor_weights[vertex]
        elif label == SKIN:
            w = 1.0 - hit.u - hit.v
            uv = look.uv[hit.face, 0] * hit.u + look.uv[hit.face, 1] * hit.v + look.uv[hit.face, 2] * w
            if texture_at(look.texture, uv)[3] < 0.0:
                label = CLOTHES
    strand = wp.mesh_query_ray(look.hair, origin, direction, reach)
    if strand.result:
        distance = strand.t
        label = HAIR
        face = -1
        weights = wp.vec2()
    mask[frame, row, column] = wp.uint8(label)
    depth[frame, row, column] = distance
    triangle[frame, row, column] = face
    barycentric[frame, row, column] = weights


@wp.kernel
def sky_visibility(
    mesh: wp.uint64,
    hair: wp.uint64,
    points: wp.array2d(dtype=wp.vec3),
    normals: wp.array2d(dtype=wp.vec3),
    rays: int,
    occlusion: wp.array(dtype=wp.float32),
):
    """Cosine-weighted share of the hemisphere above each vertex that is free within a quarter of a head."""
    vertex = wp.tid()
    n = normals[0, vertex]
    helper = wp.vec3(1.0, 0.0, 0.0)
    if wp.abs(n[0]) > 0.7:
        helper = wp.vec3(0.0, 1.0, 0.0)
    tangent = wp.normalize(wp.cross(n, helper))
    bitangent = wp.cross(n, tangent)
    origin = points[0, vertex] + n * OFFSET
    free = float(0.0)
    for i in range(rays):
        angle = 2.3999632 * float(i)
        radius = wp.sqrt((float(i) + 0.5) / float(rays))
        side = tangent * (radius * wp.cos(angle)) + bitangent * (radius * wp.sin(angle))
        free += visible(mesh, hair, origin, side + n * wp.sqrt(1.0 - radius * radius), 0.25)
    occlusion[vertex] = free / float(rays)
