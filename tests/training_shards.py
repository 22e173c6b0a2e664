"""A small folder of shards whose pictures are flat colours and noise, for tests of training."""

import cv2
import numpy as np

from thedit import camera
from thedit.shards.writer import Frame, write_shard


def write_shards(folder, size=32, people=3, frames=4, seed=0):
    """``people`` train people and two test people, ``frames`` frames each; returns the folder."""
    random = np.random.default_rng(seed)
    splits = ["train"] * people + ["test"] * 2
    kept = [
        _frame(random, f"{split}-{person:04d}", split, frame, size)
        for person, split in enumerate(splits)
        for frame in range(frames)
    ]
    write_shard(folder / "0000.arrow", kept, {"source": "made for a test"})
    return folder


def _frame(random, person, split, frame, size):
    picture = random.integers(0, 255, 3) + random.normal(0, 10, (3 * size // 2, 3 * size // 2, 3))
    parts = random.integers(0, 6, (size, size))
    label = camera.join(camera.orbit(float(random.uniform(-30, 30)), 0.0), camera.intrinsics())
    return Frame(
        person=person,
        clip=f"{person}/01",
        split=split,
        frame=frame,
        time=frame / 25,
        image=_png(picture),
        parts=_png(parts),
        camera=label.numpy(),
        landmarks=random.random((68, 2)).astype(np.float32),
        expression=random.random(52).astype(np.float32),
        identity=np.zeros(8, np.float32),
        quality=1.0,
        box=np.array([0, 0, size], np.float32),
        performance=f"{person}/01",
        surface=b"",
    )


def _png(picture):
    return cv2.imencode(".png", picture.clip(0, 255).astype(np.uint8))[1].tobytes()
