"""The lag probe itself: it finds what holds a loop, and forgives what the machine does."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from relay.transport import open_first_looks
from tests.helpers.lag_probe import FIRST_LOOKS, LagProbe, LagReport
from tests.helpers.transports import open_socket_transports

pytestmark = pytest.mark.slow

MOST = 0.020
"""What a relay's step may hold the loop, in seconds."""


async def probed(work: Callable[[], Awaitable[None]]) -> LagReport:
    """What a probe finds in `work`."""
    probe = LagProbe()
    trio.lowlevel.add_instrument(probe)
    try:
        await trio.lowlevel.checkpoint()
        await work()
        await trio.lowlevel.checkpoint()
    finally:
        trio.lowlevel.remove_instrument(probe)
        probe.close()
    return probe.report()


def spin(seconds: float) -> None:
    """Compute for so much CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def test_a_step_that_sleeps_is_found() -> None:
    async def work() -> None:
        time.sleep(0.05)  # noqa: ASYNC251 - what must be found

    assert (await probed(work)).longest[0].held > MOST


async def test_a_step_that_asks_for_a_name_is_found_however_fast_the_answer_was() -> None:
    async def work() -> None:
        socket.getaddrinfo("127.0.0.1", 80)

    found = await probed(work)
    assert "socket.getaddrinfo" in [call.partition(" in ")[0] for call in found.blocking]


async def test_a_step_that_loads_a_module_is_found() -> None:
    async def work() -> None:
        with pytest.raises(ModuleNotFoundError):
            __import__("this_is_loaded_late")

    found = await probed(work)
    assert found.blocking[0].startswith("import this_is_loaded_late in ")


async def test_a_step_that_waits_for_another_process_is_found() -> None:
    async def work() -> None:
        read, write = os.pipe()
        with subprocess.Popen(  # noqa: ASYNC220 - starting it is not the point, waiting for it is
            [sys.executable, "-c", "import sys, time; time.sleep(0.1); sys.stdout.write('x')"], stdout=write
        ):
            os.close(write)
            os.read(read, 1)
        os.close(read)

    assert (await probed(work)).longest[0].held > MOST


async def test_a_step_that_computes_is_found() -> None:
    async def work() -> None:
        begin = time.thread_time()
        while time.thread_time() < begin + 0.05:
            hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 1000)

    found = await probed(work)
    assert found.longest[0].held > MOST
    assert found.blocking == []


@pytest.mark.skipif(sys.platform != "linux", reason="first looks are taken on Linux only")
async def test_a_first_look_that_computes_is_found_and_waiting_is_not() -> None:
    one, other = await open_socket_transports()

    def look() -> bool:
        spin(0.05)
        return False

    async def work() -> None:
        with trio.move_on_after(0.1):
            await one.receive_some()  # nothing comes: it waits
        one.look_first(look)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.receive_some)
            await trio.sleep(0.05)
            await other.send_all(b"look")

    with open_first_looks():
        found = await probed(work)
    assert [step.task for step in found.longest if step.held > MOST] == [FIRST_LOOKS]
    for end in (one, other):
        end.abort()


async def test_steps_that_are_short_are_not_found_however_busy_the_machine_is() -> None:
    """Other processes take the CPU, a thread of our own takes the interpreter: not the steps' doing."""
    busy = [spin_elsewhere() for _ in range(2 * len(os.sched_getaffinity(0)))]
    is_over = threading.Event()

    def compute() -> None:
        while not is_over.is_set():
            spin(0.001)

    thread = threading.Thread(target=compute)

    async def work() -> None:
        for _ in range(300):
            spin(0.001)
            await trio.lowlevel.checkpoint()

    thread.start()
    try:
        found = await probed(work)
    finally:
        is_over.set()
        thread.join()
        for process in busy:
            process.kill()
            process.wait()
    assert found.steps > 300
    assert max(step.passed / step.cpu for step in found.longest) > 5, (
        "the machine was not busy enough to tell"
    )
    assert found.longest[0].held < MOST


def spin_elsewhere() -> subprocess.Popen[bytes]:
    """A process that computes until it is killed."""
    return subprocess.Popen([sys.executable, "-c", "while True: pass"])


async def test_a_report_survives_the_way_to_another_process(tmp_path: Path) -> None:
    found = await probed(trio.lowlevel.checkpoint)
    found.save(tmp_path / "report")
    assert LagReport.load(tmp_path / "report") == found
