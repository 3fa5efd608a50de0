"""Texts that strangers choose: none of them runs, breaks out of its place, or hides its neighbours."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.lying_host import COMPUTER, OVERRIDE, SCRIPT
from tests.helpers.story import Console, Stage

pytestmark = pytest.mark.browser

NAME = "<img src=x onerror=document.title='run'>"
NOTE = f"{SCRIPT} {{{{7*7}}}} ${{7*7}} {'W' * 300}"


def assert_harmless(page: Page) -> None:
    """Nothing ran, nothing became markup, nothing is wider than the screen, on a desk and on a telephone."""
    assert page.evaluate("document.title") != "run"
    assert page.locator("img[src='x'], svg[onload], main script").count() == 0
    assert not any(mark in page.inner_text("body") for mark in OVERRIDE)
    for width in (1366, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), f"wider than {width}"
    page.set_viewport_size({"width": 1366, "height": 800})


def shown_computer() -> str:
    """What is left of the computer's name."""
    return "".join(character for character in COMPUTER if character not in OVERRIDE)


def prepare_with(console: Console, email: str) -> None:
    """Prepare with a note that is an attack."""
    page = console.page
    page.get_by_role("textbox", name="Note").fill(NOTE[:500])
    page.get_by_label("Customer\u2019s e-mail").fill(email)
    page.get_by_role("button", name="Prepare and copy link").click()
    expect(console.session).to_be_visible()


def test_hostile_names_of_computer_system_and_user(stage: Stage) -> None:
    console = stage.console
    page = console.page
    prepared = console.prepare()
    host = stage.start_liar(prepared.link)
    expect(console.session.get_by_text(shown_computer())).to_be_visible()
    expect(console.rows.first).to_contain_text(shown_computer())
    assert_harmless(page)
    host.type_code(prepared.code)
    host.allow()
    console.wait_active()
    viewer = console.open_remote_control()
    expect(viewer.page.get_by_role("heading", name=f"Connect to {shown_computer()}")).to_be_visible()
    assert_harmless(viewer.page)
    viewer.page.close()
    console.session.get_by_role("button", name="End session now").click()
    expect(page.get_by_role("dialog")).to_contain_text(shown_computer())
    assert_harmless(page)
    page.get_by_role("dialog").get_by_role("button", name="End session", exact=True).click()
    console.wait_ended("The technician ended the session.")
    console.rows.first.get_by_role("link").click()
    expect(page.get_by_role("heading", name=re.compile("^Receipt"))).to_be_visible()
    assert_harmless(page)


def test_hostile_note_and_address(stage: Stage) -> None:
    console = stage.console
    prepare_with(console, f"{'w' * 60}@{'w' * 60}.{'w' * 60}.example")
    expect(console.session.get_by_text("document.title='run'").first).to_be_visible()
    expect(console.session.get_by_text("{{7*7}} ${7*7}")).to_be_visible()
    assert_harmless(console.page)
    console.list.get_by_label("Search").fill(SCRIPT[:60])
    expect(console.rows).to_have_count(1)
    assert_harmless(console.page)
    console.rows.first.get_by_role("link").click()
    expect(console.page.get_by_role("heading", name="What happened")).to_be_visible()
    assert_harmless(console.page)


@pytest.mark.parametrize(
    "email", ['"<img src=x onerror=run>"@customer.example', "a@b.example\r\nBcc: c@d.example"]
)
def test_an_address_that_is_an_attack_is_refused_beside_its_field(stage: Stage, email: str) -> None:
    page = stage.console.page
    page.get_by_label("Customer\u2019s e-mail").evaluate("(field) => { field.type = 'text' }")
    page.get_by_label("Customer\u2019s e-mail").fill(email)
    page.get_by_label("Customer\u2019s e-mail").evaluate("(field) => { field.type = 'email' }")
    page.get_by_role("button", name="Prepare and copy link").click()
    expect(page.get_by_label("Customer\u2019s e-mail")).to_have_attribute("aria-invalid", "true")
    expect(stage.console.session).to_have_count(0)
    assert_harmless(page)


def test_hostile_names_of_people_and_company(stage: Stage) -> None:
    console = stage.console
    console.call("PATCH", "/company", {"name": f"{NAME} & {{company}}", "phone": f"{NAME}1"[:40]})
    console.call("PATCH", "/me", {"name": f"{NAME} {'W' * 40}"})
    nina = stage.add_colleague(f"{NAME} Nina", "nina@acme.example")
    console.page.reload()
    prepared = console.prepare()
    console.session.get_by_role("button", name="Let a colleague in").click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("Colleague").select_option(f"{NAME} Nina")
    dialog.get_by_role("button", name="Let in", exact=True).click()
    expect(dialog.get_by_label(f"What {NAME} Nina may do")).to_be_visible()
    assert_harmless(console.page)
    expect(nina.session.get_by_text("Let in by")).to_be_visible()
    assert_harmless(nina.page)
    customer = stage.open_context().new_page()
    customer.goto(prepared.link)
    expect(customer.get_by_text(f"{NAME} & {{company}}").first).to_be_visible()
    assert_harmless(customer)
