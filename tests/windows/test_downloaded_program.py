"""The program for Windows as customers download it, in wine: from the file with a link in it to nothing left.

It is the file that ``relay build-host`` makes, and nothing in it is changed: what wine lacks is in its prefix
(`tests/windows/shims`). The customer uses the real window, the technician the real tools.
"""

import json
import os
import pwd
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from peer.messages import MessageStream
from relay.protocol.frames import Channel
from relay.protocol.hidden import SecretBytes
from technician.attaching import open_tool
from technician.files.client import FilesClient
from technician.files.transfers import download
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from technician.relay_client import RelayClient, open_relay_client
from technician.remote_control import open_control
from tests.helpers.desktops import Pixels
from tests.helpers.programs import wait_until
from tests.helpers.relay_process import RelayProcess
from tests.helpers.window_in_wine import Page, WindowInWine
from tests.helpers.windows_program import save, start, temporary_files, traces
from tests.helpers.wine import Wine
from tests.helpers.wine_story import SLOWLY
from tests.host.remote_control.rfb_client import CURSOR_WITH_ALPHA, EXTENDED_KEY, RAW, TIGHT, RfbClient

pytestmark = [pytest.mark.sockets, pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(1800)]

LEFT, TOP, WIDTH, HEIGHT = 100, 420, 400, 150
"""Where a window is that the technician types into: below the customer's."""
_Result = TypeVar("_Result")


async def in_thread(work: Callable[..., _Result], *arguments: object) -> _Result:
    """For the customer's side, which blocks."""
    return await trio.to_thread.run_sync(partial(work, *arguments))


async def agree(client: RelayClient, prepared: PreparedSession, window: WindowInWine) -> SecretBytes:
    """Both do their parts: the code is typed into the window, and access allowed in it; the pairing key."""
    keys: list[SecretBytes] = []
    events = PairingEvents(say=lambda _: None, show_code=lambda _: None, store=keys.append)

    def answer() -> None:
        window.type_code(prepared.security_code)
        window.press("a", Page.ALLOW)
        window.wait_for(Page.ACTIVE)

    with trio.fail_after(4 * SLOWLY):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread, answer)
            await pair(client, prepared.session.id, prepared.link, prepared.security_code, events)
    return keys[0]


def is_seen(seen: Pixels, there: Pixels) -> bool:
    """Whether somebody sees a red window, and all else as it is, but for a pixel in a hundred."""
    red = seen[TOP + 5 : TOP + HEIGHT - 45, LEFT + 5 : LEFT + WIDTH - 5]
    far = abs(seen.astype(int) - there.astype(int)).max(axis=2) > 32
    return bool((red == (255, 0, 0)).all() and far.mean() < 0.01)


async def use_desktop(
    wine: Wine, client: RelayClient, prepared: PreparedSession, key: bytes, window: WindowInWine
) -> None:
    """See the customer's window and another one as they are, and type into that."""
    password = prepared.link.access_password
    async with open_control(client, prepared.session.id, key, password) as stream:
        viewer = RfbClient(stream)
        await viewer.connect(RAW, TIGHT, CURSOR_WITH_ALPHA, EXTENDED_KEY)
        assert viewer.screen.shape == (600, 800, 3)
        place = map(str, (LEFT, TOP, WIDTH, HEIGHT))
        with wine.start("window_to_use", *place) as used:
            await in_thread(partial(used.out.wait_for, "ready", within=SLOWLY))
            with trio.fail_after(SLOWLY):
                while not is_seen(viewer.screen, wine.desktop.pixels()):
                    await viewer.request(incremental=False)
                    await viewer.receive_update()
            await viewer.pointer(LEFT + 50, TOP + HEIGHT - 20, 1)
            await viewer.pointer(LEFT + 50, TOP + HEIGHT - 20, 0)
            # A window that has just got the focus under wine forgets what was held before.
            await viewer.type_keys("x\n")
            await in_thread(partial(used.out.wait_for, "line x", within=SLOWLY))
            await viewer.type_keys("señor: 5 €\n")
            await in_thread(partial(used.out.wait_for, "line señor: 5 €", within=SLOWLY))


async def fetch_list(
    client: RelayClient, prepared: PreparedSession, key: bytes, target: Path
) -> list[dict[str, Any]]:
    """Fetch the manifest, which lists all files of the program, and look whether as many are there."""
    base = "/C:/ProgramData/adhoc-host"
    password = prepared.link.access_password
    async with open_tool(client, prepared.session.id, Channel.FILES, key, password) as stream:
        files = FilesClient(MessageStream(stream))
        (session,) = [entry.name async for entry in files.list(base) if entry.kind == "folder"]
        await download(files, f"{base}/{session}/manifest.json", target)
        entries = json.loads(await trio.Path(target).read_text())["entries"]
        (packages,) = [entry["files"] for entry in entries if entry["role"] == "packages"]
        _, count, _ = await files.measure(f"{base}/{session}/packages")
        assert count == len(packages)
        assert {"python/pythonw.exe", "app/start.py", "lib/trio/__init__.py"} < set(packages)
        return list(entries)


def unpack_again(wine: Wine, entries: list[dict[str, Any]]) -> None:
    """Have what the downloaded program took away, as if it had been killed before."""
    (folder,) = [each for each in entries if each["role"] == "download folder" and each["kind"] == "tree"]
    for name in folder["files"][:20]:
        path = wine.drive / folder["path"].replace("\\", "/").removeprefix("C:/") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"unpacked")
    assert temporary_files(wine) != []


async def test_from_the_downloaded_file_to_nothing_left(tmp_path: Path, wine: Wine, program: Path) -> None:
    before = await in_thread(wine.snapshot)
    with wine.start("signed_in") as somebody:
        await in_thread(partial(somebody.out.wait_for, "signed in", within=SLOWLY))
        relay = await in_thread(RelayProcess, tmp_path / "relay")
        try:
            async with open_relay_client(relay.origin) as client:
                await client.sign_in_by_token(relay.sign_in_link.partition("#")[2])
                prepared = await client.prepare("ana@customer.example")
                session = prepared.session.id
                file = save(wine, program, prepared.link.url())
                assert await in_thread(start, wine, file) == 0
                assert temporary_files(wine) == []
                window = await in_thread(WindowInWine, wine.desktop)
                key = bytes(await agree(client, prepared, window))
                await use_desktop(wine, client, prepared, key, window)
                host = (await client.session(session)).host
                assert host is not None
                assert "Windows" in host.os
                assert host.user == pwd.getpwuid(os.getuid()).pw_name
                entries = await fetch_list(client, prepared, key, tmp_path / "manifest.json")
                unpack_again(wine, entries)
                await in_thread(window.press, "e", Page.ACTIVE)
                await in_thread(window.press, "e", Page.CONFIRM)
                await in_thread(window.wait_for, Page.FINAL)
                ended = await client.session(session)
                assert (ended.state, ended.end_reason) == ("ended", "customer")
                await in_thread(window.press, "c", Page.FINAL)
                base = wine.drive / "ProgramData" / "adhoc-host"
                gone = partial(
                    wait_until, lambda: not base.exists() and not file.exists(), "removal", within=2 * SLOWLY
                )
                await in_thread(gone)
        finally:
            with trio.move_on_after(SLOWLY, shield=True):
                await in_thread(relay.stop)
    assert await in_thread(traces, before, wine) == []
