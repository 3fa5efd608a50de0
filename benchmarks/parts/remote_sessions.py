"""A session as people have one: a relay process, a host process with the desktop, paired and active."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from relay.protocol.hidden import SecretBytes
from technician.pairing import PairingEvents, pair
from technician.relay_client import RelayClient, open_relay_client
from tests.helpers.host_process import HostProcess
from tests.helpers.relay_process import RelayProcess


@dataclass
class RemoteSession:
    """An active session.

    Attributes:
        relay: signed in.
        id: the session's.
        pairing_key, access_password: what a viewer needs.
        relay_pid, host_pid: the processes.
    """

    relay: RelayClient
    id: str
    pairing_key: SecretBytes = field(repr=False)
    access_password: str = field(repr=False)
    relay_pid: int
    host_pid: int
    _process: RelayProcess = field(repr=False)

    def new_sign_in_link(self) -> str:
        """A link that signs a browser in; works once."""
        self._process.renew_sign_in_link()
        return self._process.sign_in_link


@asynccontextmanager
async def open_session(display: str, folder: Path) -> AsyncIterator[RemoteSession]:
    """A session with the computer of `display`, ended with the block; its data is in `folder`."""
    process = await trio.to_thread.run_sync(RelayProcess, folder / "relay")
    host: HostProcess | None = None
    try:
        async with open_relay_client(process.origin) as relay:
            await relay.sign_in_by_token(process.sign_in_link.partition("#")[2])
            prepared = await relay.prepare("customer@example.com")
            host = HostProcess.start(prepared.link.url(), display=display, home=folder / "customer")
            keys: list[SecretBytes] = []
            events = PairingEvents(say=lambda _: None, show_code=lambda _: None, store=keys.append)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(
                    pair, relay, prepared.session.id, prepared.link, prepared.security_code, events
                )
                await trio.to_thread.run_sync(host.type_code, prepared.security_code)
                await trio.to_thread.run_sync(host.allow)
            yield RemoteSession(
                relay=relay,
                id=prepared.session.id,
                pairing_key=keys[0],
                access_password=prepared.access_password,
                relay_pid=process.pid,
                host_pid=host.process.pid,
                _process=process,
            )
            await relay.end(prepared.session.id)
            await trio.to_thread.run_sync(host.wait_gone)
    finally:
        with trio.CancelScope(shield=True):
            if host is not None:
                await trio.to_thread.run_sync(host.stop)
            await trio.to_thread.run_sync(process.stop)
