"""A thread of its own for calls that belong to one thread, such as those about the desktop it is on."""

import queue
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import trio

_Result = TypeVar("_Result")


class Worker:
    """Made by `open_worker`. Concurrency: any task may call; calls are made one after the other."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    async def call(self, action: Callable[[], _Result]) -> _Result:
        """Run `action` in the thread; what it returns, or raises.

        Cancellation: not before the action is done, which therefore must not take long.
        """
        done = trio.Event()
        outcome: list[tuple[Any, Exception | None]] = []

        def act() -> None:
            try:
                outcome.append((action(), None))
            except Exception as exc:  # raised again in the task that asked
                outcome.append((None, exc))
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(done.set)

        self._work.put(act)
        with trio.CancelScope(shield=True):
            await done.wait()
        await trio.lowlevel.checkpoint_if_cancelled()
        result, failure = outcome[0]
        if failure is not None:
            raise failure
        return result  # type: ignore[no-any-return] # the list's, of what `action` returns

    def _run(self) -> None:
        while (act := self._work.get()) is not None:
            act()


@asynccontextmanager
async def open_worker(name: str) -> AsyncIterator[Worker]:
    """A thread for the time of the block."""
    worker = Worker()
    thread = threading.Thread(target=worker._run, name=name, daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker._work.put(None)
