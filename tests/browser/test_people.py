"""The company's people: invited by mail, changed, disabled, let in again; and names that strangers chose."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.helpers.console_house import PASSWORD, ConsoleHouse, Desk, add_authenticator
from tests.helpers.inbox import link_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NINA = "nina@acme.example"
HOSTILE = "<img src=x onerror=\"document.title='run'\">&amp;{name}"


@pytest.fixture
def house(browser: Browser, tmp_path: Path) -> Iterator[ConsoleHouse]:
    """A relay and a mail server; afterwards, no page has complained."""
    house = ConsoleHouse(browser, tmp_path)
    yield house
    try:
        assert [desk.complaints for desk in house.desks] == [[] for _ in house.desks]
    finally:
        house.close()


@pytest.fixture
def owner(house: ConsoleHouse) -> Desk:
    """The owner, who looks at the company's people."""
    desk = house.sign_in_owner()
    desk.go("Settings")
    return desk


def invite(desk: Desk, name: str, email: str, role: str = "technician") -> None:
    """Fill in the form and send it."""
    desk.press("Invite somebody")
    form = desk.page.get_by_role("form", name="Invite somebody")
    form.get_by_label("Name").fill(name)
    form.get_by_label("E-mail").fill(email)
    form.get_by_label("Role").select_option(role)
    desk.press("Send invitation")


def person(desk: Desk, name: str) -> Locator:
    """Somebody's line."""
    return desk.part("Who works here").get_by_role("listitem", name=name, exact=True)


def accept(house: ConsoleHouse, email: str) -> Desk:
    """Somebody opens their mail, and begins."""
    desk = house.open_desk()
    desk.page.goto(link_in(house.inbox.next_for(email), "/invite"))
    desk.page.get_by_label("New password").fill(PASSWORD)
    desk.press("Begin")
    desk.expect_signed_in()
    return desk


def test_invited_by_mail_a_technician_sets_a_password_and_works(house: ConsoleHouse, owner: Desk) -> None:
    invite(owner, "Nina", NINA)
    expect(owner.page.get_by_text(f"The e-mail to {NINA} is on its way.")).to_be_visible()
    expect(person(owner, "Nina").get_by_text("invited")).to_be_visible()

    nina = house.open_desk()
    link = link_in(house.inbox.next_for(NINA), "/invite")
    nina.page.goto(link)
    expect(nina.page.get_by_role("heading", name="Welcome to Acme Support")).to_be_visible()
    assert "#" not in nina.page.url
    nina.page.get_by_label("Your name").fill("Nina New")
    nina.page.get_by_label("New password").fill("short")
    nina.press("Begin")
    expect(nina.page.get_by_label("New password")).to_be_focused()
    expect(nina.page.get_by_label("Your name")).to_have_value("Nina New")
    nina.page.get_by_label("New password").fill(PASSWORD)
    nina.press("Begin")
    nina.expect_signed_in()
    expect(nina.page.get_by_role("navigation", name="Pages").get_by_role("link")).to_have_text(
        ["Support", "Account"]
    )
    nina.sign_out()
    nina.type_credentials(NINA)
    nina.expect_signed_in()
    nina.page.goto(f"{house.origin}/settings/people")
    expect(nina.page.get_by_role("heading", name="This page is not for you")).to_be_visible()

    nina.page.goto("about:blank")
    nina.page.goto(link)
    expect(nina.page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    owner.page.reload()
    expect(person(owner, "Nina New").get_by_text(re.compile("last signed in"))).to_be_visible()


def test_role_is_changed_and_disabling_signs_out(house: ConsoleHouse, owner: Desk) -> None:
    invite(owner, "Nina", NINA)
    nina = accept(house, NINA)
    owner.page.reload()
    owner.press("Change: Nina")
    owner.dialog.get_by_label("Role").select_option("auditor")
    owner.press("Save", owner.dialog)
    expect(person(owner, "Nina").get_by_text("Auditor", exact=True)).to_be_visible()
    nina.page.reload()
    nina.go("Audit")
    expect(nina.page.get_by_role("heading", name="Log", exact=True)).to_be_visible()

    owner.press("Disable: Nina")
    expect(owner.dialog.get_by_text("They are signed out everywhere at once")).to_be_visible()
    owner.press("Disable", owner.dialog)
    expect(person(owner, "Nina").get_by_text("disabled", exact=True)).to_be_visible()
    nina.page.reload()
    expect(nina.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    nina.type_credentials(NINA)
    expect(nina.page.get_by_role("alert")).to_be_visible()
    owner.press("Enable: Nina")
    expect(person(owner, "Nina").get_by_text("disabled", exact=True)).to_have_count(0)
    nina.type_credentials(NINA)
    expect(
        nina.page.get_by_role("heading", name="Your account").or_(
            nina.page.get_by_role("heading", name="Log", exact=True)
        )
    ).to_be_visible()


def test_lost_second_factor_is_reset(house: ConsoleHouse, owner: Desk) -> None:
    invite(owner, "Nina", NINA)
    nina = accept(house, NINA)
    add_authenticator(nina.page)
    nina.go("Account")
    nina.press("Add a passkey")
    nina.dialog.get_by_label("Current password").fill(PASSWORD)
    nina.press("Make passkey", nina.dialog)
    expect(nina.page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    owner.page.reload()
    expect(person(owner, "Nina").get_by_text("has a second factor")).to_be_visible()
    owner.press("Reset second factor: Nina")
    owner.press("Reset second factor", owner.dialog)
    expect(person(owner, "Nina").get_by_text("no second factor")).to_be_visible()
    other = house.open_desk()
    other.page.goto(house.origin)
    other.type_credentials(NINA)
    other.expect_signed_in()


def test_faults_stand_beside_the_field_and_nothing_is_lost(owner: Desk) -> None:
    invite(owner, "Nina", "not an address")
    form = owner.page.get_by_role("form", name="Invite somebody")
    expect(form.get_by_label("E-mail")).to_be_focused()
    expect(form.get_by_label("Name")).to_have_value("Nina")
    form.get_by_label("E-mail").fill("owner@acme.example")
    owner.press("Send invitation")
    expect(form.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_label("Name")).to_have_value("Nina")
    form.get_by_label("E-mail").fill("nina@[127.0.0.1")
    owner.press("Send invitation")
    expect(form.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")


def test_hostile_names_are_text(house: ConsoleHouse, owner: Desk) -> None:
    invite(owner, HOSTILE, NINA)
    expect(person(owner, HOSTILE)).to_be_visible()
    nina = house.open_desk()
    nina.page.goto(link_in(house.inbox.next_for(NINA), "/invite"))
    expect(nina.page.get_by_label("Your name")).to_have_value(HOSTILE)
    nina.page.get_by_label("New password").fill(PASSWORD)
    nina.press("Begin")
    nina.expect_signed_in()
    expect(nina.page.get_by_role("banner").get_by_text(HOSTILE)).to_be_visible()
    owner.press(f"Disable: {HOSTILE}")
    expect(owner.dialog.get_by_role("heading")).to_have_text(f"Disable {HOSTILE}?")
    owner.page.keyboard.press("Escape")
    owner.go("Audit")
    expect(owner.page.get_by_role("cell", name=f"{HOSTILE} signed in.")).to_be_visible()
    for desk in (owner, nina):
        assert desk.page.locator("img[src=x]").count() == 0
        assert desk.page.title() != "run"
