"""A real headless Chromium, a virtual desktop, and stages with a relay and a signed-in technician."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.helpers.desktops import Desktop
from tests.helpers.story import CHROMIUM, CHROMIUM_OPTIONS, Stage

OpenStage = Callable[..., Stage]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a module's tests: Playwright's event loop must be gone before any of Trio's begins."""
    if CHROMIUM is None:
        pytest.fail("Chromium is not installed; ./dev test does it.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_OPTIONS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def whole_desktop() -> Iterator[Desktop]:
    """One desktop for a module's tests."""
    with Desktop() as running:
        yield running


@pytest.fixture
def desktop(whole_desktop: Desktop) -> Iterator[Desktop]:
    """A desktop with nothing on it."""
    whole_desktop.clear()
    yield whole_desktop
    whole_desktop.clear()


@pytest.fixture
def open_stage(browser: Browser, desktop: Desktop, tmp_path: Path) -> Iterator[OpenStage]:
    """Opens stages; afterwards, no page has complained and no secret has stayed with the relay."""
    stages: list[Stage] = []

    def open_one(*options: str, **arrangements: Any) -> Stage:
        stage = Stage(browser, desktop, tmp_path, options, **arrangements)
        stages.append(stage)
        return stage

    yield open_one
    try:
        for stage in stages:
            assert stage.complaints == []
            assert stage.relay.find_kept(stage.secrets) == []
    finally:
        for stage in stages:
            stage.close()
            print(stage.describe())


@pytest.fixture
def stage(open_stage: OpenStage) -> Stage:
    """A stage with a relay as it is without further settings."""
    return open_stage()
