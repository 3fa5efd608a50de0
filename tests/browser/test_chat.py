"""The chat between a viewer's page and the customer's program."""

import re

import pytest
from playwright.sync_api import expect

from tests.helpers.story import Stage

pytestmark = [pytest.mark.browser, pytest.mark.sockets]


def test_both_sides_talk_and_what_is_unread_is_marked(stage: Stage) -> None:
    stage.desktop.paint(seed=41)
    prepared, host = stage.activate()
    viewer = stage.console.open_remote_control()
    viewer.page.get_by_label("Start a chat with the customer").check()
    viewer.connect(prepared.password)
    viewer.wait_shows(stage.desktop)
    chat = viewer.page.get_by_role("complementary", name="Chat with the customer")
    chat.get_by_label("Write to the customer").fill("Good morning <b>Ana</b>, see https://example.com")
    chat.get_by_role("button", name="Send").click()
    host.hear(r"Tess Technician: Good morning <b>Ana</b>, see https://example\.com")
    expect(chat.get_by_text("Good morning <b>Ana</b>")).to_be_visible()
    expect(chat.get_by_role("link")).to_have_count(0)
    chat.get_by_role("button", name="Close the chat").click()
    host.type("The printer is silent")
    handle = viewer.page.get_by_role("region", name="Remote Control tools").get_by_role(
        "button", name="Show the toolbar (1 unread message)"
    )
    expect(handle).to_contain_text("1")
    handle.click()
    expect(viewer.page.get_by_role("button", name=re.compile("^Chat"))).to_contain_text("1")
    expect(viewer.page).to_have_title(re.compile(r"^\(1\) "))
    viewer.page.get_by_role("button", name=re.compile("^Chat")).click()
    expect(chat.get_by_text("The printer is silent")).to_be_visible()
    expect(viewer.page).to_have_title(re.compile(r"^[^(]"))
    assert stage.relay.logs.count("printer") == 0
