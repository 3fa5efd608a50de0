"""Attaching a viewer: a ticket from the API, the tunnel, and a sealed stream for one tool."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

import trio

from peer.errors import ConnectionFailed
from peer.sealed import SealedStream, open_sealed
from peer.tunnel import Tunnel, open_tunnel
from relay import __version__
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import PROTOCOL_VERSION, Channel, Hello
from relay.protocol.hidden import SecretBytes
from relay.protocol.pairing import NO_DETAILS, ViewerHandshake
from relay.protocol.wrapping import unwrap_pairing_key
from technician.errors import ComputerSilent, ToolFailed
from technician.relay_client import RelayClient

OPEN_TIMEOUT: Final = 15.0
"""Seconds for the host to accept a stream and prove itself; it answers by itself, nobody is asked."""


@asynccontextmanager
async def attach(relay: RelayClient, session: str, kinds: Collection[Channel]) -> AsyncIterator[Tunnel]:
    """A viewer's tunnel for the time of the block, with the right to open streams of `kinds`.

    Raises:
        RelayRefused: no ticket: the session is not in the state for it, or the plan lacks a tool.
        ConnectionFailed: the relay that the ticket names cannot be reached or refused. Only on entering.
    """
    ticket = await relay.ticket(session, kinds)
    if relay.origin.startswith("https:") and not ticket.url.startswith("wss:"):
        raise ConnectionFailed(CloseReason.REFUSED, "The relay asked for an unencrypted connection.")
    hello = Hello(PROTOCOL_VERSION, "viewer", ticket.ticket, {"program": f"technician {__version__}"})
    async with open_tunnel(ticket.url, hello) as tunnel:
        yield tunnel


async def fetch_pairing_key(relay: RelayClient, session: str, access_password: str) -> SecretBytes:
    """The pairing key as the relay keeps it, for a computer that did not do the pairing.

    Raises:
        ToolFailed: the relay keeps none, or the access password does not open it.
        CodeError: the access password cannot be one.
    """
    wrapped = await relay.wrapped_key(session)
    if wrapped is None:
        raise ToolFailed("This computer was not used to pair the session, and the relay keeps no key of it.")
    try:
        return await trio.to_thread.run_sync(unwrap_pairing_key, wrapped, access_password, session)
    except RemoteProtocolError as exc:
        raise ToolFailed(str(exc)) from exc


@asynccontextmanager
async def open_tool(
    relay: RelayClient,
    session: str,
    channel: Channel,
    pairing_key: bytes,
    access_password: str,
    *,
    claims: bytes = NO_DETAILS,
) -> AsyncIterator[SealedStream]:
    """A viewer's stream of one tool for the time of the block, on a connection of its own.

    Args:
        claims: the tool's options, docs/protocol.md §5.

    Raises:
        StreamClosed: the access password is wrong, the computer is offline, or the session is not active.
        ComputerSilent: the computer does not answer.
        RelayRefused, RelayUnreachable, ConnectionFailed: no ticket, or no tunnel.
        CodeError: the access password cannot be one.
    """
    async with attach(relay, session, [channel]) as tunnel:
        stream = await open_stream(
            tunnel, relay, session, channel, pairing_key, access_password, claims=claims
        )
        try:
            yield stream
        finally:
            stream.close(CloseReason.DETACHED)


async def open_stream(
    tunnel: Tunnel,
    relay: RelayClient,
    session: str,
    channel: Channel,
    pairing_key: bytes,
    access_password: str,
    *,
    claims: bytes = NO_DETAILS,
) -> SealedStream:
    """One more sealed stream of a tool on a viewer's tunnel.

    Raises:
        StreamClosed, ComputerSilent, CodeError: as `open_tool`.

    Concurrency: one at a time on a tunnel.
    """
    handshake = ViewerHandshake.for_connection(
        channel=channel,
        origin=relay.origin,
        session=session,
        stream=tunnel.next_stream_id(),
        pairing_key=pairing_key,
        access_password=access_password,
        claims=claims,
    )
    try:
        with trio.fail_after(OPEN_TIMEOUT):
            stream, _ = await open_sealed(tunnel, channel, handshake)
    except trio.TooSlowError as exc:
        raise ComputerSilent("The computer does not answer.") from exc
    return stream
