"""Items pass in groups, in order, whoever is cancelled and whatever fails."""

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from relay.broker.gate import Gate


class Passage:
    """Keeps each group until told to let it through."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.through: list[int] = []
        self._opened = trio.Semaphore(0)

    async def run(self, group: list[int]) -> None:
        self.groups.append(group)
        await self._opened.acquire()
        self.through.extend(group)

    def open(self, times: int = 1) -> None:
        for _ in range(times):
            self._opened.release()


def passing(gate: Gate[int], passed: list[int]) -> Callable[[int], Awaitable[None]]:
    async def go(item: int) -> None:
        await gate.pass_through(item)
        passed.append(item)

    return go


async def test_those_who_come_while_a_group_is_under_way_are_the_next_one() -> None:
    passage, passed = Passage(), list[int]()
    gate = Gate(passage.run, max_group=100)
    go = passing(gate, passed)
    async with trio.open_nursery() as nursery:
        for item in range(6):
            nursery.start_soon(go, item)
            await wait_all_tasks_blocked()
        assert passage.groups == [[0]]
        assert gate.waiting == 5
        passage.open()
        await wait_all_tasks_blocked()
        assert passed == [0]
        assert passage.groups == [[0], [1, 2, 3, 4, 5]]
        passage.open()
    assert sorted(passed) == list(range(6))


async def test_a_group_is_no_larger_than_allowed_and_the_order_is_kept() -> None:
    passage, passed = Passage(), list[int]()
    gate = Gate(passage.run, max_group=2)
    async with trio.open_nursery() as nursery:
        for item in range(6):
            nursery.start_soon(passing(gate, passed), item)
            await wait_all_tasks_blocked()
        passage.open(4)
    assert passage.groups == [[0], [1, 2], [3, 4], [5]]
    assert gate.waiting == 0


async def test_one_who_gives_up_before_its_turn_leaves_the_others() -> None:
    passage, passed = Passage(), list[int]()
    gate = Gate(passage.run, max_group=100)
    go = passing(gate, passed)
    async with trio.open_nursery() as nursery:
        impatient = trio.CancelScope()

        async def give_up() -> None:
            with impatient:
                await go(1)

        nursery.start_soon(go, 0)
        await wait_all_tasks_blocked()
        nursery.start_soon(give_up)
        await wait_all_tasks_blocked()
        nursery.start_soon(go, 2)
        await wait_all_tasks_blocked()
        impatient.cancel()
        await wait_all_tasks_blocked()
        passage.open(2)
    assert passage.groups == [[0], [2]]
    assert passed == [0, 2]


@pytest.mark.parametrize("item", [1, 2], ids=["leader", "follower"])
async def test_one_who_is_cancelled_under_way_goes_through_with_its_group(item: int) -> None:
    passage, passed = Passage(), list[int]()
    gate = Gate(passage.run, max_group=100)
    scopes = {number: trio.CancelScope() for number in range(3)}

    async def go(number: int) -> None:
        with scopes[number]:
            await gate.pass_through(number)
            passed.append(number)

    async with trio.open_nursery() as nursery:
        for number in scopes:
            nursery.start_soon(go, number)
            await wait_all_tasks_blocked()
        passage.open()
        await wait_all_tasks_blocked()
        assert passage.groups == [[0], [1, 2]]
        scopes[item].cancel()
        await wait_all_tasks_blocked()
        assert passed == [0]
        passage.open()
    assert passage.through == [0, 1, 2]
    assert sorted(passed) == [0, 1, 2]
    passage.open()
    with trio.fail_after(5):
        await gate.pass_through(3)


async def test_a_group_that_fails_stops_nobody_else() -> None:
    groups: list[list[int]] = []
    passed: list[int] = []
    is_released = trio.Event()

    async def run(group: list[int]) -> None:
        groups.append(group)
        await is_released.wait()
        if 0 in group:
            raise ValueError("the first group fails")

    gate = Gate(run, max_group=100)

    async def fail() -> None:
        with pytest.raises(ValueError, match="first group"):
            await gate.pass_through(0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        await wait_all_tasks_blocked()
        nursery.start_soon(passing(gate, passed), 1)
        await wait_all_tasks_blocked()
        is_released.set()
    assert groups == [[0], [1]]
    assert passed == [1]


async def test_who_is_cancelled_already_does_not_pass() -> None:
    passage = Passage()
    gate = Gate(passage.run, max_group=100)
    with trio.CancelScope() as scope:
        scope.cancel()
        await gate.pass_through(0)
    assert scope.cancelled_caught
    assert passage.groups == []


async def test_after_a_group_of_several_the_next_one_waits_for_company(
    autojump_clock: trio.testing.MockClock,
) -> None:
    passed, began = list[int](), list[tuple[float, list[int]]]()
    start = trio.current_time()

    async def run(group: list[int]) -> None:
        began.append((trio.current_time() - start, group))
        await trio.sleep(0.25)

    gate = Gate(run, max_group=3, spacing=1.0)

    async def come(at: float, item: int) -> None:
        await trio.sleep_until(start + at)
        await passing(gate, passed)(item)

    async with trio.open_nursery() as nursery:
        for item, at in enumerate([0, 0.1, 0.2, 0.6, 0.7, 0.8, 0.9, 4, 4.5]):
            nursery.start_soon(come, at, item)
    # Alone; who came meanwhile; as many as may be, after a second; the rest, after one more; alone again.
    assert began == [
        (0.0, [0]),
        (0.25, [1, 2]),
        (1.25, [3, 4, 5]),
        (2.25, [6]),
        (4.0, [7]),
        (4.5, [8]),
    ]
    assert sorted(passed) == list(range(9))


async def test_who_gives_up_while_it_waits_for_company_hands_the_lead_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    groups, passed = list[list[int]](), list[int]()

    async def run(group: list[int]) -> None:
        groups.append(group)
        await trio.sleep(0.25)

    gate = Gate(run, max_group=100, spacing=5.0)
    go = passing(gate, passed)
    async with trio.open_nursery() as nursery:
        for item in range(3):
            nursery.start_soon(go, item)
            await wait_all_tasks_blocked()
        await trio.sleep(1)
        assert groups == [[0], [1, 2]]
        with trio.move_on_after(1):
            await go(3)
        with trio.move_on_after(1):  # nobody leads now: this one does
            nursery.start_soon(go, 4)
            await wait_all_tasks_blocked()
            await go(5)
    assert groups == [[0], [1, 2], [4]]
    assert sorted(passed) == [0, 1, 2, 4]


async def test_the_lead_passes_from_one_who_gives_up_to_one_who_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    groups, passed = list[list[int]](), list[int]()

    async def run(group: list[int]) -> None:
        groups.append(group)
        await trio.sleep(0.25)

    gate = Gate(run, max_group=100, spacing=5.0)
    go = passing(gate, passed)
    async with trio.open_nursery() as nursery:
        for item in range(3):
            nursery.start_soon(go, item)
            await wait_all_tasks_blocked()
        await trio.sleep(1)
        impatient = trio.CancelScope()

        async def give_up() -> None:
            with impatient:
                await go(3)

        nursery.start_soon(give_up)
        await wait_all_tasks_blocked()
        nursery.start_soon(go, 4)
        await wait_all_tasks_blocked()
        impatient.cancel()
    assert groups == [[0], [1, 2], [4]]
    assert sorted(passed) == [0, 1, 2, 4]
