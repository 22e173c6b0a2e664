"""`thedit reenact`: a picture that moves as a video does."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from thedit.errors import UserError


class Framing(StrEnum):
    """Whose place in the picture the head has."""

    driver = "driver"
    source = "source"


class What(StrEnum):
    """What of the driver is transferred."""

    all = "all"
    pose = "pose"
    expression = "expression"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(reenact)


def reenact(
    source: Annotated[list[Path], typer.Option(help="picture, video or folder of pictures of who shall move")],
    driving: Annotated[Path, typer.Option(help="video, or picture, of the face whose motion it is")],
    out: Annotated[Path, typer.Option(help="video to write, .mp4; for several sources a folder")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[SOURCE]...", help="further sources")] = None,
    weights: Annotated[Path | None, typer.Option(help="weights of a method, those of a run or exported ones")] = None,
    same_person: Annotated[bool, typer.Option("--same-person", help="all sources show one person")] = False,
    source_frame: Annotated[
        int | None, typer.Option(min=0, help="frame of a source video, from 0; the best one if not given")
    ] = None,
    camera: Annotated[
        Framing | None,
        typer.Option(
            help="where the head is in the picture: as in the driver's, or as in the source's; driver, "
            "but source with --motion expression and --whole"
        ),
    ] = None,
    yaw: Annotated[float | None, typer.Option(min=-90, max=90, help="fixed camera: degrees to the head's left")] = None,
    pitch: Annotated[float | None, typer.Option(min=-60, max=60, help="fixed camera: degrees up")] = None,
    orbit: Annotated[float, typer.Option(min=0, max=90, help="degrees that the camera swings to either side")] = 0.0,
    motion: Annotated[What, typer.Option(help="what of the driver is transferred")] = What.all,
    strength: Annotated[float, typer.Option(min=0, max=2, help="how much of it")] = 1.0,
    relative: Annotated[bool, typer.Option("--relative", help="what changes since the driver's first frame")] = False,
    side_by_side: Annotated[bool, typer.Option("--side-by-side", help="show source, driver and result")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="put the head back into the source's whole picture")] = False,
    size: Annotated[
        int | None, typer.Option(min=64, max=1024, help="side of the result, for methods that make any size")
    ] = None,
    sound: Annotated[bool, typer.Option(help="keep the driver's sound")] = True,
    detector: Annotated[str, typer.Option(help="face detector: dlib-hog, yunet, blazeface, ...")] = "dlib-hog",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...; auto: the GPU if there is one")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="replace what is there")] = False,
) -> None:
    """Animate the person of a picture with the motion of a video."""
    if side_by_side and whole:
        raise UserError("--side-by-side and --whole are two pictures; choose one of them.")
    from thedit import pretrained
    from thedit.reenact import source as sources
    from thedit.reenact.camera import View
    from thedit.reenact.motion import Transfer
    from thedit.reenact.pipeline import reenact as run
    from thedit.reenact.request import Request

    framing = camera or (Framing.source if whole or motion is What.expression else Framing.driver)
    made = run(
        Request(
            sources=sources.paths([*source, *(more or [])]),
            driving=driving,
            out=out,
            weights=weights or pretrained.find(),
            same_person=same_person,
            source_frame=source_frame,
            view=View(framing.value, yaw, pitch, orbit),
            transfer=Transfer(motion.value, strength, relative),
            show="side-by-side" if side_by_side else "whole" if whole else "square",
            size=size,
            sound=sound,
            detector=detector,
            device=device,
            force=force,
        )
    )
    for remark in made.remarks:
        typer.echo(remark)
    for path in made.paths:
        typer.echo(f"{path}: {made.frames} frames")
    if made.repeated:
        reasons = "; ".join(f"{reason}: {count}" for reason, count in made.repeated.items())
        typer.echo(f"{sum(made.repeated.values())} of them repeat another frame ({reasons})")
    typer.echo(
        f"{made.seconds:.1f} s in all, {made.frames / made.seconds:.2f} frames/s, "
        f"peak memory {made.peak_mib:.0f} MiB, on {made.device}"
    )
