"""Two things at once, with the errors of one."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

T = TypeVar("T")


async def beside(meanwhile: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[T]]) -> T:
    """What `work` returns, once `meanwhile` is done as well.

    Raises:
        what one of them raised, as it was; of two errors, one.

    Cancellation: of both.
    """
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(meanwhile)
            result = await work()
    except BaseExceptionGroup as group:
        first = group.exceptions[0]
        raise first from first.__cause__
    return result
