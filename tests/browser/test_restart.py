"""Restarting the computer from the browser, and what kept the program from beginning there."""

import shlex
import sys

import httpx
import pytest
from playwright.sync_api import expect

from tests.helpers.inspector import AXE, Inspector
from tests.helpers.story import Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RESTARTABLE = """
import os, signal, sys
import host.restart
host.restart.restart_computer = lambda mode: os.kill(os.getpid(), signal.SIGTERM)
from host.installation import Installation
Installation.way_back = property(lambda self: "boot")
from host.cli import main
sys.exit(main())
"""
"""A host whose computer, instead of being restarted, only takes it down."""


@pytest.fixture
def inspector() -> Inspector:
    """With axe-core, a development package of the web client."""
    if not AXE.exists():
        pytest.fail("axe-core is not installed; ./dev test does it.")
    return Inspector()


def test_a_restart_that_the_customer_lets_happen(stage: Stage, inspector: Inspector) -> None:
    stage.desktop.paint(seed=31)
    prepared = stage.console.prepare()
    command = [sys.executable, "-c", RESTARTABLE, prepared.link]
    host = stage.paste_line(f"exec {shlex.join(command)}")
    host.type_code(prepared.code)
    host.allow()
    stage.console.wait_active()
    viewer = stage.console.open_remote_control()
    viewer.connect(prepared.password)
    viewer.wait_shows(stage.desktop)
    viewer.page.get_by_role("button", name="Restart computer").click()
    dialog = viewer.page.get_by_role("dialog")
    expect(dialog).to_contain_text("What is not saved there is lost")
    inspector.look_at(viewer.page, "restart-question")
    dialog.get_by_role("button", name="Restart").click()
    expect(dialog).to_contain_text("can say no for 15 seconds")
    host.hear("Tess Technician is about to restart this computer")
    host.hear("refuse: $")
    host.type("no")
    expect(dialog).to_contain_text("The customer said no.")
    dialog.get_by_role("button", name="Restart").click()
    expect(dialog).to_contain_text("can say no for")
    viewer.expect_words("Restarting, waiting for the computer…")
    assert host.wait_gone() == 0
    stage.resume_host(host)
    viewer.wait_shows(stage.desktop)
    expect(dialog).to_have_count(0)
    assert inspector.faults == []


def test_the_sessions_card_leads_to_it_and_a_program_that_would_not_come_back_says_so(stage: Stage) -> None:
    stage.desktop.paint(seed=32)
    prepared, _ = stage.activate()
    with stage.console.page.context.expect_page() as opened:
        stage.console.session.get_by_role("link", name="Restart computer").click()
    page = opened.value
    page.get_by_label("Access password").fill(prepared.password)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("What is not saved there is lost")
    assert page.url.endswith(f"/session/{stage.console.session_id}")
    dialog.get_by_role("button", name="Restart").click()
    expect(dialog).to_contain_text("would not come back by itself")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)


def test_what_kept_the_program_from_beginning_is_seen_live_with_what_to_say(
    stage: Stage, inspector: Inspector
) -> None:
    prepared = stage.console.prepare()
    origin, invite = prepared.link.partition("#")[0].split("/d/")
    for code in ("clock", "managed_host"):
        answer = httpx.post(
            f"{origin}/api/v1/links/{invite}/refused", json={"code": code}, headers={"X-Adhoc-Csrf": "1"}
        )
        assert answer.status_code == 204
    session = stage.console.session
    step = session.get_by_role("listitem").filter(has_text="clock is wrong")
    expect(step).to_contain_text("(failed)")
    expect(step).to_contain_text("Ask the customer to set date and time right")
    expect(session).to_contain_text("Not started: the computer is managed already")
    inspector.look_at(stage.console.page, "refusals")
    assert inspector.faults == []
    session.get_by_role("link", name="Details").click()
    stage.console.page.get_by_text("Ask the customer to set date and time right").wait_for()
    stage.console.page.get_by_text("The program did not begin on the customer").first.wait_for()
