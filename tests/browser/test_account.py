"""One's own account: second factors, passkeys, signed-in browsers, passwords; and signing in with each."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.console_house import OWNER_EMAIL, PASSWORD, ConsoleHouse, Desk, add_authenticator
from tests.helpers.inbox import link_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STEP = 30
"""Seconds for which a code of an authenticator app is shown."""


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
    """The owner, with a password, on the account page."""
    desk = house.sign_in_owner()
    desk.set_password()
    return desk


def prove(desk: Desk, button: str, password: str = PASSWORD) -> None:
    """Type the current password in the dialog and go on."""
    desk.dialog.get_by_label("Current password").fill(password)
    desk.press(button, desk.dialog)


def read_codes(page: Page) -> list[str]:
    """The recovery codes that are shown."""
    codes = page.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(codes).to_have_count(10)
    return codes.all_inner_texts()


def test_app_is_set_up_and_asked_for_and_each_recovery_code_works_once(
    house: ConsoleHouse, owner: Desk
) -> None:
    page, card = owner.page, owner.part("Authenticator app")
    owner.press("Set up an app", card)
    prove(owner, "Go on", "not the password")
    expect(owner.dialog.get_by_text("This is not your current password.")).to_be_visible()
    prove(owner, "Go on")
    app = pyotp.TOTP(card.get_by_test_id("totp-secret").inner_text().replace(" ", ""))
    code = card.get_by_label("The code that the app shows")
    code.fill("000000" if app.now() != "000000" else "111111")
    owner.press("Turn on", card)
    expect(code).to_have_attribute("aria-invalid", "true")
    expect(code).to_be_focused()
    code.fill(app.now())
    owner.press("Turn on", card)
    recovery = read_codes(page)
    with page.expect_download() as download:
        owner.press("Download")
    assert all(kept in download.value.path().read_text() for kept in recovery)
    owner.press("I have kept them")
    expect(card.get_by_text("On", exact=True)).to_be_visible()

    owner.sign_out()
    owner.type_credentials(OWNER_EMAIL)
    expect(page.get_by_role("heading", name="Second step: code of your app")).to_be_visible()
    owner.press("Use a recovery code")
    page.get_by_label("Recovery code", exact=True).fill(recovery[0])
    owner.press("Sign in")
    owner.expect_signed_in()
    owner.go("Account")
    expect(owner.main.get_by_text("9 codes are left.")).to_be_visible()

    other = house.open_desk()
    other.page.goto(house.origin)
    other.type_credentials(OWNER_EMAIL)
    other.press("Use a recovery code")
    other.page.get_by_label("Recovery code", exact=True).fill(recovery[0])
    other.press("Sign in")
    expect(other.page.get_by_label("Recovery code", exact=True)).to_have_attribute("aria-invalid", "true")
    other.press("Use a code of the app")
    # The code of this half minute was spent when it was set up; the relay takes the next one, too.
    other.page.get_by_label("Code", exact=True).fill(app.at(time.time() + STEP))
    other.press("Sign in")
    other.expect_signed_in()


def test_passkey_is_made_used_and_removed(owner: Desk) -> None:
    page = owner.page
    add_authenticator(page)
    owner.press("Add a passkey")
    owner.dialog.get_by_label("Name", exact=True).fill("Laptop")
    prove(owner, "Make passkey")
    assert len(read_codes(page)) == 10
    owner.press("I have kept them")
    card = owner.part("Passkeys")
    expect(card.get_by_role("listitem")).to_contain_text(re.compile(r"Laptop.*never used", re.S))

    # The device says yes at once, so the offer in the e-mail field may be faster than the button.
    owner.press("Sign out", page.get_by_role("banner"))
    owner.expect_signed_in()
    owner.go("Account")
    expect(card.get_by_role("listitem")).to_contain_text("last used")
    expect(owner.part("Signed-in browsers").get_by_text("(passkey)")).to_be_visible()

    owner.press("Remove: Laptop")
    prove(owner, "Remove")
    expect(card.get_by_role("listitem")).to_have_count(0)


def test_passkey_is_the_second_step_after_a_password(house: ConsoleHouse, owner: Desk) -> None:
    add_authenticator(owner.page)
    owner.press("Add a passkey")
    prove(owner, "Make passkey")
    read_codes(owner.page)
    stranger = house.open_desk()
    stranger.page.goto(house.origin)
    stranger.type_credentials(OWNER_EMAIL)
    expect(stranger.page.get_by_role("heading", name="Second step: passkey")).to_be_visible()
    # No device here has it.
    stranger.page.evaluate(
        "() => { navigator.credentials.get = async () => { throw new DOMException('', 'NotAllowedError') } }"
    )
    stranger.press("Use passkey")
    expect(stranger.page.get_by_role("alert")).to_contain_text("No passkey was used")
    stranger.press("Start again")
    expect(stranger.page.get_by_label("E-mail")).to_have_value(OWNER_EMAIL)


def test_another_browser_is_listed_and_signed_out(house: ConsoleHouse, owner: Desk) -> None:
    other = house.open_desk()
    other.page.goto(f"{house.origin}/account")
    other.type_credentials(OWNER_EMAIL)
    expect(other.page.get_by_role("heading", name="Your account")).to_be_visible()
    owner.page.reload()
    card = owner.part("Signed-in browsers")
    expect(card.get_by_role("listitem")).to_have_count(2)
    expect(card.get_by_text("this browser")).to_have_count(1)
    card.get_by_role("button", name=re.compile("^Sign out: ")).click()
    expect(card.get_by_role("listitem")).to_have_count(1)
    other.page.reload()
    expect(other.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    assert other.page.url == f"{house.origin}/sign-in?next=%2Faccount"


def test_nothing_typed_is_lost_when_a_password_is_refused(owner: Desk) -> None:
    card = owner.part("Password")
    current, new = card.get_by_label("Current password"), card.get_by_label("New password")
    current.fill(PASSWORD)
    new.fill("too short")
    owner.press("Change password", card)
    expect(new).to_be_focused()
    expect(new).to_have_value("too short")
    current.fill("not the password")
    new.fill("another horse battery staple")
    owner.press("Change password", card)
    expect(card.get_by_text("This is not your current password.")).to_be_visible()
    expect(new).to_have_value("another horse battery staple")
    current.fill(PASSWORD)
    owner.press("Change password", card)
    expect(card.get_by_text("The new password holds from now on.")).to_be_visible()
    owner.sign_out()
    owner.type_credentials(OWNER_EMAIL)
    expect(owner.page.get_by_role("alert")).to_be_visible()
    expect(owner.page.get_by_label("E-mail")).to_have_value(OWNER_EMAIL)
    owner.type_credentials(OWNER_EMAIL, "another horse battery staple")
    owner.expect_signed_in()


def test_forgotten_password_is_set_anew_by_mail(house: ConsoleHouse, owner: Desk) -> None:
    page = owner.page
    owner.sign_out()
    page.get_by_label("E-mail").fill(OWNER_EMAIL)
    owner.press("Forgotten your password?")
    expect(page.get_by_label("E-mail")).to_have_value(OWNER_EMAIL)
    owner.press("Send e-mail")
    expect(page.get_by_text("an e-mail is on its way")).to_be_visible()
    link = link_in(house.inbox.next_for(OWNER_EMAIL), "/reset")
    page.goto(link)
    expect(page.get_by_role("heading", name="Set a new password")).to_be_visible()
    assert "#" not in page.url
    page.get_by_label("New password").fill("a third horse battery staple")
    owner.press("Save and sign in")
    owner.expect_signed_in()
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()


def test_name_and_language_are_changed(owner: Desk) -> None:
    page = owner.page
    owner.part("About you").get_by_label("Your name").fill("Teresa <b>T.</b>")
    owner.part("About you").get_by_label("Language").select_option("es")
    owner.press("Save", owner.part("About you"))
    expect(page.get_by_role("heading", name="Su cuenta")).to_be_visible()
    expect(page.get_by_role("banner").get_by_text("Teresa <b>T.</b>")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Su cuenta")).to_be_visible()


def test_token_is_shown_once_used_by_a_program_and_revoked(house: ConsoleHouse, owner: Desk) -> None:
    card = owner.part("API tokens")
    owner.press("New token", card)
    card.get_by_label("Name").fill("Reports <i>")
    owner.press("Make token", card)
    expect(card.get_by_text("Please choose at least one thing that it may do.")).to_be_visible()
    card.get_by_label("See your sessions").check()
    owner.press("Make token", card)
    token = card.get_by_test_id("api-token").inner_text()
    owner.press("I have noted it down", card)
    expect(card.get_by_text(token)).to_have_count(0)
    expect(card.get_by_role("listitem")).to_contain_text(re.compile(r"Reports <i>.*See your sessions", re.S))
    assert ask(house, token, "sessions") == 200
    assert ask(house, token, "audit") == 403
    owner.press("Revoke: Reports <i>")
    owner.press("Revoke", owner.dialog)
    expect(card.get_by_text("There are no tokens.")).to_be_visible()
    assert ask(house, token, "sessions") == 401


def ask(house: ConsoleHouse, token: str, what: str) -> int:
    """The status of what a program gets with this token."""
    url = f"{house.origin}/api/v1/{what}"
    command = [
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        f"Authorization: Bearer {token}",
        url,
    ]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=20).stdout)
