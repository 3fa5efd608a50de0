"""The accept loop: sockets in, one task each, and an orderly end.

Tasks: one for each listener, in a nursery inside the connections' nursery (STYLE §8.3), so that accepting can
end while connections go on. A connection's task lives until its socket is closed, also when an upgrade
handler has it.

Descriptors: connections leave `FrontDoorSettings.reserved_descriptors` of them free, because the database,
the mail and the metrics need some when the relay is full. What comes above is told so and closed. If the
table is full all the same, the system refuses to accept, and the connections wait in the kernel's backlog.
"""

import errno
import resource
import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from http import HTTPStatus
from itertools import count

import structlog
import trio

from relay.errors import LimitExceeded, PeerGone
from relay.http.admission import Slot
from relay.http.connection import serve_connection, serve_upgrade
from relay.http.events import FrontDoorEvent
from relay.http.problems import render_problem
from relay.http.types import FrontDoor, UpgradeRequest
from relay.transport import Accepted, Acceptor, ServerTls, SocketTransport, TlsTransport, Transport

log = structlog.get_logger(__name__)

ACCEPTED_A_TURN = 64
"""Connections accepted before the others have their turn."""

ACCEPT_PAUSE = 0.1
"""Seconds between tries while the system has no descriptor or buffer for us; trio's and Go's order of size.
The connections wait in the kernel's backlog meanwhile."""

_FULL_RETRY_SECONDS = 5.0
"""What a client above the descriptors is told: as long as above any other cap (`relay.http.admission`)."""

_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_connection_numbers = count(1)


async def serve_front_door(
    listeners: Sequence[trio.SocketListener],
    door: FrontDoor,
    *,
    tls: ServerTls | None = None,
    stop_accepting: trio.Event,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until `stop_accepting` is set and the last connection, upgraded ones included, has ended.

    Args:
        listeners: closed when accepting ends, however it ends.
        door: what to serve, and its limits.
        tls: for TLS on every listener; None for plain HTTP.
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
                    accepting.start_soon(_accept_forever, listener, door, tls, connections)
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
    tls: ServerTls | None,
    connections: trio.Nursery,
) -> None:
    shortage = _Shortage(door)
    with closing(Acceptor(listener)) as acceptor:
        while True:
            await acceptor.wait()
            shortage.look()
            try:
                for _ in range(ACCEPTED_A_TURN):
                    accepted = acceptor.accept_now()
                    if accepted is None:
                        break
                    if shortage.concerns(accepted.sock):
                        _refuse_for_shortage(accepted.sock, door, is_plain=tls is None)
                    else:
                        _admit(accepted, door, tls, connections)
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                door.on_event(FrontDoorEvent.ACCEPT_ERROR)
                shortage.begin(error.strerror)
                await trio.sleep(ACCEPT_PAUSE)


class _Shortage:
    """Whether descriptors are short: told to the log once when it begins and once when it is over."""

    def __init__(self, door: FrontDoor) -> None:
        self._reserved = door.settings.reserved_descriptors
        self._limit = resource.RLIM_INFINITY
        self._is_on = False

    def look(self) -> None:
        """How many descriptors there may be now; that can be changed from outside."""
        self._limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)

    def begin(self, why: str | None) -> None:
        """There is no descriptor for a connection."""
        if not self._is_on:
            log.error("cannot accept connections", why=why)
        self._is_on = True

    def concerns(self, sock: socket.socket) -> bool:
        """True if this connection's descriptor is one of those that connections have to leave free.

        The kernel gives away the lowest free number, so that the newest one says how full the table is.
        """
        if self._limit == resource.RLIM_INFINITY:
            return False
        free = self._limit - sock.fileno() - 1
        if free < self._reserved:
            self.begin("few file descriptors are left")
            return True
        # Not at once: at the edge every other connection would begin or end a shortage.
        if self._is_on and free >= self._reserved + self._reserved // 2:
            log.info("accepting connections again")
            self._is_on = False
        return False


def _refuse_for_shortage(sock: socket.socket, door: FrontDoor, *, is_plain: bool) -> None:
    door.on_event(FrontDoorEvent.REFUSED_DESCRIPTORS)
    if is_plain:
        _turn_away(
            sock,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The relay is full; try again in a moment.",
            retry_after=_FULL_RETRY_SECONDS,
        )
    sock.close()


def _admit(accepted: Accepted, door: FrontDoor, tls: ServerTls | None, connections: trio.Nursery) -> None:
    """Starts the connection's task, or turns the connection away before it costs a handshake."""
    try:
        slot = door.admission.admit(accepted.address[0], trio.current_time())
    except LimitExceeded as limit:
        door.on_event(FrontDoorEvent.REFUSED_LIMIT)
        if tls is None:
            is_everybody = limit.limit == "max_unproven"
            status = HTTPStatus.SERVICE_UNAVAILABLE if is_everybody else HTTPStatus.TOO_MANY_REQUESTS
            _turn_away(accepted.sock, status, str(limit), retry_after=limit.retry_after)
        accepted.sock.close()
        return
    connections.start_soon(_serve_socket, accepted, door, slot, tls, name="connection")


def _turn_away(sock: socket.socket, status: HTTPStatus, sentence: str, *, retry_after: float | None) -> None:
    """Says why, as far as that costs nothing: one write into an empty kernel buffer, which never waits.

    A client that has sent its request by now may see a reset instead; to drain it would take a task, and
    tasks are what the limit spares.
    """
    with suppress(OSError):
        sock.send(render_problem(status, sentence, retry_after=retry_after))


async def _serve_socket(accepted: Accepted, door: FrontDoor, slot: Slot, tls: ServerTls | None) -> None:
    structlog.contextvars.bind_contextvars(socket=next(_connection_numbers))
    upgrade = await _serve_http(accepted, door, slot, tls)
    if upgrade is None:
        return
    serving = serve_upgrade(upgrade, door)
    # Thousands of tunnels wait side by side for hours: what only HTTP needed does not wait with them.
    del accepted, slot, upgrade
    await serving


async def _serve_http(
    accepted: Accepted, door: FrontDoor, slot: Slot, tls: ServerTls | None
) -> UpgradeRequest | None:
    try:
        with slot:
            # One allowance for handshake and head together (SECURITY: 10 s for each stranger).
            deadline = trio.current_time() + door.settings.head_timeout
            if tls is None:
                transport: Transport | None = SocketTransport(accepted.sock, peer_address=accepted.address)
            else:
                transport = await _open_tls(accepted, door, tls, deadline)
            if transport is not None:
                return await serve_connection(transport, door, slot, first_head_deadline=deadline)
    except* Exception:
        door.on_event(FrontDoorEvent.CONNECTION_ERROR)
        log.exception("a connection failed")
    return None


async def _open_tls(accepted: Accepted, door: FrontDoor, tls: ServerTls, deadline: float) -> Transport | None:
    """The transport, or None if TLS came to nothing (plain HTTP on a TLS port, for example): no answer."""
    with trio.move_on_at(deadline):
        try:
            return await TlsTransport.accept(accepted.sock, tls, peer_address=accepted.address)
        except PeerGone as error:
            log.debug("no TLS handshake", why=str(error))
    door.on_event(FrontDoorEvent.HANDSHAKE_FAILURE)
    return None
