"""Signing in, account, settings and audit as people see them: sizes, colour schemes, barriers, languages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.helpers.console_house import ConsoleHouse, add_authenticator
from tests.helpers.inspector import AXE, Inspector

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def house(browser: Browser, tmp_path: Path) -> Iterator[ConsoleHouse]:
    """A relay and a mail server."""
    house = ConsoleHouse(browser, tmp_path)
    yield house
    house.close()


@pytest.fixture
def inspector() -> Inspector:
    """With axe-core, a development package of the web client."""
    if not AXE.exists():
        pytest.fail("axe-core is not installed; ./dev test does it.")
    return Inspector()


def test_signing_in(house: ConsoleHouse, inspector: Inspector) -> None:
    desk = house.open_desk()
    page = desk.page
    page.goto(house.origin)
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    inspector.look_at(page, "sign-in")
    desk.press("Sign in")
    expect(page.get_by_text("Please enter your e-mail address.")).to_be_visible()
    inspector.look_at(page, "sign-in-fault")
    desk.press("Forgotten your password?")
    expect(page.get_by_role("heading", name="Set a new password")).to_be_visible()
    inspector.look_at(page, "sign-in-forgotten")
    page.goto(f"{house.origin}/invite#{'A' * 43}")
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    inspector.look_at(page, "invite-dead")
    assert inspector.faults == []


def test_account(house: ConsoleHouse, inspector: Inspector) -> None:
    desk = house.sign_in_owner()
    page = desk.page
    add_authenticator(page)
    desk.set_password()
    card = desk.part("Authenticator app")
    desk.press("Set up an app", card)
    inspector.look_at(page, "account-proof")
    desk.dialog.get_by_label("Current password").fill("correct horse battery staple")
    desk.press("Go on", desk.dialog)
    expect(card.get_by_role("img", name="QR code for the authenticator app")).to_be_visible()
    inspector.look_at(page, "account-totp")
    desk.press("Add a passkey")
    desk.dialog.get_by_label("Current password").fill("correct horse battery staple")
    desk.press("Make passkey", desk.dialog)
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    desk.press("New token")
    inspector.look_at(page, "account-codes")
    page.get_by_label("Language", exact=True).first.select_option("es")
    inspector.look_at(page, "account-spanish")
    assert inspector.faults == []


def test_settings_and_audit(house: ConsoleHouse, inspector: Inspector) -> None:
    desk = house.sign_in_owner()
    page = desk.page
    desk.go("Settings")
    expect(page.get_by_role("heading", name="Who works here")).to_be_visible()
    desk.press("Invite somebody")
    inspector.look_at(page, "settings-people")
    parts = page.get_by_role("navigation", name="Settings", exact=True)
    for name, word in (("Company", "Rules"), ("Brand", "How it looks"), ("Mail server", "Test")):
        parts.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=word)).to_be_visible()
        inspector.look_at(page, f"settings-{name.lower().replace(' ', '-')}")
    parts.get_by_role("link", name="Identity provider").click()
    expect(page.get_by_role("heading", name="Redirect address")).to_be_visible()
    inspector.look_at(page, "settings-provider")
    parts.get_by_role("link", name="Webhooks").click()
    desk.press("New webhook")
    inspector.look_at(page, "settings-webhooks")
    desk.go("Audit")
    desk.press("Verify")
    expect(page.get_by_text("The log is intact.")).to_be_visible()
    inspector.look_at(page, "audit")
    page.get_by_label("Language", exact=True).first.select_option("es")
    inspector.look_at(page, "audit-spanish")
    assert inspector.faults == []
