"""Pictures and scores of docs/photographs.md: photographs in the public domain, driven by a generated head.

Called by ``make photographs``, which renders the driver first. Everything is written beside this file, and the scores
into the page.
"""

import argparse
import tempfile
from pathlib import Path

import matplotlib.cbook
import numpy as np
import skimage.data
import torch
from PIL import Image

from thedit import pretrained
from thedit.files import atomic
from thedit.media import stream
from thedit.methods import trained
from thedit.metrics import csim, suite
from thedit.metrics.measure import Measured, Measurer
from thedit.metrics.tracking import STILL, correlation, openings
from thedit.reenact.camera import View
from thedit.reenact.pipeline import reenact
from thedit.reenact.request import Request
from thedit.report.figures import grid
from thedit.report.readme import put

HERE = Path(__file__).parent
PAGE = HERE.with_suffix(".md")
SIDE = 192  # pixels of a still picture
YAW = (-60, -40, -20, 0, 20, 40, 60)  # degrees of the still views
MOMENTS = 10  # of the driver; one of them is a blink
SAME = 0.6  # distance of two of dlib's embeddings up to which its author takes them for one person's


def photographs(folder: Path) -> dict[str, Path]:
    """The pictures, as files in ``folder``: they come with packages and are in the public domain."""
    hopper = Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg"))
    found = {"Eileen Collins": Image.fromarray(skimage.data.astronaut()), "Grace Hopper": hopper}
    for name, picture in found.items():
        picture.save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in found}


def frames(path: Path) -> list[np.ndarray]:
    """All pictures (H, W, 3) of a file."""
    return [picture.pixels for picture in stream.read([path], range(len(stream.timeline([path]).ticks)))]


def save(name: str, picture: Image.Image) -> None:
    """Write a still WebP."""
    with atomic(HERE / name) as sibling:
        picture.save(sibling, "WEBP", quality=88, method=6)


def degrees(angle: int) -> str:
    """An angle as text, with its sign."""
    return f"{angle:+d}°" if angle else "0°"


def scores(driven: dict[str, list[list[np.ndarray]]], turned: dict[str, list[np.ndarray]]) -> str:
    """Tables of how well each person's openings follow the driver's, and whether the face stays the source's.

    ``driven``: source, driver and result of each moment; ``turned``: pictures by `YAW`.
    """
    measure = Measurer(suite.load("embedded"))
    columns = []
    for name, moments in driven.items():
        source, driver, result = ([measure(picture) for picture in pictures] for pictures in zip(*moments))
        r = {kind: follows(result, driver, kind) for kind in ("landmarks", "tracked")}
        alike, near = likeness(result, source[0])
        views, _ = likeness([measure(picture) for picture in turned[name]], source[0])
        columns.append([
            name,
            f"{sum(one.found for one in result)} of {len(result)}",
            f"{r['landmarks'][0][0]:.2f}",
            *(f"{value:.2f}" for value in r["tracked"][0]),
            *(f"{r['tracked'][1][opening]:.2f}" for opening in (0, 2, 3)),
            f"{np.nanmean(alike):.3f} ({np.nanmin(alike):.3f})",
            f"{near:.0%}".replace("%", " %"),
            f"{np.nanmean(likeness(driver, source[0])[0]):.3f}",
            *("no face" if np.isnan(value) else f"{value:.3f}" for value in views),
        ])  # fmt: skip
    rows = [
        "",
        "frames in which dlib finds the result's face",
        "r of the mouth's height, dlib-68",
        *(f"r of {opening}, annyheads" for opening in STILL),
        *(
            f"{opening}: spread of the result's over the driver's"
            for opening in ("mouth-height", "right-eye", "left-eye")
        ),
        "cosine of result and source, mean (lowest)",
        f"frames that dlib takes for the source's person (distance up to {SAME})",
        "cosine of driver and source",
        *(f"cosine of the source and its view from {degrees(yaw)}" for yaw in YAW),
    ]
    lines = ["| " + " | ".join(cells) + " |" for cells in zip(rows, *columns)]
    return "\n".join([lines[0], "| --- |" + " --: |" * len(columns), *lines[1:]])


def follows(result: list[Measured], driver: list[Measured], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of each opening with the driver's over the frames, and how far it moves over how far the driver's."""
    ours, theirs = (
        openings(torch.from_numpy(np.stack([getattr(one, kind) for one in side]))) for side in (result, driver)
    )
    known = (ours.isfinite() & theirs.isfinite()).all(1)
    return correlation(ours, theirs).nanmean(0).numpy(), (ours[known].std(0) / theirs[known].std(0)).numpy()


def likeness(pictures: list[Measured], source: Measured) -> tuple[np.ndarray, float]:
    """Cosine of each picture's embedding with the source's, and the share within `SAME` of it."""
    embeddings = torch.from_numpy(np.stack([one.embedding for one in pictures]))
    own = torch.from_numpy(source.embedding).expand_as(embeddings)
    distance = torch.linalg.vector_norm(embeddings - own, dim=1)
    return csim(embeddings, own).numpy(), float((distance <= SAME).double().mean())


def main() -> None:
    """Make everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("driver", type=Path)
    parser.add_argument("--weights", type=Path, help="others than the default ones")
    given = parser.parse_args()
    weights = given.weights or pretrained.find()
    loaded = trained.load(weights)
    driven: dict[str, list[list[np.ndarray]]] = {}
    turned: dict[str, list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        people = photographs(folder)
        out = folder / "driven"
        reenact(Request([*people.values()], given.driver, out, weights, show="side-by-side"), loaded)
        for person, path in people.items():
            driven[person] = [
                [*map(np.ascontiguousarray, np.split(picture, 3, axis=1))]
                for picture in frames(out / f"{path.stem}.mp4")
            ]
            turned[person] = []
            for yaw in YAW:
                view = folder / f"{path.stem}{yaw}.png"
                reenact(Request([path], path, view, weights, view=View("source", yaw)), loaded)
                turned[person] += frames(view)

    first = next(iter(driven.values()))
    talks = grid.Grid(columns=["picture", "driver", "result"], cell=256)
    rate = 1 / stream.timeline([given.driver]).seconds(1)
    grid.animate(HERE / "talks.webp", [talks.draw([moment]) for moment in first], rate)

    shown = np.linspace(0, len(first) - 1, MOMENTS).round().astype(int)
    rows = [[None, *(first[n][1] for n in shown)]]
    rows += [[moments[0][0], *(moments[n][2] for n in shown)] for moments in driven.values()]
    columns = ["picture", *[""] * MOMENTS]
    save("driven.webp", grid.Grid(columns, ["driver", "", ""], SIDE, heading=64, column_breaks=[1]).draw(rows))

    columns = ["picture", *map(degrees, YAW)]
    rows = [[driven[person][0][0], *views] for person, views in turned.items()]
    save("turned.webp", grid.Grid(columns, cell=SIDE, column_breaks=[1]).draw(rows))
    put(PAGE, "scores", "make photographs", scores(driven, turned))


if __name__ == "__main__":
    main()
