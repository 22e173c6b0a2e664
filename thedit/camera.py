"""The one camera convention of this project; everything else is converted at this border.

World
    Attached to the head. Right-handed, x to the head's left (the picture's right when it faces the camera), y up,
    z out of the face. 1 unit is 0.5 m (`UNITS_PER_METRE`). A frontal head's facial landmarks have their centroid at
    `PIVOT`; the tri-plane box spans [-0.5, 0.5] on each axis.
Camera axes
    OpenCV: x right, y down, z forward. ``cam2world`` maps camera coordinates to world coordinates.
Intrinsics
    Normalised by the picture's side: pixel coordinates run from 0 to 1, (0, 0) is the upper left corner of the upper
    left pixel; a square picture's centre is (0.5, 0.5).
Camera
    25 numbers: cam2world 4x4 row by row, then intrinsics 3x3 row by row (the order of EG3D's camera labels, Chan et
    al., CVPR 2022).
Angles
    Degrees. Positive yaw moves the camera to the world's +x, positive pitch moves it up; roll turns it about its axis.
"""

import math

import torch
from torch import Tensor

RADIUS = 2.7
PIVOT = (0.0, 0.0, 0.2)
FOCAL = 4.2647
UNITS_PER_METRE = 2.0
MILLIMETRES = 1000 / UNITS_PER_METRE  # of one unit
CAMERA_SIZE = 25


def join(cam2world: Tensor, intrinsics: Tensor) -> Tensor:
    """Join cam2world (..., 4, 4) and normalised intrinsics (..., 3, 3) into cameras (..., 25)."""
    intrinsics = intrinsics.expand(*cam2world.shape[:-2], 3, 3)
    return torch.cat([cam2world.flatten(-2), intrinsics.flatten(-2)], dim=-1)


def split(cameras: Tensor) -> tuple[Tensor, Tensor]:
    """Split cameras (..., 25) into cam2world (..., 4, 4) and normalised intrinsics (..., 3, 3)."""
    if cameras.shape[-1] != CAMERA_SIZE:
        raise ValueError(f"a camera has {CAMERA_SIZE} numbers, not {cameras.shape[-1]}")
    return cameras[..., :16].unflatten(-1, (4, 4)), cameras[..., 16:].unflatten(-1, (3, 3))


def intrinsics(focal: float = FOCAL, centre: tuple[float, float] = (0.5, 0.5)) -> Tensor:
    """Normalised intrinsics (3, 3) of a square picture."""
    return torch.tensor([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]])


def orbit(
    yaw: float | Tensor,
    pitch: float | Tensor,
    roll: float | Tensor = 0.0,
    radius: float | Tensor = RADIUS,
    pivot: tuple[float, float, float] = PIVOT,
) -> Tensor:
    """cam2world (..., 4, 4) of cameras on a sphere about ``pivot`` that look at it. Angles in degrees, broadcast."""
    degrees = (torch.as_tensor(value, dtype=torch.float32) for value in (yaw, pitch, roll))
    y, p, r, distance = torch.broadcast_tensors(*(torch.deg2rad(value) for value in degrees), torch.as_tensor(radius))
    outward = torch.stack([y.sin() * p.cos(), p.sin(), y.cos() * p.cos()], dim=-1)
    forward = -outward
    up = torch.tensor([0.0, 1.0, 0.0]).expand_as(forward)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=-1)
    down = torch.linalg.cross(forward, right)
    cos, sin = r.cos().unsqueeze(-1), r.sin().unsqueeze(-1)
    right, down = cos * right + sin * down, cos * down - sin * right
    centre = outward * distance.unsqueeze(-1) + torch.tensor(pivot)
    cam2world = torch.eye(4).repeat(*y.shape, 1, 1)
    cam2world[..., :3, :] = torch.stack([right, down, forward, centre], dim=-1)
    return cam2world


def angles(cam2world: Tensor) -> Tensor:
    """Yaw, pitch and roll in degrees (..., 3) of cameras (..., 4, 4); inverse of `orbit`'s angles for |pitch| < 90."""
    outward = -cam2world[..., :3, 2]
    yaw = torch.atan2(outward[..., 0], outward[..., 2])
    pitch = torch.asin(outward[..., 1].clamp(-1, 1))
    level = torch.stack([yaw.cos(), torch.zeros_like(yaw), -yaw.sin()], dim=-1)
    below = torch.linalg.cross(cam2world[..., :3, 2], level)
    right = cam2world[..., :3, 0]
    roll = torch.atan2((right * below).sum(-1), (right * level).sum(-1))
    return torch.rad2deg(torch.stack([yaw, pitch, roll], dim=-1))


def pivot(like: Tensor) -> Tensor:
    """`PIVOT` (3,), made on the device and in the type of ``like``."""
    return torch.stack([torch.full((), value, dtype=like.dtype, device=like.device) for value in PIVOT])


def project(points: Tensor, cameras: Tensor) -> Tensor:
    """Project world points (..., N, 3) with cameras (..., 25) to normalised picture coordinates (..., N, 2)."""
    cam2world, camera_intrinsics = split(cameras)
    rotation, centre = cam2world[..., :3, :3], cam2world[..., :3, 3]
    with torch.autocast(cameras.device.type, enabled=False):  # bfloat16 would place points only to several pixels
        camera_points = (points - centre.unsqueeze(-2)) @ rotation
        homogeneous = camera_points @ camera_intrinsics.transpose(-1, -2)
    return homogeneous[..., :2] / homogeneous[..., 2:]


def crop(cameras: Tensor, box: Tensor) -> Tensor:
    """Cameras (..., 25) of the square sub-picture ``box`` (..., 3): left, top, side, in the picture's normalised units.

    The pose does not change; focal length and principal point do. This is exact for any crop and any resize.
    """
    cam2world, camera_intrinsics = split(cameras)
    left, top, side = box.unbind(-1)
    window = torch.zeros_like(camera_intrinsics)
    window[..., 0, 0] = window[..., 1, 1] = 1 / side
    window[..., 0, 2], window[..., 1, 2], window[..., 2, 2] = -left / side, -top / side, 1.0
    return join(cam2world, window @ camera_intrinsics)


def rays(cameras: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """World-space rays through the pixel centres of size x size pictures.

    cameras (B, 25) -> origins (B, size*size, 3) and unit directions (B, size*size, 3), row by row from the upper left.
    """
    cam2world, camera_intrinsics = split(cameras)
    steps = (torch.arange(size, device=cameras.device, dtype=cameras.dtype) + 0.5) / size
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1).reshape(-1, 3)  # (N, 3)
    inverse = torch.linalg.inv_ex(camera_intrinsics).inverse  # unlike inv, it does not wait for a GPU
    with torch.autocast(cameras.device.type, enabled=False):  # as in `project`
        directions = pixels @ inverse.transpose(-1, -2)  # (B, N, 3) in the camera's axes
        directions = directions @ cam2world[:, :3, :3].transpose(-1, -2)
    directions = torch.nn.functional.normalize(directions, dim=-1)
    return cam2world[:, None, :3, 3].expand_as(directions), directions


def rotation_error(first: Tensor, second: Tensor) -> Tensor:
    """Geodesic distance in degrees (...) between the rotations of two cam2world (..., 4, 4) or (..., 3, 3)."""
    difference = first[..., :3, :3].transpose(-1, -2).double() @ second[..., :3, :3].double()
    trace = difference.diagonal(dim1=-2, dim2=-1).sum(-1)
    skew = torch.linalg.matrix_norm(difference - difference.transpose(-1, -2)) / math.sqrt(8)
    return torch.rad2deg(torch.atan2(skew, (trace - 1) / 2))
