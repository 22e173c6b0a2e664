"""`thedit demo` in a real browser: upload, drive, turn, download; a bad file gets a sentence."""

import io
import os
import re
import urllib.request
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests import video_files
from tests.browser import chromium
from tests.test_reenact import FRAMES, SIZE
from tests.test_reenact import folder as folder
from tests.test_reenact import weights as weights
from thedit.cli import demo as command
from thedit.demo.studio import Studio, by_name, of_run
from thedit.errors import UserError
from thedit.reenact.camera import View
from thedit.reenact.motion import Transfer

PATIENCE = 60  # seconds; the machine may be busy


@pytest.fixture
def studio(weights, tmp_path):
    (tmp_path / "studio").mkdir()
    return Studio({"planedict": weights, "again": weights}, tmp_path / "studio", "cpu", most_seconds=10)


def test_sliders_move_the_head_and_its_planes(folder, studio):
    def shown(yaw=0.0, strength=1.0, moment=0.0, shifts=()):
        values = "visitor", "planedict", folder / "portrait.png", folder / "driving.mp4", moment, strength
        return studio.still(*values, yaw, 0.0, list(shifts)).astype(int)

    first = shown()
    assert first.shape == (SIZE, SIZE, 3)
    assert (shown() == first).all()
    assert np.abs(shown(yaw=20) - first).mean() > 0.5
    assert studio.bases("planedict") == 10
    assert np.abs(shown(shifts=[3.0]) - first).mean() > 0
    assert (shown(shifts=[0.0] * 10) == first).all()


def test_what_a_visitor_brought_is_gone_when_they_leave(folder, studio):
    brought = studio.folder / "upload.png"
    brought.write_bytes((folder / "portrait.png").read_bytes())
    made = studio.animate("visitor", "planedict", brought, folder / "driving.mp4", Transfer(), View(), False)
    assert made.paths[0].is_file()
    studio.forget("visitor")
    assert list(studio.folder.iterdir()) == []
    assert (folder / "driving.mp4").is_file()


def test_what_two_visitors_brought_stays_until_both_have_left(folder, studio):
    """Equal uploads are one file to Gradio."""
    brought = studio.folder / "upload.png"
    brought.write_bytes((folder / "portrait.png").read_bytes())
    for visitor in ("first", "second"):
        studio.still(visitor, "planedict", brought, None, 0.0, 1.0, 0.0, 0.0, [])
    studio.forget("first")
    assert studio.still("second", "planedict", brought, None, 0.0, 1.0, 0.0, 0.0, []).shape == (SIZE, SIZE, 3)
    studio.forget("second")
    assert not brought.exists()


def test_weights_of_one_name_are_called_by_their_paths():
    paths = [
        Path("a/planedict/weights.safetensors"),
        Path("b/planedict/weights.safetensors"),
        Path("c/lia.safetensors"),
    ]
    assert by_name(paths) == dict(zip([str(paths[0]), str(paths[1]), "lia"], paths))


def test_a_video_that_is_too_long_gets_a_sentence(folder, studio):
    studio.most_seconds = 0.2
    files = folder / "portrait.png", folder / "driving.mp4"
    with pytest.raises(UserError, match=r"the video lasts 0\.\d s; this page takes up to 0\.2, cut it"):
        studio.animate("visitor", "planedict", *files, Transfer(), View(), False)


def test_methods_of_a_run_are_found(tmp_path):
    for name in ("lia", "planedict"):
        (tmp_path / "methods" / name).mkdir(parents=True)
        (tmp_path / "methods" / name / "weights.safetensors").touch()
    assert list(of_run(tmp_path)) == ["lia", "planedict"]
    with pytest.raises(UserError, match=r"holds no methods/\*/weights\.safetensors"):
        of_run(tmp_path / "methods")


def test_without_gradio_one_sentence_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "thedit.demo.page", raising=False)
    with pytest.raises(UserError, match=r"gradio is missing; install it with 'pip install --no-deps -r req"):
        command.demo()


@pytest.fixture
def page(studio, monkeypatch):
    """The address of the page, in use by one browser."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(studio.folder))
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    pytest.importorskip("gradio", reason="needs requirements-demo.lock")
    from thedit.demo import page

    served = page.launch(studio, "127.0.0.1", None, most_megabytes=1, block=False)
    yield served.local_url
    served.close()


@pytest.fixture
def browser():
    driver = chromium()
    yield driver
    driver.quit()


def test_a_visitor_uploads_drives_turns_and_downloads(folder, studio, page, browser, tmp_path):
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def wait(condition):
        stale = [StaleElementReferenceException]  # the page puts a new element in the place of one that is looked at
        return WebDriverWait(browser, PATIENCE, ignored_exceptions=stale).until(condition)

    def find(selector):
        return wait(lambda _: browser.find_elements(By.CSS_SELECTOR, selector))[0]

    def upload(place, path):
        find(f"#{place} input[type=file]").send_keys(str(path))

    def source(selector):
        return lambda _: next(
            (
                e.get_attribute("src")
                for e in browser.find_elements(By.CSS_SELECTOR, selector)
                if e.get_attribute("src")
            ),
            None,
        )

    def picture(selector):
        with urllib.request.urlopen(wait(source(selector))) as answer:
            return np.array(Image.open(io.BytesIO(answer.read())).convert("RGB")).astype(int)

    def download(address):
        """Frames (F, H, W, 3) of the result, and whether it has sound."""
        with urllib.request.urlopen(address) as answer, av.open(io.BytesIO(answer.read())) as container:
            frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
            return np.stack(frames), bool(container.streams.audio)

    def slide(place, value):
        number = find(f"#{place} input[type=number]")
        browser.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'));"
            "arguments[0].dispatchEvent(new Event('change'))", number, value,
        )  # fmt: skip

    def tab(number):
        find("button[role=tab]")
        browser.find_elements(By.CSS_SELECTOR, "button[role=tab]")[number].click()

    assert page.startswith("http://127.0.0.1:")
    browser.get(page)
    # a file that is no video, then one of a wall
    video_files.write(tmp_path / "wall.mp4", [video_files.wall()] * 5)
    upload("portrait", folder / "portrait.png")
    wait(source("#portrait img"))
    upload("driver", tmp_path / "wall.mp4")
    wait(source("#driver video"))
    find("#animate").click()
    sentence = wait(lambda _: re.search(r"wall\.mp4: no face found; choose another file", browser.page_source))
    assert sentence
    assert str(tmp_path) not in find("body").text
    # a driver with sound
    video_files.write(tmp_path / "talk.mp4", video_files.moving(FRAMES), beep=0.1)
    find("#driver button[aria-label=Clear]").click()
    upload("driver", tmp_path / "talk.mp4")
    wait(lambda _: "talk" in (source("#driver video")(_) or ""))
    find("#animate").click()
    address = wait(source("#result video"))
    straight, sounds = download(address)
    assert find("#result a[download]").get_attribute("href") == address
    assert sounds and len(straight) == FRAMES
    assert f"{FRAMES} frames in" in find("#said").text
    # the head swings while it talks, the further the later in a second
    slide("orbit", 45)
    find("#animate").click()
    swung, _ = download(
        wait(lambda _: (source("#result video")(_) or address) != address and source("#result video")(_))
    )
    change = np.abs(swung - straight).mean((1, 2, 3))
    assert len(swung) == FRAMES and change[-1] > 1.5 * change[0]
    # the head turns at once
    tab(1)
    before = picture("#still img")
    first = source("#still img")(None)
    slide("yaw", 25)
    wait(lambda _: source("#still img")(_) != first)
    assert before.shape == (SIZE, SIZE, 3)
    assert np.abs(picture("#still img") - before).mean() > 0.5
    if "THEDIT_SCREENSHOTS" in os.environ:
        browser.save_screenshot(f"{os.environ['THEDIT_SCREENSHOTS']}/demo.png")
    # nothing is kept
    brought = [path for path in studio.folder.rglob("*") if path.name.startswith(("talk", "result"))]
    assert brought
    browser.get("about:blank")
    wait(lambda _: not any(path.exists() for path in brought))
