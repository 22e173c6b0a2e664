"""What a data set holds, counted: people, frames, turns, blendshapes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from thedit import camera, config
from thedit.files import atomic
from thedit.heads.assets import BLENDSHAPES
from thedit.heads.dataset import VERSION, Clip
from thedit.heads.motion import RATE

FILE = "counts.json"
SHOWN = 0.3  # activation from which a blendshape counts as shown


def write(folder: Path, heads: config.Heads, listed: list[Clip]) -> None:
    """Put `count` of the clips ``listed`` beside them."""
    with atomic(folder / FILE) as path:
        path.write_text(json.dumps(count(heads, listed), indent=2) + "\n")


def count(heads: config.Heads, listed: list[Clip]) -> dict[str, Any]:
    """Version, numbers of people, clips, performances and frames, hours that they last, and shares of frames.

    turned: seen from beyond 30 and 45 degrees of yaw; blendshapes: those that show each of the 52 by more than `SHOWN`.
    """
    moves = {clip.performance: clip.moves(heads) for clip in listed}
    given = [moves[clip.performance] for clip in listed]
    yaw = camera.angles(camera.split(torch.cat([one.camera for one in given]))[0])[:, 0].abs().numpy()
    shown = (torch.cat([one.expression for one in given]) > SHOWN).float().mean(0).tolist()
    frames = len(listed) * heads.frames_per_clip
    return {
        "version": VERSION,
        "people": len({(clip.split, clip.person) for clip in listed}),
        "clips": len(listed),
        "performances": len(moves),
        "frames": frames,
        "hours": round(frames * heads.stride / RATE / 3600, 4),
        "turned": {f"beyond {angle} degrees": round(float(np.mean(yaw > angle)), 4) for angle in (30, 45)},
        "blendshapes": {name: round(share, 4) for name, share in zip(BLENDSHAPES, shown)},
    }
