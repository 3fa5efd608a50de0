"""The end of a session by two clocks."""

from dataclasses import dataclass

import pytest
import trio
import trio.testing

from host.deadline import COMPUTER_CLOCKS, Clocks, Deadline, wait_over

DAY = 86_400.0


@dataclass
class Computer:
    """A computer whose clocks run with Trio's, and can be set."""

    wall_offset: float = 1_900_000_000.0
    boot_offset: float = 500.0
    boot_id: str = "first"

    @property
    def clocks(self) -> Clocks:
        return Clocks(
            wall=lambda: trio.current_time() + self.wall_offset,
            boot=lambda: trio.current_time() + self.boot_offset,
            boot_id=lambda: self.boot_id,
        )


@pytest.mark.slow
async def test_it_comes_after_the_time_given(autojump_clock: trio.testing.MockClock) -> None:
    clocks = Computer().clocks
    deadline = Deadline.after(DAY, clocks)
    start = trio.current_time()
    await wait_over(lambda: deadline, clocks)
    assert trio.current_time() - start == pytest.approx(DAY)


async def test_setting_the_wall_clock_back_wins_no_time(autojump_clock: trio.testing.MockClock) -> None:
    computer = Computer()
    deadline = Deadline.after(DAY, computer.clocks)
    computer.wall_offset -= 10 * DAY
    assert deadline.remaining(computer.clocks) == pytest.approx(DAY)


async def test_setting_the_wall_clock_forward_ends_it(autojump_clock: trio.testing.MockClock) -> None:
    computer = Computer()
    deadline = Deadline.after(DAY, computer.clocks)
    computer.wall_offset += DAY
    assert deadline.remaining(computer.clocks) == pytest.approx(0)


async def test_after_a_reboot_the_wall_clock_counts_alone(autojump_clock: trio.testing.MockClock) -> None:
    computer = Computer()
    deadline = Deadline.after(DAY, computer.clocks)
    computer.boot_id, computer.boot_offset = "second", 0.0
    computer.wall_offset += 3600
    assert deadline.remaining(computer.clocks) == pytest.approx(DAY - 3600)


async def test_time_asleep_counts(autojump_clock: trio.testing.MockClock) -> None:
    """Trio's clock stands still while the computer sleeps; the boot clock does not."""
    computer = Computer()
    deadline = Deadline.after(DAY, computer.clocks)

    async def sleep() -> None:
        await trio.sleep(60)
        computer.boot_offset += DAY
        computer.wall_offset += DAY

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleep)
        await wait_over(lambda: deadline, computer.clocks)
    assert trio.current_time() - start <= 66


async def test_it_may_be_brought_forward(autojump_clock: trio.testing.MockClock) -> None:
    clocks = Computer().clocks
    current = Deadline.after(DAY, clocks)
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_over, lambda: current, clocks)
        await trio.sleep(10)
        current = Deadline.after(10, clocks)
    assert trio.current_time() - start <= 26


def test_this_computer_has_both_clocks() -> None:
    deadline = Deadline.after(100, COMPUTER_CLOCKS)
    assert 99 < deadline.remaining() <= 100
    assert deadline.boot_id
