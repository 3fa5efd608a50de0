"""An active session between processes: relay and host are programs, the technician is the library."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from host.state import HostState
from relay.protocol.hidden import SecretBytes
from technician.keyring import Keyring, SessionSecrets, SignIn
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from technician.relay_client import RelayClient, open_relay_client
from technician.remote_control import measure_desktop, open_control
from tests.helpers.desktops import HEIGHT, WIDTH, Desktop
from tests.helpers.host_process import HostProcess
from tests.helpers.programs import PATIENCE
from tests.helpers.relay_process import RelayProcess


@dataclass
class ActiveSession:
    """An active session: a relay's process, a host's process, and the technician's library."""

    relay: RelayProcess
    client: RelayClient
    prepared: PreparedSession
    host: HostProcess
    pairing_key: SecretBytes

    @property
    def id(self) -> str:
        return self.prepared.session.id

    @property
    def host_state(self) -> HostState:
        """What the host has on the customer's disk."""
        (folder,) = (self.host.home / ".local/share/adhoc-host").glob("*/")
        return HostState.load(folder)

    async def wait_online(self, *, is_online: bool) -> None:
        """Ask until the relay says so of the host: the library does not follow the live events."""
        with trio.fail_after(PATIENCE):
            while await self._is_online() is not is_online:  # noqa: ASYNC110
                await trio.sleep(0.05)

    async def _is_online(self) -> bool:
        host = (await self.client.session(self.id)).host
        return host is not None and host.online

    async def assert_controllable(self) -> None:
        """Remote Control works: the right desktop answers."""
        password = self.prepared.link.access_password
        async with open_control(self.client, self.id, bytes(self.pairing_key), password) as stream:
            facts = await measure_desktop(stream)
        assert (facts.width, facts.height) == (WIDTH, HEIGHT)


def technician_environment(session: ActiveSession, folder: Path) -> dict[str, str]:
    """In which the ``technician`` command is signed in and knows the session's key; its settings are in
    `folder`.
    """
    keyring = Keyring(folder / "adhoc-technician")
    keyring.keep_sign_in(SignIn(origin=session.client.origin, cookie=session.client.cookie or ""))
    secrets = SessionSecrets(origin=session.client.origin, pairing_key=session.pairing_key)
    keyring.keep_session(session.id, secrets)
    return os.environ | {
        "ADHOC_ACCESS_PASSWORD": session.prepared.link.access_password,
        "XDG_CONFIG_HOME": str(folder),
    }


async def run_technician(
    session: ActiveSession, folder: Path, *arguments: str | Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """The ``technician`` command in a process of its own, signed in and knowing the session's key.

    Args:
        session: which.
        folder: of its settings.
        arguments: of the command line.
        stdin: what is typed.
    """
    environment = technician_environment(session, folder)
    return await trio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, "-m", "technician", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
            input=stdin,
            check=False,
        )
    )


@asynccontextmanager
async def open_active_session(
    folder: Path, desktop: Desktop, *options: str, folders: Sequence[Path] = ()
) -> AsyncIterator[ActiveSession]:
    """Prepare, start, type the code, allow; with `folders`, files only in those."""
    with ExitStack() as programs:
        relay = await trio.to_thread.run_sync(RelayProcess, folder / "relay", options)
        programs.callback(relay.stop)
        async with open_relay_client(relay.origin) as client:
            await client.sign_in_by_token(relay.sign_in_link.partition("#")[2])
            prepared = await client.prepare("ana@customer.example")
            host = HostProcess.start(prepared.link.url(), display=desktop.name, home=folder / "home")
            programs.enter_context(host)
            keys: list[SecretBytes] = []
            events = PairingEvents(say=lambda _: None, show_code=lambda _: None, store=keys.append)

            def answer() -> None:
                host.type_code(prepared.security_code)
                host.allow(*folders)
                host.hear(r"Connected for support\.")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, answer)
                await pair(client, prepared.session.id, prepared.link, prepared.security_code, events)
            session = ActiveSession(relay, client, prepared, host, keys[0])
            programs.callback(lambda: session.host.stop())
            yield session
