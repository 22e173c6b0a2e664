"""`thedit bench heads`: AnnyHeads frames with all ground truth, and whether devices draw the same picture."""

from typing import Any

import numpy as np
import torch

from thedit.bench.measure import Record, Work, measure
from thedit.heads import motion, people, scene
from thedit.heads.assets import PATH, load
from thedit.heads.dataset import CELL
from thedit.heads.renderer import Renderer

SIZE = 256
FRAMES = {"cpu": 1, "cuda": 64}
PEOPLE = 4
COMPARED = slice(0, 60, 20)  # frames that are also drawn on the CPU
BYTES_PER_PIXEL = 3 + (1 + 4 + 4 + 8) / CELL**2  # picture; mask, depth, triangle, barycentric coordinates


def bench_heads(device: str) -> list[Record]:
    """One record a person: milliseconds and frames a second, anti-aliased, with the maps of training people.

    On CUDA the records also hold how far the pictures are from the CPU's, in steps of 255. Needs the head assets.
    """
    assets = load(PATH)
    renderer = Renderer(assets, SIZE, device)
    plain = Renderer(assets, SIZE, "cpu") if device != "cpu" else None
    records = []
    for person in people.sample(assets, 0, PEOPLE, "test"):
        generator = np.random.default_rng(person.seed)
        light, moves = scene.sample(generator), motion.animate(generator, FRAMES[device])
        pictures = renderer.render(person, moves.expression, moves.camera, light).image
        stage, window = renderer._stage, torch.tensor([[0.0, 0.0, 1.0]]).expand(FRAMES[device], 3)
        assert stage is not None

        def draw(stage=stage, moves=moves, window=window, light=light) -> None:  # type: ignore[no-untyped-def]
            stage.draw(moves.expression, moves.camera, moves.camera, window, light, SIZE // CELL)

        facts: dict[str, Any] = {}
        case = f"{SIZE} x {SIZE}, batch {FRAMES[device]}, hair {person.hair_style}, beard {person.beard}"
        if plain is not None:
            same = plain.render(person, moves.expression[COMPARED], moves.camera[COMPARED], light).image
            facts = {"goal_frames_per_second": 2000.0, **difference(pictures[COMPARED], same)}
            case += f"; {100 * facts['share_within_2']:.2f} % of values within 2/255 of the CPU's"
        work = Work(bytes=int(FRAMES[device] * SIZE**2 * BYTES_PER_PIXEL), operations=0)
        record = measure("heads", case, draw, device, work, warmup=1, repetitions=5, **facts)
        record["frames_per_second"] = 1e3 * FRAMES[device] / record["median_ms"]
        records.append(record)
    return records


def difference(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """How two uint8 pictures differ: the largest step, the share of values within 2 of 255, the mean step."""
    steps = np.abs(first.astype(int) - second.astype(int))
    return {
        "largest_difference": int(steps.max()),
        "share_within_2": float((steps <= 2).mean()),
        "mean_difference": float(steps.mean()),
    }
