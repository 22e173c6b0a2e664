"""One picture that shows at a glance what preprocessing made: crops, landmarks, facial parts, and the head's axes."""

from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from thedit import camera
from thedit.files import atomic
from thedit.shards.store import FrameStore

CLIPS, FRAMES = 12, 6
TILE, LABEL = 192, 20
AXES = 0.16  # length of the drawn axes, world units
AXIS_COLOURS = ((230, 60, 60), (60, 200, 60), (70, 110, 255))  # x, y, z
PART_COLOURS = np.array(
    [(0, 0, 0), (255, 214, 170), (120, 70, 20), (60, 160, 255), (255, 160, 60), (230, 60, 110)], np.uint8
)


def draw(shards: Path, out: Path) -> None:
    """Write ``out``: up to 12 clips spread over the data set, a row each, of up to 6 frames spread over the clip.

    Over each crop lie its facial parts as a tint, its landmarks, and the head's axes at the pivot as the camera label
    projects them: x red, y green, z blue.
    """
    store = FrameStore(shards)
    index = store.table(["person", "clip", "split"])
    names = index["person"] + "/" + index["clip"]
    clips = list(dict.fromkeys(names))
    chosen = [clips[number] for number in _spread(len(clips), CLIPS)]
    sheet = Image.new("RGB", (FRAMES * TILE, len(chosen) * (TILE + LABEL)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for line, clip in enumerate(chosen):
        rows = np.flatnonzero(names == clip)
        split = index.at[rows[0], "split"]
        top = line * (TILE + LABEL)
        pen.text((4, top + 2), f"{clip}  ({split}, {len(rows)} frames)".replace("\n", "\\n"), "black", font)
        for column, number in enumerate(_spread(len(rows), FRAMES)):
            sheet.paste(Image.fromarray(_tile(store, int(rows[number]))), (column * TILE, top + LABEL))
    with atomic(out) as sibling:
        sheet.save(sibling)


def _spread(count: int, limit: int) -> list[int]:
    """At most ``limit`` of the numbers 0 .. count - 1, evenly spread."""
    return sorted({round(number) for number in np.linspace(0, count - 1, min(count, limit))})


def _tile(store: FrameStore, row: int) -> np.ndarray:
    """One frame (TILE, TILE, 3): the crop, its parts as a tint, its landmarks, the head's axes."""
    image = cv2.resize(store.picture(row), (TILE, TILE), interpolation=cv2.INTER_AREA)
    mask = cv2.resize(store.picture(row, "parts"), (TILE, TILE), interpolation=cv2.INTER_NEAREST)
    tint = PART_COLOURS[mask]
    image = np.where(mask[..., None] > 1, (0.65 * image + 0.35 * tint).astype(np.uint8), image)
    for x, y in store.label("landmarks", row).reshape(68, 2) * TILE:
        cv2.circle(image, (round(float(x)), round(float(y))), 1, (255, 255, 80), -1, cv2.LINE_AA)
    points = torch.tensor(camera.PIVOT) + torch.cat([torch.zeros(1, 3), AXES * torch.eye(3)])  # (4, 3)
    ends = camera.project(points, torch.from_numpy(store.label("camera", row))) * TILE  # (4, 2)
    origin, *tips = [tuple(round(value) for value in end) for end in ends.tolist()]
    for tip, colour in zip(tips, AXIS_COLOURS):
        cv2.arrowedLine(image, origin, tip, colour, 2, cv2.LINE_AA, tipLength=0.2)
    return image
