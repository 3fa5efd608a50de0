"""A session afterwards: who connected, why it ended, and the receipt, for technician and customer."""

import re

import pytest
from playwright.sync_api import expect

from tests.helpers.inspector import AXE, Inspector
from tests.helpers.relay_process import COMPANY, TECHNICIAN
from tests.helpers.story import Prepared, Stage

pytestmark = pytest.mark.browser


def use_and_end(stage: Stage) -> Prepared:
    """A session in which Remote Control was open, and which the technician ended."""
    stage.desktop.paint(seed=41)
    prepared, host = stage.activate()
    viewer = stage.console.open_remote_control()
    viewer.connect(prepared.password)
    viewer.wait_shows(stage.desktop)
    viewer.page.close()
    stage.console.end_session()
    stage.console.wait_ended("The technician ended the session.")
    host.wait_removed()
    stage.console.expect_words("Removal confirmed")
    return prepared


def test_the_story_of_a_session(stage: Stage) -> None:
    use_and_end(stage)
    page = stage.console.page
    stage.console.rows.first.get_by_role("link").click()
    expect(page.get_by_role("heading", name=re.compile("^Session of"))).to_be_visible()
    uses = page.get_by_role("region", name="Who connected")
    expect(uses.get_by_role("listitem")).to_contain_text(f"{TECHNICIAN} · Remote Control")
    expect(uses.get_by_role("listitem")).to_contain_text(re.compile(r"\d+ sec"))
    events = page.get_by_role("region", name="What happened")
    expect(events.get_by_role("listitem").filter(has_text=TECHNICIAN).first).to_be_visible()
    receipt = page.get_by_role("region", name=f"Receipt: remote support by {COMPANY}")
    expect(receipt).to_contain_text(TECHNICIAN)
    expect(receipt).to_contain_text("The support program has removed itself from the computer.")
    expect(receipt.get_by_role("listitem")).to_contain_text("Remote Control")
    page.reload()
    expect(receipt).to_be_visible()
    page.get_by_role("link", name="Back to the sessions").click()
    expect(page.get_by_role("heading", name="Prepare a session")).to_be_visible()


def test_only_the_receipt_is_printed(stage: Stage) -> None:
    use_and_end(stage)
    page = stage.console.page
    stage.console.rows.first.get_by_role("link").click()
    receipt = page.get_by_role("region", name=re.compile("^Receipt"))
    expect(receipt.get_by_role("button", name="Print")).to_be_visible()
    page.emulate_media(media="print")
    expect(receipt).to_be_visible()
    expect(receipt.get_by_role("button", name="Print")).not_to_be_visible()
    expect(page.get_by_role("banner")).not_to_be_visible()
    expect(page.get_by_role("heading", name="Who connected")).not_to_be_visible()


def test_the_customer_reads_the_receipt_behind_the_link(stage: Stage) -> None:
    prepared = use_and_end(stage)
    page = stage.open_context().new_page()
    page.goto(prepared.link)
    receipt = page.get_by_role("region", name=f"Receipt: remote support by {COMPANY}")
    expect(receipt).to_contain_text(TECHNICIAN)
    expect(receipt.get_by_role("listitem")).to_contain_text("Remote Control")
    # A stranger who guesses an invite learns nothing.
    page.goto("about:blank")
    page.goto(f"{stage.relay.origin}/d/{'A' * 22}#{'A' * 22}.some-password")
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()


def test_a_session_of_nobody_is_said_so(stage: Stage) -> None:
    page = stage.console.page
    page.goto(f"{stage.relay.origin}/sessions/{'A' * 22}")
    expect(page.get_by_role("heading", name="There is no such session.")).to_be_visible()


@pytest.mark.slow
def test_how_it_looks(stage: Stage) -> None:
    if not AXE.exists():
        pytest.fail("axe-core is not installed; ./dev test does it.")
    inspector = Inspector()
    use_and_end(stage)
    page = stage.console.page
    inspector.look_at(page, "support-after")
    stage.console.rows.first.get_by_role("link").click()
    expect(page.get_by_role("region", name=re.compile("^Receipt"))).to_be_visible()
    inspector.look_at(page, "session-story")
    page.get_by_label("Language", exact=True).select_option("es")
    expect(page.get_by_role("heading", name=re.compile("^Sesión del"))).to_be_visible()
    inspector.look_at(page, "session-story-es")
    assert inspector.faults == []
