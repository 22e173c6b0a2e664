"""A real browser for tests: Debian's Chromium without a window, driven by selenium; skipped with the reason."""

import shutil

import pytest


def chromium():
    """A driver of Chromium that asks nobody for anything."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs requirements-demo.lock")
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if missing := [name for name, path in programs.items() if path is None]:
        pytest.skip(f"{', '.join(missing)}: not installed (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for switch in (
        *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
        *("disable-background-networking", "disable-component-update", "window-size=1400,1200"),
    ):
        options.add_argument(f"--{switch}")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(programs["chromedriver"]))
