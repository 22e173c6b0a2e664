# mypy: ignore-errors
# ruff: noqa: UP018 (warp needs float(0.0) for a variable that a loop changes)
"""How light, surfaces and hair look to a ray: device code that the shading models share."""

import warp as wp


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
