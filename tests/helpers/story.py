"""The people of the story, and where it plays: a technician with a browser, a relay, a customer's computer.

Everything is found as people find it: by roles, visible names and words. What is secret is remembered while
it is used, so that `RelayProcess.find_kept` can look for it afterwards in all that the relay keeps and says.
"""

import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from relay.protocol.frames import Hello, decode_frame
from relay.protocol.links import encode_base64url
from tests.helpers.cut_proxy import CutProxy
from tests.helpers.desktops import HEIGHT, SQUARE, WIDTH, Desktop, Samples
from tests.helpers.host_process import HostProcess
from tests.helpers.programs import PATIENCE, wait_until
from tests.helpers.relay_process import RelayProcess

CUSTOMER_EMAIL: Final = "ana@customer.example"
MILLISECONDS: Final = 1000
ALIKE: Final = 6.0
"""Mean difference of a colour channel up to which two pictures are the same, which leaves room for JPEG."""

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_OPTIONS = (
    "--no-sandbox",  # it has none where tests run as root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

NETWORK_ERRORS: Final = ("Failed to load resource", "WebSocket connection to")
COUNTDOWN: Final = re.compile(r"^(\d+:)?\d{1,2}:\d\d$")

_LINK = re.compile(r"http://[^\s/]+/d/([\w-]{22})#([\w-]{22})\.(\S+)")
_CALL = """async ([method, path, body]) => {
    const headers = { "content-type": "application/json", "x-adhoc-csrf": "1" };
    const answer = await fetch(path, { method, headers, body: body === null ? null : JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
}"""
_SAMPLE_CANVAS = """(canvas, step) => {
    const { width, height } = canvas;
    if (width === 0 || height === 0) return [];
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const found = [];
    for (let y = step / 2; y < height; y += step)
        for (let x = step / 2; x < width; x += step) {
            const at = (Math.floor(y) * width + Math.floor(x)) * 4;
            found.push(data[at], data[at + 1], data[at + 2]);
        }
    return found;
}"""


@dataclass(frozen=True)
class Prepared:
    """What the technician has in hand after preparing.

    Attributes:
        link: the whole deployment link.
        code: the security code, 9 digits.
        password: the access password.
    """

    link: str = field(repr=False)
    code: str = field(repr=False)
    password: str = field(repr=False)


class Viewer:
    """A tab with Remote Control."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.canvas = page.get_by_role("main").locator("canvas").last

    def connect(self, password: str, *, keep: bool = False) -> None:
        """Type the access password when asked for it."""
        field = self.page.get_by_label("Access password", exact=True)
        field.fill(password)
        if keep:
            self.page.get_by_role("checkbox", name=re.compile("for this tab")).check()
        self.page.get_by_role("button", name="Connect", exact=True).click()

    def wait_shows(self, desktop: Desktop) -> None:
        """Wait until the picture is what is on the desktop."""
        wait_until(lambda: self._is_like(desktop.samples()), "the picture is the desktop's")

    def wait_gone(self, within: float = PATIENCE) -> None:
        """Wait until there is no picture."""
        expect(self.page.get_by_role("main").locator("canvas")).to_have_count(
            0, timeout=within * MILLISECONDS
        )

    def expect_words(self, words: str | re.Pattern[str], *, within: float = PATIENCE) -> None:
        """Wait until these words are to be seen."""
        expect(self.page.get_by_text(words).first).to_be_visible(timeout=within * MILLISECONDS)

    def move_to(self, x: int, y: int) -> None:
        """Move the pointer to a place of the remote screen."""
        self.page.mouse.move(*self._place(x, y))

    def click(self, x: int, y: int) -> None:
        """Click at a place of the remote screen."""
        self.page.mouse.click(*self._place(x, y))

    def type_line(self, text: str) -> None:
        """Type with the keyboard, and press Enter."""
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def end_session(self) -> None:
        """Press "End session now" in the toolbar, and say yes."""
        toolbar = self.page.get_by_role("region", name="Remote Control tools")
        toolbar.get_by_role("button", name="Show the toolbar").click()
        toolbar.get_by_role("button", name="End session now").click()
        self.page.get_by_role("dialog").get_by_role("button", name="End session", exact=True).click()

    def _place(self, x: int, y: int) -> tuple[float, float]:
        box = self.canvas.bounding_box()
        assert box is not None
        return box["x"] + (x + 0.5) * box["width"] / WIDTH, box["y"] + (y + 0.5) * box["height"] / HEIGHT

    def _is_like(self, expected: Samples) -> bool:
        if self.canvas.count() == 0:
            return False
        found = np.array(self.canvas.evaluate(_SAMPLE_CANVAS, SQUARE), np.int16)
        return found.size == expected.size and bool(np.abs(found - expected.ravel()).mean() < ALIKE)


class Console:
    """The technician's console in a browser profile of its own.

    Attributes:
        complaints: what scripts failed with, and what the Content-Security-Policy refused; should stay empty.
        secrets: names and values that the relay must not keep.
    """

    def __init__(self, context: BrowserContext, relay: RelayProcess) -> None:
        self.complaints: list[str] = []
        self.secrets: dict[str, str] = {}
        self._relay = relay
        self._context = context
        context.set_default_timeout(PATIENCE * MILLISECONDS)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=relay.origin)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("page", self._watch)
        self.page = context.new_page()

    @property
    def session(self) -> Locator:
        """The one open session's card."""
        return self.page.get_by_role("article")

    @property
    def session_id(self) -> str:
        """Of the one open session."""
        return (self.session.get_attribute("id") or "").removeprefix("session-")

    def sign_in(self, link: str | None = None) -> None:
        """Sign in with a link, by default the one that the relay printed, and go on without a password."""
        link = link or self._relay.sign_in_link
        self.secrets[f"sign-in token {len(self.secrets)}"] = link.partition("#")[2]
        self.page.goto(link)
        self.page.get_by_role("button", name="Not now").click()
        expect(self.page.get_by_role("heading", name="All sessions")).to_be_visible()
        for cookie in self._context.cookies():
            self.secrets[f"cookie {cookie.get('name')}"] = str(cookie.get("value"))

    def prepare(self, way: str = "Prepare and copy link") -> Prepared:
        """Fill in the form, press the button named `way`, and read what there is to read."""
        self.page.get_by_label("Customer\u2019s e-mail").fill(CUSTOMER_EMAIL)
        password = self.page.get_by_role("textbox", name="Access password").input_value()
        self.page.get_by_role("button", name=way).click()
        prepared = Prepared(link=self.copy_link(), code=self.read_code(), password=password)
        self.secrets |= secrets_of(prepared)
        return prepared

    def copy_link(self) -> str:
        """Press "Copy link"."""
        self.session.get_by_role("button", name="Copy link").click()
        expect(self.session.get_by_text("Copied", exact=True)).to_be_visible()
        link = self.page.evaluate("navigator.clipboard.readText()")
        assert isinstance(link, str)
        return link

    def read_code(self) -> str:
        """The security code, as it stands there in three groups."""
        groups = self.session.get_by_test_id("security-code")
        expect(groups).to_have_text(re.compile(r"^\d{9}$"))
        code = groups.inner_text().replace("\n", "").replace(" ", "")
        self.secrets[f"security code {code}"] = code
        return code

    def show_new_code(self, dead: str) -> str:
        """Press "Show a new code" and read it."""
        self.session.get_by_role("button", name="Show a new code").click()
        code = self.read_code()
        assert code != dead
        return code

    @property
    def list(self) -> Locator:
        """The list of all sessions."""
        return self.page.get_by_role("region", name="All sessions")

    @property
    def rows(self) -> Locator:
        """The rows of the list, without its head."""
        return self.list.get_by_role("row").filter(has=self.page.get_by_role("cell"))

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API with this browser's cookie, for what would take many clicks; its JSON."""
        return self.page.evaluate(_CALL, [method, f"/api/v1{path}", body])

    def expect_words(self, words: str | re.Pattern[str], *, within: float = PATIENCE) -> None:
        """Wait until these words are to be seen."""
        expect(self.page.get_by_text(words).first).to_be_visible(timeout=within * MILLISECONDS)

    def wait_active(self) -> None:
        """Wait until the session is active, with its countdown."""
        expect(self.session.get_by_text("Active", exact=True)).to_be_visible()
        expect(self.session.get_by_role("timer")).to_have_text(COUNTDOWN)

    def open_remote_control(self) -> Viewer:
        """Press "Remote Control"; it opens a tab."""
        with self._context.expect_page() as opened:
            self.session.get_by_role("link", name="Remote Control").click()
        return Viewer(opened.value)

    def end_session(self) -> None:
        """Press "End session now" and say yes."""
        self.session.get_by_role("button", name="End session now").click()
        self.page.get_by_role("dialog").get_by_role("button", name="End session", exact=True).click()

    def wait_ended(self, sentence: str) -> None:
        """Wait until the page says that, and why, the session has ended."""
        self.expect_words(sentence)
        expect(self.session).to_have_count(0)

    def _hear(self, message: ConsoleMessage) -> None:
        # A request that finds no relay is an "error" too, and part of the story.
        # That a request finds no relay is an "error" for the browser too, but it is part of the story.
        if message.type == "error" and not message.text.startswith(NETWORK_ERRORS):
            self.complaints.append(message.text)

    def _watch(self, page: Page) -> None:
        page.on("websocket", lambda socket: socket.once("framesent", self._remember_ticket))

    def _remember_ticket(self, sent: str | bytes) -> None:
        """The first frame of a tunnel is its HELLO, and has the ticket."""
        hello = decode_frame(sent) if isinstance(sent, bytes) else None
        if isinstance(hello, Hello):
            self.secrets[f"ticket {len(self.secrets)}"] = encode_base64url(hello.secret)


def secrets_of(prepared: Prepared) -> dict[str, str]:
    """What is secret about a prepared session: names and values."""
    link = _LINK.fullmatch(prepared.link)
    assert link is not None
    return {
        "access password": prepared.password,
        "invite": link.group(1),
        "invite secret": link.group(2),
    }


class Stage:
    """Where one story plays. Ends everything with the block.

    Args:
        folder: for the relay's data and the customers' homes.
        options: further arguments of ``relay up``.
        is_cuttable: put a `CutProxy` before the relay, at its public URL.
        downloads: folder of the host's file.
        profile: folder of the technician's browser profile; without one it lives in memory, also what pages
            keep on the disk.
    """

    def __init__(
        self,
        browser: Browser,
        desktop: Desktop,
        folder: Path,
        options: Sequence[str] = (),
        *,
        is_cuttable: bool = False,
        downloads: Path | None = None,
        profile: Path | None = None,
    ) -> None:
        self.folder = folder
        self.desktop = desktop
        self.browser = browser
        self._stack = ExitStack()
        self._hosts: list[HostProcess] = []
        self.colleagues: list[Console] = []
        self.proxy = self._stack.enter_context(CutProxy()) if is_cuttable else None
        public_url = self.proxy.origin if self.proxy is not None else None
        self.relay = RelayProcess(folder / "relay", options, public_url=public_url, downloads=downloads)
        self._stack.callback(self.relay.stop)
        if self.proxy is not None:
            self.proxy.upstream = self.relay.address
        self.console = Console(self.open_context(profile), self.relay)
        self.console.sign_in()

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    def open_context(self, profile: Path | None = None, **more: Any) -> BrowserContext:
        """A browser profile of its own: another person, or computer; `more` are Playwright's options."""
        options: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **more}
        if profile is None:
            context = self.browser.new_context(**options)
        else:
            context = self.browser.browser_type.launch_persistent_context(
                profile, executable_path=CHROMIUM, args=list(CHROMIUM_OPTIONS), **options
            )
        self._stack.callback(context.close)
        return context

    def add_colleague(self, name: str, email: str, *, role: str = "technician") -> Console:
        """Somebody else of the company, signed in in a browser of their own."""
        link = self.relay.add_technician(name, email, role=role)
        colleague = Console(self.open_context(), self.relay)
        self.colleagues.append(colleague)
        colleague.sign_in(link)
        return colleague

    def start_host(self, link: str) -> HostProcess:
        """A customer opens the link's program on the desktop."""
        return self._take_in(HostProcess.start(link, display=self.desktop.name, home=self.next_home))

    def start_host_at_window(self, link: str) -> HostProcess:
        """The same, and it talks to them in its window."""
        command = [sys.executable, "-m", "host", link]
        return self._take_in(HostProcess(command, display=self.desktop.name, home=self.next_home))

    def resume_host(self, host: HostProcess) -> HostProcess:
        """The customer's computer was started again, and the program with it."""
        return self._take_in(HostProcess.resume(host.home, display=self.desktop.name))

    def resume_host_at_window(self, host: HostProcess) -> HostProcess:
        """The same, and it talks to them in its window."""
        (folder,) = (host.home / ".local/share/adhoc-host").glob("*/")
        command: list[str | Path] = [sys.executable, "-m", "host", "--resume", folder]
        return self._take_in(HostProcess(command, display=self.desktop.name, home=host.home))

    def start_liar(self, link: str) -> HostProcess:
        """A computer whose names are an attack (`tests.helpers.lying_host`)."""
        command = [sys.executable, "-m", "tests.helpers.lying_host", link, "--terminal"]
        return self._take_in(HostProcess(command, display=self.desktop.name, home=self.next_home))

    def paste_line(self, line: str) -> HostProcess:
        """A customer pastes the line of the deployment page into a terminal."""
        return self._take_in(HostProcess.paste(line, display=self.desktop.name, home=self.next_home))

    def describe(self) -> str:
        """What the programs have said, for a person who looks into a failure."""
        hosts = [f"-- host --\n{host.out.text}{host.err.text}" for host in self._hosts]
        return "\n".join([f"-- relay --\n{self.relay.logs}", *hosts])

    @property
    def next_home(self) -> Path:
        """The home folder of the customer who starts a program next."""
        return self.folder / f"customer-{len(self._hosts) + 1}"

    def _take_in(self, host: HostProcess) -> HostProcess:
        self._hosts.append(host)
        self._stack.callback(host.stop)
        return host

    def activate(self) -> tuple[Prepared, HostProcess]:
        """Prepare, start the host, type the right code, allow."""
        prepared = self.console.prepare()
        host = self.start_host(prepared.link)
        host.type_code(prepared.code)
        host.allow()
        host.hear(r"Connected for support\. Time left: [^\n]+")
        self.console.wait_active()
        return prepared, host

    @property
    def secrets(self) -> dict[str, str]:
        """Everything secret that the technicians' browsers have had so far."""
        found = dict(self.console.secrets)
        for number, colleague in enumerate(self.colleagues):
            found |= {f"{name} of colleague {number}": value for name, value in colleague.secrets.items()}
        return found

    @property
    def complaints(self) -> list[str]:
        """What scripts of the technicians' pages failed with."""
        return [said for console in (self.console, *self.colleagues) for said in console.complaints]
