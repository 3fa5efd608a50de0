"""The list of sessions: searched, filtered, sorted and paged by the relay, live, and for whom it is."""

import re

import pytest
from playwright.sync_api import expect

from relay.protocol.links import encode_base64url
from tests.helpers.story import Console, Stage

pytestmark = pytest.mark.browser

PAGE_SIZE = 25


def leave_behind(console: Console, customer: str, note: str = "", *, number: int = 0) -> str:
    """A session that was prepared and ended; its id."""
    invite = encode_base64url(number.to_bytes(16, "big"))
    answer = console.call(
        "POST", "/sessions", {"invite": invite, "customer_email": customer, "note": note, "language": "en"}
    )
    session: str = answer["session"]["id"]
    console.call("POST", f"/sessions/{session}/end", {})
    return session


def test_search_filter_and_order_are_the_relays(stage: Stage) -> None:
    console = stage.console
    leave_behind(console, "zoe@customer.example", "printer 100%", number=1)
    leave_behind(console, "ana@customer.example", "scanner", number=2)
    console.prepare()
    expect(console.rows).to_have_count(3)
    expect(console.rows.first).to_contain_text("Prepared")
    console.list.get_by_label("Search").fill("100%")
    expect(console.rows).to_have_count(1)
    expect(console.rows.first).to_contain_text("zoe@customer.example")
    console.list.get_by_label("Search").fill("no such thing")
    expect(console.list.get_by_text("No session is like that.")).to_be_visible()
    console.list.get_by_label("Search").fill("")
    console.list.get_by_label("State").select_option("ended")
    expect(console.rows).to_have_count(2)
    console.list.get_by_label("Order").select_option("customer")
    expect(console.rows.first).to_contain_text("ana@customer.example")
    console.list.get_by_label("Order").select_option("oldest")
    expect(console.rows.first).to_contain_text("zoe@customer.example")


def test_a_row_changes_with_its_session(stage: Stage) -> None:
    console = stage.console
    _, host = stage.activate()
    row = console.rows.first
    expect(row).to_contain_text("Active")
    expect(row).to_contain_text("online")
    expect(row.get_by_role("timer")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    console.end_session()
    expect(row).to_contain_text("Ended")
    expect(row).to_contain_text("The technician ended the session.")
    host.wait_removed()
    expect(row).to_contain_text("Removal confirmed")


def test_long_lists_come_in_pages(stage: Stage) -> None:
    console = stage.console
    for number in range(PAGE_SIZE + 3):
        leave_behind(console, f"customer{number}@customer.example", number=number)
    console.page.reload()
    expect(console.rows).to_have_count(PAGE_SIZE)
    console.list.get_by_role("button", name="Show more").click()
    expect(console.rows).to_have_count(PAGE_SIZE + 3)
    expect(console.list.get_by_role("button", name="Show more")).to_have_count(0)


def test_owners_see_colleagues_sessions_and_technicians_only_their_own(stage: Stage) -> None:
    nina = stage.add_colleague("Nina Nurse", "nina@acme.example")
    nina.prepare()
    owner = stage.console
    expect(owner.rows).to_have_count(0)
    owner.list.get_by_label("Whose").select_option("company")
    expect(owner.rows).to_have_count(1)
    expect(owner.rows.first).to_contain_text("Nina Nurse")
    expect(owner.session).to_have_count(0)
    owner.list.get_by_label("Technician").select_option("Tess Technician")
    expect(owner.rows).to_have_count(0)
    owner.list.get_by_label("Technician").select_option("Nina Nurse")
    owner.rows.first.get_by_role("link").click()
    expect(owner.page.get_by_text("Colleague\u2019s session")).to_be_visible()
    expect(nina.list.get_by_label("Whose")).to_have_count(0)
    owner.page.go_back()
    leave_behind(owner, "mine@customer.example", number=1)
    expect(nina.rows).to_have_count(1)


def test_auditors_look_and_do_nothing_else(stage: Stage) -> None:
    stage.console.prepare()
    auditor = stage.add_colleague("Otto Auditor", "otto@acme.example", role="auditor")
    expect(auditor.rows).to_have_count(1)
    expect(auditor.page.get_by_role("heading", name="Prepare a session")).to_have_count(0)
    expect(auditor.session).to_have_count(0)
    auditor.rows.first.get_by_role("link").click()
    expect(auditor.page.get_by_role("heading", name=re.compile("^Session of"))).to_be_visible()
    expect(auditor.page.get_by_role("button", name="End session now")).to_have_count(0)


def test_the_session_in_the_way_is_named(stage: Stage) -> None:
    console = stage.console
    console.prepare()
    console.page.get_by_label("Customer\u2019s e-mail").fill("other@customer.example")
    console.page.get_by_role("button", name="Prepare and copy link").click()
    expect(console.page.get_by_text("In the way: the session for ana@customer.example")).to_be_visible()


def test_the_keyboard_alone_is_enough(stage: Stage) -> None:
    console = stage.console
    page = console.page
    console.prepare()
    page.get_by_role("heading", name="All sessions").click()
    page.keyboard.press("p")
    expect(page.get_by_label("Customer\u2019s e-mail")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    expect(console.session).to_be_focused()
    page.keyboard.press("/")
    expect(console.list.get_by_label("Search")).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
