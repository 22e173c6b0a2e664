"""Made-up frames for the tests of methods: a coloured face-like blob that moves, with the labels to match."""

import torch

from thedit import camera
from thedit.shards.batch import FrameBatch, TrainBatch


def frames(count: int, size: int, seed: int = 0, person: int = 0) -> FrameBatch:
    """``count`` frames of one person: the place and the mouth follow yaw, pitch and the first coefficient."""
    random = torch.Generator().manual_seed(seed)
    yaw, pitch, mouth = torch.rand(3, count, 1, 1, generator=random)
    v, u = torch.meshgrid(*[(torch.arange(size) + 0.5) / size * 2 - 1] * 2, indexing="ij")
    u, v = u - 0.4 * (yaw - 0.5), v - 0.4 * (pitch - 0.5)
    face = torch.sigmoid(24 * (0.55 - (u.square() + v.square() / 1.4).sqrt()))
    eyes = sum(torch.exp(-((u - side).square() + (v + 0.15).square()) / 0.01) for side in (-0.2, 0.2))
    lips = torch.exp(-(u.square() / 0.03 + (v - 0.3).square() / (0.002 + 0.03 * mouth)))
    colour = torch.rand(3, 1, 1, 3, generator=torch.Generator().manual_seed(person)).unbind(0)
    parts = zip((1 - face, face * (1 - eyes - lips), face * lips), colour)
    picture = sum(part.unsqueeze(-1) * c for part, c in parts)
    expression = torch.zeros(count, 52)
    expression[:, 0] = mouth.flatten()
    pose = camera.orbit(40 * (yaw.flatten() - 0.5), 40 * (pitch.flatten() - 0.5))
    return FrameBatch(
        image=(picture.clamp(0, 1) * 2 - 1).permute(0, 3, 1, 2).contiguous(),
        parts=(face > 0.5).unsqueeze(1).to(torch.uint8) * (1 + 4 * (lips > 0.5).unsqueeze(1).to(torch.uint8)),
        camera=camera.label(pose, camera.intrinsics()),
        landmarks=torch.full((count, 68, 2), 0.5),
        expression=expression,
        identity=torch.zeros(count, 8),
    )


def pairs(count: int, size: int, seed: int = 0) -> TrainBatch:
    """``count`` training pairs of one person, and somebody else."""
    both = frames(2 * count, size, seed)
    return TrainBatch(both[:count], both[count:], frames(count, size, seed + 1, person=1))
