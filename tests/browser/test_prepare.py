"""Prepare and deploy: the technician's form, the mail, the security code, and the customer's page."""

import re
from asyncio import Server
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from queue import SimpleQueue

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenStage
from tests.helpers.host_process import HOST_FILE
from tests.helpers.relay_process import COMPANY, PHONE, TECHNICIAN
from tests.helpers.story import CUSTOMER_EMAIL, Prepared, Stage

pytestmark = pytest.mark.browser


def links_in(message: EmailMessage) -> list[str]:
    """The deployment links of the text and of the HTML part, in this order."""
    found: list[str] = []
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        assert part is not None
        match = re.search(r"http://[^\s\"<>]+/d/[^\s\"<>]+", part.get_content())
        assert match is not None
        found.append(match.group())
    return found


def test_without_a_mail_server_the_mail_is_kept_and_the_page_says_so(stage: Stage) -> None:
    prepared = stage.console.prepare("Send e-mail and prepare session")
    card = stage.console.session
    expect(card.get_by_text("No mail server is set up: the e-mail was kept")).to_be_visible()
    (file,) = (stage.relay.data / "outbox").iterdir()
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert message["To"] == CUSTOMER_EMAIL
    assert links_in(message) == [prepared.link, prepared.link]
    assert prepared.code.encode() not in file.read_bytes()


def test_the_security_code_is_the_largest_thing_on_the_page(stage: Stage) -> None:
    prepared = stage.console.prepare()
    page = stage.console.page
    stage.console.expect_words("When the program asks for the security code, please type")
    sizes = page.evaluate(
        "[...document.querySelectorAll('body *')].map((e) => parseFloat(getComputedStyle(e).fontSize))"
    )
    code = page.get_by_test_id("security-code")
    assert code.evaluate("(e) => parseFloat(getComputedStyle(e).fontSize)") == max(sizes)
    stage.console.session.get_by_role("button", name="Copy code").click()
    expect(stage.console.session.get_by_text("Copied", exact=True).first).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == prepared.code


def test_a_second_session_is_refused_and_the_first_one_shown(stage: Stage) -> None:
    stage.console.prepare()
    page = stage.console.page
    page.get_by_label("Customer\u2019s e-mail").fill("other@customer.example")
    page.get_by_role("button", name="Prepare and copy link").click()
    stage.console.expect_words("You have an open session already (1 at a time).")
    page.get_by_role("button", name="Go to the session in the way").click()
    expect(stage.console.session).to_be_focused()
    expect(page.get_by_label("Customer\u2019s e-mail")).to_have_value("other@customer.example")


class Inbox:
    """Where aiosmtpd delivers."""

    def __init__(self) -> None:
        self.messages: SimpleQueue[EmailMessage] = SimpleQueue()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a message in (aiosmtpd's name for it)."""
        assert isinstance(envelope.content, bytes)
        self.messages.put(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


class MailServer(Controller):
    """A real mail server in a thread of its own, on a port that was free."""

    def _trigger_server(self) -> None:
        # Called between listening and the first connection, which is its own.
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has no types


@pytest.fixture
def inbox() -> Inbox:
    """What has arrived at the mail server."""
    return Inbox()


@pytest.fixture
def smtp_url(inbox: Inbox) -> Iterator[str]:
    """Where the mail server is."""
    server = MailServer(inbox, hostname="127.0.0.1", port=0)
    server.start()
    yield f"smtp://127.0.0.1:{server.port}"
    server.stop()


def test_the_mail_arrives_with_the_link(open_stage: OpenStage, smtp_url: str, inbox: Inbox) -> None:
    stage = open_stage("--smtp-url", smtp_url, "--mail-from", "support@acme.example")
    stage.console.page.get_by_role("textbox", name="Access password").fill("contraseña & 50 % más")
    prepared = stage.console.prepare("Send e-mail and prepare session")
    assert prepared.password == "contraseña & 50 % más"
    stage.console.expect_words(f"The e-mail to {CUSTOMER_EMAIL} was handed over.")
    message = inbox.messages.get(timeout=10)
    assert links_in(message) == [prepared.link, prepared.link]
    assert not (stage.relay.data / "outbox").exists()


@pytest.fixture
def downloads() -> Path:
    """The folder with the built host file."""
    if not HOST_FILE.exists():
        pytest.skip("the host's single file is not built: ./dev build")
    return HOST_FILE.parent.absolute()


def open_link(stage: Stage, prepared: Prepared) -> Page:
    """The customer opens the link in a browser that knows nothing of the technician's."""
    context = stage.open_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=stage.relay.origin)
    page = context.new_page()
    page.goto(prepared.link)
    return page


def test_the_customers_page_says_who_asks_and_what_to_do(open_stage: OpenStage, downloads: Path) -> None:
    stage = open_stage(downloads=downloads)
    prepared = stage.console.prepare()
    page = open_link(stage, prepared)
    expect(page.get_by_role("heading", name=f"Remote support by {COMPANY}")).to_be_visible()
    expect(page.get_by_text(f"{TECHNICIAN} of {COMPANY} would like to help you")).to_be_visible()
    expect(page.get_by_text(f"Phone: {PHONE}")).to_be_visible()
    expect(page.get_by_role("note", name="Did you ask for this help?")).to_contain_text("stranger called you")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the support program").click()
    assert download.value.suggested_filename == HOST_FILE.name
    assert Path(download.value.path()).read_bytes() == HOST_FILE.read_bytes()
    for step in ("Link opened (done)", "Program downloaded (done)"):
        expect(stage.console.session.get_by_role("listitem").filter(has_text=step)).to_be_visible()


def test_the_pasted_line_runs_the_program_and_the_end_removes_it(
    open_stage: OpenStage, downloads: Path
) -> None:
    stage = open_stage(downloads=downloads)
    prepared = stage.console.prepare()
    page = open_link(stage, prepared)
    page.get_by_role("button", name="Copy the line").first.click()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line == page.get_by_role("region", name="Line for the terminal").first.inner_text()
    host = stage.paste_line(line)
    expect(page.get_by_role("status").filter(has_text="waits for the security code")).to_be_visible()
    expect(page.locator("[aria-current=step]")).to_contain_text("Type the security code")
    host.type_code(prepared.code)
    assert f"{TECHNICIAN} of {COMPANY} is confirmed" in host.allow()
    stage.console.wait_active()
    expect(page.get_by_role("heading", name="This link was used already")).to_be_visible()
    assert list(host.home.glob(".config/autostart/*.desktop")) != []
    assert list(host.home.glob(".local/share/adhoc-host/*/adhoc-host.pyz")) != []
    stage.console.end_session()
    stage.console.wait_ended("The technician ended the session.")
    host.wait_removed()
    stage.console.expect_words("Removal confirmed")
    page.reload()
    expect(page.get_by_role("heading", name=f"Receipt: remote support by {COMPANY}")).to_be_visible()
    expect(page.get_by_text("The support program has removed itself from the computer.")).to_be_visible()


def test_what_is_in_the_way_is_said_before_the_download(open_stage: OpenStage, downloads: Path) -> None:
    stage = open_stage(downloads=downloads)
    prepared = stage.console.prepare()
    page = stage.open_context(user_agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64)").new_page()
    page.clock.set_system_time(datetime.now(UTC) + timedelta(hours=3))
    page.goto(prepared.link)
    expect(page.get_by_text("seems to run Windows")).to_be_visible()
    expect(page.get_by_text("wrong by about 180 minutes")).to_be_visible()
    page = stage.open_context().new_page()
    with page.expect_websocket(lambda socket: socket.url.endswith("/tunnel/viewer")) as tried:
        page.goto(prepared.link)
    tried.value.wait_for_event("close")  # it was opened, by which the way is known to be free
    expect(page.get_by_role("link", name="Download the support program")).to_be_visible()
    expect(page.locator(".notice")).to_have_count(0)


def test_an_incomplete_link_asks_for_the_whole(stage: Stage) -> None:
    prepared = stage.console.prepare()
    page = stage.open_context().new_page()
    page.goto(prepared.link.partition("#")[0])
    expect(page.get_by_role("heading", name="The link is not complete")).to_be_visible()
