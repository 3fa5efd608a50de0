"""The Dashboard between ends that mean no good: a viewer with absurd requests, a computer with absurd things
on it, and a host with absurd answers.
"""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from host.dashboard.service import MAX_LIVE
from host.requests import showable
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import MAX_STREAMS_PER_VIEWER
from relay.protocol.messages import MAX_HEAD_BYTES
from technician.dashboard import DashboardClient, Past
from technician.dashboard.client import MAX_KINDS, MAX_ROWS
from technician.dashboard.commands import _picture, _print_events, _print_rows
from technician.requests import RequestRefused
from tests.helpers.dashboard_house import House
from tests.helpers.tool_pairs import joined

PATIENCE = 30.0
SPITEFUL = "\x1b[31mred\x07\u202e[bold]\r\ntwo"
LOAD = {
    "cpu": 1.0,
    "cores": [1.0],
    **{name: {"used": 1, "total": 2} for name in ("memory", "swap")},
    "disk": {"read": 1, "written": 2},
    "network": {"received": 1, "sent": 2},
    "top": [],
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The Dashboard of this machine."""
    house = House(tmp_path)
    with house.history:
        yield house


# A hostile viewer


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"id": 1},
        {"id": True, "op": "system"},
        {"id": 1 << 32, "op": "system"},
        {"id": 1, "op": "__class__"},
        {"id": 1, "op": ["system"]},
        {"id": 1, "op": "x" * 10_000},
        {"id": 1, "op": "end", "pid": -1, "started": 0},
        {"id": 1, "op": "end", "pid": 1, "started": -1},
        {"id": 1, "op": "end", "pid": 1, "started": 0, "tree": "yes"},
        {"id": 1, "op": "priority", "pid": 1, "started": 0, "priority": -20},
        {"id": 1, "op": "service", "name": "x" * 257, "action": "stop"},
        {"id": 1, "op": "events", "limit": 0},
        {"id": 1, "op": "events", "limit": -5},
        {"id": 1, "op": "events", "limit": 1, "priority": 8},
        {"id": 1, "op": "events", "limit": 1, "before": "x" * 501},
        {"id": 1, "op": "follow", "unit": 7},
    ],
    ids=str,
)
async def test_an_absurd_request_costs_the_viewer_its_stream(house: House, request_: dict[str, Any]) -> None:
    async with house.open() as client:
        await client.stream.send(request_)
        with pytest.raises(StreamClosed):
            await client.answer_to(1)
    assert house.closed is not None
    assert house.closed.close_reason is CloseReason.BAD_FRAME
    assert house.record.acts() == []


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "end", "pid": 0, "started": 0},
        {"op": "end", "pid": 1, "started": 0, "tree": True, "force": True},
        {"op": "end", "pid": (1 << 32) - 1, "started": 1 << 53},
        {"op": "priority", "pid": (1 << 32) - 1, "started": 0, "priority": "low"},
        {"op": "priority", "pid": 1, "started": 0, "priority": "highest"},
        {"op": "service", "name": "--force", "action": "stop"},
        {"op": "service", "name": "a\0b.service", "action": "stop"},
        {"op": "service", "name": "x.service", "action": "poweroff"},
        {"op": "events", "limit": 1, "unit": "a\0b"},
        {"op": "events", "limit": 1, "pattern": "(((((("},
        {"op": "events", "limit": 1, "before": "a\0b"},
        {"op": "follow", "unit": "a\0b"},
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused_and_the_stream_goes_on(
    house: House, request_: dict[str, Any]
) -> None:
    async with house.open() as client:
        with trio.fail_after(PATIENCE):
            number = await client.ask(**request_)
            with pytest.raises(RequestRefused):
                await client.answer_to(number)
            assert await client.rows("record") == []
    assert house.closed is None


async def test_a_map_as_large_as_a_message_may_be_is_an_ordinary_request(house: House) -> None:
    async with house.open() as client:
        filler: dict[str, object] = {f"x{number}": [[[]]] * 10 for number in range(4000)}
        assert await client.ask_ok("record", **filler) == {"count": 0}
        with pytest.raises(StreamClosed):
            await client.ask_ok("record", filler="x" * MAX_HEAD_BYTES)


async def test_thousands_of_requests_wait_until_the_answers_are_read(house: House) -> None:
    house.record.note("Anna", "process_ended", "x")
    sent = 0

    async def ask_on() -> None:
        nonlocal sent
        for _ in range(20_000):
            await client.ask("record")
            sent += 1

    async with house.open() as client, trio.open_nursery() as nursery:
        nursery.start_soon(ask_on)
        before = -1
        with trio.fail_after(PATIENCE):
            while sent != before:  # until nothing goes on any more
                before = sent
                await trio.testing.wait_all_tasks_blocked(0.2)
            assert sent < 100
            for number in range(1, 200):
                assert (await client.answer_to(number)).head["rows"]
                assert (await client.answer_to(number)).head["ok"] == {"count": 1}
        nursery.cancel_scope.cancel()


async def test_not_everything_that_could_be_watched_is_watched_at_once(house: House) -> None:
    assert MAX_LIVE < MAX_STREAMS_PER_VIEWER
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(house.open()) for _ in range(MAX_LIVE + 4)]
        watched = [await stack.enter_async_context(aclosing(client.watch())) for client in clients]
        for each in watched[:MAX_LIVE]:
            assert isinstance(await anext(each), Past)
        for each in watched[MAX_LIVE:]:
            with pytest.raises(RequestRefused, match="busy"):
                await anext(each)
        assert await clients[-1].rows("record") == []  # everything else goes on
    async with house.open() as client, aclosing(client.watch()) as again:
        assert isinstance(await anext(again), Past)


# A computer with absurd things on it


@pytest.fixture
def absurd_child() -> Iterator[int]:
    """The number of a process with an absurd command line."""
    command: list[str | bytes] = [
        sys.executable,
        "-c",
        "import time; time.sleep(600)",
        b"caf\xe9",
        "x" * 100_000,
    ]
    with subprocess.Popen(command, env={}) as child:
        yield child.pid
        child.kill()


async def test_processes_and_variables_of_any_size_and_bytes_are_told(
    house: House, monkeypatch: pytest.MonkeyPatch, absurd_child: int
) -> None:
    for number in range(40):
        monkeypatch.setenv(f"HUGE_{number}", "\N{GRINNING FACE}" * 20_000)
    monkeypatch.setenv(os.fsdecode(b"BYTES_\xff"), os.fsdecode(b"caf\xe9"))
    async with house.open() as client:
        with trio.fail_after(PATIENCE):
            variables = {row["name"]: row["value"] for row in await client.rows("environment")}
            found = {row["pid"]: row["command"] for row in await client.rows("processes")}
    assert {f"HUGE_{number}" for number in range(40)} <= variables.keys()
    assert variables["BYTES_\ufffd"] == "caf\ufffd"
    assert " caf\ufffd xxx" in found[absurd_child]


async def test_what_a_viewer_would_not_take_is_not_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.dashboard.service.MAX_ROWS_BYTES", 5000)
    for number in range(100):
        house.record.note("Anna", "file_written", f"{number} {'x' * 200}")
    async with house.open() as client:
        with trio.fail_after(PATIENCE):
            told = await client.rows("record")
    assert 10 < len(told) < 25
    assert told[0]["detail"].startswith("0 ")


def test_what_is_no_text_can_be_shown() -> None:
    told = {"na\udce9me": ["\ud800", {"x": "é\udfff\N{GRINNING FACE}"}, 7, None]}
    assert showable(told) == {"na\ufffdme": ["\ufffd", {"x": "é\ufffd\N{GRINNING FACE}"}, 7, None]}


# A hostile host


@asynccontextmanager
async def host_that_says(answers: Sequence[dict[str, Any]]) -> AsyncIterator[DashboardClient]:
    """A client of a host that says this over and over, whatever is asked."""
    near, far = joined()
    host = MessageStream(far)

    async def tell() -> None:
        try:
            while True:
                for answer in answers:
                    await host.send({"id": 1, **answer})
        except StreamClosed:
            return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        yield DashboardClient(MessageStream(near))
        nursery.cancel_scope.cancel()


async def _watch(client: DashboardClient) -> None:
    async with aclosing(client.watch()) as watched:
        async for _ in watched:
            pass


ASK: dict[str, Callable[[DashboardClient], Awaitable[object]]] = {
    "system": lambda client: client.system(),
    "rows": lambda client: client.rows("processes"),
    "events": lambda client: client.events(),
    "changes": lambda client: client.changes(),
    "end": lambda client: client.end_process(1, 2),
    "watch": _watch,
}


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("system", {"ok": []}),
        ("system", {"ok": {"computer": b"bytes"}}),
        ("system", {"ok": {"memory": float("nan")}}),
        ("system", {"ok": {"disks": [[[[[[[[[[[]]]]]]]]]]]}}),
        ("rows", {"rows": [{"name": "x"}] * 4096}),  # without end
        ("rows", {"rows": []}),  # without end, and nothing in it
        ("rows", {"rows": {}}),
        ("rows", {"rows": ["x"]}),
        ("rows", {"rows": [{"name": b"x"}]}),
        ("rows", {"rows": [{"cpu": float("inf")}]}),
        ("rows", {"rows": [{b"name": "x"}]}),
        ("rows", {"rows": [{"name": []}]}),
        ("rows", {"rows": [{"name": {"x": 1}}]}),
        ("rows", {"rows": [{f"field {number}": 1 for number in range(33)}]}),
        ("rows", {"rows": [{"name": "x" * 200_000}]}),  # few rows, and memory without end
        ("events", {"rows": [{"message": "x"}] * 101}),  # more than was asked for
        ("changes", {"kind": "software", "rows": [{"name": "x" * 200_000}]}),
        ("events", {"rows": [{"message": "x"}] * 4096}),
        ("changes", {"kind": "software", "rows": [{"name": "x"}] * 4096}),
        ("changes", {"kind": 7, "rows": [{"name": "x"}]}),
        ("changes", {"kind": "x" * 33, "rows": [{"name": "x"}]}),
        ("changes", {"ok": {"since": 1 << 50}}),
        ("changes", {"ok": {"since": -1}}),
        ("end", {"ok": {}}),
        ("end", {"ok": {"name": "x", "ended": -1, "left": 0}}),
        ("watch", {"history": "cpu", "start": 0, "values": []}),
        ("watch", {"history": "cpu", "start": 0, "values": [1.0] * 4096}),
        ("watch", {"history": ["cpu"], "start": 0, "values": [1.0]}),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_an_absurd_answer_costs_the_host_its_stream(asked: str, answer: dict[str, Any]) -> None:
    async with host_that_says([answer]) as client:
        with trio.fail_after(PATIENCE), pytest.raises(StreamClosed) as closed:
            await ASK[asked](client)
    assert closed.value.close_reason is CloseReason.BAD_FRAME


async def test_endlessly_many_kinds_of_changes_are_too_many() -> None:
    answers = [{"kind": f"kind {number}", "rows": [{"name": "x"}]} for number in range(MAX_KINDS + 1)]
    async with host_that_says(answers) as client:
        with pytest.raises(StreamClosed):
            await client.changes()


async def test_as_many_rows_as_there_may_be_are_taken() -> None:
    pages: list[dict[str, Any]] = [{"rows": [{"name": "x"}] * 200}] * (MAX_ROWS // 200)
    pages.append({"ok": {"count": MAX_ROWS}})
    async with host_that_says(pages) as client:
        assert len(await client.rows("software")) == MAX_ROWS


async def test_numbers_that_are_none_are_gaps_in_the_history() -> None:
    values = [float("nan"), float("inf"), "9", None, 12.5]
    answers: list[dict[str, Any]] = [
        {"history": "cpu", "start": 0, "values": values},
        {"begins": {"began_at": 1, "step": 10}},
        {"now": LOAD},
    ]
    async with host_that_says(answers) as client, aclosing(client.watch()) as watched:
        past, load = await anext(watched), await anext(watched)
    assert isinstance(past, Past)
    assert past.columns["cpu"] == [None, None, None, None, 12.5]
    assert not isinstance(load, Past)
    assert _picture({"computer": SPITEFUL, "os": {"a": [1]}}, past, load) is not None


async def test_an_error_word_of_the_hosts_making_is_a_plain_failure() -> None:
    async with host_that_says([{"error": SPITEFUL, "detail": SPITEFUL}]) as client:
        with pytest.raises(RequestRefused) as refused:
            await client.system()
    assert (refused.value.code, str(refused.value)) == ("failed", "That computer could not do it.")


def test_what_is_printed_controls_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"at": 1e300, "priority": SPITEFUL, "unit": [SPITEFUL], "message": {SPITEFUL: 1}, "name": SPITEFUL}
    _print_events([row, {"at": "yesterday"}, {"at": -1e300}])
    _print_rows([row], ("name", "at", "missing"), as_json=False)
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 4
    assert all(character.isprintable() or character in "\n\t" for character in shown)
    _print_rows([row], (), as_json=True)
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert "\x1b" not in shown
    assert json.loads(shown) == {"rows": [row]}
