"""Generated heads as training frames, in memory: pictures with their margin, true cameras, true surfaces."""

import numpy as np
import torch

from thedit import camera
from thedit.heads import motion, people, scene
from thedit.heads.assets import Assets
from thedit.heads.renderer import Renderer
from thedit.shards.batch import FrameBatch, centre
from thedit.shards.combine import combine
from thedit.shards.surface import look
from thedit.video.parts import draw

STRIDE = 6  # of the motion's frames is one filmed
YAWS = (-40.0, 40.0)  # degrees between which the camera of a performance moves


def film(assets: Assets, split: str, count: int, moments: int, size: int) -> FrameBatch:
    """``moments`` frames of each of ``count`` people, side by side; people 2i and 2i + 1 give the same performance."""
    renderer = Renderer(assets, 3 * size // 2)
    cast = people.sample(assets, 0, count, split)
    takes = [_take(renderer, cast[i], np.random.default_rng([i // 2, i]), i // 2, moments, size) for i in range(count)]
    return combine(lambda *tensors: torch.cat(tensors), *takes)


def _take(renderer, person, own, performance, moments, size):
    random = np.random.default_rng(performance)
    expression = motion.animate(random, moments * STRIDE).expression[::STRIDE]
    yaw = torch.from_numpy(random.uniform(*YAWS, moments)).float()
    pose = camera.orbit(yaw, torch.from_numpy(random.uniform(-12, 12, moments)).float())
    cameras = camera.join(pose, camera.intrinsics())
    margin = torch.tensor([-0.25, -0.25, 1.5]).expand(moments, 3)
    wide = camera.crop(cameras, margin)
    frames = renderer.render(person, expression, wide, scene.sample(own), maps=3 * size // 8)
    pictures = torch.from_numpy(frames.image).movedim(-1, 1).float() / 127.5 - 1
    identity = torch.from_numpy(person.identity).float()
    marks = renderer.assets.vertices(identity, expression)[:, renderer.assets.landmarks]
    landmarks = camera.project(marks, cameras)
    parts = np.stack([draw(points.numpy(), size) for points in landmarks])
    inner = torch.tensor([1 / 6, 1 / 6, 2 / 3]).expand(moments, 3)
    return FrameBatch(
        image=centre(pictures).contiguous(),
        parts=torch.from_numpy(parts)[:, None],
        camera=cameras,
        landmarks=landmarks,
        expression=expression,
        identity=identity.expand(moments, -1),
        wide=pictures,
        surface=look(frames, wide, expression, identity, inner, size // 4),
    )
