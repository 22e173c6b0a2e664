"""The report of a run: its tables in every form, and its page as a browser shows it."""

import functools
import http.server
import re
import shutil
import threading

import numpy as np
import pandas as pd
import pytest

from thedit.metrics.questions import QUESTIONS, Cell, Table, questions
from thedit.metrics.text import as_text
from thedit.report import page, render
from thedit.report.sprite import SIDE, Sprite

NONE = float("nan")
METHODS = {"planedict": "", "fomm": "", "copy-source": "", "flat": "no camera control"}
EVIL = "</script><img src=x onerror=alert(1)>"


def measured(*rows):
    columns = ["metric", "variant", "method", "value", "ci_low", "ci_high", "n", "n_failed"]
    return pd.DataFrame(rows, columns=columns).assign(backend="net", protocol="cross")


METRICS = measured(
    ("csim", "source", "planedict", 0.93, 0.91, 0.95, 19, 1),
    ("csim", "source", "fomm", 0.9, 0.8, 1.0, 8, 0),
    ("csim", "source", "copy-source", 1.0, NONE, NONE, 8, 0),
    ("aed", "landmarks-mm", "planedict", 2.0, 1.0, 3.0, 8, 0),
    ("aed", "landmarks-mm", "fomm", 1.0, 0.5, 1.5, 8, 0),
    ("aed", "landmarks-mm", "copy-source", 0.0, 0.0, 0.0, 8, 0),
)


def tables():
    return questions("cross", METRICS, METHODS, ["copy-source"])


def test_methods_are_rows_and_the_best_is_marked_bounds_apart():
    identity, expression = tables()
    assert identity.headings == ["method", "CSIM source ↑", "n"]
    assert identity.rows == [
        [Cell("planedict"), Cell("0.93", "0.91…0.95", True), Cell("19", "1 failed")],
        [Cell("fomm"), Cell("0.9", "0.8…1"), Cell("8")],
        [Cell("copy-source"), Cell("1"), Cell("8")],
        [Cell("flat"), Cell("–", "no camera control"), Cell("–")],
    ]
    assert [row[1].best for row in expression.rows] == [False, True, False, False]  # less is better
    assert identity.note == "CSIM source: net"


def test_what_was_measured_on_few_frames_is_not_the_best():
    rows = measured(("apd", "geodesic-degrees", "fomm", 3.2, 3.0, 3.4, 2, 10))
    rows = pd.concat([rows, rows.assign(method=["planedict"], value=3.7, n=12, n_failed=0)])
    rows = pd.concat([rows, rows.iloc[1:].assign(method="lia", value=4.0)])
    (table,) = questions("cross", rows, {"planedict": "", "fomm": "", "lia": ""})
    assert [row[1].best for row in table.rows] == [True, False, False]
    assert table.rows[1][2] == Cell("2", "10 failed")


def test_one_method_alone_is_not_the_best_of_anything():
    (table,) = questions(
        "cross", METRICS[METRICS["metric"] == "csim"], {"planedict": "", "copy-source": ""}, ["copy-source"]
    )
    assert not any(cell.best for row in table.rows for cell in row)


def test_no_table_is_wider_than_a_terminal_or_seven_columns():
    everything = measured(
        *(
            (one.metric, one.variant, method, -0.123456, -0.234567, -0.0123456, 200, 12)
            for columns in QUESTIONS.values()
            for one in columns
            for method in ("planedict-no-orthogonality", "coefficient-triplanes")
        )
    )
    made = questions("side-views", everything, dict.fromkeys(everything["method"], ""))
    assert max(len(table.headings) for table in made) <= 7
    assert max(map(len, as_text(made).splitlines())) <= 80
    assert {(one.metric, one.variant) for columns in QUESTIONS.values() for one in columns} == set(
        zip(everything["metric"], everything["variant"])
    )


def test_every_form_marks_the_best_and_keeps_intervals():
    assert "0.93*" in as_text(tables()) and "0.91…0.95" in as_text(tables())
    assert "| planedict | **0.93**<br><sub>0.91…0.95</sub> | 19<br><sub>1 failed</sub> |" in render.as_markdown(
        tables()
    )
    assert r"planedict & \textbf{0.93} {\scriptsize 0.91\ldots 0.95} & 19" in render.as_latex(tables())
    assert "<td class='best'>0.93<small>0.91…0.95</small></td>" in render.as_html(tables())
    lines = render.as_csv(METRICS, list(METHODS)).splitlines()
    assert lines[0] == "protocol,question,metric,variant,backend,method,value,ci_low,ci_high,n,n_failed"
    assert "cross,identity,csim,source,net,planedict,0.93,0.91,0.95,19,1" in lines


def test_names_are_escaped_in_a_page():
    text = render.as_html([Table(EVIL, ["method", EVIL], [[Cell(EVIL), Cell("1", EVIL)]], EVIL)])
    assert "<img" not in text and text.count("&lt;img") == 5
    assert "<img src=x" not in page._player(Sprite([EVIL], [[None]])) + page._section(EVIL, "")


def sprite(rows, columns):
    """A sprite whose pictures are each of one colour of their own."""
    colour = lambda row, column: np.full((8, 8, 3), (40 + 60 * row, 40 + 60 * column, 0), np.uint8)  # noqa: E731
    return Sprite(
        [f"track {one}" for one in range(columns)], [[colour(r, c) for c in range(columns)] for r in range(rows)]
    )


@pytest.fixture
def browser():
    """A headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="the extra 'dev' is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("Chromium and its driver are not installed (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    quiet = ("background-networking", "component-update", "sync", "quic", "gpu", "dev-shm-usage")
    for argument in ("headless", "no-sandbox", "no-first-run", *(f"disable-{one}" for one in quiet)):
        options.add_argument(f"--{argument}")
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield running
    running.quit()


@pytest.fixture
def served(tmp_path):
    """A folder and the address at which a browser finds it."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_in_a_browser_tracks_move_in_step_and_the_mouse_turns_the_head(served, browser, monkeypatch):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    folder, address = served
    monkeypatch.setattr(
        page, "provenance_of", lambda _: dict.fromkeys(("seed", "code_version", "config_hash", "device"), EVIL)
    )
    body = page._section("players", page._player(sprite(3, 2)) + page._player(sprite(2, 5), "player turn"))
    (folder / "report.html").write_text(page._page(page.Config(run="made-up"), body))
    browser.get(f"{address}/report.html")
    player, turn = browser.find_elements(By.CLASS_NAME, "player")
    tracks = player.find_elements(By.CLASS_NAME, "cell")
    assert [track.get_attribute("data-column") for track in tracks] == ["0", "1"]
    browser.execute_script(
        "arguments[0].value = 2; arguments[0].dispatchEvent(new Event('input'))",
        player.find_element(By.TAG_NAME, "input"),
    )
    assert [track.get_attribute("data-row") for track in tracks] == ["2", "2"]
    assert tracks[1].value_of_css_property("background-position") == f"-{SIDE}px -{2 * SIDE}px"
    head = turn.find_element(By.CLASS_NAME, "cell")
    for offset, column in ((-SIDE // 2 + 2, "0"), (0, "2"), (SIDE // 2 - 2, "4")):
        ActionChains(browser).move_to_element_with_offset(head, offset, 0).perform()
        assert head.get_attribute("data-column") == column
    player.find_element(By.TAG_NAME, "button").click()
    assert player.find_element(By.TAG_NAME, "button").text == "Pause"
    assert not browser.find_elements(By.CSS_SELECTOR, "img[src='x']")
    assert not re.search(r"(src|href)=.https?:", (folder / "report.html").read_text())
