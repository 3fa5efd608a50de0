"""Viewers that count and time what they are shown: the tests' Python client, and noVNC in Chromium.

Both measure the same three things: pictures and bytes in a time, and the time from a key press to other
pixels where it is echoed. The Python viewer counts without painting, as it would paint slower than the host
sends; for key presses it paints. The browser paints always; a picture counts when noVNC copies it to the
visible canvas.
"""

import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, Protocol, TypeVar

import numpy as np
import trio
from playwright.sync_api import Page, WebSocket, sync_playwright

from benchmarks.parts.remote_scenes import ECHO_AREA, HEIGHT, WIDTH
from tests.helpers.story import CHROMIUM, CHROMIUM_OPTIONS
from tests.host.remote_control.rfb_client import (
    CONTINUOUS_UPDATES,
    COPY_RECT,
    CURSOR,
    EXTENDED_KEY,
    FENCE,
    JPEG_QUALITY_6,
    LAST_RECT,
    TIGHT,
    ClientStream,
    RfbClient,
)

_Result = TypeVar("_Result")

KEY_TIMEOUT: Final = 5.0
PAGE_TIMEOUT: Final = 20.0
POLL_MILLISECONDS: Final = 10
_PSEUDO: Final = (FENCE, CONTINUOUS_UPDATES, CURSOR, EXTENDED_KEY, LAST_RECT)


class Viewer(Protocol):
    """What both viewers can do; one call at a time."""

    async def count(self, seconds: float) -> tuple[float, float]:
        """Pictures and bytes received a second, during so many seconds."""

    async def point(self, x: int, y: int) -> None:
        """Move the pointer, and wait until nothing more comes of it."""

    async def time_key(self, letter: str) -> float:
        """Seconds from pressing a key to other pixels in `ECHO_AREA`."""


class PythonViewer:
    """`Viewer` on any byte stream."""

    def __init__(self, client: RfbClient) -> None:
        self._client = client

    async def count(self, seconds: float) -> tuple[float, float]:
        """See `Viewer`."""
        pictures = size = 0
        started = trio.current_time()
        end = started + seconds
        while trio.current_time() < end:
            with trio.move_on_at(end) as scope:
                await self._client.wait_message()
            if scope.cancelled_caught:
                break
            update = await self._client.receive_message()
            if update is not None and any(encoding >= 0 for encoding in update.encodings):
                pictures += 1
                size += update.size
        took = trio.current_time() - started
        return pictures / took, size / took

    async def point(self, x: int, y: int) -> None:
        """See `Viewer`."""
        await self._client.pointer(x, y)
        await self.count(1.0)

    async def time_key(self, letter: str) -> float:
        """See `Viewer`."""
        before = self._echo()
        started = trio.current_time()
        await self._client.key(ord(letter), True)
        await self._client.key(ord(letter), False)
        with trio.fail_after(KEY_TIMEOUT):
            while np.array_equal(before, self._echo()):
                await self._client.receive_update()
        return trio.current_time() - started

    def _echo(self) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        x, y, width, height = ECHO_AREA
        return self._client.screen[y : y + height, x : x + width].copy()


@asynccontextmanager
async def open_python_viewer(stream: ClientStream, *, paints: bool) -> AsyncIterator[PythonViewer]:
    """A viewer like a browser: continuous updates, fences, Tight with JPEG. Its first picture has come."""
    client = RfbClient(stream)
    await client.connect(COPY_RECT, TIGHT, JPEG_QUALITY_6, *_PSEUDO)
    client.paints = paints
    while not client.may_be_continuous:
        await client.receive_message()
    await client.request(incremental=False)
    await client.receive_update()
    await client.enable_continuous_updates()
    yield PythonViewer(client)


_COUNTING_SCRIPT: Final = """
(([x, y, width, height]) => {
    const counted = { pictures: 0, pressedAt: null, before: null, delays: [] };
    const context = CanvasRenderingContext2D.prototype;
    const draw = context.drawImage;
    const look = (canvas) => canvas.getImageData(x, y, width, height).data;
    let shown = null;
    context.drawImage = function (...what) {
        draw.apply(this, what);
        if (!this.canvas.isConnected) return;
        shown = this;
        counted.pictures += 1;
        if (counted.pressedAt === null) return;
        const now = look(this);
        if (now.some((value, place) => value !== counted.before[place])) {
            counted.delays.push(performance.now() - counted.pressedAt);
            counted.pressedAt = null;
        }
    };
    addEventListener("keydown", () => {
        counted.before = look(shown);
        counted.pressedAt = performance.now();
    }, true);
    window.counted = counted;
})
"""


class BrowserViewer:
    """`Viewer` in the real page."""

    def __init__(self, page: Page, run: "_Thread") -> None:
        self._page = page
        self._run = run
        self._received = 0
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._count_bytes)

    def _count_bytes(self, payload: str | bytes) -> None:
        self._received += len(payload)

    async def connect(self, url: str, sign_in_link: str, access_password: str) -> None:
        """Sign in, open Remote Control and wait for the picture."""

        def open_page() -> None:
            page = self._page
            page.goto(sign_in_link)
            page.get_by_role("button", name="Not now").click()
            page.get_by_role("heading", name="Prepare a session").wait_for()
            page.goto(url)
            page.get_by_label("Access password", exact=True).fill(access_password)
            page.get_by_role("button", name="Connect", exact=True).click()
            self._wait_for("counted.pictures > 0")

        await self._run(open_page)

    def _wait_for(self, expression: str) -> None:
        """Playwright's own way to wait would have the page evaluate a string, which its policy forbids."""
        deadline = time.monotonic() + PAGE_TIMEOUT
        while not self._page.evaluate(expression):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not in {PAGE_TIMEOUT} s: {expression}")
            self._page.wait_for_timeout(POLL_MILLISECONDS)

    async def count(self, seconds: float) -> tuple[float, float]:
        """See `Viewer`."""

        def count() -> tuple[float, float]:
            self._received = 0
            before, started = self._page.evaluate("[counted.pictures, performance.now()]")
            self._page.wait_for_timeout(1000 * seconds)
            after, ended = self._page.evaluate("[counted.pictures, performance.now()]")
            took = (ended - started) / 1000
            return (after - before) / took, self._received / took

        return await self._run(count)

    async def point(self, x: int, y: int) -> None:
        """See `Viewer`."""
        await self._run(lambda: self._point(x, y))

    def _point(self, x: int, y: int) -> None:
        canvas = self._page.get_by_role("main").locator("canvas").last
        box = canvas.bounding_box()
        assert box is not None
        x_at, y_at = (
            box["x"] + (x + 0.5) * box["width"] / WIDTH,
            box["y"] + (y + 0.5) * box["height"] / HEIGHT,
        )
        self._page.mouse.click(x_at, y_at)
        self._page.wait_for_timeout(1000)

    async def time_key(self, letter: str) -> float:
        """See `Viewer`."""

        def press() -> float:
            known = self._page.evaluate("counted.delays.length")
            self._page.keyboard.press(letter)
            self._wait_for(f"counted.delays.length > {known}")
            return float(self._page.evaluate("counted.delays.at(-1)")) / 1000

        return await self._run(press)


class _Thread:
    """Playwright's calls must all come from one thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)

    async def __call__(self, function: Callable[[], _Result]) -> _Result:
        return await trio.to_thread.run_sync(lambda: self._pool.submit(function).result())


@asynccontextmanager
async def open_browser_viewer() -> AsyncIterator[BrowserViewer]:
    """An empty page of 1920x1080, to be connected."""
    run = _Thread()
    manager = sync_playwright()
    playwright = await run(manager.start)
    try:
        options = list(CHROMIUM_OPTIONS)
        chromium = await run(lambda: playwright.chromium.launch(executable_path=CHROMIUM, args=options))
        try:
            page = await run(
                lambda: chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB")
            )
            script = f"{_COUNTING_SCRIPT.strip()}({list(ECHO_AREA)})"
            await run(lambda: page.add_init_script(script))
            yield BrowserViewer(page, run)
        finally:
            with trio.CancelScope(shield=True):
                await run(chromium.close)
    finally:
        with trio.CancelScope(shield=True):
            await run(playwright.stop)
