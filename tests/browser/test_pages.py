"""Every page as people see it: no serious barrier by axe-core, nothing wider than the screen, and pictures.

Screenshots go to ``var/screenshots``, for a person; nothing is compared with them.
"""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenStage
from tests.helpers.host_process import HOST_FILE
from tests.helpers.story import Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AXE: Final = Path("web/node_modules/axe-core/axe.min.js")
SCREENSHOTS: Final = Path("var/screenshots")
SIZES: Final = ((1280, 800), (390, 844))
SCHEMES: Final = ("light", "dark")
BARRIERS: Final = ("serious", "critical")

_RUN_AXE = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, impact, help, nodes }) =>
        nodes.map((node) => ({ id, impact, help, target: node.target.join(" "), why: node.failureSummary })));
}"""


class Inspector:
    """Looks at pages in both sizes and both colour schemes, and collects what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._axe = AXE.read_text()
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def look_at(self, page: Page, name: str) -> None:
        """Look at a page as it is now; `name` is of the screenshots."""
        for scheme in SCHEMES:
            for width, height in SIZES:
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                page.set_viewport_size({"width": width, "height": height})
                where = f"{name}-{width}x{height}-{scheme}"
                page.screenshot(path=SCREENSHOTS / f"{where}.png", full_page=True, animations="disabled")
                page.evaluate(self._axe)
                found: list[dict[str, Any]] = page.evaluate(_RUN_AXE)
                self.faults += [
                    f"{where}: {fault['id']} ({fault['help']}) at {fault['target']}: {fault['why']}"
                    for fault in found
                    if fault["impact"] in BARRIERS
                ]
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    self.faults.append(f"{where}: wider than the screen")
        page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})


@pytest.fixture
def inspector() -> Inspector:
    """With axe-core, a development package of the web client."""
    if not AXE.exists():
        pytest.fail("axe-core is not installed; ./dev test does it.")
    return Inspector()


def press(place: Page | Locator, name: str) -> None:
    """Press a button."""
    place.get_by_role("button", name=name).first.click()


def test_pages_before_signing_in(stage: Stage, inspector: Inspector) -> None:
    page = stage.open_context().new_page()
    page.goto(stage.relay.origin)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    inspector.look_at(page, "sign-in")
    page.get_by_label("E-mail").fill("nobody@acme.example")
    page.get_by_label("Password").fill("wrong")
    press(page, "Sign in")
    expect(page.get_by_role("alert")).to_be_visible()
    inspector.look_at(page, "sign-in-refused")
    stage.relay.renew_sign_in_link()
    page.goto(stage.relay.sign_in_link)
    expect(page.get_by_role("button", name="Not now")).to_be_visible()
    inspector.look_at(page, "sign-in-password-offer")
    assert inspector.faults == []


def test_console_pages(stage: Stage, inspector: Inspector) -> None:
    console, page = stage.console, stage.console.page
    inspector.look_at(page, "console-empty")
    press(page, "Keyboard shortcuts")
    inspector.look_at(page, "console-shortcuts")
    page.keyboard.press("Escape")
    press(page, "Send e-mail and prepare session")
    expect(page.get_by_text("Please enter the customer\u2019s e-mail address.")).to_be_visible()
    inspector.look_at(page, "console-form-fault")
    prepared = console.prepare("Send e-mail and prepare session")
    inspector.look_at(page, "console-prepared")
    host = stage.start_host(prepared.link)
    host.type_code("000000000" if prepared.code != "000000000" else "1" * 9)
    console.expect_words("4 tries left")
    inspector.look_at(page, "console-waiting-wrong-code")
    host.type_code(prepared.code)
    host.allow()
    console.wait_active()
    inspector.look_at(page, "console-active")
    press(console.session, "End session now")
    inspector.look_at(page, "console-end-dialog")
    press(page.get_by_role("dialog"), "End session")
    console.expect_words("Removal confirmed")
    page.get_by_text("Ended sessions").click()
    expect(page.get_by_role("listitem").filter(has_text="Removal confirmed")).to_be_visible()
    inspector.look_at(page, "console-ended")
    page.get_by_label("Language", exact=True).select_option("es")
    inspector.look_at(page, "console-ended-spanish")
    assert inspector.faults == []


def test_viewer_pages(open_stage: OpenStage, inspector: Inspector) -> None:
    stage = open_stage(is_cuttable=True)
    assert stage.proxy is not None
    stage.desktop.paint(seed=1)
    prepared, _ = stage.activate()
    viewer = stage.console.open_remote_control()
    expect(viewer.page.get_by_role("button", name="Connect", exact=True)).to_be_visible()
    inspector.look_at(viewer.page, "viewer-password")
    viewer.connect("not-the-password")
    viewer.expect_words("The access password is not right.")
    inspector.look_at(viewer.page, "viewer-wrong-password")
    viewer.connect(prepared.password)
    viewer.wait_shows(stage.desktop)
    inspector.look_at(viewer.page, "viewer-connected")
    viewer.page.get_by_role("button", name="Show the toolbar").click()
    press(viewer.page, "Picture quality")
    inspector.look_at(viewer.page, "viewer-toolbar")
    stage.proxy.cut("/tunnel/host")
    viewer.expect_words("The computer is offline, waiting")
    inspector.look_at(viewer.page, "viewer-offline")
    stage.proxy.restore("/tunnel/host")
    viewer.wait_shows(stage.desktop)
    stage.relay.kill()
    viewer.expect_words("The relay is unreachable, reconnecting")
    inspector.look_at(viewer.page, "viewer-unreachable")
    stage.relay.start_again()
    viewer.wait_shows(stage.desktop)
    stage.console.wait_active()
    stage.console.end_session()
    viewer.expect_words("The session has ended")
    inspector.look_at(viewer.page, "viewer-ended")
    assert inspector.faults == []


def test_customers_pages(open_stage: OpenStage, inspector: Inspector) -> None:
    stage = open_stage(downloads=HOST_FILE.parent.absolute())
    prepared = stage.console.prepare()
    page = stage.open_context().new_page()
    page.goto(prepared.link)
    expect(page.get_by_role("heading", name=re.compile("Remote support by"))).to_be_visible()
    inspector.look_at(page, "customer-open")
    page.goto("about:blank")
    page.goto(prepared.link.partition("#")[0])
    expect(page.get_by_role("heading", name="The link is not complete")).to_be_visible()
    inspector.look_at(page, "customer-incomplete")
    stage.console.end_session()
    stage.console.wait_ended("The technician ended the session.")
    page.goto("about:blank")
    page.goto(prepared.link)
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    inspector.look_at(page, "customer-lapsed")
    assert inspector.faults == []
