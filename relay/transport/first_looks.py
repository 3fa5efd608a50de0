"""First looks: what has come is looked at in the event loop itself, before a task wakes for it.

Theory. For one small frame the way through Trio's scheduler, from the system call that says "readable" to the
receiving task, costs more than reading, routing and sending it: cold code, most of it, after each sleep. So a
connection that waits may leave a *look* here, a function. When its socket has something to read, the event
loop calls the look as soon as it knows. If nothing is left for the task to do, the socket is armed again and
the task sleeps on; else the task wakes as ever.

All else stays: a look does what the task would have done first, only earlier, and where no look is taken
(another event loop, a pair in memory, a Trio that is made differently) the task does it itself.

Trio has no door for this. The one thing used of its inside is the `select.epoll` of its event loop, which
`open_first_looks` puts itself in the place of; a test says when a new Trio is made differently.
"""

import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

Look: TypeAlias = Callable[[], bool]
"""Reads what has come. True if the task that waits for it need not wake. It is called outside of every task:
it neither awaits nor raises, and takes no longer than a step of a task may."""

_LOOKS: trio.lowlevel.RunVar[dict[int, Look] | None] = trio.lowlevel.RunVar("first_looks", None)


def first_looks() -> dict[int, Look] | None:
    """Who takes the first look, by descriptor: only while one task waits to read from it. None if nobody asks
    for them in this run of Trio."""
    return _LOOKS.get()


@contextmanager
def open_first_looks() -> Iterator[bool]:
    """Asks for first looks in this run of Trio until the block ends; whether it can be done."""
    manager = _io_manager()
    if manager is None:
        yield False
        return
    epoll = manager._epoll
    looks: dict[int, Look] = {}
    manager._epoll = _LookingEpoll(epoll, looks)
    token = _LOOKS.set(looks)
    try:
        yield True
    finally:
        _LOOKS.reset(token)
        looks.clear()
        manager._epoll = epoll


def _io_manager() -> Any:
    """What waits for sockets in this run of Trio, if it is made as we know it."""
    if sys.platform != "linux":
        return None
    runner = getattr(trio.lowlevel.current_task(), "_runner", None)
    manager = getattr(runner, "io_manager", None)
    return manager if isinstance(getattr(manager, "_epoll", None), select.epoll) else None


if sys.platform == "linux" or not TYPE_CHECKING:

    class _LookingEpoll:
        """In the place of an `epoll` whose descriptors are registered for one event each (EPOLLONESHOT)."""

        def __init__(self, epoll: "select.epoll", looks: dict[int, Look]) -> None:
            self._looks = looks
            self._poll = epoll.poll
            self.register = epoll.register
            self.modify = epoll.modify
            self.unregister = epoll.unregister
            self.close = epoll.close

        def poll(self, timeout: float, max_events: int) -> list[tuple[int, int]]:
            """The events that nobody took a first look at, or that are left after it."""
            left = []
            for event in self._poll(timeout, max_events):
                number, ready = event
                look = self._looks.get(number)
                if look is None or ready != select.EPOLLIN or not look():
                    left.append(event)
                    continue
                try:
                    self.modify(number, select.EPOLLIN | select.EPOLLONESHOT)
                except OSError:  # the look has closed it: for Trio to find out
                    left.append(event)
            return left
