"""A store of made-up frames for tests."""

import io

import numpy as np
from PIL import Image

from thedit import camera
from thedit.shards.store import FrameStore
from thedit.shards.writer import Frame, write_shard


def make_store(folder, people, frames, size):
    """Noise with random cameras: ``people`` maps names (whose first part is the split) to clips of ``frames``."""
    generator, noise = np.random.default_rng(0), np.random.default_rng(1)
    rows = []
    for person, clips in people.items():
        for clip in clips:
            for number in range(frames):
                yaw, pitch = generator.uniform(-30, 30, 2)
                label = camera.join(camera.orbit(yaw, pitch, radius=2.5), camera.intrinsics(3.0, (0.45, 0.55)))
                rows.append(
                    Frame(
                        person=person,
                        clip=clip,
                        split=person.partition("-")[0],
                        frame=2 * number,
                        time=number / 25,
                        image=png(noise.integers(0, 256, (3 * size // 2,) * 2 + (3,), dtype=np.uint8)),
                        parts=png(np.zeros((size, size), np.uint8)),
                        camera=label.numpy(),
                        landmarks=np.zeros(136, np.float32),
                        expression=np.zeros(52, np.float32),
                        identity=np.zeros(8, np.float32),
                        quality=1.0,
                        box=np.zeros(3, np.float32),
                        performance=clip,
                        surface=b"",
                    )
                )
    write_shard(folder / "test.arrow", rows, {})
    return FrameStore(folder)


def png(picture):
    """A picture (H, W, 3) or (H, W), uint8, as the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    return buffer.getvalue()
