# mypy: ignore-errors
# ruff: noqa: UP018 (warp needs float(0.0) for a variable that a loop changes)
"""What a camera ray sees: device code for CPU and CUDA, compiled by warp.

A sample is one camera ray: nearest hit of the skin mesh (deforms every frame) and of the hair mesh (rigid), then a
shading model per material. Colours are linear RGB until `display`. Directions of light live in the camera's axes, so
that light stays in the room while the head turns.
"""

import warp as wp

from thedit.heads.assets import LABELS
from thedit.heads.optics import (
    ambient,
    background_at,
    bump,
    display,
    highlight,
    openness,
    strand_colour,
    texture_at,
    visible,
)

SKIN = wp.constant(LABELS["skin"])
MOUTH = wp.constant(LABELS["mouth"])
EYE_LEFT = wp.constant(LABELS["eye_left"])
EYE_RIGHT = wp.constant(LABELS["eye_right"])
TEETH = wp.constant(LABELS["teeth"])
TONGUE = wp.constant(LABELS["tongue"])
LASHES = wp.constant(LABELS["lashes"])
HAIR = wp.constant(LABELS["hair"])
CLOTHES = wp.constant(LABELS["clothes"])
ACCESSORY = wp.constant(LABELS["accessory"])
FAR = wp.constant(100.0)
OFFSET = wp.constant(0.002)  # start of a secondary ray off its surface, world units


@wp.struct
class Look:
    """One person: materials and everything that does not change from frame to frame."""

    triangles: wp.array2d(dtype=wp.int32)  # (T, 3) of the deforming mesh
    label: wp.array(dtype=wp.int32)  # (T,)
    uv: wp.array2d(dtype=wp.vec2)  # (T of the assets, 3)
    rest: wp.array(dtype=wp.vec3)  # (V,) positions on the mean face
    occlusion: wp.array(dtype=wp.float32)  # (V,) share of the sky that is seen, 0 to 1
    tangent: wp.array(dtype=wp.vec3)  # (V,) along strands
    tint: wp.array(dtype=wp.vec3)  # (V,) colour of strands
    anchor: wp.array(dtype=wp.int32)  # (V,) triangle of the assets that a strand's vertex is attached to
    anchor_weights: wp.array(dtype=wp.vec2)  # (V,) of that triangle's first two vertices
    texture: wp.array2d(dtype=wp.vec4)  # albedo and gloss; a negative gloss is cloth
    hair: wp.uint64
    hair_triangles: wp.array2d(dtype=wp.int32)
    hair_normal: wp.array(dtype=wp.vec3)
    hair_tangent: wp.array(dtype=wp.vec3)
    hair_tint: wp.array(dtype=wp.vec3)
    eye_left: wp.vec3  # centres of the eyeballs on the mean face
    eye_right: wp.vec3
    iris: wp.vec3
    iris_size: wp.float32  # radians
    pupil_size: wp.float32
    pore_seed: wp.int32
    pore_depth: wp.float32


@wp.struct
class Light:
    """One clip's light, in the camera's axes, and its background."""

    key: wp.vec3  # unit vector towards the light
    key_colour: wp.vec3
    ambient: wp.array(dtype=wp.vec3)  # (9,) polynomial of the normal, see `ambient`
    background: wp.array2d(dtype=wp.vec3)  # display RGB
    softness: wp.float32
    exposure: wp.float32


@wp.struct
class View:
    """The frames: cameras and deformed meshes."""

    rotation: wp.array(dtype=wp.mat33)  # camera to world
    centre: wp.array(dtype=wp.vec3)
    lens: wp.array(dtype=wp.mat33)  # inverse intrinsics
    room: wp.array(dtype=wp.mat33)  # camera to world of the recording camera, to which the light is attached
    window: wp.array(dtype=wp.vec3)  # left, top, side of the background's part that is seen
    meshes: wp.array(dtype=wp.uint64)  # the deforming mesh of each frame
    normals: wp.array2d(dtype=wp.vec3)  # (frames, V)


@wp.struct
class Sample:
    """What one ray found."""

    colour: wp.vec3
    label: wp.int32
    distance: wp.float32


@wp.func
def eye_colour(look: Look, rest: wp.vec3, centre: wp.vec3) -> wp.vec3:
    """Albedo of the eyeball at a place of the mean face: sclera, limbus, iris fibres, pupil."""
    d = wp.normalize(rest - centre)
    angle = wp.acos(wp.clamp(d[2], -1.0, 1.0))
    state = wp.rand_init(look.pore_seed, 7)
    veins = 0.5 + 0.5 * wp.noise(state, d * 9.0)
    edge = wp.smoothstep(0.35, 0.95, angle)
    colour = wp.vec3(0.80, 0.75, 0.70) * (1.0 - edge) + wp.vec3(0.62, 0.42, 0.36) * edge
    colour = colour * (0.92 + 0.08 * veins)
    ratio = angle / look.iris_size
    if ratio < 1.15:
        around = wp.atan2(d[1], d[0])
        circle = wp.vec3(wp.cos(around) * 5.0, wp.sin(around) * 5.0, ratio * 1.5)
        fibre = 0.75 + 0.55 * wp.noise(state, circle)
        ring = wp.smoothstep(0.72, 1.0, ratio)
        collar = 1.0 - wp.smoothstep(0.35, 0.62, ratio)
        iris = look.iris * fibre * (1.0 - 0.75 * ring)
        iris = iris + wp.cw_mul(look.iris, wp.vec3(0.5, 0.35, 0.15)) * collar
        blend = wp.smoothstep(0.97, 1.12, ratio)
        colour = iris * (1.0 - blend) + colour * blend
        pupil = wp.smoothstep(0.85, 1.1, angle / look.pupil_size)
        colour = colour * pupil + wp.vec3(0.004, 0.004, 0.004) * (1.0 - pupil)
    return colour


@wp.func
def tooth_colour(rest: wp.vec3) -> wp.vec3:
    """Albedo of teeth at a place of the mean face: dark between two of them, yellower at the root, gums above."""
    around = wp.atan2(rest[0], rest[2] - 0.135)  # along the arch, about 0.24 a tooth in front
    gap = wp.abs(wp.sin(around * 13.0))
    between = wp.smoothstep(0.0, 0.28, gap)
    root = wp.smoothstep(0.012, 0.03, wp.abs(rest[1] + 0.0565))  # from the bite, where the rows meet
    colour = wp.vec3(0.78, 0.72, 0.61) * (1.0 - root) + wp.vec3(0.45, 0.17, 0.16) * root
    return colour * (0.35 + 0.65 * between)


@wp.func
def shade(look: Look, light: Light, view: View, frame: int, x: float, y: float, state: wp.uint32) -> Sample:
    """Cast the ray through normalised picture coordinates (x, y) and colour what it finds."""
    mesh = view.meshes[frame]
    room = view.room[frame]
    origin = view.centre[frame]
    direction = wp.normalize(view.rotation[frame] * (view.lens[frame] * wp.vec3(x, y, 1.0)))
    found = Sample()
    key = room * light.key
    eye = -direction
    # Soft shadows: each sample looks at another point of the light.
    blur = wp.vec3(wp.randf(state) - 0.5, wp.randf(state) - 0.5, wp.randf(state) - 0.5)
    towards = wp.normalize(key + blur * light.softness)
    hit = wp.mesh_query_ray(mesh, origin, direction, FAR)
    reach = FAR
    if hit.result:
        reach = hit.t
    strand = wp.mesh_query_ray(look.hair, origin, direction, reach)

    if strand.result:
        a = look.hair_triangles[strand.face, 0]
        b = look.hair_triangles[strand.face, 1]
        c = look.hair_triangles[strand.face, 2]
        w = 1.0 - strand.u - strand.v
        n = wp.normalize(look.hair_normal[a] * strand.u + look.hair_normal[b] * strand.v + look.hair_normal[c] * w)
        t = wp.normalize(look.hair_tangent[a] * strand.u + look.hair_tangent[b] * strand.v + look.hair_tangent[c] * w)
        tint = look.hair_tint[a] * strand.u + look.hair_tint[b] * strand.v + look.hair_tint[c] * w
        place = origin + direction * strand.t
        sun = light.key_colour
        if wp.mesh_query_ray_anyhit(mesh, place + key * 0.012 + n * 0.004, towards, FAR):
            sun = wp.vec3()
        sky = ambient(light.ambient, wp.transpose(room) * n)
        found.colour = display(strand_colour(tint, n, t, key, eye, sun, sky, 1.0) * light.exposure)
        found.label = HAIR
        found.distance = strand.t
        return found

    if not hit.result:
        window = view.window[frame]
        found.colour = background_at(light.background, window[0] + x * window[2], window[1] + y * window[2])
        return found

    a = look.triangles[hit.face, 0]
    b = look.triangles[hit.face, 1]
    c = look.triangles[hit.face, 2]
    w = 1.0 - hit.u - hit.v
    label = look.label[hit.face]
    n = wp.normalize(view.normals[frame, a] * hit.u + view.normals[frame, b] * hit.v + view.normals[frame, c] * w)
    if wp.dot(n, direction) > 0.0 and label >= LASHES:
        n = -n
    rest = look.rest[a] * hit.u + look.rest[b] * hit.v + look.rest[c] * w
    open = look.occlusion[a] * hit.u + look.occlusion[b] * hit.v + look.occlusion[c] * w
    place = origin + direction * hit.t
    off = place + n * OFFSET + eye * OFFSET
    facing = wp.dot(n, key)
    colour = wp.vec3()

    if label == CLOTHES or label == ACCESSORY:
        tint = look.tint[a] * hit.u + look.tint[b] * hit.v + look.tint[c] * w
        gloss = look.tangent[a][0]
        if gloss == 0.0:
            tint = tint * (0.85 + 0.3 * wp.noise(wp.rand_init(look.pore_seed, 3), rest * 160.0))
        shadow = float(0.0)
        if facing > 0.0:
            shadow = visible(mesh, look.hair, off, towards, FAR)
        sky = ambient(light.ambient, wp.transpose(room) * n) * open
        colour = wp.cw_mul(tint, light.key_colour * (wp.max(facing, 0.0) * shadow) + sky)
        if gloss > 0.0:
            colour = colour + light.key_colour * (highlight(n, key, eye, 120.0, 0.06) * shadow * gloss)
            mirror = 2.0 * wp.dot(n, eye) * n - eye
            colour = colour + ambient(light.ambient, wp.transpose(room) * mirror) * (0.05 * gloss)
    elif label >= LASHES:
        t = wp.normalize(look.tangent[a] * hit.u + look.tangent[b] * hit.v + look.tangent[c] * w)
        tint = look.tint[a] * hit.u + look.tint[b] * hit.v + look.tint[c] * w
        sun = light.key_colour * visible(mesh, look.hair, off + key * 0.008, towards, FAR)
        sky = ambient(light.ambient, wp.transpose(room) * n) * open
        colour = strand_colour(tint, n, t, key, eye, sun, sky, 0.5)
    elif label == SKIN:
        uv = look.uv[hit.face, 0] * hit.u + look.uv[hit.face, 1] * hit.v + look.uv[hit.face, 2] * w
        material = texture_at(look.texture, uv)
        albedo = wp.vec3(material[0], material[1], material[2])
        gloss = material[3]
        shadow = float(0.0)
        if facing > -0.25:
            shadow = visible(mesh, look.hair, off, towards, FAR)
        if gloss < 0.0:
            label = CLOTHES
            weave = 0.9 + 0.2 * wp.noise(wp.rand_init(look.pore_seed, 3), rest * 160.0)
            sky = ambient(light.ambient, wp.transpose(room) * n) * open
            colour = wp.cw_mul(albedo, light.key_colour * (wp.max(facing, 0.0) * shadow) + sky) * weave
        else:
            step = 0.0012
            height = bump(look.pore_seed, rest)
            slope = wp.vec3(
                bump(look.pore_seed, rest + wp.vec3(step, 0.0, 0.0)) - height,
                bump(look.pore_seed, rest + wp.vec3(0.0, step, 0.0)) - height,
                bump(look.pore_seed, rest + wp.vec3(0.0, 0.0, step)) - height,
            )
            slope = slope - n * wp.dot(slope, n)
            fine = wp.normalize(n - slope * look.pore_depth)
            facing = wp.dot(fine, key)
            # Light enters the skin and leaves it redder: a wrapped cosine, widest in red.
            wrapped = wp.vec3(
                wp.max((facing + 0.28) / 1.28, 0.0),
                wp.max((facing + 0.12) / 1.12, 0.0),
                wp.max((facing + 0.07) / 1.07, 0.0),
            )
            inside = room * light.key
            sky = ambient(light.ambient, wp.transpose(room) * fine)
            # Occluded places are lit through the skin: their shade is red, not grey.
            seen = wp.vec3(wp.pow(open, 0.7), wp.pow(open, 0.95), open)
            colour = wp.cw_mul(albedo, wp.cw_mul(wrapped, light.key_colour) * shadow + wp.cw_mul(sky, seen))
            shine = 0.75 * highlight(fine, inside, eye, 22.0, 0.028) + 0.25 * highlight(fine, inside, eye, 90.0, 0.028)
            colour = colour + light.key_colour * (shine * gloss * shadow * wp.max(facing, 0.0))
            mirror = 2.0 * wp.dot(fine, eye) * fine - eye
            rim = 0.028 + 0.5 * wp.pow(1.0 - wp.max(wp.dot(fine, eye), 0.0), 5.0)
            colour = colour + ambient(light.ambient, wp.transpose(room) * mirror) * (rim * open * 0.6 * gloss)
    else:
        reach = 0.05
        if label == MOUTH or label == TEETH or label == TONGUE:
            reach = 0.1
        open = openness(mesh, off, n, reach, state)
        shadow = float(0.0)
        if facing > 0.0:
            shadow = visible(mesh, look.hair, off, towards, FAR)
        sky = ambient(light.ambient, wp.transpose(room) * n)
        albedo = wp.vec3(0.36, 0.10, 0.09)
        gloss = 0.6
        if label == EYE_LEFT:
            albedo = eye_colour(look, rest, look.eye_left)
        elif label == EYE_RIGHT:
            albedo = eye_colour(look, rest, look.eye_right)
        elif label == TEETH:
            albedo = tooth_colour(rest)
            gloss = 1.2
        elif label == TONGUE:
            rough = wp.noise(wp.rand_init(5), rest * 260.0)
            albedo = wp.vec3(0.42, 0.15, 0.15) * (1.0 + 0.25 * rough)
            gloss = 0.9
        if label == EYE_LEFT or label == EYE_RIGHT:
            colour = wp.cw_mul(albedo, light.key_colour * (wp.clamp((facing + 0.2) / 1.2, 0.0, 1.0) * shadow))
            colour = colour + wp.cw_mul(albedo, sky) * open
            colour = colour + light.key_colour * (highlight(n, key, eye, 260.0, 0.03) * shadow)
            mirror = 2.0 * wp.dot(n, eye) * n - eye
            colour = colour + ambient(light.ambient, wp.transpose(room) * mirror) * (0.035 * open)
        else:
            deep = 0.12 + 0.88 * open
            shadow *= deep
            colour = wp.cw_mul(albedo, light.key_colour * (wp.max(facing, 0.0) * shadow) + sky * deep)
            colour = colour + light.key_colour * (highlight(n, key, eye, 60.0, 0.03) * shadow * gloss)

    found.colour = display(colour * light.exposure)
    found.label = label
    found.distance = hit.t
    return found
