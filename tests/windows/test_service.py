"""The service on Windows, in wine: begun by what was downloaded, alive after a restart, and gone at the end.

The customer is a script in the window's process (`tests.windows.scripted_window`), at the other end of the
real pipes. In wine that process has not the customer's own rights, but the service's (`tests/windows/shims`).
"""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from bundles.windows import gather
from relay.protocol.hidden import SecretBytes
from relay.protocol.link_blob import make_empty_blob
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from technician.relay_client import RelayClient, open_relay_client
from technician.remote_control import measure_desktop, open_control
from tests.helpers.programs import Program, wait_until
from tests.helpers.relay_process import RelayProcess
from tests.helpers.wine import Wine
from tests.helpers.wine_story import SLOWLY

pytestmark = [pytest.mark.sockets, pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(900)]

SCREEN = (800, 600)

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("unpacked")
    yield unpack(folder)
    shutil.rmtree(folder)


def unpack(folder: Path, additions: Mapping[str, bytes] = {}) -> Path:
    """What the downloaded program unpacks, below `folder`, but for the window; `additions` to its files."""
    files = dict(gather().files)
    files["app/host/windows/window_process.py"] = (HERE / "scripted_window.py").read_bytes()
    for name, data in additions.items():
        files[name] += data
    for name, data in files.items():
        path = folder / "host" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / "host"


class Customer:
    """What the customer sees, and the code that they type."""

    def __init__(self, drive: Path) -> None:
        self._folder = drive / "customer"
        self._folder.mkdir()

    def type(self, code: str) -> None:
        (self._folder / "code").write_text(code)

    @property
    def shown(self) -> str:
        file = self._folder / "shown"
        return file.read_text() if file.exists() else ""

    async def see(self, word: str, count: int = 1) -> None:
        wait = partial(wait_until, lambda: self.shown.count(word) >= count, word, within=SLOWLY)
        await trio.to_thread.run_sync(wait)


def begin(wine: Wine, unpacked: Path, link: str) -> Path:
    """Run what the customer downloaded; returns the file when it has ended, and has cleaned up behind it."""
    here = wine.drive / "unpacked"
    shutil.copytree(unpacked, here)
    file = wine.drive / "adhoc-host.exe"
    file.write_bytes(b"MZ" + bytes(1000) + make_empty_blob())
    command = [
        *("wine", str(here / "python" / "python.exe"), "-B", "-X", "utf8"),
        *("C:\\unpacked\\app\\start.py", "--self", "C:\\adhoc-host.exe", link),
    ]
    environment = {**wine.environment, "PYTHONPATH": ""}
    # What it starts inherits its pipes: reading them to their end would be waiting for the session's.
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)
    assert process.stdin is not None
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    try:
        code = process.wait(2 * SLOWLY)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    assert code == 0, process.stdout.read()
    process.stdin.close()
    process.stdout.close()
    shutil.rmtree(here)
    return file


def sign_in(wine: Wine) -> Program:
    """Windows comes up, and with it its services; without anybody wine would go down again."""
    person = wine.start("signed_in")
    person.out.wait_for("signed in", within=SLOWLY)
    return person


def restart(wine: Wine) -> None:
    """Windows goes down, without asking anybody, and comes up again."""
    environment = wine.environment
    server = shutil.which("wineserver") or "/usr/lib/wine/wineserver"
    subprocess.run([server, "-k"], env=environment, check=False, capture_output=True, timeout=60)
    subprocess.run([server, "-w"], env=environment, check=False, capture_output=True, timeout=60)


@asynccontextmanager
async def session_begun(
    folder: Path, wine: Wine, unpacked: Path, customer: Customer
) -> AsyncIterator[tuple[RelayClient, PreparedSession, SecretBytes, Path]]:
    """An active session of the service's."""
    relay = await trio.to_thread.run_sync(RelayProcess, folder / "relay")
    try:
        async with open_relay_client(relay.origin) as client:
            await client.sign_in_by_token(relay.sign_in_link.partition("#")[2])
            prepared = await client.prepare("ana@customer.example")
            begun = partial(begin, wine, unpacked, prepared.link.url())
            file = await trio.to_thread.run_sync(begun)
            keys: list[SecretBytes] = []
            events = PairingEvents(say=lambda _: None, show_code=lambda _: None, store=keys.append)
            customer.type(prepared.security_code)
            with trio.fail_after(3 * SLOWLY):
                await pair(client, prepared.session.id, prepared.link, prepared.security_code, events)
            yield client, prepared, keys[0], file
    finally:
        with trio.move_on_after(SLOWLY, shield=True):
            await trio.to_thread.run_sync(relay.stop)


async def look(client: RelayClient, prepared: PreparedSession, key: SecretBytes) -> tuple[int, int]:
    """The size of the desktop that is seen."""
    password = prepared.link.access_password
    async with open_control(client, prepared.session.id, bytes(key), password) as stream:
        facts = await measure_desktop(stream)
    return facts.width, facts.height


async def wait_online(client: RelayClient, session: str) -> None:
    with trio.fail_after(SLOWLY):
        while True:
            host = (await client.session(session)).host
            if host is not None and host.online:
                return
            await trio.sleep(0.2)


async def test_a_session_outlives_a_restart_and_takes_everything_with_it(
    tmp_path: Path, wine: Wine, unpacked: Path
) -> None:
    customer = Customer(wine.drive)
    before = await trio.to_thread.run_sync(wine.snapshot)
    await trio.to_thread.run_sync(sign_in, wine)
    async with session_begun(tmp_path, wine, unpacked, customer) as (client, prepared, key, file):
        await customer.see("active")
        assert await look(client, prepared, key) == SCREEN

        await trio.to_thread.run_sync(restart, wine)
        person = await trio.to_thread.run_sync(sign_in, wine)
        await customer.see("active", 2)
        await wait_online(client, prepared.session.id)
        assert await look(client, prepared, key) == SCREEN

        await client.end(prepared.session.id)
        await customer.see("removed []")
        base = wine.drive / "ProgramData" / "adhoc-host"
        gone = partial(
            wait_until, lambda: not base.exists() and not file.exists(), "nothing left", within=SLOWLY
        )
        await trio.to_thread.run_sync(gone)
        # All else was gone when it signed; and these, too, are gone now.
        assert (await client.session(prepared.session.id)).removal == "all_but_last"
        await trio.to_thread.run_sync(person.stop)
    after = await trio.to_thread.run_sync(wine.snapshot)
    # Wine's console writes down its defaults when it is used first.
    expected = ("customer", "user.reg:[Console]")
    left = {name for name in after - before if not name.startswith(expected)}
    assert sorted(left) == []
