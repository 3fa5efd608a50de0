"""Life of one HTTP connection: heads one after the other, each to the app or, once, to an upgrade handler.

One task. It has two halves, each with an error barrier (STYLE §8.4), so that whatever happens inside harms
this connection alone: `serve_connection`, and `serve_upgrade` after it if the client asked for one. They are
not nested, because a tunnel may wait for hours beside thousands of others: parser, buffers and head of its
request are gone once the first half has returned. Who cancels: the caller (shutdown); `Drain`, while no
request is under way.
"""

import math
from http import HTTPStatus

import h11
import structlog
import trio

from relay.errors import LimitExceeded, PeerGone
from relay.http.admission import Slot
from relay.http.events import FrontDoorEvent
from relay.http.exchange import Exchange
from relay.http.heads import RequestHead, check_request, client_of
from relay.http.problems import RequestRefused, render_problem
from relay.http.types import FrontDoor, UpgradeRequest
from relay.http.wire import READ_BYTES, HttpWire
from relay.transport import Transport

log = structlog.get_logger(__name__)

_SENTENCE_OF_HINT = {
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The request head is too large.",
    HTTPStatus.NOT_IMPLEMENTED: "Only the transfer coding chunked is known here.",
}


async def serve_connection(
    transport: Transport,
    door: FrontDoor,
    slot: Slot,
    *,
    first_head_deadline: float = math.inf,
) -> UpgradeRequest | None:
    """Serves one connection's requests. Raises nothing but what cancels it.

    Args:
        transport: closed on return, unless an upgrade is returned.
        door: app, upgrade handlers and limits.
        slot: the connection's places in `door.admission`; released before an upgrade is returned, and by the
            caller at the end.
        first_head_deadline: Trio's clock; the first head is due at this time, or `head_timeout` from now.

    Returns:
        None once the connection has ended, or an upgrade that `serve_upgrade` is to be called with at once.

    Cancellation: the transport is closed; an answer may be cut short.
    """
    upgrade = None
    try:
        try:
            upgrade = await _Connection(transport, door, slot).run(first_head_deadline)
        except PeerGone as gone:
            door.on_event(FrontDoorEvent.CLIENT_GONE)
            log.debug("client gone", why=str(gone))
    except* Exception:
        door.on_event(FrontDoorEvent.CONNECTION_ERROR)
        log.exception("a connection failed")
    finally:
        if upgrade is None:
            await transport.aclose()
    return upgrade


async def serve_upgrade(request: UpgradeRequest, door: FrontDoor) -> None:
    """Gives the connection to the handler of its path until its end, and closes the transport.

    Keeps nothing of the request but its transport: the rest is the handler's to drop. Raises nothing but
    what cancels it.
    """
    path, transport = request.path, request.transport
    try:
        try:
            handling = door.upgrades[path](request)
            del request
            await handling
        except PeerGone as gone:
            log.debug("upgraded connection gone", why=str(gone))
    except* Exception:
        door.on_event(FrontDoorEvent.UPGRADE_ERROR)
        log.exception("an upgrade handler failed", upgrade=path)
        transport.abort()
    finally:
        await transport.aclose()


class _Connection:
    def __init__(self, transport: Transport, door: FrontDoor, slot: Slot) -> None:
        self._transport = transport
        self._door = door
        self._slot = slot
        self._wire = HttpWire(transport, door)
        self._method = b""  # of the request being answered

    async def run(self, first_head_deadline: float) -> UpgradeRequest | None:
        """Answers requests until there is no other one, or until one is an upgrade: that one it returns."""
        head_deadline = min(first_head_deadline, trio.current_time() + self._door.settings.head_timeout)
        first = self._transport.receive_some_now(READ_BYTES)  # most clients speak at once
        if first is None:
            with self._door.drain.idle_until(head_deadline):
                first = await self._transport.receive_some(READ_BYTES)
            if first is None:
                return None
        familiar = self._door.familiar_heads.find(first)
        if familiar is not None:
            return await self._take_out(*familiar, *self._client_of(familiar.head))
        self._wire.parser.receive_data(first)
        idle_deadline = head_deadline
        try:
            while (head := await self._next_head(idle_deadline, head_deadline)) is not None:
                client, scheme = self._client_of(head)
                if head.raw_path.decode("ascii") in self._door.upgrades and head.is_websocket_upgrade:
                    early, _ = self._wire.parser.trailing_data
                    if early:
                        self._transport.unread(early)
                    else:
                        self._door.familiar_heads.learn(first, head)
                    return await self._take_out(head, head.headers, client, scheme)
                first = b""  # what comes from here on is not known to begin with the head
                if not await self._answer(head, client, scheme):
                    return None
                idle_deadline = trio.current_time() + self._door.settings.keep_alive_timeout
                head_deadline = math.inf
        except RequestRefused as refusal:
            self._door.on_event(refusal.event)
            await self._refuse(refusal.status, str(refusal))
        return None

    def _client_of(self, head: RequestHead) -> tuple[tuple[str, int], str]:
        return client_of(
            head,
            peer_address=self._transport.peer_address,
            is_tls=self._transport.is_tls,
            trusted_proxies=self._door.settings.trusted_proxies,
        )

    async def _next_head(self, idle_deadline: float, head_deadline: float) -> RequestHead | None:
        """The next request's head, or None if there will not be one.

        Args:
            idle_deadline: Trio's clock, until when the first byte may come.
            head_deadline: until when the last byte may come; `math.inf`: `head_timeout` after the first one.

        Raises:
            RequestRefused: what came is no acceptable head, or it came too slowly.
            PeerGone: the connection is lost.
        """
        parser = self._wire.parser
        while True:
            buffered_bytes = self._wire.buffered_bytes
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                status = HTTPStatus(error.error_status_hint)
                raise RequestRefused(
                    status, _SENTENCE_OF_HINT.get(status, "This is not a valid HTTP/1.1 request.")
                ) from error
            if isinstance(event, h11.Request):
                self._method = event.method
                # h11 limits what it has to keep, not a head that comes whole in one read.
                if buffered_bytes - self._wire.buffered_bytes > self._door.settings.max_head_bytes:
                    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                    raise RequestRefused(status, _SENTENCE_OF_HINT[status])
                return check_request(event)
            if event is not h11.NEED_DATA:
                return None  # the client ended the connection between two requests
            if buffered_bytes == 0:
                with self._door.drain.idle_until(idle_deadline) as scope:
                    await self._wire.fill()
                if scope.cancelled_caught:
                    return None
            else:
                if math.isinf(head_deadline):
                    head_deadline = trio.current_time() + self._door.settings.head_timeout
                with trio.move_on_at(head_deadline) as scope:
                    await self._wire.fill()
                if scope.cancelled_caught:
                    raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT, "The request head came too slowly.")

    async def _answer(self, head: RequestHead, client: tuple[str, int], scheme: str) -> bool:
        """Runs the app; True if the connection can take another request.

        Raises:
            RequestRefused: nothing has been answered.
            PeerGone: the answer cannot be completed.
        """
        exchange = Exchange(
            self._wire,
            self._door,
            head,
            client=client,
            scheme=scheme,
            server_address=self._transport.local_address(),
            on_answer=self._slot.prove,
        )
        self._door.on_event(FrontDoorEvent.REQUEST)
        try:
            await exchange.run()
        except PeerGone:
            # A cut answer must not look like a complete one (RFC 9112 §8): reset instead of an orderly end.
            self._transport.abort()
            raise
        parser = self._wire.parser
        if parser.our_state is not h11.DONE or parser.their_state is not h11.DONE:
            return False
        parser.start_next_cycle()
        return True

    async def _take_out(
        self,
        head: RequestHead,
        headers: tuple[tuple[bytes, bytes], ...],
        client: tuple[str, int],
        scheme: str,
    ) -> UpgradeRequest | None:
        """Gives the connection out of hand: None if it was refused, else nobody here touches it any more."""
        peer = self._transport.peer_address
        try:
            if client[0] != peer[0]:
                self._door.admission.charge_upgrade(client[0], trio.current_time())
        except LimitExceeded as limit:
            self._door.on_event(FrontDoorEvent.REFUSED_LIMIT)
            await self._refuse(HTTPStatus.TOO_MANY_REQUESTS, str(limit), retry_after=limit.retry_after)
            return None
        self._door.on_event(FrontDoorEvent.UPGRADE)
        self._slot.release()
        return UpgradeRequest(
            path=head.raw_path.decode("ascii"),
            query_string=head.query_string,
            headers=headers,
            client=client,
            is_tls=scheme == "https",
            transport=self._transport,
        )

    async def _refuse(self, status: HTTPStatus, sentence: str, *, retry_after: float | None = None) -> None:
        """The last thing said on this connection. Raises PeerGone if nobody hears it."""
        has_body = self._method != b"HEAD"
        await self._wire.write(render_problem(status, sentence, has_body=has_body, retry_after=retry_after))
