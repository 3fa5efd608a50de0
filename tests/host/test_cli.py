"""The host as a program: how it starts, stops, comes back and goes."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from host.farewell import Farewell
from host.installation import Installation
from host.state import HostState
from relay.protocol.close_reasons import CloseReason
from technician.models import PreparedSession, Session
from technician.pairing import PairingEvents, pair
from tests.helpers.relays import CUSTOMER, House, open_relay
from tests.helpers.xvfb import open_xvfb
from tests.host.host_program import PATIENCE, HostProgram, open_host

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

HOST = (sys.executable, "-m", "host")


@dataclass
class Scene:
    """A relay, a prepared session, and the customer's home folder."""

    house: House
    prepared: PreparedSession
    home: Path

    @property
    def link(self) -> str:
        return self.prepared.link.url()

    @asynccontextmanager
    async def host(self, *arguments: str | Path) -> AsyncIterator[HostProgram]:
        """A host at a terminal; with its link unless `arguments` say otherwise."""
        command = [*HOST, *(arguments or [self.link]), "--terminal"]
        async with open_host(command, self.home) as host:
            yield host

    async def pair(self) -> None:
        """The technician's half."""
        events = PairingEvents(say=lambda _: None, show_code=lambda _: None, store=lambda _: None)
        prepared = self.prepared
        await pair(self.house.relay, prepared.session.id, prepared.link, prepared.security_code, events)

    async def activate(self, host: HostProgram) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.pair)
            await host.enter_code(self.prepared.security_code)
        await host.hear("Connected for support")

    async def session(self) -> Session:
        return await self.house.relay.session(self.prepared.session.id)

    @property
    def session_folder(self) -> Path:
        (folder,) = (path for path in (self.home / ".local/share/adhoc-host").iterdir() if path.is_dir())
        return folder


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    home = tmp_path / "home"
    home.mkdir()
    async with open_relay(tmp_path / "relay") as house:
        yield Scene(house, await house.relay.prepare(CUSTOMER), home)


async def test_the_technicians_end_removes_everything(scene: Scene) -> None:
    async with scene.host() as host:
        await scene.activate(host)
        start = trio.current_time()
        await scene.house.relay.end(scene.prepared.session.id)
        await host.hear("The technician ended the session. The support program was removed")
        assert await host.wait() == 0
        assert trio.current_time() - start < 5
        assert host.traces() == []
        assert host.complained == ""
    assert (await scene.session()).removal == "confirmed"


async def test_ctrl_c_ends_the_session(scene: Scene) -> None:
    async with scene.host() as host:
        await scene.activate(host)
        host.send(signal.SIGINT)
        await host.hear("You ended the session")
        assert await host.wait() == 0
        assert host.traces() == []
    session = await scene.session()
    assert (session.end_reason, session.removal) == ("customer", "confirmed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_shutdown_keeps_an_active_session_which_comes_back(
    scene: Scene, number: signal.Signals
) -> None:
    async with scene.host() as host:
        await scene.activate(host)
        host.send(number)
        assert await host.wait() == 0
    assert (await scene.session()).state == "active"
    async with scene.host("--resume", scene.session_folder) as host:
        await host.hear("Connected for support")
        host.send(signal.SIGINT)
        assert await host.wait() == 0
        assert host.traces() == []


async def test_a_killed_host_comes_back_by_its_link_too(scene: Scene) -> None:
    async with scene.host() as host:
        await scene.activate(host)
        host.send(signal.SIGKILL)
        assert await host.wait() == -signal.SIGKILL
    async with scene.host() as host:
        await host.hear("Connected for support")
        assert "code: " not in host.said
        host.send(signal.SIGINT)
        assert await host.wait() == 0
        assert host.traces() == []


async def test_a_shutdown_before_the_session_removes_everything(scene: Scene) -> None:
    async with scene.host() as host:
        await host.hear("code: $")
        host.send(signal.SIGTERM)
        assert await host.wait() == 1
        assert "stopped before the session began" in host.said
        assert host.traces() == []
    assert (await scene.session()).state in ("waiting", "prepared")  # the link is still good


async def test_nobody_there_to_type_is_said_and_everything_removed(scene: Scene) -> None:
    async with scene.host() as host:
        await host.hang_up()
        assert await host.wait() == 1
        assert "nobody here to type the security code" in host.said
        assert host.traces() == []


async def test_a_dead_link_is_said_and_nothing_installed(scene: Scene) -> None:
    await scene.house.relay.end(scene.prepared.session.id)
    async with scene.host() as host:
        assert await host.wait() == 1
    assert host.complained.startswith("adhoc-host: This link is not valid any more")
    assert host.traces() == []
    session = await scene.session()
    assert session.funnel[-1].step == "refused_dead_link"


async def test_a_computer_that_is_managed_already_is_refused_and_the_technician_sees_it(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # What each Linux computer has, as if it were the operator's own agent.
    async with open_relay(tmp_path / "relay", managed_hosts="file:/usr/bin/env") as house:
        scene = Scene(house, await house.relay.prepare(CUSTOMER), home)
        async with scene.host() as host:
            assert await host.wait() == 1
        assert "remote support software already (/usr/bin/env)" in host.complained
        assert host.complained.count("\n") == 1
        assert host.traces() == []
        session = await scene.session()
        assert session.state == "prepared"
        assert [step.step for step in session.funnel] == ["refused_managed_host"]


async def test_a_link_given_on_standard_input_is_not_on_the_command_line(scene: Scene) -> None:
    async with scene.host("-") as host:
        await host.type(scene.link)
        await host.hear("code: $")
        host.send(signal.SIGINT)
        assert await host.wait() == 0


async def test_a_second_host_is_refused_while_the_first_runs_and_harms_it_not(scene: Scene) -> None:
    async with scene.host() as first:
        await first.hear("code: $")
        async with scene.host() as second:
            assert await second.wait() == 1
        assert second.complained == (
            "adhoc-host: Another temporary support session is running on this computer.\n"
        )
        assert (scene.session_folder / "state").exists()
        first.send(signal.SIGTERM)
        assert await first.wait() == 1
        assert first.traces() == []


async def test_a_removal_that_was_cut_short_is_finished_by_the_next_start(scene: Scene) -> None:
    async with scene.host() as host:
        await scene.activate(host)
        host.send(signal.SIGKILL)
        await host.wait()
    folder = scene.session_folder
    installation = Installation.open(folder)
    installation._set_phase("ending")
    (folder / "state").unlink()
    async with scene.host("--resume", folder) as host:
        assert await host.wait() == 0
        assert "was removed" in host.said
        assert host.traces() == []


async def test_a_removal_that_was_cut_short_is_reported_by_the_next_start(scene: Scene) -> None:
    async with scene.host() as host:
        await scene.activate(host)
        host.send(signal.SIGKILL)
        await host.wait()
    await scene.house.relay.end(scene.prepared.session.id)
    folder = scene.session_folder
    farewell = Farewell.of(HostState.load(folder), CloseReason.ENDED_BY_TECHNICIAN, {"file_written": 3})
    assert farewell is not None
    farewell.save(folder)
    Installation.open(folder)._set_phase("ending")
    (folder / "state").unlink()
    assert (await scene.session()).removal == "pending"
    async with scene.host("--resume", folder) as host:
        assert await host.wait() == 0
        assert host.traces() == []
    assert (await scene.session()).removal == "confirmed"


async def test_a_damaged_memory_of_the_session_removes_what_is_left(scene: Scene) -> None:
    async with scene.host() as host:
        await scene.activate(host)
        host.send(signal.SIGKILL)
        await host.wait()
    (scene.session_folder / "state").write_bytes(b"damaged")
    async with scene.host("--resume", scene.session_folder) as host:
        assert await host.wait() == 1
        assert host.complained.count("\n") == 1
        assert host.traces() == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nonsense"], 2),
        ([], 2),
        (["--resume", "/nowhere/adhoc-host/0123456789abcdef", "--display", ":1"], 1),
        (["https://r.example/d/AAAAAAAAAAAAAAAAAAAAAA#AAAAAAAAAAAAAAAAAAAAAA.x"], 1),  # no display
    ],
)
async def test_what_cannot_start_is_one_line_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    async with open_host([*HOST, *arguments], tmp_path, display="") as host:
        assert await host.wait() == code
    assert host.complained.startswith("adhoc-host: ")
    assert host.complained.count("\n") == 1
    assert host.traces() == []


async def test_where_there_is_a_display_the_customer_gets_a_window(scene: Scene) -> None:
    async with (
        open_xvfb(800, 600) as desktop,
        open_host([*HOST, scene.link], scene.home, display=desktop.display) as host,
    ):
        search = ["xdotool", "search", "--sync", "--onlyvisible", "--class", "Adhoc-host"]
        with trio.fail_after(PATIENCE):
            await trio.run_process(search, env=desktop.environment, stdout=subprocess.DEVNULL)
        host.send(signal.SIGTERM)
        assert await host.wait() == 1
        assert (host.said, host.complained) == ("", "")
        assert host.traces() == []


async def test_where_no_window_can_be_opened_the_terminal_does(scene: Scene) -> None:
    async with open_host([*HOST, scene.link], scene.home, display=":987") as host:
        await host.hear("code: $")
        host.send(signal.SIGTERM)
        assert await host.wait() == 1
        assert host.traces() == []


async def test_a_folder_that_cannot_be_written_is_one_line(scene: Scene) -> None:
    (scene.home / ".local").write_text("a file")
    async with scene.host() as host:
        with trio.fail_after(PATIENCE):
            assert await host.wait() == 1
    assert "cannot be installed here" in host.complained
    assert host.traces() == [".local"]
