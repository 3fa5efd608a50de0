"""The gate: whoever comes while one group is under way makes up the next one.

No task of its own: the first of a group leads it, and then hands the lead to the first of those who came
meanwhile. A lone item never waits for company. Where several came together, more are on their way: then the
next group begins a moment later than it could, because a group costs nearly as much as ten of its items, and
waiting costs nobody's processor anything.
"""

import math
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Generic, TypeVar

import trio

_T = TypeVar("_T")


class Gate(Generic[_T]):
    """Passes items in groups, one group at a time, in order of arrival.

    Args:
        run: passes one group; what becomes of an item is noted on the item.
        max_group: items of one group.
        spacing: seconds from the beginning of a group of several to that of the next one, at least.

    Concurrency: any task may pass.
    """

    def __init__(
        self, run: Callable[[list[_T]], Awaitable[None]], *, max_group: int, spacing: float = 0.0
    ) -> None:
        self._run = run
        self._max_group = max_group
        self._spacing = spacing
        self._waiting: dict[trio.lowlevel.Task, _T] = {}  # in order of arrival
        self._is_busy = False  # somebody leads, or was woken to
        self._next_at = -math.inf  # Trio's clock; not before this time does the next group begin

    @property
    def waiting(self) -> int:
        """Items that are in no group yet."""
        return len(self._waiting)

    async def pass_through(self, item: _T) -> None:
        """Returns when the group with `item` has passed.

        Raises:
            Exception: of `run`, to the first of the group only.

        Cancellation: takes effect while the item is in no group yet, and not after that.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        task = trio.lowlevel.current_task()
        self._waiting[task] = item
        if self._is_busy:
            await self._wait(task)
            if task not in self._waiting:
                return
        await self._lead(task)

    async def _wait(self, task: trio.lowlevel.Task) -> None:
        """Until the item's group has passed, or its task is to lead the next one."""

        def give_up(_: object) -> trio.lowlevel.Abort:
            if task not in self._waiting:
                return trio.lowlevel.Abort.FAILED
            del self._waiting[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)

    async def _lead(self, leader: trio.lowlevel.Task) -> None:
        """Passes the next group, the leader's item first, and wakes who waited for it and the next leader."""
        self._is_busy = True
        tasks = [leader]
        try:
            await self._await_company()
            tasks = list(islice(self._waiting, self._max_group))
            group = [self._waiting.pop(task) for task in tasks]
            if len(group) > 1:
                self._next_at = trio.current_time() + self._spacing
            with trio.CancelScope(shield=True):
                await self._run(group)
        finally:
            self._waiting.pop(leader, None)  # if it was cancelled while it waited for company
            for task in tasks[1:]:
                trio.lowlevel.reschedule(task)
            successor = next(iter(self._waiting), None)
            if successor is None:
                self._is_busy = False
            else:
                trio.lowlevel.reschedule(successor)

    async def _await_company(self) -> None:
        if trio.current_time() < self._next_at and len(self._waiting) < self._max_group:
            await trio.sleep_until(self._next_at)
