"""A session whose customer has Windows: a relay's process, the host in wine, the technician's library."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from relay.protocol.hidden import SecretBytes
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from technician.relay_client import RelayClient, open_relay_client
from tests.helpers.host_process import HostProcess
from tests.helpers.programs import Program
from tests.helpers.relay_process import RelayProcess
from tests.helpers.wine import Wine

SLOWLY: float = 240.0
"""Seconds for what takes a second on a computer that is not emulated on a busy one."""


class WineHost(HostProcess):
    """The host at a terminal in wine; the customer's half of a conversation are its methods."""

    def __init__(self, wine: Wine, *arguments: str) -> None:
        self._heard = 0
        Program.__init__(self, wine.command("host", *arguments, "--terminal"), environment=wine.environment)

    def hear(self, pattern: str, *, within: float = SLOWLY) -> str:
        """As the host's elsewhere, with more patience and other ends of lines."""
        return super().hear(pattern.replace("\n", "\r?\n"), within=within)


@dataclass
class WineSession:
    """An active session."""

    relay: RelayProcess
    client: RelayClient
    prepared: PreparedSession
    host: WineHost
    pairing_key: SecretBytes

    @property
    def id(self) -> str:
        return self.prepared.session.id


@asynccontextmanager
async def open_wine_session(folder: Path, wine: Wine) -> AsyncIterator[WineSession]:
    """Prepare, start, type the code, allow."""
    with ExitStack() as programs:
        relay = await trio.to_thread.run_sync(RelayProcess, folder / "relay")
        programs.callback(relay.stop)
        async with open_relay_client(relay.origin) as client:
            await client.sign_in_by_token(relay.sign_in_link.partition("#")[2])
            prepared = await client.prepare("ana@customer.example")
            host = WineHost(wine, prepared.link.url())
            programs.enter_context(host)
            keys: list[SecretBytes] = []
            events = PairingEvents(say=lambda _: None, show_code=lambda _: None, store=keys.append)

            def answer() -> None:
                host.type_code(prepared.security_code)
                host.allow()
                host.hear(r"Connected for support\.")

            with trio.fail_after(3 * SLOWLY):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(partial(trio.to_thread.run_sync, answer))
                    await pair(client, prepared.session.id, prepared.link, prepared.security_code, events)
            session = WineSession(relay, client, prepared, host, keys[0])
            programs.callback(lambda: session.host.stop())
            try:
                yield session
            except BaseException as exc:
                exc.add_note(f"-- host --\n{session.host.out.text}{session.host.err.text}")
                raise
