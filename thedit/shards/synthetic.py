"""Made-up frames that any method can read: for checks, measurements and tests that need no data set."""

import torch
from torch import Tensor

from thedit import camera
from thedit.heads.assets import LABELS
from thedit.shards.batch import PARTS, FrameBatch, TrainBatch
from thedit.shards.surface import Surface


def frames(count: int, size: int, seed: int = 0, person: int = 0) -> FrameBatch:
    """``count`` made-up frames of one person: a face-like blob that turns and opens its mouth, with labels to match."""
    random = torch.Generator().manual_seed(seed)
    yaw, pitch, mouth = torch.rand(3, count, 1, 1, generator=random)
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    u, v = u - 0.4 * (yaw - 0.5), v - 0.4 * (pitch - 0.5)  # (count, size, size)
    face = torch.sigmoid(24 * (0.55 - (u.square() + v.square() / 1.4).sqrt()))
    left, right = (torch.exp(-((u - side).square() + (v + 0.15).square()) / 0.01) for side in (-0.2, 0.2))
    lips = torch.exp(-(u.square() / 0.03 + (v - 0.3).square() / (0.002 + 0.03 * mouth)))
    shares = torch.stack([1 - face, face * (1 - left - right - lips), face * lips], dim=1)  # (count, 3, size, size)
    colours = torch.rand(3, 3, generator=torch.Generator().manual_seed(person))  # background, skin, lips
    image = torch.einsum("bphw,pc->bchw", shares, colours).clamp(0, 1) * 2 - 1
    parts = torch.where(lips > 0.5, PARTS["mouth"], torch.where(face > 0.5, PARTS["face"], PARTS["outside"]))
    pose = camera.orbit(40 * (yaw.flatten() - 0.5), 40 * (pitch.flatten() - 0.5))
    expression = torch.zeros(count, 52)
    expression[:, 0] = mouth.flatten()
    cameras = camera.join(pose, camera.intrinsics())
    return FrameBatch(
        image=image.contiguous(),
        parts=parts.to(torch.uint8).unsqueeze(1),
        camera=cameras,
        landmarks=_landmarks(yaw, pitch),
        expression=expression,
        identity=torch.zeros(count, 8),
        surface=_surface(face[:, ::4, ::4] > 0.5, cameras, expression),
    )


def _landmarks(yaw: Tensor, pitch: Tensor) -> Tensor:
    """Points (B, 68, 2) around the eyes and the lips of faces turned by yaw and pitch (B, 1, 1)."""
    around = torch.linspace(0, 2 * torch.pi, 68)
    circle = 0.5 + torch.stack([0.15 * around.cos(), 0.1 + 0.15 * around.sin()], dim=-1)  # (68, 2)
    return circle + 0.2 * torch.cat([yaw - 0.5, pitch - 0.5], dim=-1)


def _surface(head: Tensor, cameras: Tensor, expression: Tensor) -> Surface:
    """Cells (B, G, G) of a head that is all hair: a flat piece of it at the camera's usual distance."""
    return Surface(
        label=torch.where(head, LABELS["hair"], LABELS["background"]).to(torch.uint8),
        triangle=torch.full_like(head, -1, dtype=torch.int32),
        weights=torch.zeros(*head.shape, 2),
        distance=torch.where(head, camera.RADIUS, 0.0),
        camera=cameras,
        expression=expression,
        identity=torch.zeros(len(head), 8),
        mirrored=torch.zeros(len(head), dtype=torch.bool),
    )


def pairs(count: int, size: int, seed: int = 0) -> TrainBatch:
    """``count`` made-up training pairs of one person, and frames of somebody else."""
    both = frames(2 * count, size, seed)
    target = both[count:]
    return TrainBatch(both[:count], target, frames(count, size, seed + 1, person=1), driver=target)
