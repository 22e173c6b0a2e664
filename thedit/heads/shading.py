# mypy: ignore-errors
# ruff: noqa: UP018 (warp needs float(0.0) for a variable that a loop changes)
"""The ray caster's device code: one source for CPU and CUDA, compiled by warp.

A sample is one camera ray: nearest hit of the skin mesh (deforms every frame) and of the hair mesh (rigid), then a
shading model per material. Colours are linear RGB until `display`. Directions of light live in the camera's axes, so
that light stays in the room while the head turns.
"""

import warp as wp

from thedit.heads.assets import LABELS

wp.set_module_options({"fast_math": False, "fuse_fp": False, "enable_backward": False})

SKIN = wp.constant(LABELS["skin"])
MOUTH = wp.constant(LABELS["mouth"])
EYE_LEFT = wp.constant(LABELS["eye_left"])
EYE_RIGHT = wp.constant(LABELS["eye_right"])
TEETH = wp.constant(LABELS["teeth"])
TONGUE = wp.constant(LABELS["tongue"])
LASHES = wp.constant(LABELS["lashes"])
BROWS = wp.constant(LABELS["brows"])
BEARD = wp.constant(LABELS["beard"])
HAIR = wp.constant(LABELS["hair"])
CLOTHES = wp.constant(LABELS["clothes"])
ACCESSORY = wp.constant(LABELS["accessory"])
FAR = wp.constant(100.0)
OFFSET = wp.constant(0.002)  # start of a secondary ray off its surface, world units
EDGE_SAMPLES = wp.constant(3)  # more rays where a pixel differs from a neighbour
STRAND_SAMPLES = wp.constant(1)  # more rays inside hair


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
def ambient(coefficients: wp.array(dtype=wp.vec3), n: wp.vec3) -> wp.vec3:
    """Irradiance of direction n from nine coefficients of the real spherical harmonics' polynomials."""
    value = coefficients[0] + coefficients[1] * n[0] + coefficients[2] * n[1] + coefficients[3] * n[2]
    value = value + coefficients[4] * (n[0] * n[1]) + coefficients[5] * (n[1] * n[2]) + coefficients[6] * (n[0] * n[2])
    value = value + coefficients[7] * (3.0 * n[2] * n[2] - 1.0) + coefficients[8] * (n[0] * n[0] - n[1] * n[1])
    return wp.max(value, wp.vec3(0.0, 0.0, 0.0))


@wp.func
def display(colour: wp.vec3) -> wp.vec3:
    """Linear RGB to display RGB in [0, 1]: a soft shoulder, then the sRGB exponent."""
    result = wp.vec3()
    for i in range(3):
        x = wp.max(colour[i], 0.0)
        x = x * (1.0 + x / 4.0) / (1.0 + x)
        result[i] = wp.pow(wp.min(x, 1.0), 1.0 / 2.2)
    return result


@wp.func
def texture_at(texture: wp.array2d(dtype=wp.vec4), uv: wp.vec2) -> wp.vec4:
    """Bilinear lookup; v upwards, texel centres at halves."""
    rows = texture.shape[0]
    columns = texture.shape[1]
    x = wp.clamp(uv[0] * float(columns) - 0.5, 0.0, float(columns) - 1.001)
    y = wp.clamp((1.0 - uv[1]) * float(rows) - 0.5, 0.0, float(rows) - 1.001)
    i = int(x)
    j = int(y)
    fx = x - float(i)
    fy = y - float(j)
    top = texture[j, i] * (1.0 - fx) + texture[j, i + 1] * fx
    bottom = texture[j + 1, i] * (1.0 - fx) + texture[j + 1, i + 1] * fx
    return top * (1.0 - fy) + bottom * fy


@wp.func
def background_at(picture: wp.array2d(dtype=wp.vec3), x: float, y: float) -> wp.vec3:
    """Bilinear lookup at normalised picture coordinates."""
    px = wp.clamp(x, 0.0, 1.0) * (float(picture.shape[1]) - 1.001)
    py = wp.clamp(y, 0.0, 1.0) * (float(picture.shape[0]) - 1.001)
    i = int(px)
    j = int(py)
    fx = px - float(i)
    fy = py - float(j)
    top = picture[j, i] * (1.0 - fx) + picture[j, i + 1] * fx
    bottom = picture[j + 1, i] * (1.0 - fx) + picture[j + 1, i + 1] * fx
    return top * (1.0 - fy) + bottom * fy


@wp.func
def bump(seed: wp.int32, p: wp.vec3) -> float:
    """Height of the skin's relief at a place of the mean face: pores and the finer folds."""
    state = wp.rand_init(seed)
    return wp.noise(state, p * 190.0) + 0.6 * wp.noise(state, p * 420.0)


@wp.func
def visible(mesh: wp.uint64, hair: wp.uint64, origin: wp.vec3, direction: wp.vec3, reach: float) -> float:
    """1 where nothing stands between origin and light, else 0."""
    if wp.mesh_query_ray_anyhit(mesh, origin, direction, reach):
        return 0.0
    if wp.mesh_query_ray_anyhit(hair, origin, direction, reach):
        return 0.0
    return 1.0


@wp.func
def openness(mesh: wp.uint64, origin: wp.vec3, normal: wp.vec3, reach: float, state: wp.uint32) -> float:
    """Share of six cosine-distributed rays that leave the neighbourhood: occlusion inside eye sockets and mouth."""
    helper = wp.vec3(1.0, 0.0, 0.0)
    if wp.abs(normal[0]) > 0.7:
        helper = wp.vec3(0.0, 1.0, 0.0)
    tangent = wp.normalize(wp.cross(normal, helper))
    bitangent = wp.cross(normal, tangent)
    turn = 6.2831853 * wp.randf(state)
    free = float(0.0)
    for i in range(6):
        angle = turn + 2.3999632 * float(i)
        radius = wp.sqrt((float(i) + 0.5) / 6.0)
        side = tangent * (radius * wp.cos(angle)) + bitangent * (radius * wp.sin(angle))
        direction = side + normal * wp.sqrt(1.0 - radius * radius)
        if not wp.mesh_query_ray_anyhit(mesh, origin, direction, reach):
            free += 1.0
    return free / 6.0


@wp.func
def highlight(n: wp.vec3, light: wp.vec3, eye: wp.vec3, sharpness: float, f0: float) -> float:
    """Normalised Blinn-Phong lobe times Schlick's Fresnel term."""
    half = wp.normalize(light + eye)
    facing = wp.max(wp.dot(half, eye), 0.0)
    fresnel = f0 + (1.0 - f0) * wp.pow(1.0 - facing, 5.0)
    return fresnel * (sharpness + 2.0) / 8.0 * wp.pow(wp.max(wp.dot(n, half), 0.0), sharpness)


@wp.func
def strand_colour(
    tint: wp.vec3, n: wp.vec3, t: wp.vec3, key: wp.vec3, eye: wp.vec3, sun: wp.vec3, sky: wp.vec3, gloss: float
) -> wp.vec3:
    """Kajiya and Kay's hair (1989) with a second, tinted highlight; n keeps the far side of the head dark."""
    along = wp.dot(t, key)
    across = wp.sqrt(wp.max(1.0 - along * along, 0.0))
    wrap = wp.clamp((wp.dot(n, key) + 0.35) / 1.35, 0.0, 1.0)
    half = wp.normalize(key + eye)
    shift = wp.normalize(t + n * 0.12)
    back = wp.normalize(t - n * 0.15)
    first = wp.dot(shift, half)
    second = wp.dot(back, half)
    sharp = wp.pow(wp.max(1.0 - first * first, 0.0), 60.0)
    broad = wp.pow(wp.max(1.0 - second * second, 0.0), 14.0)
    lit = wp.cw_mul(tint, sun) * (across * 0.9 + broad * 0.9 * gloss)
    lit = lit + sun * (0.045 * gloss * sharp)
    return lit * wrap + wp.cw_mul(tint, sky)


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
