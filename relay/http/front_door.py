"""The accept loop: sockets in, one task each, and an orderly end.

Tasks: one for each listener, in a nursery inside the connections' nursery (STYLE §8.3), so that accepting can
end while connections go on. A connection's task lives until its socket is closed, also when an upgrade
handler has it.
"""

import errno
import ssl
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from itertools import count

import structlog
import trio

from relay.errors import LimitExceeded, PeerGone
from relay.http.admission import Slot
from relay.http.connection import error_barrier, serve_connection
from relay.http.events import FrontDoorEvent
from relay.http.problems import render_problem
from relay.http.types import FrontDoor
from relay.transport import SocketTransport, TlsTransport, Transport

log = structlog.get_logger(__name__)

ACCEPT_PAUSE = 0.1
"""Seconds between tries while the system has no descriptor or buffer for us; trio's and Go's order of size.
The connections wait in the kernel's backlog meanwhile."""

_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_connection_numbers = count(1)


async def serve_front_door(
    listeners: Sequence[trio.SocketListener],
    door: FrontDoor,
    *,
    tls_context: ssl.SSLContext | None = None,
    stop_accepting: trio.Event,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until `stop_accepting` is set and the last connection, upgraded ones included, has ended.

    Args:
        listeners: closed when accepting ends, however it ends.
        door: what to serve, and its limits.
        tls_context: for TLS on every listener; None for plain HTTP.
        stop_accepting: set it to drain: no new connections, idle ones close, busy ones finish their request.
            Upgraded connections are their handlers' to end.
        task_status: told once connections are being accepted.

    Raises:
        ExceptionGroup: of an OSError; a listener broke in a way that waiting does not mend. Want of
            descriptors, aborted connections and whatever one connection does never come here.

    Cancellation: every connection is closed at once.
    """
    async with trio.open_nursery() as connections:
        try:
            async with trio.open_nursery() as accepting:
                for listener in listeners:
                    accepting.start_soon(_accept_forever, listener, door, tls_context, connections)
                task_status.started()
                await stop_accepting.wait()
                accepting.cancel_scope.cancel()
        finally:
            for listener in listeners:
                listener.socket.close()
        door.drain.begin()


async def _accept_forever(
    listener: trio.SocketListener,
    door: FrontDoor,
    tls_context: ssl.SSLContext | None,
    connections: trio.Nursery,
) -> None:
    is_starved = False
    while True:
        try:
            stream = await listener.accept()  # skips connections aborted in the backlog by itself
        except OSError as error:
            if error.errno not in _OUT_OF_RESOURCES:
                raise
            door.on_event(FrontDoorEvent.ACCEPT_ERROR)
            if not is_starved:  # once for each outage, not ten times a second
                log.error("cannot accept connections", why=error.strerror)
            is_starved = True
            await trio.sleep(ACCEPT_PAUSE)
            continue
        if is_starved:
            log.info("accepting connections again")
            is_starved = False
        await _admit(stream.socket, door, tls_context, connections)


async def _admit(
    sock: trio.socket.SocketType,
    door: FrontDoor,
    tls_context: ssl.SSLContext | None,
    connections: trio.Nursery,
) -> None:
    """Starts the connection's task, or turns the connection away before it costs a handshake."""
    try:
        address = sock.getpeername()[0]
        server_address = sock.getsockname()[:2]
    except OSError:  # it has gone already
        sock.close()
        return
    try:
        slot = door.admission.admit(address, trio.current_time())
    except LimitExceeded as limit:
        door.on_event(FrontDoorEvent.REFUSED_LIMIT)
        if tls_context is None:
            await _turn_away(sock, limit)
        sock.close()
        return
    connections.start_soon(_serve_socket, sock, door, slot, tls_context, server_address)


async def _turn_away(sock: trio.socket.SocketType, limit: LimitExceeded) -> None:
    """Says why, as far as that costs nothing: one write into an empty kernel buffer, which never waits.

    A client that has sent its request by now may see a reset instead; to drain it would take a task, and
    tasks are what the limit spares.
    """
    is_everybody = limit.limit == "max_unproven"
    status = HTTPStatus.SERVICE_UNAVAILABLE if is_everybody else HTTPStatus.TOO_MANY_REQUESTS
    with suppress(OSError), trio.move_on_after(ACCEPT_PAUSE):
        await sock.send(render_problem(status, str(limit), retry_after=limit.retry_after))


async def _serve_socket(
    sock: trio.socket.SocketType,
    door: FrontDoor,
    slot: Slot,
    tls_context: ssl.SSLContext | None,
    server_address: tuple[str, int],
) -> None:
    structlog.contextvars.bind_contextvars(socket=next(_connection_numbers))
    with slot, error_barrier(door):
        # One allowance for handshake and head together (SECURITY: 10 s for each stranger).
        deadline = trio.current_time() + door.settings.head_timeout
        transport = await _open_transport(sock, door, tls_context, deadline)
        if transport is not None:
            await serve_connection(
                transport, door, slot, server_address=server_address, first_head_deadline=deadline
            )


async def _open_transport(
    sock: trio.socket.SocketType, door: FrontDoor, tls_context: ssl.SSLContext | None, deadline: float
) -> Transport | None:
    """The transport, or None if TLS came to nothing (plain HTTP on a TLS port, for example): no answer."""
    if tls_context is None:
        return SocketTransport(sock)
    with trio.move_on_at(deadline):
        try:
            return await TlsTransport.accept(sock, tls_context)
        except PeerGone as error:
            log.debug("no TLS handshake", why=str(error))
    door.on_event(FrontDoorEvent.HANDSHAKE_FAILURE)
    return None
