"""An independent viewer: TigerVNC on a second virtual desktop shows the first one's picture."""

import contextlib
import shutil

import numpy as np
import pytest
import trio

from host.remote_control import serve_rfb
from host.remote_control.x11 import X11Desktop, open_desktop
from tests.helpers.xvfb import open_xvfb
from tests.host.remote_control.rfb_client import TrioByteStream

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sockets,
    pytest.mark.skipif(shutil.which("xtigervncviewer") is None, reason="needs the TigerVNC viewer"),
]

WIDTH, HEIGHT = 640, 480


async def watch_until_alike(shown: X11Desktop, shows: X11Desktop, pixels_apart: float) -> None:
    """Return when two desktops differ by at most so much a colour channel on average."""
    while True:
        seen = shows.serial
        picture, copy = await shown.grab(), await shows.grab()
        if np.abs(picture[:, :, :3].astype(int) - copy[:, :, :3]).mean() <= pixels_apart:
            return
        await shows.wait_changed(seen)


async def type_until_seen(typing: X11Desktop, shown: X11Desktop) -> None:
    """Press a key until the far terminal echoes it: viewers take the keyboard later than they show."""
    before = await shown.grab()
    while True:
        for is_down in (True, False):
            await typing.press_key(0xF1, None, is_down)
        with trio.move_on_after(1):
            while True:
                seen = shown.serial
                if not np.array_equal(before, await shown.grab()):
                    return
                await shown.wait_changed(seen)


@pytest.mark.parametrize(
    "options",
    [("-AutoSelect=0", "-PreferredEncoding=Tight"), ("-LowColorLevel=1", "-FullColor=0", "-AutoSelect=0")],
)
async def test_tigervnc_shows_the_desktop(options: tuple[str, ...]) -> None:
    with trio.fail_after(60):
        async with (
            open_xvfb(WIDTH, HEIGHT) as far,
            open_xvfb(WIDTH, HEIGHT) as near,
            open_desktop(far.display) as shown,
            open_desktop(near.display) as shows,
            far.open_xterm("seq 1 400; sleep 60", geometry="100x36+0+0"),
            trio.open_nursery() as nursery,
        ):
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port = listeners[0].socket.getsockname()[1]

            async def serve(stream: trio.SocketStream) -> None:
                with contextlib.suppress(trio.BrokenResourceError):  # the viewer is ended like any program
                    await serve_rfb(TrioByteStream(stream), shown, name="far")

            nursery.start_soon(trio.serve_listeners, serve, listeners)
            command = ("xtigervncviewer", "-FullScreen", "-Shared", "-RemoteResize=0", *options)
            async with near.open_program((*command, f"127.0.0.1::{port}")):
                await watch_until_alike(shown, shows, 3.0)
                # What the viewer's keyboard types lands in the far terminal, and shows again.
                await shows.pointer(300, 200, 0)
                await type_until_seen(shows, shown)
                await watch_until_alike(shown, shows, 3.0)
            nursery.cancel_scope.cancel()
