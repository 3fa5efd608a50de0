"""The ports by which a relay is tried: 443 first, which networks let through that let through little else.

A relay whose address names another port is often behind a load balancer that serves it on 443 as well.
Whoever answers there must have the certificate of the relay's name and agree to its subprotocol before it is
told anything; else the port given is used.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import trio

USUAL: Final = 443
STAGGER: Final = 1.5
"""Seconds until the next port is tried beside one: many networks just drop what they refuse."""
PATIENCE: Final = 6.0
"""Seconds that all but the last get at most."""

T = TypeVar("T")


def candidate_ports(scheme: str, port: int, *, is_near: bool) -> list[int]:
    """The ports to try, in this order.

    Args:
        scheme: of the relay's address.
        port: that the address names, or the scheme's own.
        is_near: it is on this computer, where no network is in the way.
    """
    if scheme not in ("https", "wss") or port == USUAL or is_near:
        return [port]
    return [USUAL, port]


async def first_of(
    attempts: Sequence[Callable[[], Awaitable[T]]],
    errors: tuple[type[Exception], ...],
    discard: Callable[[T], Awaitable[None]],
    stagger: float = STAGGER,
) -> T:
    """What the first successful attempt came to; each begins when the one before has failed or is slow.

    Args:
        attempts: at least one; cancelled when another one has succeeded.
        errors: that make an attempt a failure.
        discard: gives back what a second success has come to.

    Raises:
        Exception: one of `errors`, the last attempt's, if all have failed.
    """
    kinds: tuple[type[Exception], ...] = (trio.TooSlowError, *errors)
    won: list[T] = []
    failures: dict[int, Exception] = {}
    async with trio.open_nursery() as nursery:

        async def run(number: int, failed: trio.Event) -> None:
            try:
                with trio.fail_after(PATIENCE if number + 1 < len(attempts) else math.inf):
                    result = await attempts[number]()
            except kinds as exc:
                failures[number] = exc
                failed.set()
                return
            if won:
                await discard(result)
            else:
                won.append(result)
                nursery.cancel_scope.cancel()

        for number in range(len(attempts)):
            failed = trio.Event()
            nursery.start_soon(run, number, failed)
            with trio.move_on_after(stagger if number + 1 < len(attempts) else 0):
                await failed.wait()
    if won:
        return won[0]
    raise failures[max(failures)]
