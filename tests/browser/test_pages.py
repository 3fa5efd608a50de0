"""Every page as people see it, in both sizes and colour schemes (`tests.helpers.inspector`)."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenStage
from tests.helpers.host_process import HOST_FILE
from tests.helpers.inspector import AXE, Inspector
from tests.helpers.story import Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    inspector.look_at(page, "sign-in")
    page.get_by_label("E-mail").fill("nobody@acme.example")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
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
    expect(console.rows.filter(has_text="Removal confirmed")).to_be_visible()
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
    expect(page.get_by_role("heading", name=re.compile("Receipt: remote support by"))).to_be_visible()
    inspector.look_at(page, "customer-receipt")
    page.goto("about:blank")
    page.goto(f"{stage.relay.origin}/d/{'A' * 22}#{'A' * 22}.some-password")
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    inspector.look_at(page, "customer-lapsed")
    assert inspector.faults == []
