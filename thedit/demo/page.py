"""The page: where things stand, and what happens when they are touched. Gradio draws it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import skimage.data
from PIL import Image

from thedit.demo.studio import MOST_BASES, Studio
from thedit.errors import UserError
from thedit.reenact.camera import View
from thedit.reenact.motion import Transfer

EXAMPLE_DRIVER = Path(__file__).with_name("examples") / "annyheads.mp4"
ABOUT = """# One picture, moved by another face
Bring a portrait and a video of a face; **Animate** makes the video, the sliders turn and move the head at once.
Files stay on the machine that runs this page and are deleted when you leave it. Animating somebody takes that
person's consent. The default weights have seen generated heads alone: of a photograph
the head follows the driver, the mouth when it opens wide, the eyes hardly."""


def build(studio: Studio) -> gr.Blocks:
    """The page of a studio."""
    names = list(studio.methods)
    with gr.Blocks(title="thedit", delete_cache=(600, 3600)) as page:
        gr.Markdown(ABOUT)
        with gr.Row():
            with gr.Column():
                portrait = gr.Image(
                    label="Portrait",
                    type="filepath",
                    sources=["upload", "webcam", "clipboard"],
                    elem_id="portrait",
                    height=300,
                )
                driver = gr.Video(label="Driving video", sources=["upload", "webcam"], elem_id="driver", height=340)
                gr.Examples(
                    [[str(_astronaut(studio)), str(EXAMPLE_DRIVER)]],
                    [portrait, driver],
                    label="Examples: click to take them",
                    cache_examples=False,
                )
                method = gr.Dropdown(names, value=names[0], label="Method", visible=len(names) > 1)
            with gr.Column():
                with gr.Tab("Animate"):
                    with gr.Row():
                        framing = gr.Radio(["driver", "source"], value="driver", label="Place of the head")
                        motion = gr.Radio(["all", "pose", "expression"], value="all", label="Motion")
                    with gr.Row():
                        relative = gr.Checkbox(label="Relative to the driver's first frame")
                        beside = gr.Checkbox(label="Side by side")
                        orbit = gr.Slider(0, 45, 0, step=5, label="Orbit, degrees", elem_id="orbit")
                    animate = gr.Button("Animate", variant="primary", elem_id="animate")
                    result = gr.Video(label="Result", elem_id="result", autoplay=True, height=320, buttons=["download"])
                    said = gr.Markdown(elem_id="said")
                with gr.Tab("Turn it yourself"):
                    still = gr.Image(
                        label="The head as the sliders say",
                        elem_id="still",
                        interactive=False,
                        height=320,
                        format="png",
                        buttons=["download"],
                    )
                    yaw = gr.Slider(-45, 45, 0, step=1, label="Yaw, degrees", elem_id="yaw")
                    pitch = gr.Slider(-30, 30, 0, step=1, label="Pitch, degrees", elem_id="pitch")
                    moment = gr.Slider(0, 1, 0, step=0.02, label="Moment of the driving video", elem_id="moment")
                    with gr.Accordion("Plane bases", open=False, visible=studio.bases(names[0]) > 0) as drawer:
                        shifts = [
                            gr.Slider(
                                -3,
                                3,
                                0,
                                step=0.25,
                                label=f"Basis {n + 1}",
                                elem_id=f"basis-{n + 1}",
                                visible=n < studio.bases(names[0]),
                            )
                            for n in range(MOST_BASES)
                        ]
                strength = gr.Slider(0, 2, 1, step=0.1, label="Strength of the motion", elem_id="strength")

        chosen = [method, portrait, driver]
        animate.click(
            _polite(lambda visitor, *values: _animate(studio, visitor, *values)),
            [*chosen, framing, motion, strength, relative, orbit, beside], [result, said], concurrency_id="studio",
        )  # fmt: skip
        sliders = [moment, strength, yaw, pitch, *shifts]
        show = _polite(lambda visitor, *values: _still(studio, visitor, *values))
        touchable: list[Any] = [portrait, method, *sliders]
        for touched in touchable:
            touched.change(show, [*chosen, *sliders], still, concurrency_id="studio", trigger_mode="always_last",
                           show_progress="hidden")  # fmt: skip
        method.change(lambda name: _drawers(studio, name), method, [drawer, *shifts])
        page.unload(_leaver(studio))
    return page


def launch(studio: Studio, host: str, port: int | None, most_megabytes: int, block: bool = True) -> gr.Blocks:
    """Serve the page until it is interrupted, or in the background until it is closed; it prints its address."""
    page = build(studio)
    _, address, _ = page.queue(default_concurrency_limit=1, max_size=20).launch(
        server_name=host,
        server_port=port,
        share=False,
        max_file_size=f"{most_megabytes}mb",
        ssr_mode=False,
        prevent_thread_lock=True,
        quiet=True,
        allowed_paths=[str(EXAMPLE_DRIVER.parent)],
        footer_links=[],
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),  # none from elsewhere
    )
    print(f"The page is at {address} (end it with Ctrl+C)", flush=True)
    if block:
        page.block_thread()
    return page


def _animate(
    studio: Studio, visitor: str, method: str, portrait: str | None, driver: str | None, framing: Any, motion: Any,
    strength: float, relative: bool, orbit: float, beside: bool,
) -> tuple[str, str]:  # fmt: skip
    if portrait is None or driver is None:
        raise UserError("Bring a portrait and a driving video first.")
    view = View("source" if motion == "expression" else framing, orbit=orbit)
    made = studio.animate(
        visitor, method, Path(portrait), Path(driver), Transfer(motion, strength, relative), view, beside
    )
    repeated = sum(made.repeated.values())
    said = f"{made.frames} frames in {made.seconds:.1f} s" + (
        f", {repeated} of them repeat another." if repeated else "."
    )
    return str(made.paths[0]), " ".join([said, *map(_without_folders, made.remarks)])


def _still(
    studio: Studio, visitor: str, method: str, portrait: str | None, driver: str | None, moment: float, strength: float,
    yaw: float, pitch: float, *shifts: float,
) -> Any:  # fmt: skip
    if portrait is None:
        return None
    return studio.still(
        visitor, method, Path(portrait), Path(driver) if driver else None, moment, strength, yaw, pitch, list(shifts)
    )


def _drawers(studio: Studio, name: str) -> list[Any]:
    """The sliders of a method's bases, all at 0."""
    count = studio.bases(name)
    return [gr.update(visible=count > 0), *(gr.update(visible=n < count, value=0) for n in range(MOST_BASES))]


def _polite(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a visitor and values; a `UserError` becomes a sentence in the page."""

    def call(request: gr.Request, *values: Any) -> Any:
        try:
            return function(str(request.session_hash), *values)
        except UserError as error:
            raise gr.Error(_without_folders(str(error)), title="That did not work", print_exception=False) from error

    return call


def _leaver(studio: Studio) -> Callable[..., None]:
    def leave(request: gr.Request) -> None:
        studio.forget(str(request.session_hash))

    return leave


def _without_folders(sentence: str) -> str:
    """A sentence for visitors, who know no folder of this machine and no option of a command."""
    words = sentence.partition(", or --")[0].rstrip(".").split(" ")
    return " ".join(os.path.basename(word) if word.startswith("/") else word for word in words) + "."


def _astronaut(studio: Studio) -> Path:
    """Eileen Collins, by NASA: public domain."""
    path = studio.folder / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()[:400, 20:420]).save(path)
    return path
