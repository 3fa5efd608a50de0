"""Attaching a viewer: a ticket from the API, then the tunnel."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from peer.errors import ConnectionFailed
from peer.tunnel import Tunnel, open_tunnel
from relay import __version__
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import PROTOCOL_VERSION, Channel, Hello
from technician.relay_client import RelayClient


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
