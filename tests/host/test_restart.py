"""Restarting the computer: announced, refusable, written down, and only if the program comes back."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
import trio
import trio.testing

from host import restart as restart_module
from host.asking import ConsentDesk
from host.permissions import Permissions
from host.problems import RequestProblem
from host.record import SessionRecord
from host.restart import REFUSAL_SECONDS, Mode, Restarts, act_of, restart_computer, serve_restart
from host.state import HostState
from host.texts import Texts
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import DeploymentLink
from relay.protocol.maps import encode_map
from technician.errors import ToolFailed
from technician.requests import RequestClient
from technician.restart import ask_restart
from tests.helpers.tool_pairs import joined
from tests.host.scripted_customer import ScriptedCustomer

LINK = DeploymentLink(
    origin="https://relay.example", invite=bytes(16), secret=SecretBytes(bytes(16)), access_password="a"
)


class Scene:
    """A host whose restarts are written down instead of done."""

    def __init__(self) -> None:
        self.customer = ScriptedCustomer([])
        self.desk = ConsentDesk(Permissions(HostState.fresh(LINK), lambda: None), self.customer)
        self.way: Literal["boot", "sign_in", ""] = "boot"
        self.done: list[Mode] = []
        self.problem: RequestProblem | None = None
        self.goes_down_at_once = False
        self.restarts = Restarts(record=SessionRecord(None), way=lambda: self.way, restart=self._restart)

    def _restart(self, mode: Mode) -> None:
        if self.problem is not None:
            raise self.problem
        self.done.append(mode)
        if self.goes_down_at_once:
            trio.from_thread.run_sync(self._close)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[RequestClient]:
        viewer, host = joined()
        self._close = host.close
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                stream = MessageStream(host)
                try:
                    await serve_restart(stream, self.desk, self.restarts, Texts("en"), technician="Tess")
                except StreamClosed:
                    host.close()

            nursery.start_soon(serve)  # noqa: ASYNC113 - a memory stream holds what comes early
            yield RequestClient(MessageStream(viewer))
            nursery.cancel_scope.cancel()


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_the_customer_sees_it_and_then_it_happens(
    autojump_clock: trio.testing.MockClock, scene: Scene
) -> None:
    began = trio.current_time()
    async with scene.client() as client:
        assert await ask_restart(client, "normal") == "boot"
    assert scene.done == ["normal"]
    assert trio.current_time() - began >= REFUSAL_SECONDS
    sentence = Texts("en").get("restart", technician="Tess", seconds=REFUSAL_SECONDS)
    assert ("announced", sentence) in scene.customer.shown
    assert [(act["technician"], act["act"]) for act in scene.restarts.record.acts()] == [
        ("Tess", "restarted")
    ]


async def test_a_computer_that_goes_down_before_it_could_say_so(
    autojump_clock: trio.testing.MockClock, scene: Scene
) -> None:
    scene.goes_down_at_once = True
    async with scene.client() as client:
        assert await ask_restart(client, "normal") == "boot"
    assert scene.done == ["normal"]


async def test_the_customer_can_say_no(autojump_clock: trio.testing.MockClock, scene: Scene) -> None:
    scene.customer.say_no()
    async with scene.client() as client:
        with pytest.raises(ToolFailed, match="said no"):
            await ask_restart(client, "normal")
    assert scene.done == []
    assert scene.restarts.record.acts() == []


async def test_nobodys_input_reaches_the_desktop_while_it_is_announced(
    autojump_clock: trio.testing.MockClock, scene: Scene
) -> None:
    async with scene.client() as client, trio.open_nursery() as nursery:
        nursery.start_soon(ask_restart, client, "normal")
        await scene.customer.wait_shown("announced")
        assert scene.desk.gate.is_closed
    assert not scene.desk.gate.is_closed


async def test_a_program_that_would_not_come_back_restarts_nothing(
    autojump_clock: trio.testing.MockClock, scene: Scene
) -> None:
    scene.way = ""
    async with scene.client() as client:
        with pytest.raises(ToolFailed, match="would not come back"):
            await ask_restart(client, "normal")
        scene.way = "sign_in"
        assert await ask_restart(client, "normal") == "sign_in"
    assert scene.done == ["normal"]


async def test_one_announcement_at_a_time(autojump_clock: trio.testing.MockClock, scene: Scene) -> None:
    async with scene.client() as first, scene.client() as second, trio.open_nursery() as nursery:
        nursery.start_soon(ask_restart, first, "normal")
        await scene.customer.wait_shown("announced")
        with pytest.raises(ToolFailed, match="Somebody else"):
            await ask_restart(second, "normal")
    assert scene.done == ["normal"]


async def test_what_the_system_does_not_allow_is_told(
    autojump_clock: trio.testing.MockClock, scene: Scene
) -> None:
    scene.problem = RequestProblem("denied", "Interactive authentication required.")
    async with scene.client() as client:
        with pytest.raises(ToolFailed, match="may not restart"):
            await ask_restart(client, "normal")


@pytest.mark.parametrize("fields", [{}, {"mode": "turbo"}, {"mode": 1}, {"mode": "normal" * 100}])
async def test_a_request_that_is_none_ends_the_stream(scene: Scene, fields: dict[str, object]) -> None:
    async with scene.client() as client:
        number = await client.ask("restart", **fields)
        with pytest.raises(StreamClosed):
            await client.answer_to(number)
    assert scene.customer.shown == []


def test_what_a_control_stream_is_for() -> None:
    assert act_of(encode_map({})) == ""
    assert act_of(encode_map({"act": "restart"})) == "restart"
    for claims in (
        encode_map({"act": "format"}),
        encode_map({"other": "x"}),
        encode_map({"act": 1}),
        b"",
        b"\xff",
    ):
        with pytest.raises(RemoteProtocolError):
            act_of(claims)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the system's programs."""
    monkeypatch.setattr(restart_module, "_PROGRAM_PATH", str(tmp_path))
    return tmp_path


def write_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f'#!/bin/sh\necho "$*" > {folder}/called\n{script}\n')
    (folder / name).chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="Linux's programs")
def test_logind_is_asked_where_there_is_systemd(programs: Path) -> None:
    write_program(programs, "systemctl", "")
    write_program(programs, "shutdown", "exit 1")
    restart_computer("normal")
    assert (programs / "called").read_text() == "--no-ask-password reboot\n"


def test_without_systemd_it_is_done_as_root_does_it(programs: Path) -> None:
    with pytest.raises(RequestProblem) as caught:
        restart_computer("normal")
    assert caught.value.code == "unavailable"
    write_program(programs, "shutdown", "")
    restart_computer("normal")
    assert (programs / "called").read_text() == "-r now\n"


def test_a_user_who_may_not_is_told_what_the_system_said(programs: Path) -> None:
    write_program(programs, "systemctl", "echo 'Access denied' >&2; exit 1")
    with pytest.raises(RequestProblem) as caught:
        restart_computer("normal")
    assert (caught.value.code, caught.value.detail) == ("denied", "Access denied")


def test_safe_mode_is_windows(programs: Path) -> None:
    write_program(programs, "systemctl", "")
    with pytest.raises(RequestProblem) as caught:
        restart_computer("safe")
    assert caught.value.code == "unavailable"
    assert not (programs / "called").exists()
