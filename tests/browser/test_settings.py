"""The company's settings: plan and limits, rules, brand, mail server, identity provider, webhooks."""

import json
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue

import pytest
from playwright.sync_api import Browser, expect

from relay.downloads import Target
from tests.helpers.console_house import OWNER_EMAIL, ConsoleHouse, Desk, add_authenticator
from tests.helpers.host_files import publish
from tests.helpers.oidc_issuer import running_issuer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "<script>document.title='run'</script>"
NAMES = ("Windows", "Linux", "Linux with Python")
MAX_LOGO_BYTES = 64 * 1024


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
    """The owner, at the console."""
    return house.sign_in_owner()


def open_part(house: ConsoleHouse, desk: Desk, name: str) -> None:
    """Open a part of the settings by its address."""
    desk.page.goto(f"{house.origin}/settings/{name}")
    expect(desk.main.get_by_role("heading", level=1)).to_be_visible()


def noisy_png(width: int, height: int) -> bytes:
    """A picture that no encoder makes small."""
    pixels, state = bytearray(), 1
    for _ in range(height):
        pixels.append(0)
        for _ in range(width * 3):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            pixels.append(state >> 16 & 0xFF)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(pixels))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@contextmanager
def running_receiver(status: list[int]) -> Iterator[tuple[str, SimpleQueue[dict[str, object]]]]:
    """A program that takes events: its URL, and what arrives. It answers with the last of `status`."""
    arrived: SimpleQueue[dict[str, object]] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.put({"signature": self.headers["webhook-signature"], "event": json.loads(body)})
            self.send_response(status[-1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/events", arrived
        finally:
            server.shutdown()
            thread.join()


def test_company_is_changed_and_stays_changed(house: ConsoleHouse, owner: Desk) -> None:
    page = owner.page
    open_part(house, owner, "company")
    page.get_by_label("Name", exact=True).fill(HOSTILE)
    page.get_by_label("Open sessions per technician").fill("3")
    page.get_by_label("A session lasts (hours)").fill("25")
    page.get_by_label("Plan", exact=True).select_option("base")
    owner.press("Save")
    lifetime = page.get_by_label("A session lasts (hours)")
    expect(lifetime).to_be_focused()
    expect(lifetime).to_have_value("25")
    expect(page.get_by_text("Please enter hours: at least 0.2, at most 24.")).to_be_visible()
    lifetime.fill("1,5")
    page.get_by_label("A reason is required before connecting").check()
    owner.press("Save")
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    expect(page.get_by_role("banner").get_by_text(HOSTILE)).to_be_visible()
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value(HOSTILE)
    expect(lifetime).to_have_value("1.5")
    expect(page.get_by_label("Open sessions per technician")).to_have_value("3")
    expect(page.get_by_label("A reason is required before connecting")).to_be_checked()
    assert page.title() != "run"


def test_required_second_factor_comes_before_everything_else(house: ConsoleHouse, owner: Desk) -> None:
    page = owner.page
    add_authenticator(page)
    open_part(house, owner, "company")
    page.get_by_label("A second factor is required").check()
    expect(page.get_by_text("You have none yourself")).to_be_visible()
    owner.press("Save")
    expect(page.get_by_text("Your company requires a second factor.")).to_be_visible()
    expect(page.get_by_role("navigation", name="Pages").get_by_role("link")).to_have_text(["Account"])
    page.goto(house.origin)
    expect(page.get_by_text("Your company requires a second factor.")).to_be_visible()
    owner.press("Add a passkey")
    owner.press("Make passkey", owner.dialog)
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    owner.press("I have kept them")
    expect(page.get_by_text("Your company requires a second factor.")).to_have_count(0)
    owner.go("Support")
    owner.expect_signed_in()


def test_colour_is_checked_for_contrast_and_previewed(house: ConsoleHouse, owner: Desk) -> None:
    page = owner.page
    open_part(house, owner, "brand")
    code = page.get_by_role("textbox", name="Colour", exact=True)
    code.fill("yellow")
    owner.press("Save")
    expect(page.get_by_text("Please enter a colour like #0b6b8a.")).to_be_visible()
    expect(code).to_have_value("yellow")
    code.fill("#FFFF00")
    expect(page.get_by_text("Contrast 1.1:1 on light and 15")).to_be_visible()
    expect(page.get_by_text("uses a darker or lighter shade")).to_be_visible()
    light = page.get_by_role("figure").filter(has_text="Light").locator("div").first
    assert light.evaluate("(e) => getComputedStyle(e).getPropertyValue('--accent')") not in ("", "#ffff00")
    owner.press("Save")
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    page.reload()
    expect(code).to_have_value("#ffff00")
    owner.press("Use the product\u2019s own")
    expect(code).to_have_value("")


def test_logo_is_made_small_shown_and_removed(house: ConsoleHouse, owner: Desk) -> None:
    page = owner.page
    open_part(house, owner, "brand")
    chooser = page.locator("input[type=file]")
    chooser.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"not a picture"})
    expect(page.get_by_role("alert")).to_contain_text("not a picture that your browser can read")
    picture = noisy_png(900, 300)
    assert len(picture) > MAX_LOGO_BYTES
    chooser.set_input_files({"name": "b.png", "mimeType": "image/png", "buffer": picture})
    logo = page.get_by_role("img", name="Logo")
    expect(logo).to_be_visible()
    assert logo.evaluate("async (e) => { await e.decode(); return e.naturalWidth / e.naturalHeight; }") == 3
    answer = page.request.get(f"{house.origin}/api/v1/company/logo")
    assert answer.headers["content-type"] == "image/png"
    assert len(answer.body()) <= MAX_LOGO_BYTES
    drawing = (
        b"<svg xmlns='http://www.w3.org/2000/svg' width='40' height='20'><script>alert(1)</script></svg>"
    )
    chooser.set_input_files({"name": "c.svg", "mimeType": "image/svg+xml", "buffer": drawing})
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    assert page.request.get(f"{house.origin}/api/v1/company/logo").headers["content-type"] == "image/png"
    owner.press("Remove logo")
    expect(page.get_by_text("There is no logo.")).to_be_visible()


def test_identity_provider_signs_people_in(house: ConsoleHouse, owner: Desk) -> None:
    page = owner.page
    with running_issuer() as issuer:
        issuer.person = {"sub": "owner-1", "email": OWNER_EMAIL, "email_verified": True}
        open_part(house, owner, "identity-provider")
        page.get_by_label("Issuer").fill("http://127.0.0.1:1/nobody")
        page.get_by_label("Text of the button").fill("Acme Login")
        page.get_by_label("Client id").fill(issuer.client_id)
        page.get_by_label("Client secret").fill(issuer.client_secret)
        owner.press("Save")
        expect(page.get_by_label("Issuer")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("Client secret")).to_have_value(issuer.client_secret)
        page.get_by_label("Issuer").fill(issuer.url)
        owner.press("Save")
        expect(page.get_by_text("There is one; leave this empty to keep it.")).to_be_visible()

        guest = house.open_desk()
        guest.page.goto(house.origin)
        guest.page.get_by_label("E-mail").fill(OWNER_EMAIL)
        guest.page.get_by_label("Password", exact=True).focus()
        guest.page.get_by_role("link", name="Sign in with Acme Login").click()
        guest.expect_signed_in()

        issuer.person["email_verified"] = False
        issuer.person["sub"] = "somebody-else"
        other = house.open_desk()
        other.page.goto(house.origin)
        other.page.get_by_label("E-mail").fill(OWNER_EMAIL)
        other.page.get_by_label("Password", exact=True).focus()
        other.page.get_by_role("link", name="Sign in with Acme Login").click()
        expect(other.page.get_by_role("alert")).to_contain_text("could not sign you in here")

        owner.press("Remove", owner.part("Identity provider"))
        owner.press("Remove", owner.dialog)
        expect(page.get_by_label("Issuer")).to_have_value("")


def test_mail_server_is_set_and_tested(house: ConsoleHouse, owner: Desk) -> None:
    page = owner.page
    open_part(house, owner, "mail-server")
    page.get_by_label("Server", exact=True).fill("127.0.0.1")
    page.get_by_label("Encryption").select_option("none")
    expect(page.get_by_label("Port")).to_have_value("25")
    expect(page.get_by_text("everybody on the way can read the mails")).to_be_visible()
    page.get_by_label("Port").fill("99999")
    page.get_by_label("Sender").fill("help@acme.example")
    owner.press("Save")
    expect(page.get_by_label("Port")).to_be_focused()
    expect(page.get_by_label("Server", exact=True)).to_have_value("127.0.0.1")
    page.get_by_label("Port").fill(str(house.inbox.port))
    owner.press("Save")
    expect(page.get_by_role("button", name="Stop using it")).to_be_visible()
    owner.press("Send a test mail to me")
    expect(page.get_by_text(f"The e-mail to {OWNER_EMAIL} is on its way.")).to_be_visible()
    assert "help@acme.example" in str(house.inbox.next_for(OWNER_EMAIL)["From"])
    owner.press("Stop using it")
    owner.press("Stop using it", owner.dialog)
    expect(page.get_by_text("Mails go through the relay\u2019s own mail server.")).to_be_visible()


def test_webhook_is_made_tested_and_its_deliveries_seen(house: ConsoleHouse, owner: Desk) -> None:
    page = owner.page
    status = [500]
    with running_receiver(status) as (url, arrived):
        open_part(house, owner, "webhooks")
        owner.press("New webhook")
        page.get_by_label("Address").fill("ftp://nowhere")
        owner.press("Save")
        expect(page.get_by_text("Please enter an address that begins with https://.")).to_be_visible()
        page.get_by_label("Address").fill(url)
        page.get_by_label("Wrong security code").uncheck()
        owner.press("Save")
        assert page.get_by_test_id("webhook-secret").inner_text().startswith("whsec_")
        owner.press("I have noted it down")
        card = owner.part(url)
        expect(card.get_by_text("Session prepared")).not_to_contain_text("Wrong security code")
        status.append(200)
        owner.press("Send a test event", card)
        assert str(arrived.get(timeout=20)["signature"]).startswith("v1,")
        owner.press("Refresh", card)
        expect(card.get_by_text("delivered", exact=True)).to_be_visible()
        owner.press("Pause", card)
        expect(card.get_by_text("Paused", exact=True)).to_be_visible()
        owner.press("Remove", card)
        owner.press("Remove", owner.dialog)
        expect(page.get_by_text("There are no webhooks.")).to_be_visible()


def test_which_programs_customers_get_and_which_not(house: ConsoleHouse, owner: Desk) -> None:
    owner.page.goto(house.origin)
    expect(owner.main.get_by_text("No customer can download a program at the moment")).to_be_visible()
    downloads = house.relay.data / "downloads"
    publish(downloads, Target.WINDOWS, signer="Acme Code Signing")
    publish(downloads, Target.LINUX, sha256="0" * 64)
    owner.page.reload()
    expect(owner.main.get_by_text("Customers with Linux cannot be helped")).to_be_visible()
    owner.main.get_by_role("link", name="Look at the programs").click()
    windows, linux, python = (owner.main.get_by_role("region", name=name, exact=True) for name in NAMES)
    expect(windows).to_contain_text("Acme Code Signing")
    expect(windows.get_by_text("served", exact=True)).to_be_visible()
    expect(linux).to_contain_text("size or SHA-256 differ")
    expect(python).to_contain_text("not in the relay\u2019s downloads folder")
