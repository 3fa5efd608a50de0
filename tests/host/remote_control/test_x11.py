"""Remote Control of real X11 desktops (Xvfb), with programs that know nothing of it."""

import base64
import gc
import sys
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import trio
import trio.testing
from numpy.typing import NDArray
from Xlib import X, display

from host.remote_control import DesktopUnavailable, RfbProtocolError, serve_rfb
from host.remote_control.clipboard import Action, build_provide, build_request, parse_extended
from host.remote_control.x11 import X11Desktop, open_desktop
from host.remote_control.x11_display import X11Display
from tests.helpers.xvfb import Xvfb, open_xvfb
from tests.host.remote_control.rfb_client import (
    CONTINUOUS_UPDATES,
    CURSOR,
    EXTENDED_CLIPBOARD,
    EXTENDED_DESKTOP_SIZE,
    EXTENDED_KEY,
    FENCE,
    JPEG_QUALITY_6,
    TIGHT,
    RfbClient,
    TrioByteStream,
)

pytestmark = pytest.mark.slow

SHIFT, RETURN = 0xFFE1, 0xFF0D


@pytest.fixture
async def xvfb() -> AsyncIterator[Xvfb]:
    async with open_xvfb(640, 480) as running:
        yield running


@pytest.fixture
async def desktop(xvfb: Xvfb) -> AsyncIterator[X11Desktop]:
    async with open_desktop(xvfb.display) as opened:
        yield opened


@asynccontextmanager
async def open_viewer(desktop: X11Desktop, *encodings: int) -> AsyncIterator[RfbClient]:
    """A connected client; at the end of the block the server has ended too."""
    ours, theirs = trio.testing.memory_stream_pair()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: serve_rfb(TrioByteStream(theirs), desktop, name="Xvfb"))
            client = RfbClient(TrioByteStream(ours))
            await client.connect(*encodings)
            yield client
            await ours.aclose()


async def watch_until(client: RfbClient, is_there: Callable[[], bool]) -> None:
    """Take updates until something can be seen."""
    while not is_there():
        await client.request()
        await client.receive_update()


def draw(name: str, pixels: NDArray[np.uint32]) -> display.Display:
    """Draw a picture of solid 20-pixel squares over the whole screen; it stays while the result is open."""
    connection = display.Display(name)
    root = connection.screen().root
    height, width = pixels.shape
    window = root.create_window(0, 0, width, height, 0, X.CopyFromParent, override_redirect=True)
    window.map()
    pen = window.create_gc()
    for y in range(0, height, 20):
        for x in range(0, width, 20):
            pen.change(foreground=int(pixels[y, x]))
            window.fill_rectangle(pen, x, y, 20, 20)
    connection.sync()
    return connection


def squares(seed: int = 0) -> NDArray[np.uint32]:
    colours = np.random.default_rng(seed).integers(0, 1 << 24, (24, 32), dtype=np.uint32)
    return np.kron(colours, np.ones((20, 20), np.uint32))


def rgb(pixels: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.dstack([(pixels >> np.uint32(shift)).astype(np.uint8) for shift in (16, 8, 0)])


async def test_raw_viewer_sees_exactly_what_was_drawn(xvfb: Xvfb, desktop: X11Desktop) -> None:
    drawing = draw(xvfb.display, squares())
    async with open_viewer(desktop) as client:
        await watch_until(client, lambda: np.array_equal(client.screen, rgb(squares())))
        drawing.close()
        await watch_until(client, lambda: not client.screen.any())


async def test_tight_viewer_sees_it_within_jpegs_tolerance_and_then_exactly(
    xvfb: Xvfb, desktop: X11Desktop
) -> None:
    photograph = np.random.default_rng(0).normal(128, 12, (480, 640)).astype(np.uint32) * np.uint32(0x010101)
    photograph ^= np.arange(640, dtype=np.uint32) // np.uint32(40) << np.uint32(1)
    connection = display.Display(xvfb.display)
    root = connection.screen().root
    window = root.create_window(0, 0, 640, 480, 0, X.CopyFromParent, override_redirect=True)
    window.map()
    for y in range(0, 480, 40):
        strip = photograph[y : y + 40].tobytes()
        window.put_image(window.create_gc(), 0, y, 640, 40, X.ZPixmap, 24, 0, strip)
    connection.sync()
    expected = rgb(photograph)
    async with open_viewer(desktop, TIGHT, JPEG_QUALITY_6, FENCE) as client:
        await client.request(incremental=False)
        first = await client.receive_update()
        assert 9 in first.tight_kinds
        assert np.abs(client.screen.astype(int) - expected).mean() < 12
        await watch_until(client, lambda: np.array_equal(client.screen, expected))
    connection.close()


@asynccontextmanager
async def open_line(client: RfbClient, xvfb: Xvfb, path: Path) -> AsyncIterator[None]:
    """An xterm with the keyboard; in the block, type a line; afterwards it is in `path`."""
    async with xvfb.open_xterm(f"head -n 1 > {path}") as xterm:
        await watch_until(client, lambda: bool((client.screen[100, 100] == 255).all()))
        await client.pointer(100, 100)
        yield
        await client.key(RETURN, True)
        await client.key(RETURN, False)
        await xterm.wait()


@pytest.mark.parametrize("layout", ["us", "de", "es", "fr", "ru,us"])
async def test_typed_text_arrives_whatever_the_customers_layout(
    layout: str, xvfb: Xvfb, desktop: X11Desktop, tmp_path: Path
) -> None:
    await trio.run_process(["setxkbmap", "-display", xvfb.display, "-layout", layout])
    text = "Hello, world ñ€ Zz@{}[]/?'#1!÷Ωй日😀"
    async with open_viewer(desktop) as client:
        async with open_line(client, xvfb, tmp_path / "line"):
            await client.type_keys(text)
        assert (tmp_path / "line").read_text() == text + "\n"


async def test_keys_with_scancodes_and_held_modifiers_give_their_symbols(
    xvfb: Xvfb, desktop: X11Desktop, tmp_path: Path
) -> None:
    async with open_viewer(desktop, EXTENDED_KEY) as client:
        async with open_line(client, xvfb, tmp_path / "line"):
            # As a viewer with the same layout sends it: Shift is held, the symbol is the shifted one.
            await client.key(SHIFT, True, scancode=0x2A)
            for keysym, scancode in ((0x41, 0x1E), (0x21, 0x02)):
                await client.key(keysym, True, scancode)
                await client.key(keysym, False, scancode)
            await client.key(SHIFT, False, scancode=0x2A)
            # With a German keyboard: Shift+7 is a slash, which is an unshifted key here.
            await client.key(SHIFT, True, scancode=0x2A)
            await client.key(0x2F, True, scancode=0x08)
            await client.key(0x2F, False, scancode=0x08)
            await client.key(0x42, True, scancode=0x30)
            await client.key(0x42, False, scancode=0x30)
            await client.key(SHIFT, False, scancode=0x2A)
            # The keypad, and a key known by its scancode only.
            for keysym, scancode in ((0xFFB7, 0x47), (0xFFAB, 0x4E), (0, 0x2D)):
                await client.key(keysym, True, scancode)
                await client.key(keysym, False, scancode)
        assert (tmp_path / "line").read_text() == "A!/B7+x\n"


async def test_more_foreign_symbols_than_spare_keycodes_can_be_typed(
    xvfb: Xvfb, desktop: X11Desktop, tmp_path: Path
) -> None:
    text = "".join(chr(0x4E00 + index) for index in range(60))
    async with open_viewer(desktop) as client:
        async with open_line(client, xvfb, tmp_path / "line"):
            for character in text:
                # At a person's pace: a program reads the layout when it gets the key, and by then a
                # keycode must not have been given to another symbol.
                await client.type_keys(character)
                await watch_echo(client)
        assert (tmp_path / "line").read_text() == text + "\n"


async def watch_echo(client: RfbClient) -> None:
    before = client.screen.copy()
    await watch_until(client, lambda: not np.array_equal(before, client.screen))


async def test_borrowed_keycodes_are_given_back(xvfb: Xvfb) -> None:
    connection = display.Display(xvfb.display)
    before = connection.get_keyboard_mapping(8, 248)
    async with open_desktop(xvfb.display) as desktop:
        await desktop.press_key(0x01004E00, None, True)
        await desktop.press_key(0x01004E00, None, False)
        assert connection.get_keyboard_mapping(8, 248) != before
    assert connection.get_keyboard_mapping(8, 248) == before
    connection.close()


async def wait_until(is_so: Callable[[], bool]) -> None:
    """Ask the X server until it has acted: it reads each program's requests in its own order."""
    while not is_so():
        await trio.lowlevel.checkpoint()


async def test_everything_pressed_is_released_when_the_viewer_goes(xvfb: Xvfb, desktop: X11Desktop) -> None:
    connection = display.Display(xvfb.display)
    root = connection.screen().root
    pressed = X.Button1Mask | X.Button3Mask | X.ShiftMask

    def is_pointer_at(x: int, y: int) -> bool:
        pointer = root.query_pointer()
        return (pointer.root_x, pointer.root_y) == (x, y)

    async with open_viewer(desktop) as client:
        for keysym in (SHIFT, 0x61, 0x20AC):
            await client.key(keysym, True)
        await client.pointer(321, 123, 0b101)
        await wait_until(lambda: root.query_pointer().mask & pressed == pressed)
        assert is_pointer_at(321, 123)
        await client.pointer(60000, 60000, 0b101)
        await wait_until(lambda: is_pointer_at(639, 479))
    with trio.fail_after(10):
        await wait_until(lambda: not root.query_pointer().mask & pressed)
        await wait_until(lambda: not any(connection.query_keymap()))
    connection.close()


async def test_pointer_shape_of_a_program_arrives(xvfb: Xvfb, desktop: X11Desktop) -> None:
    async with open_viewer(desktop, CURSOR) as client:

        def shape() -> list[list[int]]:
            assert client.cursor is not None
            found: list[list[int]] = client.cursor[2][:, :, 3].tolist()
            return found

        await watch_until(client, lambda: client.cursor is not None)
        outside = shape()
        async with xvfb.open_xterm("sleep 60"):
            await client.pointer(100, 100)
            await watch_until(client, lambda: shape() != outside)
            await client.pointer(600, 470)
            await watch_until(client, lambda: shape() == outside)


async def test_new_screen_size_is_followed(xvfb: Xvfb, desktop: X11Desktop) -> None:
    async with open_viewer(desktop, TIGHT, EXTENDED_DESKTOP_SIZE, FENCE, CONTINUOUS_UPDATES) as client:
        await client.request(incremental=False)
        await client.receive_update()
        for width, height in ((400, 300), (640, 480)):
            resize(xvfb.display, width, height)
            drawing = draw(xvfb.display, squares()[:height, :width])
            await watch_until(client, partial(shows, client, rgb(squares()[:height, :width])))
            assert client.size_changes[-1] == (0, 0, width, height)
            drawing.close()


def shows(client: RfbClient, expected: NDArray[np.uint8]) -> bool:
    return np.array_equal(client.screen, expected)


def resize(name: str, width: int, height: int) -> None:
    connection = display.Display(name)
    root = connection.screen().root
    resources = root.xrandr_get_screen_resources()
    connection.xrandr_set_crtc_config(resources.crtcs[0], resources.config_timestamp, 0, 0, 0, 1, [])
    root.xrandr_set_screen_size(width, height, 200, 150)
    connection.sync()  # closing would take back what the server has not read yet
    connection.close()


# Clipboard: xterm's OSC 52 gives a program's side without any code of ours.

CLIPBOARD_XTERM = ("xterm", "-u8", "-xrm", "*disallowedWindowOps:", "-e", "sh", "-c")


async def receive_clipboard(client: RfbClient) -> bytes | str:
    client.cut_texts.clear()
    while not client.cut_texts:
        await client.receive_message()
    return client.cut_texts[-1]


async def test_text_that_a_program_copies_arrives(xvfb: Xvfb, desktop: X11Desktop) -> None:
    encoded = base64.b64encode("¿Qué tal? €".encode()).decode()
    copying = f"printf '\\033]52;c;{encoded}\\007'; sleep 60"
    async with open_viewer(desktop, EXTENDED_CLIPBOARD) as client:
        await receive_clipboard(client)
        async with xvfb.open_program((*CLIPBOARD_XTERM, copying)):
            notified = await receive_clipboard(client)
            assert isinstance(notified, bytes)
            assert parse_extended(notified).action is Action.NOTIFY
            await client.cut_text(build_request(), is_extended=True)
            provided = await receive_clipboard(client)
            assert isinstance(provided, bytes)
            assert parse_extended(provided).text == "¿Qué tal? €"


async def test_viewers_text_can_be_pasted_by_a_program(
    xvfb: Xvfb, desktop: X11Desktop, tmp_path: Path
) -> None:
    text = "¿Qué tal?"
    expected = b"\033]52;c;" + base64.b64encode(text.encode())
    pasting = f"stty raw -echo; printf '\\033]52;c;?\\007'; head -c {len(expected)} > {tmp_path}/pasted"
    async with open_viewer(desktop, EXTENDED_CLIPBOARD) as client:
        await client.cut_text(build_provide(text), is_extended=True)
        await client.synchronize()
        async with xvfb.open_program((*CLIPBOARD_XTERM, pasting)) as xterm:
            await xterm.wait()
        assert (tmp_path / "pasted").read_bytes() == expected


TK_COPY = """
import tkinter
root = tkinter.Tk()
root.clipboard_append("ñ" * 300_000)
root.mainloop()
"""
TK_PASTE = """
import pathlib, sys, tkinter
text = tkinter.Tk().clipboard_get(type="UTF8_STRING")
pathlib.Path(sys.argv[1]).write_text(text)
"""


async def test_long_text_is_copied_piece_by_piece_and_pasted_whole(
    xvfb: Xvfb, desktop: X11Desktop, tmp_path: Path
) -> None:
    pytest.importorskip("tkinter", reason="Tk is the program here that copies piece by piece (INCR)")
    text = "ñ" * 300_000
    async with open_viewer(desktop, EXTENDED_CLIPBOARD) as client:
        await receive_clipboard(client)
        async with xvfb.open_program((sys.executable, "-c", TK_COPY)):
            await receive_clipboard(client)
            assert desktop.clipping.text == text
        await client.cut_text(build_provide(text), is_extended=True)
        await client.synchronize()
        async with xvfb.open_program((sys.executable, "-c", TK_PASTE, str(tmp_path / "pasted"))) as tk:
            await tk.wait()
        assert (tmp_path / "pasted").read_text() == text


# Endings


def test_display_that_does_not_exist_is_named() -> None:
    with warnings.catch_warnings():
        # python-xlib leaves the sockets it tried to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        message = ""
        try:
            X11Display(":9999")
        except DesktopUnavailable as error:
            message = str(error)
        gc.collect()
    assert message == "The display :9999 cannot be opened."


async def test_display_that_goes_away_ends_the_desktop_with_one_plain_error() -> None:
    async def stay() -> None:
        async with open_xvfb(100, 100) as xvfb, open_desktop(xvfb.display):
            xvfb.process.terminate()
            await trio.sleep_forever()

    with trio.fail_after(20), pytest.raises(DesktopUnavailable):
        await stay()


async def test_errors_of_the_block_come_out_as_they_are(xvfb: Xvfb) -> None:
    with pytest.raises(RfbProtocolError, match="as it is"):
        async with open_desktop(xvfb.display):
            raise RfbProtocolError("as it is")
