"""What the landmark network sees of a face in training: inexact boxes, and pictures as bad as those of real cameras.

Every draw comes from torch's own generator on the pictures' device.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from thedit.faces.annyheads_network import MARGIN
from thedit.landmarks.faces import Faces
from thedit.methods.augment import draw_colours
from thedit.training.augment import MIRRORED_LANDMARKS

SHIFT = 0.1  # of a box's centre at most, in its sides
SCALE = 1.2  # of a box's side at most
TURN = 25.0  # of the picture at most, degrees
GREY = 0.15  # share of grey pictures
COVERED = 0.4  # share of pictures that something hides a part of
BLUR, NOISE, STEP = 2.0, 0.1, 0.1  # at most: pixels; deviation and quantisation step for pictures in [-1, 1]


def views(faces: Faces, rows: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Squares around the faces ``rows`` (B), inexact as a detector's boxes: shifted, scaled, turned; half are mirrored.

    Returns pictures (B, 3, size, size) in [-1, 1] and points (B, 68, 2) in normalised coordinates of the squares.
    """
    box, device = faces.box[rows], rows.device
    extent = (box[:, 2:] - box[:, :2]).amax(1)  # (B,)
    centre = box.unflatten(1, (2, 2)).mean(1) + SHIFT * extent[:, None] * _uniform((len(rows), 2), device)
    side = MARGIN * extent * SCALE ** _uniform((len(rows),), device)
    angle = math.radians(TURN) * _uniform((len(rows),), device)
    flipped = torch.rand(len(rows), device=device) < 0.5
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).unflatten(1, (2, 2))
    turn = side[:, None, None] * turn  # (B, 2, 2), from the square's axes to the picture's
    turn = torch.where(flipped[:, None, None], turn * turn.new_tensor([-1.0, 1.0]), turn)
    grid = functional.affine_grid(
        torch.cat([turn, 2 * centre[:, :, None] - 1], dim=2), [len(rows), 3, size, size], align_corners=False
    )
    image = faces.image[rows].permute(0, 3, 1, 2).float() / 127.5 - 1
    image = functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
    points = (faces.landmarks[rows] - centre[:, None]) @ turn / side[:, None, None].square() + 0.5  # inverse of turn
    mirrored = torch.tensor(MIRRORED_LANDMARKS, device=device)
    return image, torch.where(flipped[:, None, None], points[:, mirrored], points)


def disturb(image: Tensor) -> Tensor:
    """Pictures (B, 3, S, S) in [-1, 1] with things before them, other colours, blur, blocks and noise."""

    def strength() -> Tensor:
        return torch.rand(len(image), 1, 1, 1, device=image.device).square()

    image = _cover(image)
    image = draw_colours(len(image), image.device)(image)
    grey = torch.rand(len(image), 1, 1, 1, device=image.device) < GREY
    image = torch.where(grey, image.mean(1, keepdim=True), image)
    image = image.lerp(_blurred(image), strength())
    image = _quantised(image, STEP * strength().clamp(min=1e-3))
    return (image + NOISE * strength() * torch.randn_like(image)).clamp(-1, 1)


def _cover(image: Tensor) -> Tensor:
    """An ellipse of somebody else's picture lies anywhere over `COVERED` of the pictures."""
    batch, device = len(image), image.device
    steps = torch.linspace(-1, 1, image.shape[-1], device=device)
    place = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)  # (S, S, 2)
    centre = _uniform((batch, 1, 1, 2), device)
    radius = 0.1 + 0.4 * torch.rand(batch, 1, 1, 2, device=device)
    inside = ((place - centre) / radius).square().sum(-1) < 1  # (B, S, S)
    chosen = torch.rand(batch, 1, 1, device=device) < COVERED
    return torch.where((inside & chosen)[:, None], image.roll(1, 0).flip(2), image)


def _blurred(image: Tensor) -> Tensor:
    """Pictures after a Gaussian of deviation `BLUR`."""
    reach = math.ceil(2.5 * BLUR)
    offset = torch.arange(-reach, reach + 1, device=image.device)
    taps = torch.softmax(-(offset**2) / (2 * BLUR**2), 0)
    flat = functional.pad(image, [reach] * 4, mode="replicate").flatten(0, 1)[:, None]  # (B * 3, 1, S + 2R, S + 2R)
    flat = functional.conv2d(functional.conv2d(flat, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
    return flat.view_as(image)


def _quantised(image: Tensor, step: Tensor) -> Tensor:
    """Pictures whose 8 x 8 blocks have rounded cosine coefficients, as JPEG's; coarser ones for fine structure.

    step (B, 1, 1, 1): of the mean's coefficient.
    """
    k = torch.arange(8, device=image.device, dtype=image.dtype)
    basis = torch.cos(math.pi / 8 * (k + 0.5) * k[:, None]) / 2  # (frequency, pixel)
    basis[0] /= math.sqrt(2)  # now it is orthonormal
    blocks = image.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)  # (B, 3, S/8, S/8, 8, 8)
    size = step[..., None, None] * (1 + k[:, None] + k)  # (B, 1, 1, 1, 8, 8)
    rounded = (basis @ blocks @ basis.mT / size).round() * size
    return (basis.mT @ rounded @ basis).transpose(3, 4).flatten(4, 5).flatten(2, 3)


def _uniform(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Uniform in [-1, 1)."""
    return 2 * torch.rand(shape, device=device) - 1
