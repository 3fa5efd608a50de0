"""The console's live feed: a WebSocket that says which sessions changed (trio-websocket).

``/api/v1/events``; the cookie and the exact Origin are checked before the upgrade is accepted. The relay
sends JSON texts: first all open sessions that the technician may know of, then each one that changes, and
the ids of those they may not know of any more; it expects nothing but pongs, and whoever sends a message is
closed. A console that reads too slowly is dropped with 1013 and loads
anew.

The front door has read the request's head already, while trio-websocket wants to read one itself. So it is
given a stream that begins with the head, written again; what follows comes from the transport.

An open console counts as use of its cookie: a technician at work is not signed out for not clicking. The
cookie's absolute end holds all the same.

Ends: the console leaves, falls silent, or is too slow; its cookie is signed out (`Feeds.close`, at once),
expires, or its technician is disabled (noticed at the next ping).
"""

import random
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie

import structlog
import trio
from pydantic import BaseModel
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from relay.api.context import ApiContext, read_cookie
from relay.api.feeds import GOING_AWAY, POLICY_VIOLATION, OpenFeed
from relay.api.guard import origin_allowed
from relay.api.models import Time
from relay.api.session_bodies import SessionBody, SessionView, session_body
from relay.errors import LimitExceeded, PeerGone
from relay.http import UpgradeRequest
from relay.people import Company, Permission, Technician, lacks_second_factor
from relay.protocol.hidden import SecretBytes
from relay.protocol.upgrade import UpgradeError, check_server_request
from relay.sessions import Session, SessionState, access_of
from relay.store.session_list import SessionQuery
from relay.texts import LANGUAGES

PATH = "/api/v1/events"

MAX_MESSAGE_BYTES = 1024
"""Of what the console sends, which is nothing; pongs are no messages."""
PONG_TIMEOUT = 25.0
"""Seconds for a pong; with the ping's interval this is the 45 s of SECURITY."""
WRITE_TIMEOUT = 10.0
"""Seconds for one message to leave (write stall)."""
TRY_AGAIN_LATER = 1013
"""The registered WebSocket close code for an overloaded server."""
MAX_SESSIONS = 1000
"""In the first message: more than anybody's limit of open sessions, and than a page can show."""
HANDSHAKE_TIMEOUT = 5.0
CLOSE_TIMEOUT = 2.0

_HANDSHAKE_HEADERS = frozenset(
    {b"host", b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version"}
)

_log: structlog.stdlib.BoundLogger = structlog.get_logger("relay.events")


class AllSessions(BaseModel):
    """The first message."""

    type: str = "sessions"
    sessions: list[SessionBody]
    now: Time


class OneSession(BaseModel):
    """Every later message."""

    type: str = "session"
    session: SessionBody
    now: Time


class GoneSession(BaseModel):
    """A session that the technician may not know of any more."""

    type: str = "gone"
    id: str
    now: Time


class EventFeed:
    """Serves upgrades of `PATH`.

    Concurrency: `handle` runs in the front door's task for its connection, any number at once.
    """

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def handle(self, upgrade: UpgradeRequest) -> None:
        """Serve one console until it leaves. What it raises is a bug, for the front door's barrier."""
        context = self._context
        headers = list(upgrade.headers)
        if not origin_allowed(headers, context.settings.origin):
            await upgrade.refuse(403, "This page may not connect here.")
            return
        cookie = cookie_in(headers, context.settings.cookie_name)
        known = None if cookie is None else await context.accounts.technician_of_cookie(cookie)
        if cookie is None or known is None:
            await upgrade.refuse(401, "Please sign in.")
            return
        if lacks_second_factor(*known):
            await upgrade.refuse(403, "A second factor must be set up first.")
            return
        try:
            check_server_request(headers, b"GET", None)
        except UpgradeError as error:
            await upgrade.refuse(error.status, str(error))
            return
        try:
            with context.feeds.opened(cookie, known[0].id) as feed:
                await self._serve(upgrade, feed, cookie, *known)
        except LimitExceeded as error:
            await upgrade.refuse(429, str(error))

    async def _serve(
        self,
        upgrade: UpgradeRequest,
        feed: OpenFeed,
        cookie: SecretBytes,
        technician: Technician,
        company: Company,
    ) -> None:
        """Handshake, feed, close frame; all in the nursery of trio-websocket's reader."""
        stream = _TransportStream(upgrade)
        async with trio.open_nursery() as nursery:
            connection = await _accept(nursery, stream)
            if connection is not None:
                console = _Console(self._context, feed, connection, cookie, technician, company)
                with feed.scope:
                    await console.run()
                _log.info("feed_closed", code=feed.code, reason=feed.reason)
                with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
                    await connection.aclose(feed.code, feed.reason)
            nursery.cancel_scope.cancel()


class _Console:
    """One console that listens. Each task ends all of them through `OpenFeed.end`."""

    def __init__(
        self,
        context: ApiContext,
        feed: OpenFeed,
        connection: WebSocketConnection,
        cookie: SecretBytes,
        technician: Technician,
        company: Company,
    ) -> None:
        self._context = context
        self._feed = feed
        self._connection = connection
        self._cookie = cookie
        self._technician = technician
        self._company = company  # as of the last ping; decides which tools are shown, not which may be used

    async def run(self) -> None:
        """Feed until something ends it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._expect_silence)
            nursery.start_soon(self._ping)
            nursery.start_soon(self._tell_changes)

    async def _expect_silence(self) -> None:
        try:
            await self._connection.get_message()
        except ConnectionClosed:
            self._feed.end(1000, "left")
        else:
            self._feed.end(POLICY_VIOLATION, "nothing is expected from a console")

    async def _ping(self) -> None:
        """Keep proxies from cutting the line, notice silence, and see whether the cookie is still good."""
        interval = self._context.settings.ping_interval
        while True:
            # Jitter: consoles that came back together after a restart must not ping in step for ever.
            await trio.sleep(interval * random.uniform(0.8, 1.2))  # noqa: S311 - no secret depends on it
            known = await self._context.accounts.technician_of_cookie(self._cookie)
            if known is None:
                self._feed.end(POLICY_VIOLATION, "signed out")
                return
            self._technician, self._company = known
            with trio.move_on_after(PONG_TIMEOUT) as waiting, suppress(ConnectionClosed):
                await self._connection.ping()
            if waiting.cancelled_caught:
                self._feed.end(GOING_AWAY, "silent")
                return

    async def _tell_changes(self) -> None:
        broker = self._context.broker
        # Watching begins before the list is read, so that no change can fall between the two.
        with broker.watch(self._company.id) as changes:
            sessions = await self._load()
            told = {session.id for session in sessions}
            bodies = [self._body(session) for session in sessions]
            await self._send(AllSessions(sessions=bodies, now=datetime.now(UTC)))
            async for session in changes:
                if access_of(session, self._technician, self._technician.permissions) is not None:
                    told.add(session.id)
                    await self._send(OneSession(session=self._body(session), now=datetime.now(UTC)))
                elif session.id in told:
                    told.discard(session.id)
                    await self._send(GoneSession(id=session.id, now=datetime.now(UTC)))
        self._feed.end(TRY_AGAIN_LATER, "too slow")

    async def _load(self) -> list[Session]:
        """All open sessions that the technician may know of, newest first."""
        sees_all = Permission.READ_ALL_SESSIONS in self._technician.permissions
        query = SessionQuery(
            company_id=self._company.id,
            seen_by=None if sees_all else self._technician.id,
            states=frozenset(state for state in SessionState if state.is_open),
            limit=MAX_SESSIONS,
        )
        found, _ = await self._context.broker.sessions(query)
        return found

    def _body(self, session: Session) -> SessionBody:
        technician = self._technician
        view = SessionView(
            technician=technician,
            company=self._company,
            permissions=technician.permissions,
            language=technician.language if technician.language in LANGUAGES else LANGUAGES[0],
            mail=self._context.outbox.record_of(session.id),
        )
        return session_body(session, view)

    async def _send(self, message: AllSessions | OneSession | GoneSession) -> None:
        with trio.move_on_after(WRITE_TIMEOUT) as sending, suppress(ConnectionClosed):
            await self._connection.send_message(message.model_dump_json())
        if sending.cancelled_caught:
            self._feed.end(TRY_AGAIN_LATER, "too slow")


class _TransportStream(trio.abc.Stream):
    """An upgrade's transport as trio-websocket wants it: a stream that begins with the request's head.

    `aclose` leaves the transport open; whoever owns it closes it.
    """

    def __init__(self, upgrade: UpgradeRequest) -> None:
        self._transport = upgrade.transport
        self._head = _head(upgrade.headers)
        self._is_closed = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._is_closed:
            raise trio.ClosedResourceError
        if self._head:
            await trio.lowlevel.checkpoint()
            head, self._head = self._head, b""
            return head
        try:
            return await self._transport.receive_some(max_bytes or 4096)
        except PeerGone as error:
            raise trio.BrokenResourceError from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError
        try:
            await self._transport.send_all(bytes(data))
        except PeerGone as error:
            raise trio.BrokenResourceError from error

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self._is_closed = True
        await trio.lowlevel.checkpoint()


async def _accept(nursery: trio.Nursery, stream: _TransportStream) -> WebSocketConnection | None:
    """The accepted connection, or None if the console did not finish the handshake."""
    with trio.move_on_after(HANDSHAKE_TIMEOUT), suppress(ConnectionClosed):
        # One waiting message is enough to know that there was one.
        request = await wrap_server_stream(
            nursery, stream, message_queue_size=1, max_message_size=MAX_MESSAGE_BYTES
        )
        return await request.accept()
    return None


def cookie_in(headers: Iterable[tuple[bytes, bytes]], name: str) -> SecretBytes | None:
    """The sign-in cookie among an upgrade's headers, if it is there exactly once; untrusted."""
    values = [value for key, value in headers if key.lower() == b"cookie"]
    if len(values) != 1:
        return None
    try:
        morsel = SimpleCookie(values[0].decode("latin-1")).get(name)
    except CookieError:
        return None
    return None if morsel is None else read_cookie(morsel.value)


def _head(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The request's head, written again without what may bring extensions or a query into play."""
    kept = [(name, value) for name, value in headers if name.lower() in _HANDSHAKE_HEADERS]
    lines = [f"GET {PATH} HTTP/1.1".encode(), *(name + b": " + value for name, value in kept)]
    return b"\r\n".join([*lines, b"", b""])
