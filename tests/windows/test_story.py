"""The story of a session whose customer has Windows, in wine: seen, typed into, ended, and nothing left."""

from functools import partial
from pathlib import Path

import pytest
import trio

from technician.remote_control import open_control
from tests.helpers.programs import Program
from tests.helpers.wine import Wine
from tests.helpers.wine_story import SLOWLY, WineSession, open_wine_session
from tests.host.remote_control.rfb_client import (
    CURSOR_WITH_ALPHA,
    EXTENDED_KEY,
    RAW,
    TIGHT,
    RfbClient,
)
from tests.windows.window_to_use import HEIGHT, LEFT, TOP, WIDTH

pytestmark = [pytest.mark.sockets, pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(900)]


async def hear(program: Program, pattern: str) -> str:
    """What a program says, as soon as it does."""
    wait = partial(program.out.wait_for, pattern, within=SLOWLY)
    return (await trio.to_thread.run_sync(wait)).group()


async def see_red(viewer: RfbClient) -> None:
    """Look until the whole field of the window is red, as far as Windows' own lines allow."""
    with trio.fail_after(SLOWLY):
        while True:
            await viewer.request(incremental=False)
            await viewer.receive_update()
            field = viewer.screen[TOP + 5 : TOP + HEIGHT - 45, LEFT + 5 : LEFT + WIDTH - 5]
            if (field == (255, 0, 0)).all():
                return


async def use_the_window(viewer: RfbClient, window: Program) -> None:
    await hear(window, "ready 8")
    await see_red(viewer)
    assert not (viewer.screen[:TOP, :] == (255, 0, 0)).all()

    await viewer.pointer(LEFT + 10, TOP + 20)
    await viewer.pointer(LEFT + 10, TOP + 20, 1)
    await viewer.pointer(LEFT + 10, TOP + 20, 0)
    await viewer.pointer(LEFT + 150, TOP + 77, 4)
    await viewer.pointer(LEFT + 150, TOP + 77, 0)
    await viewer.pointer(LEFT + 150, TOP + 77, 8)
    await viewer.pointer(LEFT + 150, TOP + 77, 0)
    assert await hear(window, r"clicked 1 [\d ]+") == f"clicked 1 {LEFT + 10} {TOP + 20}"
    assert await hear(window, r"clicked 3 [\d ]+") == f"clicked 3 {LEFT + 150} {TOP + 77}"
    assert await hear(window, r"turned -?\d+") == "turned 120"

    await viewer.pointer(LEFT + 100, TOP + HEIGHT - 20, 1)
    await viewer.pointer(LEFT + 100, TOP + HEIGHT - 20, 0)
    # A window that has just got the focus under wine forgets what was held before.
    await viewer.type_keys("x\n")
    await hear(window, "line x")
    await viewer.type_keys("Grüße, señor: 5 € ✓ x@y\n")
    assert (await hear(window, r"line [^x\r\n][^\r\n]+")).endswith("Grüße, señor: 5 € ✓ x@y")
    # By places of the keyboard: Shift, A, the cursor keys; and Ctrl+A with Delete empties the line.
    for keysym, scancode, is_down in (
        (0xFFE1, 0x2A, True),
        (0x41, 0x1E, True),
        (0x41, 0x1E, False),
        (0xFFE1, 0x2A, False),
        (0x62, 0x30, True),
        (0x62, 0x30, False),
        (0xFF51, 0xCB, True),
        (0xFF51, 0xCB, False),
        (0x63, 0x2E, True),
        (0x63, 0x2E, False),
        (0xFF0D, 0x1C, True),
        (0xFF0D, 0x1C, False),
    ):
        await viewer.key(keysym, is_down, scancode)
    assert await hear(window, r"line Acb") == "line Acb"


async def use_the_clipboard(viewer: RfbClient, window: Program) -> None:
    await viewer.cut_text("from the technician".encode("latin-1"))
    await viewer.key(0xFFC6, True)
    await viewer.key(0xFFC6, False)
    assert await hear(window, r"pasted [^\r\n]+") == "pasted from the technician"
    await viewer.key(0xFFC5, True)
    await viewer.key(0xFFC5, False)
    await hear(window, "copied")
    with trio.fail_after(SLOWLY):
        while not viewer.cut_texts:
            await viewer.request()
            await viewer.receive_message()
    assert viewer.cut_texts == ["copied in Windows: ñ ?"]


async def control(session: WineSession, wine: Wine) -> None:
    password = session.prepared.link.access_password
    key = bytes(session.pairing_key)
    async with open_control(session.client, session.id, key, password) as stream:
        viewer = RfbClient(stream)
        await viewer.connect(RAW, TIGHT, CURSOR_WITH_ALPHA, EXTENDED_KEY)
        assert viewer.screen.shape == (600, 800, 3)
        with wine.start("window_to_use") as window:
            await use_the_window(viewer, window)
            await use_the_clipboard(viewer, window)
            assert viewer.cursor is not None  # of which shape wine does not tell other programs


async def test_a_desktop_is_seen_and_used_and_nothing_is_left(tmp_path: Path, wine: Wine) -> None:
    before = await trio.to_thread.run_sync(wine.snapshot)
    async with open_wine_session(tmp_path, wine) as session:
        await control(session, wine)
        await session.client.end(session.id)
        code = await trio.to_thread.run_sync(partial(session.host.wait_gone, SLOWLY))
        assert code == 0, session.host.out.text + session.host.err.text
        receipt = await session.client.session(session.id)
        assert receipt.state == "ended"
    after = await trio.to_thread.run_sync(wine.snapshot)
    assert after - before == frozenset()
