"""A relay with a mail server, reached as ``localhost``, and people with browsers: no customer, no computer.

Passkeys need a host name, and ``localhost`` is the one that needs neither TLS nor a name server; so a proxy
with that name stands before the relay.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.helpers.cut_proxy import CutProxy
from tests.helpers.inbox import Inbox
from tests.helpers.relay_process import RelayProcess
from tests.helpers.story import Console

OWNER_EMAIL = "owner@acme.example"
PASSWORD = "correct horse battery staple"


class Desk(Console):
    """Somebody's browser at the console, and what they do there."""

    @property
    def main(self) -> Locator:
        """The page without its head."""
        return self.page.get_by_role("main")

    def part(self, name: str) -> Locator:
        """The card with this heading."""
        return self.page.get_by_role("region", name=name, exact=True)

    def go(self, place: str) -> None:
        """Choose a page of the navigation."""
        self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=place).click()

    def press(self, name: str, within: Locator | None = None) -> None:
        """Press a button, in the dialog if there is one."""
        (within or self.page).get_by_role("button", name=name, exact=True).click()

    @property
    def dialog(self) -> Locator:
        """The open dialog."""
        return self.page.get_by_role("dialog")

    def set_password(self, password: str = PASSWORD) -> None:
        """Set a first password on the account page."""
        self.go("Account")
        card = self.part("Password")
        card.get_by_label("New password").fill(password)
        self.press("Save password", card)
        expect(card.get_by_text("The new password holds from now on.")).to_be_visible()

    def type_credentials(self, email: str, password: str = PASSWORD) -> None:
        """Fill in the sign-in form and send it."""
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.press("Sign in")

    def sign_out(self) -> None:
        """Press "Sign out"."""
        self.press("Sign out", self.page.get_by_role("banner"))
        expect(self.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()

    def expect_signed_in(self) -> None:
        """Wait for the support page."""
        expect(self.page.get_by_role("heading", name="Sessions", exact=True)).to_be_visible()


class ConsoleHouse:
    """Where people work. Ends everything with `close`.

    Args:
        folder: for the relay's data.
        options: further arguments of ``relay up``.
    """

    def __init__(self, browser: Browser, folder: Path, options: Sequence[str] = ()) -> None:
        self._browser = browser
        self._stack = ExitStack()
        self.desks: list[Desk] = []
        proxy = self._stack.enter_context(CutProxy())
        self.inbox = self._stack.enter_context(Inbox())
        self.origin = proxy.origin.replace("127.0.0.1", "localhost")
        # Mail servers and webhooks of tests are on this machine.
        settings = folder / "relay.toml"
        settings.write_text("private_destinations = true\n")
        self.relay = RelayProcess(
            folder / "relay",
            [
                *("--smtp-url", self.inbox.url, "--mail-from", "relay@acme.example"),
                *("--owner-email", OWNER_EMAIL, "--config", str(settings)),
                *options,
            ],
            public_url=self.origin,
        )
        self._stack.callback(self.relay.stop)
        proxy.upstream = self.relay.address

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    def open_desk(self) -> Desk:
        """A browser of its own: another person, or another computer."""
        context = self._browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB")
        self._stack.callback(context.close)
        desk = Desk(context, self.relay)
        self.desks.append(desk)
        return desk

    def sign_in_owner(self) -> Desk:
        """The owner, signed in with the link that the relay printed."""
        desk = self.open_desk()
        desk.sign_in()
        return desk


def add_authenticator(page: Page) -> None:
    """Give the page's browser a device for passkeys that always says yes (CDP, domain WebAuthn)."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
