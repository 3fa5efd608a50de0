"""The customer is asked while a technician has their desktop: who can answer, and who cannot."""

import pytest
import trio
import trio.testing

from host.asking import ConsentDesk
from host.consent import Duration
from host.customer import Wish
from host.permissions import Permissions
from host.remote_control import serve_rfb
from host.remote_control.x11 import open_desktop
from host.state import HostState
from relay.protocol.close_reasons import CloseReason
from tests.host.remote_control.rfb_client import (
    CONTINUOUS_UPDATES,
    DESKTOP_NAME,
    FENCE,
    RAW,
    RfbClient,
    TrioByteStream,
)
from tests.host.window_screen import Screen, open_screen, wait_answerable

pytestmark = pytest.mark.slow

HELD = "Anna (waits for the customer)"


def make_permissions() -> Permissions:
    state = HostState(
        origin="https://relay.example",
        invite=bytes(16),
        secret=bytes(16),
        access_password="password",
        key=bytes(32),
        kinds=["control", "files"],
    )
    permissions = Permissions(state, lambda: None)
    permissions.choose({"files": Duration.ASK})
    return permissions


async def click(client: RfbClient, place: tuple[int, int]) -> None:
    """The technician's click, which has arrived when this returns."""
    for buttons in (0, 1, 0):
        await client.pointer(*place, buttons)
    await client.synchronize()


async def wait_named(client: RfbClient, name: str) -> None:
    while client.names[-1:] != [name]:
        await client.receive_message()


async def test_only_the_customer_can_allow_while_the_technician_has_the_desktop() -> None:
    async with open_screen() as screen, open_desktop(screen.desktop.display) as desktop:
        desk = ConsentDesk(make_permissions(), screen.customer)
        ours, theirs = trio.testing.memory_stream_pair()
        results: list[CloseReason | None] = []
        screen.customer.show_active(3600)
        client = RfbClient(TrioByteStream(ours))

        async def serve() -> None:
            with desk.gate.guard(desktop) as guarded:
                await serve_rfb(TrioByteStream(theirs), guarded, name="Anna", gate=desk.gate)

        async def ask() -> None:
            results.append(await desk.obtain("files", "Tess"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await client.connect(RAW, DESKTOP_NAME, FENCE, CONTINUOUS_UPDATES)
            await client.request(incremental=False)
            await client.receive_update()
            await client.enable_continuous_updates()
            # What the technician points at is used, as long as nobody is asked.
            await click(client, await screen.find("Pause now"))
            with trio.fail_after(10):
                assert await screen.customer.next_wish() is Wish.PAUSE
            nursery.start_soon(ask)
            await wait_named(client, HELD)
            await wait_answerable(screen, "_question")
            await try_to_answer(client, screen)
            assert results == []
            await screen.click("Allow")
            await wait_named(client, "Anna")
            assert results == [None]
            await click(client, await screen.find("Pause now"))
            with trio.fail_after(10):
                assert await screen.customer.next_wish() is Wish.PAUSE
            nursery.cancel_scope.cancel()


async def try_to_answer(client: RfbClient, screen: Screen) -> None:
    """All that a technician has: the pointer, and the keys that press the button."""
    await click(client, await screen.find("Allow"))
    for keysym in (0xFFE9, ord("a")):
        await client.key(keysym, True)
    for keysym in (ord("a"), 0xFFE9, 0xFF0D):
        await client.key(keysym, False)
    await client.synchronize()
    assert "Tess asks to use this computer again" in await screen.read()
