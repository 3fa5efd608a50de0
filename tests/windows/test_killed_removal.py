"""A removal on Windows, in wine, that is stopped at a chosen step is finished, and reported if it can be.

The service's processes are ended from inside (`tests.windows.kill_points`), or Windows goes down with all of
them. Wine knows nothing of services that fail: whoever ended one restarts the computer.
"""

import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import trio

from host.hello import ComputerFacts, make_hello
from host.layout import session_folder
from host.manifest import Phase
from host.state import HostState
from peer.tunnel import open_tunnel
from relay.protocol.frames import FieldReader
from relay.protocol.links import DeploymentLink
from technician.relay_client import RelayClient, open_relay_client
from tests.helpers.programs import Program, wait_until
from tests.helpers.relay_process import RelayProcess
from tests.helpers.wine import Snapshot, Wine, windows_path
from tests.helpers.wine_story import SLOWLY
from tests.windows.test_service import restart, sign_in, unpack

pytestmark = [pytest.mark.sockets, pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(1200)]

PATIENCE = 3 * SLOWLY
"""Seconds for a removal, which is three programs of ours one after another."""

HERE = Path(__file__).parent
KILL_POINTS = b"\n" + (HERE / "kill_points.py").read_bytes()
IMPORTED = b"\nfrom host.windows.handles import watched\n"
ADDITIONS = {
    "app/host/windows/handles.py": KILL_POINTS + b'delete_by_handle = watched("delete", delete_by_handle)\n',
    "app/host/windows/service_manager.py": IMPORTED
    + b'delete_service = watched("service", delete_service)\n',
    "app/host/receipt.py": IMPORTED + b'hand_in_receipt = watched("receipt", hand_in_receipt)\n',
}
NEXT_HOST = """
from host.host_lock import HostLock
from host.installation import finish_removals
from host.layout import data_folder
lock = HostLock(data_folder())
finish_removals(data_folder(), besides=data_folder() / "0000000000000000")
lock.release(remove=True)
print("removed")
"""
FACTS = ComputerFacts(computer="WINE", os="Windows", user="ana")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, wine: Wine) -> Iterator[Path]:
    """The bundle, whose removal can be stopped."""
    folder = tmp_path_factory.mktemp("unpacked")
    program = unpack(folder, ADDITIONS)
    compile_modules(program, wine)
    yield program
    shutil.rmtree(folder)


def compile_modules(program: Path, wine: Wine) -> None:
    """As the builder does where it has a Python of the same version: it makes each start quicker."""
    folders = [windows_path(program / name) for name in ("lib", "app")]
    code = f"""
import compileall
from py_compile import PycInvalidationMode
for folder in {folders!r}:
    mode = PycInvalidationMode.UNCHECKED_HASH
    assert compileall.compile_dir(folder, maxlevels=20, quiet=2, workers=1, invalidation_mode=mode)
"""
    wine.run(code, timeout=10 * SLOWLY)


@dataclass
class Computer:
    """One with Windows, on which somebody is signed in, and a removal goes on."""

    wine: Wine
    program: Path
    client: RelayClient
    before: Snapshot
    person: Program
    session: str = ""
    folder: Path = Path()

    async def begin(self, stop: str = "", *, phase: Phase = "finishing") -> None:
        """End a session on it, and let its removal begin, or where the engine has done its part."""
        prepared = await self.client.prepare("ana@customer.example")
        self.session = prepared.session.id
        state = await join(prepared.link)
        await self.client.end(self.session)
        base = self.wine.drive / "ProgramData" / "adhoc-host"
        self.folder = session_folder(base, state.invite)
        self.folder.mkdir(parents=True)
        command = ["cp", "-al", str(self.program), str(self.folder / "packages")]
        await trio.run_process(command)
        customer = self.wine.drive / "customer"
        customer.mkdir(exist_ok=True)
        (customer / "stop").unlink(missing_ok=True)
        (customer / "stopped").unlink(missing_ok=True)
        if stop:
            (customer / "stop").write_text(stop)
        told = {
            "folder": self.folder.name,
            "phase": phase,
            "origin": state.origin,
            "session": state.session,
            "credential": state.credential.hex(),
            "key": state.key.hex(),
            "reason": "technician",
        }
        placed = self.wine.start("placed_removal", json.dumps(told))
        await trio.to_thread.run_sync(partial(placed.wait_gone, SLOWLY))
        assert "begun" in placed.out.text, placed.err.text

    async def wait_stopped(self) -> None:
        """Until a process has come to the step that was asked for."""
        file = self.wine.drive / "customer" / "stopped"
        await self._wait(lambda: file.exists() and file.read_text() != "", "stopped")

    async def restart(self) -> None:
        """Windows goes down without asking anybody, and comes up again."""
        await trio.to_thread.run_sync(restart, self.wine)
        self.person = await trio.to_thread.run_sync(sign_in, self.wine)

    async def wait_gone(self) -> None:
        """Until the program's folder is gone."""
        await self._wait(lambda: not self.folder.parent.exists(), "nothing left")

    async def traces(self) -> list[str]:
        """What there is that was not there before; nothing runs any more."""
        await trio.to_thread.run_sync(self.person.stop)
        after = await trio.to_thread.run_sync(self.wine.snapshot)
        self.person = await trio.to_thread.run_sync(sign_in, self.wine)
        expected = ("customer", "user.reg:[Console]")
        return sorted(name for name in after - self.before if not name.startswith(expected))

    async def wait_reported(self) -> None:
        """Until the relay has a receipt that something is left."""
        with trio.fail_after(PATIENCE):
            while True:
                if (await self.client.session(self.session)).warnings:
                    return
                await trio.sleep(0.2)

    async def removal(self) -> str:
        """What the relay knows of it."""
        return (await self.client.session(self.session)).removal

    async def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        await trio.to_thread.run_sync(partial(wait_until, is_so, what, within=PATIENCE))


async def join(link: DeploymentLink) -> HostState:
    """A host joins, as far as a receipt takes it."""
    state = HostState.fresh(link)
    async with open_tunnel(state.origin, make_hello(state, FACTS)) as tunnel:
        welcome = FieldReader(tunnel.welcome)
        state.session, state.credential = welcome.text("session"), welcome.binary("credential", length=32)
    return state


@asynccontextmanager
async def open_computer(folder: Path, wine: Wine, program: Path) -> AsyncIterator[Computer]:
    relay = await trio.to_thread.run_sync(RelayProcess, folder / "relay")
    try:
        async with open_relay_client(relay.origin) as client:
            await client.sign_in_by_token(relay.sign_in_link.partition("#")[2])
            before = await trio.to_thread.run_sync(wine.snapshot)
            person = await trio.to_thread.run_sync(sign_in, wine)
            computer = Computer(wine, program, client, before, person)
            try:
                yield computer
            finally:
                with trio.move_on_after(SLOWLY, shield=True):
                    await trio.to_thread.run_sync(computer.person.stop)
    finally:
        with trio.move_on_after(SLOWLY, shield=True):
            await trio.to_thread.run_sync(relay.stop)


@pytest.fixture
async def computer(tmp_path: Path, wine: Wine, program: Path) -> AsyncIterator[Computer]:
    async with open_computer(tmp_path, wine, program) as computer:
        yield computer


async def test_a_removal_that_nobody_stops_is_confirmed_but_for_its_last_files(computer: Computer) -> None:
    await computer.begin(phase="ending")
    await computer.wait_gone()
    assert await computer.removal() == "all_but_last"
    assert await computer.traces() == []


@pytest.mark.parametrize(
    "stop",
    [
        "engine delete 1",  # before the first secret
        "engine delete 3",  # before the download
        "engine replace 2",  # before it writes down that only the program is left
        "service start 1",  # before it starts the last process
        "remover replace 1",  # before that begins
        "remover delete 2",
        "remover delete 700",  # while files go that the service does not need
        "remover start 1",  # before the guard
    ],
)
async def test_what_is_stopped_before_the_service_is_gone_begins_anew(computer: Computer, stop: str) -> None:
    is_of_engine = stop.startswith("engine")
    await computer.begin(f"{stop} kill", phase="ending" if is_of_engine else "finishing")
    await computer.wait_stopped()
    if not is_of_engine:  # which the service starts again
        await computer.restart()
    await computer.wait_gone()
    assert await computer.removal() == "all_but_last"
    assert await computer.traces() == []


@pytest.mark.parametrize(
    "stop",
    [
        "remover service 1",  # the guard waits; the service is still there
        "remover receipt 1",
    ],
)
async def test_what_is_stopped_later_is_taken_away_by_the_guard(computer: Computer, stop: str) -> None:
    await computer.begin(f"{stop} kill")
    await computer.wait_stopped()
    await computer.wait_gone()
    assert await computer.removal() == "pending"
    assert await computer.traces() == []


async def test_what_somebody_else_has_open_is_deleted_by_the_next_start_of_windows(
    computer: Computer,
) -> None:
    await computer.begin("remover replace 1 hang")
    await computer.wait_stopped()
    held = computer.folder / "packages" / "licences"
    file = min(path for path in held.rglob("*") if path.is_file())
    holder = computer.wine.start("holder", windows_path(file))
    await trio.to_thread.run_sync(partial(holder.out.wait_for, "held", within=SLOWLY))
    (computer.wine.drive / "customer" / "stop").unlink()
    await computer.wait_reported()
    session = await computer.client.session(computer.session)
    assert session.removal == "pending"
    assert session.warnings == [
        "The host could not remove everything: program, running files."
        " It tries again when the computer starts next."
    ]
    await computer.restart()
    await computer.wait_gone()
    assert await computer.traces() == []


async def test_what_a_loss_of_power_leaves_is_removed_by_the_next_host(computer: Computer) -> None:
    await computer.begin("remover receipt 1 hang")
    await computer.wait_stopped()
    await computer.restart()
    left = {path.name for path in computer.folder.rglob("*") if path.is_file()}
    assert "manifest.json" in left
    assert not left & {"state", "farewell", "record"}
    said = await trio.to_thread.run_sync(computer.wine.run, NEXT_HOST)
    assert said.split() == ["removed"]
    await computer.wait_gone()
    assert await computer.traces() == []
