"""Prepare and deploy: the technician's form, the mail, the security code, and the customer's page."""

import re
from asyncio import Server
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import unquote

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from playwright.sync_api import Download, Page, Route, expect

from relay.downloads import Target
from relay.protocol.link_blob import BLOB_BYTES, TAIL_BYTES, read_link
from tests.browser.conftest import OpenStage
from tests.helpers.host_files import HOST, publish
from tests.helpers.host_process import HOST_FILE
from tests.helpers.programs import PATIENCE
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
        page.get_by_role("button", name="Download the support program").click()
    expect(page.get_by_text("it knows this link, you only type the code")).to_be_visible()
    # What is to be done now is the first on the page.
    expect(page.get_by_role("main").get_by_role("region").first).to_have_accessible_name("What happens next")
    expect(page.get_by_role("heading", name="What happens next")).to_be_in_viewport()
    assert download.value.suggested_filename == HOST_FILE.name
    saved, served = Path(download.value.path()).read_bytes(), HOST_FILE.read_bytes()
    assert saved[:-BLOB_BYTES] == served[:-BLOB_BYTES]
    assert read_link(saved[-TAIL_BYTES:]) == prepared.link
    for step in ("Link opened (done)", "Program downloaded (done)"):
        expect(stage.console.session.get_by_role("listitem").filter(has_text=step)).to_be_visible()


def test_the_downloaded_program_knows_the_link_and_pairs_with_the_code_alone(
    open_stage: OpenStage, downloads: Path
) -> None:
    stage = open_stage(downloads=downloads)
    prepared = stage.console.prepare()
    page = open_link(stage, prepared)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the support program").click()
    home = stage.next_home
    saved = home / "Downloads" / download.value.suggested_filename
    download.value.save_as(saved)
    line = page.get_by_role("region", name="Line for the terminal").first.inner_text()
    assert prepared.link.partition("#")[2] not in line
    host = stage.paste_line(line)
    assert host.home == home
    host.type_code(prepared.code)
    assert f"{TECHNICIAN} of {COMPANY} is confirmed" in host.allow()
    stage.console.wait_active()
    stage.console.end_session()
    stage.console.wait_ended("The technician ended the session.")
    assert host.wait_gone() == 0
    assert host.traces() == [home / "Downloads"]


def test_the_pasted_line_runs_the_program_and_the_end_removes_it(
    open_stage: OpenStage, downloads: Path
) -> None:
    stage = open_stage(downloads=downloads)
    prepared = stage.console.prepare()
    page = open_link(stage, prepared)
    page.get_by_text("One line for the terminal").click()
    page.get_by_role("button", name="Copy the line").last.click()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line == page.get_by_role("region", name="Line for the terminal").last.inner_text()
    host = stage.paste_line(line)
    waits = page.get_by_role("status").filter(has_text="waits for the security code")
    expect(waits).to_be_visible(timeout=PATIENCE * 1000)
    expect(page.locator("[aria-current=step]")).to_contain_text("Type the security code")
    host.type_code(prepared.code)
    assert f"{TECHNICIAN} of {COMPANY} is confirmed" in host.allow()
    stage.console.wait_active()
    expect(page.get_by_role("heading", name="The session is running")).to_be_visible()
    later = open_link(stage, prepared)
    expect(later.get_by_role("heading", name="This link was used already")).to_be_visible()
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
    expect(page.get_by_role("button", name="Download the support program")).to_be_visible()
    expect(page.locator(".notice")).to_have_count(0)


def hold(tmp_path: Path, *targets: Target) -> Path:
    """A downloads folder with small files that do as programs."""
    for target in targets:
        publish(tmp_path / "held", target)
    return tmp_path / "held"


def test_a_download_that_breaks_goes_on_and_says_so(open_stage: OpenStage, tmp_path: Path) -> None:
    stage = open_stage(downloads=hold(tmp_path, Target.WINDOWS))
    prepared = stage.console.prepare()
    page = stage.open_context(user_agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64)").new_page()
    page.goto(prepared.link)
    page.clock.install()
    asked: list[str | None] = []

    def answer(route: Route) -> None:
        asked.append(route.request.headers.get("range"))
        if len(asked) == 1:
            route.fulfill(body=HOST[:1000])  # less than was said, like a connection that was cut
        elif len(asked) == 2:
            route.abort()
        else:
            route.continue_()

    page.route("**/adhoc-host.exe", answer)
    page.get_by_role("button", name="Download the support program").click()
    expect(page.get_by_text("The connection broke. Going on by itself: 1 kB of")).to_be_visible()
    with page.expect_download() as download:
        page.clock.run_for(1000)
        page.clock.run_for(2000)
    assert asked == [None, "bytes=1000-", "bytes=1000-"]
    assert download.value.suggested_filename == "adhoc-host.exe"
    assert read_link(Path(download.value.path()).read_bytes()[-TAIL_BYTES:]) == prepared.link


def test_what_is_not_the_program_is_not_saved(open_stage: OpenStage, tmp_path: Path) -> None:
    stage = open_stage(downloads=hold(tmp_path, Target.LINUX))
    prepared = stage.console.prepare()
    page = open_link(stage, prepared)
    page.clock.install()
    page.route("**/adhoc-host-linux", lambda route: route.fulfill(body=HOST[:-1] + b"!"))
    downloads: list[Download] = []
    page.on("download", lambda download: downloads.append(download))
    page.get_by_role("button", name="Download the support program").click()
    page.clock.run_for(1000)
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
    page.unroute("**/adhoc-host-linux")
    with page.expect_download():
        page.get_by_role("button", name="Try again").click()
    assert len(downloads) == 1


@pytest.mark.parametrize(
    ("missing", "words"),
    [("Object.hasOwn", "too old for this page"), ("AbortSignal.timeout", "too old for this page")],
)
def test_an_old_browser_gets_the_program_and_the_link_to_paste(
    open_stage: OpenStage, tmp_path: Path, missing: str, words: str
) -> None:
    stage = open_stage(downloads=hold(tmp_path, Target.WINDOWS, Target.PYTHON))
    prepared = stage.console.prepare()
    page = stage.open_context().new_page()
    page.add_init_script(f"delete {missing}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(prepared.link)
    expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_label("Link")).to_have_value(prepared.link)
    with page.expect_download() as download:
        page.get_by_role("link", name="For Windows 10 or newer").click()
    assert Path(download.value.path()).read_bytes() == HOST
    assert not [url for url in asked if prepared.password in url]


def test_without_scripts_the_page_says_how_it_works_by_hand(stage: Stage) -> None:
    page = stage.open_context(java_script_enabled=False).new_page()
    page.goto(stage.console.prepare().link)
    # Playwright's other locators pass over what is in a noscript.
    for language, words in (
        ("en", "The relay does not know the part"),
        ("es", "El servicio no conoce la parte"),
    ):
        card = page.locator(f"noscript section[lang={language}]")
        expect(card).to_be_visible()
        expect(card).to_contain_text(words)
        expect(card).to_contain_text("/adhoc-host.exe")


def test_a_phone_sends_the_link_on_to_the_computer(open_stage: OpenStage, tmp_path: Path) -> None:
    stage = open_stage(downloads=hold(tmp_path, Target.WINDOWS))
    prepared = stage.console.prepare()
    page = stage.open_context(user_agent="Mozilla/5.0 (Linux; Android 15; Pixel 9) Mobile").new_page()
    page.goto(prepared.link)
    expect(page.get_by_role("heading", name="Please open this link on the computer")).to_be_visible()
    mail = page.get_by_role("link", name="E-mail it to yourself").get_attribute("href")
    assert mail is not None
    assert prepared.link in unquote(mail)
    page.get_by_text("Show it to a computer with a camera").click()
    expect(page.get_by_role("img", name="QR code of the link")).to_be_visible()
    page.get_by_role("button", name="This is the computer").click()
    expect(page.get_by_text("no program for this kind of computer")).to_have_count(0)
    expect(page.get_by_role("heading", name="Remote support by")).to_be_visible()


def test_an_incomplete_link_asks_for_the_whole(stage: Stage) -> None:
    prepared = stage.console.prepare()
    page = stage.open_context().new_page()
    page.goto(prepared.link.partition("#")[0])
    expect(page.get_by_role("heading", name="The link is not complete")).to_be_visible()
