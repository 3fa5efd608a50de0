"""Colleagues in a session: let in, taken out, handed over; and why somebody connects."""

import re
import time

import pytest
from playwright.sync_api import Locator, expect

from tests.helpers.desktops import HEIGHT, WIDTH
from tests.helpers.story import Console, Stage, Viewer

pytestmark = pytest.mark.browser

NINA = "Nina Nurse"


def open_dialog(console: Console) -> Locator:
    """Press "Let a colleague in"."""
    console.session.get_by_role("button", name="Let a colleague in").click()
    return console.page.get_by_role("dialog")


def let_in(console: Console, name: str, access: str) -> None:
    """Let somebody in, and close the dialog."""
    dialog = open_dialog(console)
    dialog.get_by_label("Colleague").select_option(name)
    dialog.get_by_label("May", exact=True).select_option(access)
    dialog.get_by_role("button", name="Let in", exact=True).click()
    expect(dialog.get_by_label(f"What {name} may do")).to_have_value(access)
    dialog.get_by_role("button", name="Close").click()
    expect(console.session.get_by_text(name)).to_be_visible()


def watch(stage: Stage, console: Console, password: str) -> Viewer:
    """A viewer of a colleague, who types the access password they were told."""
    viewer = console.open_remote_control()
    viewer.connect(password)
    viewer.wait_shows(stage.desktop)
    return viewer


def test_a_colleague_let_in_to_watch_sees_and_sends_nothing(stage: Stage) -> None:
    stage.desktop.paint(seed=31)
    nina = stage.add_colleague(NINA, "nina@acme.example")
    prepared, _ = stage.activate()
    expect(nina.session).to_have_count(0)
    let_in(stage.console, NINA, "view")
    expect(nina.session.get_by_text("Let in by Tess Technician")).to_be_visible()
    expect(nina.session.get_by_role("button", name="End session now")).to_have_count(0)
    viewer = watch(stage, nina, prepared.password)
    expect(viewer.page.get_by_text("You only watch")).to_be_visible()
    expect(viewer.page.get_by_role("button", name="Keys")).to_have_count(0)
    expect(viewer.page.get_by_role("button", name="Chat")).to_have_count(0)
    expect(viewer.page.get_by_role("button", name="End session now")).to_have_count(0)
    before = stage.desktop.pointer
    viewer.move_to(WIDTH // 3, HEIGHT // 3)
    viewer.move_to(WIDTH // 4, HEIGHT // 2)
    # A picture that was drawn after the moves shows that whatever came of them has come.
    stage.desktop.paint(seed=32)
    viewer.wait_shows(stage.desktop)
    assert stage.desktop.pointer == before


def test_a_colleague_with_all_tools_works_and_leaves_within_a_second(stage: Stage) -> None:
    stage.desktop.paint(seed=33)
    nina = stage.add_colleague(NINA, "nina@acme.example")
    prepared, _ = stage.activate()
    let_in(stage.console, NINA, "full")
    viewer = watch(stage, nina, prepared.password)
    viewer.move_to(100, 100)
    viewer.move_to(200, 150)
    expect(viewer.page.get_by_role("button", name="Keys")).to_be_visible()
    dialog = open_dialog(stage.console)
    dialog.get_by_role("button", name=f"Take out {NINA}").click()
    pressed_at = time.monotonic()
    viewer.wait_gone()
    assert time.monotonic() - pressed_at < 1
    viewer.expect_words("There is no such session.")
    expect(nina.session).to_have_count(0)


def test_handing_over_makes_it_the_colleagues(stage: Stage) -> None:
    stage.desktop.paint(seed=34)
    nina = stage.add_colleague(NINA, "nina@acme.example")
    prepared, _ = stage.activate()
    dialog = open_dialog(stage.console)
    dialog.get_by_role("button", name="Hand the session over").click()
    dialog.get_by_label("Colleague").select_option(NINA)
    dialog.get_by_role("button", name="Hand over", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(nina.session.get_by_role("button", name="End session now")).to_be_visible()
    expect(stage.console.session.get_by_text(f"Let in by {NINA}")).to_be_visible()
    watch(stage, nina, prepared.password)
    nina.end_session()
    nina.wait_ended("The technician ended the session.")


def test_why_somebody_connects_is_asked_for_and_kept(stage: Stage) -> None:
    stage.desktop.paint(seed=35)
    console = stage.console
    console.call("PATCH", "/company", {"requires_reason": True})
    console.page.reload()
    prepared, _ = stage.activate()
    viewer = console.open_remote_control()
    reason = viewer.page.get_by_label("Reason for connecting")
    viewer.connect(prepared.password)
    expect(viewer.page.get_by_text("Please say why you connect.")).to_be_visible()
    reason.fill("Printer, ticket 4711")
    viewer.page.get_by_role("button", name="Connect", exact=True).click()
    viewer.wait_shows(stage.desktop)
    console.session.get_by_role("link", name="Details").click()
    console.page.wait_for_url("**/sessions/*")
    expect(console.page.get_by_text("Reason: Printer, ticket 4711")).to_be_visible()


def test_tools_are_greyed_with_the_reason(stage: Stage) -> None:
    console = stage.console
    console.call("PATCH", "/company", {"plan": "free"})
    console.page.reload()
    prepared = console.prepare()
    greyed = console.session.get_by_role("button", name=re.compile("^Remote Control"))
    expect(greyed).to_be_disabled()
    expect(greyed).to_have_accessible_name("Remote Control: Only once the session is active.")
    host = stage.start_host(prepared.link)
    host.type_code(prepared.code)
    host.allow()
    console.wait_active()
    expect(console.session.get_by_role("link", name="Remote Control")).to_be_visible()
    host.kill()
    expect(greyed).to_be_disabled()
    expect(greyed).to_have_accessible_name(re.compile("The computer is offline"))
    expect(
        console.session.get_by_role("button", name=re.compile("^File Manager: Not part of"))
    ).to_be_disabled()
