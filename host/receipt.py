"""The last words: what was removed, signed, over a short connection of its own."""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import trio

from host.farewell import Farewell
from host.hello import ComputerFacts, make_hello
from host.state import HostState
from peer.dial import dial
from peer.errors import ConnectionFailed
from peer.tunnel import Tunnel, open_tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Hello
from relay.protocol.lease import Receipt, sign_receipt

CONNECTION_TIMEOUT: Final = 8.0
DELAYS: Final = (0.0, 1.0, 3.0, 6.0)
"""Seconds before each try to reach the relay. After the last it is told nothing: the host is gone by then."""
BUDGET: Final = 10.0
"""Seconds for all tries, besides the delays: a customer who looks for the program must not find it."""
AFTER_START: Final = (0.0, 2.0, 5.0, 10.0, 20.0, 20.0)
"""As `DELAYS`, after a start of the computer: its network may not be up."""


async def get_ready(farewell: Farewell, facts: ComputerFacts) -> None:
    """Have all in memory that `hand_in` takes, which comes when the program's files are gone.

    The way to the relay is taken once, as far as it leads without a word.
    """
    make_hello(farewell.state, facts)
    with trio.move_on_after(CONNECTION_TIMEOUT), suppress(ConnectionFailed):
        stream, _ = await dial(farewell.origin, "/tunnel/host")
        await trio.aclose_forcefully(stream)


async def hand_in(
    farewell: Farewell, receipt: Receipt, facts: ComputerFacts, delays: Sequence[float] = DELAYS
) -> None:
    """Tell the relay what came of a removal, within `BUDGET` and the delays."""
    with trio.move_on_after(BUDGET + sum(delays)):
        hello = make_hello(farewell.state, facts)
        await hand_in_receipt(farewell.state, hello, receipt, delays=delays)


async def hand_in_receipt(
    state: HostState,
    hello: Hello,
    receipt: Receipt,
    *,
    ssl_context: ssl.SSLContext | None = None,
    delays: Sequence[float] = DELAYS,
) -> bool:
    """Tell the relay what was removed; and before that, if it does not know yet, that the customer ended.

    Args:
        state: whose key signs.
        hello: with the host credential.
        receipt: about the session that ended.

    Returns:
        Whether the relay took it.
    """
    body, signature = sign_receipt(receipt, state.private_key)
    for delay in delays:
        await trio.sleep(delay)
        reason = await _say(hello, state.origin, body, signature, receipt.reason, ssl_context)
        if reason is CloseReason.NORMAL:
            return True
        if reason is CloseReason.ENDED_BY_CUSTOMER:  # heard now; the receipt is taken by the next connection
            reason = await _say(hello, state.origin, body, signature, receipt.reason, ssl_context)
            if reason is CloseReason.NORMAL:
                return True
        if not reason.may_return and not reason.ends_session:
            return False
    return False


async def _say(
    hello: Hello, origin: str, body: bytes, signature: bytes, end_reason: str, context: ssl.SSLContext | None
) -> CloseReason:
    """How the relay closed one connection."""
    with trio.move_on_after(CONNECTION_TIMEOUT):
        try:
            async with open_tunnel(origin, hello, ssl_context=context) as tunnel:
                return await _speak(tunnel, body, signature, end_reason)
        except ConnectionFailed as exc:
            return exc.close_reason
    return CloseReason.DEAD


async def _speak(tunnel: Tunnel, body: bytes, signature: bytes, end_reason: str) -> CloseReason:
    if tunnel.welcome.get("state") == "ended":
        tunnel.notify("receipt", {"body": body, "signature": signature})
        return await tunnel.wait_closed()
    if end_reason == CloseReason.ENDED_BY_CUSTOMER.wire:
        tunnel.notify("ending", {})
        return await tunnel.wait_closed()
    return CloseReason.DEAD  # our clock is ahead of the relay's: it will notice in a moment
