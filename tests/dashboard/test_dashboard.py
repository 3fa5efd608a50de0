"""The Dashboard's two ends together, on this machine; and what a hostile viewer or host gets."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
import trio.testing

from host.dashboard import History, keep_history
from host.dashboard.differences import Baseline, take_snapshot
from host.dashboard.history import SLOTS, STEP
from host.dashboard.measuring import Load
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from technician.dashboard import DashboardClient, Past
from technician.dashboard import Load as SeenLoad
from technician.requests import RequestRefused
from tests.helpers.dashboard_house import House
from tests.helpers.tool_pairs import MemoryEnd, joined

IDLE = Load(
    cpu=12.5,
    cores=(10.0, 15.0),
    memory_used=1,
    memory_total=2,
    swap_used=0,
    swap_total=0,
    disk_read=1.0,
    disk_written=2.0,
    received=3.0,
    sent=4.0,
)

UNITS = """[
    {"unit": "cups.service", "load": "loaded", "active": "active", "sub": "running",
     "description": "Printing"},
    {"unit": "gone.service", "load": "not-found", "active": "inactive", "sub": "dead", "description": ""}
]"""
TIMERS = '[{"next": 1800000000000000, "unit": "fstrim.timer", "activates": "fstrim.service"}]'
EVENTS = """
{"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "1800000000000000", "PRIORITY": "3",
"_SYSTEMD_UNIT": "cups.service", "_PID": "7", "MESSAGE": "paper jam"}
{"__CURSOR": "s=0", "__REALTIME_TIMESTAMP": "1799999999000000",
"SYSLOG_IDENTIFIER": "x", "MESSAGE": [104, 105, 255]}
no JSON at all
""".replace(",\n", ", ")

PROGRAMS = {
    "systemctl": f"""
case "$*" in
  *list-units*) echo '{UNITS}' ;;
  *list-unit-files*) echo '[{{"unit_file": "cups.service", "state": "enabled"}}]' ;;
  *list-timers*) echo '{TIMERS}' ;;
  *"restart cups.service") echo "$*" >>"$(dirname "$0")/done" ;;
  *) echo "Access denied" >&2; exit 1 ;;
esac
""",
    "journalctl": f"""
echo "$*" >>"$(dirname "$0")/asked"
echo '{EVENTS}'
case "$*" in *--follow*) exec sleep 600 ;; esac
""",
    "dpkg-query": r"""
printf 'installed\tbash\t5.2\t7000\tGNU shell\n'
printf 'config-files\told\t1\t1\tgone\n'
""",
    "crontab": """
echo '# a comment'
echo 'MAILTO=root'
echo '*/5 * * * * backup --all'
""",
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The Dashboard of this machine."""
    house = House(tmp_path)
    with house.history:
        yield house


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that answer as those of a running system do, found before its own; their folder."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, script in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


# Looking


async def test_the_system_is_told(house: House) -> None:
    async with house.open() as client:
        told = await client.system()
    assert told["memory"] == psutil.virtual_memory().total
    assert told["booted_at"] == int(psutil.boot_time())
    assert told["processor"]["threads"] == psutil.cpu_count()
    assert any(each["name"] == "lo" for each in told["adapters"])
    assert all(each["used"] <= each["total"] for each in told["disks"])


async def test_the_last_day_comes_at_once_with_gaps_and_then_each_second(house: House) -> None:
    house.history.note(IDLE)
    async with house.open() as client, aclosing(client.watch()) as watched:
        past = await anext(watched)
        assert isinstance(past, Past)
        assert {len(column) for column in past.columns.values()} == {SLOTS}
        known = [value for value in past.columns["cpu"] if value is not None]
        assert known == [12.5]
        assert [value for value in past.columns["memory"] if value is not None] == [50.0]
        load = await anext(watched)
        assert isinstance(load, SeenLoad)
        assert len(load.cores) == psutil.cpu_count()
        assert 0 < load.memory_used <= load.memory_total
        assert 0 < len(load.top) <= 10
        assert isinstance(await anext(watched), SeenLoad)


async def test_processes_are_listed_and_ended_but_not_ones_that_took_their_number(house: House) -> None:
    process = await trio.lowlevel.open_process([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        async with house.open() as client:
            row = next(row for row in await client.rows("processes") if row["pid"] == process.pid)
            assert row["parent"] == os.getpid()
            assert "time.sleep(600)" in row["command"]
            with pytest.raises(RequestRefused) as refused:
                await client.end_process(row["pid"], row["started"] + 10)
            assert refused.value.code == "missing"
            assert (await client.set_priority(row["pid"], row["started"], "low"))["priority"] == 10
            done = await client.end_process(row["pid"], row["started"], force=True)
    finally:
        process.kill()
        with trio.move_on_after(10, shield=True):
            await process.wait()
    assert (done["ended"], done["left"]) == (1, 0)
    assert [act["act"] for act in house.record.acts()] == ["priority_changed", "process_ended"]
    assert house.record.counts() == {"priority_changed": 1, "process_ended": 1}


async def test_the_support_program_is_not_ended_by_a_viewer(house: House) -> None:
    started = round(psutil.Process().create_time() * 1000)
    async with house.open() as client:
        with pytest.raises(RequestRefused) as refused:
            await client.end_process(os.getpid(), started, tree=True, force=True)
    assert refused.value.code == "own"
    assert house.record.acts() == []


async def test_services_tasks_software_are_what_the_systems_programs_say(
    house: House, programs: Path
) -> None:
    async with house.open() as client:
        assert await client.rows("services") == [
            {
                "name": "cups.service",
                "description": "Printing",
                "state": "active",
                "detail": "running",
                "start": "enabled",
            }
        ]
        tasks = await client.rows("schedule")
        software = await client.rows("software")
        await client.control_service("cups.service", "restart")
        with pytest.raises(RequestRefused) as refused:
            await client.control_service("cups.service", "stop")
    assert {"backup --all", "fstrim.service"} <= {task["command"] for task in tasks}
    assert software == [{"name": "bash", "version": "5.2", "size": 7_168_000, "summary": "GNU shell"}]
    assert (programs / "done").read_text().strip().endswith("restart cups.service")
    assert refused.value.code == "denied"
    assert [act["detail"] for act in house.record.acts()] == ["cups.service"]


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("cups.service", "mask"),
        ("--help.service", "start"),
        ("a b.service", "start"),
        ("cups.service\n", "start"),
        ("cups.socket", "start"),
    ],
)
async def test_no_option_or_other_unit_gets_to_systemctl(
    house: House, programs: Path, name: str, action: str
) -> None:
    async with house.open() as client:
        with pytest.raises(RequestRefused) as refused:
            await client.control_service(name, action)
    assert refused.value.code == "bad_value"


async def test_the_event_log_is_read_and_followed(house: House, programs: Path) -> None:
    async with house.open() as client:
        events = await client.events(limit=10, priority=4, unit="cups.service", pattern="--jam")
        assert [event["message"] for event in events] == ["paper jam", "hi\ufffd"]
        assert (events[0]["at"], events[0]["priority"], events[0]["pid"]) == (1_800_000_000_000, 3, 7)
        async with aclosing(client.follow()) as followed:
            assert (await anext(followed))["message"] == "paper jam"
    asked = (programs / "asked").read_text()
    assert "--unit=cups.service --grep=--jam" in asked


async def test_ports_startup_and_environment_are_told(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    autostart = tmp_path / "autostart"
    autostart.mkdir()
    entry = "[Desktop Entry]\nName=Backup 100%\nExec=backup %U\nHidden=true\n"
    (autostart / "b.desktop").write_text(entry)
    (autostart / "broken.desktop").write_text("no section = here\n[")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("ADHOC_SECRET", "not told")
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, house.open() as client:
        port = listener.socket.getsockname()[1]
        ports = await client.rows("ports")
        startup = await client.rows("startup")
        environment = {row["name"]: row["value"] for row in await client.rows("environment")}
    own = next(row for row in ports if row["port"] == port)
    assert (own["protocol"], own["address"], own["pid"]) == ("tcp", "127.0.0.1", os.getpid())
    backup = next(row for row in startup if row["name"] == "Backup 100%")
    assert (backup["command"], backup["is_enabled"]) == ("backup %U", False)
    assert environment["XDG_CONFIG_HOME"] == str(tmp_path)
    assert "ADHOC_SECRET" not in environment


async def test_what_changed_since_the_first_connection(
    house: House, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    async with house.open() as client:
        with pytest.raises(RequestRefused):
            await client.changes()
        house.baseline.keep(take_snapshot())
        (tmp_path / "autostart").mkdir()
        (tmp_path / "autostart" / "new.desktop").write_text("[Desktop Entry]\nName=New\nExec=spy\n")
        since, changes = await client.changes()
    assert since > 0
    assert changes["startup"] == [
        {"name": str(tmp_path / "autostart" / "new.desktop"), "before": None, "after": "spy"}
    ]
    assert "software" not in changes
    # After a restart of the program the first look is still the first.
    assert Baseline(tmp_path / "before").is_kept


# The ring


def test_the_ring_survives_the_program_and_forgets_after_a_day(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    with History(tmp_path / "history", now=lambda: now) as history:
        history.note(IDLE)
    with History(tmp_path / "history", now=lambda: now + 600) as history:
        past = history.read()
    assert past["began_at"] + (SLOTS - 1) * STEP == now + 600
    assert past["cpu"][SLOTS - 1 - 60] == 12.5
    assert past["cpu"].count(None) == SLOTS - 1
    with History(tmp_path / "history", now=lambda: now + 24 * 3600) as history:
        assert history.read()["cpu"] == [None] * SLOTS
    assert (tmp_path / "history").stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_place_of_the_ring_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "history").symlink_to(victim)
    with pytest.raises(OSError, match=r".*"):
        History(tmp_path / "history")
    assert victim.read_text() == "precious"


@pytest.fixture
def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What measures does so at once: the clock would jump while a thread is at it."""

    async def run_at_once(work: Callable[[], object]) -> object:
        await trio.lowlevel.checkpoint()
        return work()

    monkeypatch.setattr(trio.to_thread, "run_sync", run_at_once)


@pytest.mark.usefixtures("without_threads")
async def test_what_cannot_be_measured_is_a_gap_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    began_at = trio.current_time()
    answers = iter(
        [psutil.AccessDenied(), None, RuntimeError("counters are off"), None, KeyError("MemFree"), None]
    )
    measured = psutil.virtual_memory()

    def memory() -> object:
        problem = next(answers)
        if problem is not None:
            raise problem
        return measured

    monkeypatch.setattr(psutil, "virtual_memory", memory)
    with History(tmp_path / "history", now=lambda: 1_800_000_000 + trio.current_time() - began_at) as history:
        with trio.move_on_after(6.5 * STEP):
            await keep_history(history)
        kept = history.read()["cpu"][-7:]
    assert [value is None for value in kept] == [True, True, False, True, False, True, False]


@pytest.mark.usefixtures("without_threads")
async def test_a_system_that_tells_nothing_at_first_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    ask: Callable[..., Any] = psutil.cpu_times
    answers = iter([OSError("no /proc"), ValueError("not a number")])

    def times(percpu: bool = False) -> Any:
        for problem in answers:
            raise problem
        return ask(percpu)

    monkeypatch.setattr(psutil, "cpu_times", times)
    with History(tmp_path / "history") as history:
        with trio.move_on_after(3.5 * STEP):
            await keep_history(history)
        assert history.read()["cpu"][-1] is not None


async def test_a_viewer_is_told_that_the_load_cannot_be_measured(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "disk_io_counters", lambda: {"sda": 1}["sdb"])
    async with house.open() as client:
        with pytest.raises(RequestRefused):
            await last_of(client)
        assert (await client.system())["memory"]


# Hostile ends


async def last_of(client: DashboardClient) -> None:
    async with aclosing(client.watch()) as watched:
        async for _ in watched:
            pass


@pytest.mark.parametrize(
    "request_",
    [
        {"id": 1, "op": "format"},
        {"id": -1, "op": "system"},
        {"id": 1, "op": "end", "pid": "1", "started": 0},
        {"id": 1, "op": "end", "pid": 1 << 40, "started": 0},
        {"id": 1, "op": "events", "limit": 10**9},
        {"id": 1, "op": "events", "limit": 1, "pattern": "x" * 201},
        {"op": "system"},
    ],
)
async def test_a_viewer_that_breaks_the_protocol_loses_its_stream(house: House, request_: Any) -> None:
    async with house.open() as client:
        await client.stream.send(request_)
        with pytest.raises(StreamClosed):
            await client.answer_to(1)
    assert house.closed is not None
    assert house.closed.close_reason is CloseReason.BAD_FRAME


@pytest.mark.parametrize(
    "answers",
    [
        [{"id": 1, "history": "cpu", "start": 0, "values": [0.0] * 4096}] * 3,
        [{"id": 1, "history": "secrets", "start": 0, "values": []}],
        [{"id": 1, "begins": {"began_at": -1, "step": 10}}],
        [{"id": 1, "begins": {"began_at": 1, "step": 0}}],
        [{"id": 1, "begins": {"began_at": 1, "step": 10}}, {"id": 1, "now": {"cpu": "9", "cores": []}}],
        [{"id": 2, "begins": {}}],
        [{"id": 1, "begins": []}],
    ],
)
async def test_a_host_that_tells_nonsense_is_hung_up_on(answers: list[dict[str, object]]) -> None:
    near, far = joined()
    host = MessageStream(far)

    async def tell(end: MemoryEnd) -> None:
        for answer in answers:
            await host.send(answer)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell, far)
        with pytest.raises(StreamClosed) as closed:
            await last_of(DashboardClient(MessageStream(near)))
        assert closed.value.close_reason is CloseReason.BAD_FRAME
        nursery.cancel_scope.cancel()
