"""What the allocator keeps for later goes back to the system."""

import ctypes
import os
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from relay.cli import trimming

MIB = 1 << 20
PIECE_BYTES = 60_000


def resident_bytes() -> int:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_room_between_what_stays_is_given_back(autojump_clock: trio.testing.MockClock) -> None:
    if trimming.find_trim() is None:
        pytest.skip("no glibc")
    pieces, stay = [], []
    for _ in range(64 * MIB // PIECE_BYTES):
        pieces.append(b"\1" * PIECE_BYTES)
        stay.append(bytes(1000))
    del pieces
    before = resident_bytes()
    with trio.move_on_after(1.5 * trimming.INTERVAL):
        await trimming.run_trimming()
    assert before - resident_bytes() > 32 * MIB
    assert stay


async def test_without_such_an_allocator_nothing_is_done(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_library(name: object) -> object:
        return object()

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    assert trimming.find_trim() is None
    with trio.move_on_after(1.5 * trimming.INTERVAL) as scope:
        await trimming.run_trimming()
    assert scope.cancelled_caught
