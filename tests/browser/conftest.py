"""Fixtures of the tests in a real browser: one Chromium for all of them, and the pages.

Without a browser, or without selenium, the tests are skipped; where the environment variable CI is
set they fail instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pages
import pytest
from window import Window, start

from llmbench.output.html.page import render
from llmbench.record.comparison import Comparison


def without(reason: str) -> None:
    """Skip, or fail where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    """The browser, started once."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if not chromium or not chromedriver:
        without("there is no Chromium here, or no chromedriver (Debian: chromium-driver)")
    if not find_spec("selenium"):
        without("selenium is not installed")
    driver = start(str(chromium), str(chromedriver), tmp_path_factory.mktemp("profile"))
    yield Window(driver, tmp_path_factory.mktemp("downloads"))
    driver.quit()


@pytest.fixture
def window(shared_window: Window) -> Iterator[Window]:
    """The browser. Whatever a test does in it, no request leaves and the console stays silent."""
    shared_window.emulate(prefers_color_scheme="light")
    shared_window.requests()
    shared_window.messages()
    yield shared_window
    assert shared_window.requests() == []
    assert shared_window.messages() == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core: a file that AXE_CORE names, or what a package from PyPI ships."""
    named = os.environ.get("AXE_CORE")
    package = find_spec("axe_playwright_python")
    if named:
        return Path(named).read_text("utf-8")
    if not package or not package.origin:
        without("axe-playwright-python, which ships axe-core, is not installed")
    return (Path(str(package.origin)).parent / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="session")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Comparison], Path]:
    """Render a comparison to a file."""

    def written(comparison: Comparison) -> Path:
        path = tmp_path_factory.mktemp("report") / "report.html"
        path.write_text(render(comparison), "utf-8")
        return path

    return written


@pytest.fixture(scope="session")
def report(write: Callable[[Comparison], Path]) -> Callable[[str], Path]:
    """The report of a comparison in `pages`, by its name; rendered once."""
    return cache(lambda name: write(getattr(pages, name)()))


@pytest.fixture
def page(window: Window, report: Callable[[str], Path]) -> Window:
    """The browser with a page on which all went well."""
    window.open(report("all_well"))
    return window
