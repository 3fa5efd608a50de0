"""One request and its answer: the ASGI app between a parsed head and the wire (ASGI 3, HTTP 2.4).

The app pulls the content and pushes the answer; nobody reads ahead for it, so that both directions have the
client's own pace. Three things end an app early: content above its limit, content that does not flow, and
content that is not HTTP. Then the app is cancelled, which it cannot mistake for anything else, and the
refusal is raised to the connection. A client that leaves is told to the app (``http.disconnect``, or an
OSError from `send`), never by cancelling: an app may want to finish what it began.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import NoReturn

import h11
import structlog
import trio

from relay.errors import PeerGone
from relay.http.events import FrontDoorEvent
from relay.http.heads import RequestHead
from relay.http.problems import RequestRefused, http_date
from relay.http.types import ASGI_VERSIONS, FrontDoor, Message, Scope
from relay.http.wire import READ_BYTES, HttpWire

log = structlog.get_logger(__name__)


class ClientGone(OSError):
    """What `send` raises to the app once nobody listens (ASGI 2.4 wants an OSError)."""


class Exchange:
    """Runs the app for one request.

    Args:
        wire: positioned right behind the head.
        door: the app and its limits.
        head: the request.
        client: who asks.
        scheme: ``"http"`` or ``"https"``.
        server_address: where the client connected to, if known.
        on_answer: called when the answer begins, and at each of its pieces.

    Raises:
        RequestRefused: the content announces more than its limit, or what came of it is not HTTP.
    """

    def __init__(
        self,
        wire: HttpWire,
        door: FrontDoor,
        head: RequestHead,
        *,
        client: tuple[str, int],
        scheme: str,
        server_address: tuple[str, int] | None,
        on_answer: Callable[[], None],
    ) -> None:
        # Never changed.
        self._wire = wire
        self._door = door
        self._on_answer = on_answer
        self._head = head
        self._scope: Scope = {
            "type": "http",
            "asgi": dict(ASGI_VERSIONS),
            "http_version": head.http_version,
            "method": head.method,
            "scheme": scheme,
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query_string,
            "root_path": "",
            "headers": list(head.headers),
            "client": client,
            "server": server_address,
            "state": dict(door.state),
        }
        self._max_body_bytes = door.settings.body_limit(head.path)
        self._app_scope = trio.CancelScope()
        # The receiver's.
        self._receiving = trio.Lock()
        self._unread = bytearray()
        self._received_bytes = 0
        self._waited = 0.0
        self._is_body_complete = False
        self._is_body_told = False
        self._waiting = trio.CancelScope()  # for the client to say something
        # The sender's.
        self._start: tuple[int, list[tuple[bytes, bytes]]] | None = None
        # Either's: set once, never cleared.
        self._is_answer_begun = False
        self._answered = trio.Event()
        self._refusal: RequestRefused | None = None
        self._is_unheard = False  # nothing can be sent any more
        self._has_left = False  # the app was told that the client left

        if head.content_length is not None and head.content_length > self._max_body_bytes:
            raise self._too_large()
        self._take_parsed()

    async def run(self) -> None:
        """Returns when the app has returned; the parser's states tell whether the connection can go on.

        Raises:
            RequestRefused: to be answered by the caller; nothing has been sent.
            PeerGone: the answer is incomplete and cannot be completed: the connection has to be aborted.
        """
        failure: Exception | None = None
        with self._app_scope:
            try:
                await self._door.app(self._scope, self._receive, self._send)
            except* Exception as group:
                failure = _unwrap(group)
        if self._refusal is not None:
            if self._is_answer_begun:
                self._door.on_event(self._refusal.event)
                raise PeerGone(str(self._refusal))
            raise self._refusal
        if (self._is_unheard or self._has_left) and not self._answered.is_set():
            # What an app raises now is most often only its way of noticing.
            log.info("client left before its answer", error=type(failure).__name__ if failure else None)
            raise PeerGone("The client left before its answer.")
        if failure is not None or not self._answered.is_set():
            self._report_failure(failure)

    def _report_failure(self, failure: Exception | None) -> None:
        """Logs once. Neither path nor fields: deployment links and cookies are secrets."""
        log.error("the app failed", method=self._head.method, exc_info=failure or False)
        if not self._is_answer_begun:
            raise RequestRefused(
                HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong inside the relay."
            ) from failure
        self._door.on_event(FrontDoorEvent.APP_ERROR)
        if not self._answered.is_set():
            raise PeerGone("The app left its answer incomplete.")

    # The app's receive.

    async def _receive(self) -> Message:
        async with self._receiving:
            try:
                if self._is_body_told or self._has_left or self._answered.is_set():
                    return await self._receive_disconnect()
                return await self._receive_body()
            except PeerGone:
                self._is_unheard = True
                return self._disconnected()

    async def _receive_body(self) -> Message:
        if self._wire.parser.they_are_waiting_for_100_continue and self._start is None:
            await self._wire.send(
                h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[], reason=b"Continue")
            )
        while not self._unread and not self._is_body_complete:
            try:
                if not await self._fill_in_time():
                    return self._disconnected()
                self._take_parsed()
            except RequestRefused as refusal:
                await self._refuse(refusal)
        await trio.lowlevel.checkpoint()
        body = bytes(self._unread)
        self._unread.clear()
        self._is_body_told = self._is_body_complete
        return {"type": "http.request", "body": body, "more_body": not self._is_body_complete}

    async def _receive_disconnect(self) -> Message:
        """Waits until the client leaves or has its answer; what it sends meanwhile is its next request."""
        while not (self._answered.is_set() or self._has_left):
            if self._wire.buffered_bytes >= READ_BYTES:
                await self._answered.wait()  # it pipelines faster than we answer: the kernel keeps the rest
                break
            with trio.CancelScope() as self._waiting:
                if not await self._wire.fill():
                    break
        await trio.lowlevel.checkpoint()
        return self._disconnected()

    def _disconnected(self) -> Message:
        self._has_left = True
        return {"type": "http.disconnect"}

    async def _fill_in_time(self) -> bool:
        """Reads once; False if the client ended its sending in the middle, or has got its answer meanwhile.

        Raises:
            RequestRefused: 408, all waiting time is used up.
            PeerGone: the connection is lost.
        """
        settings = self._door.settings
        earned = self._received_bytes / settings.min_body_bytes_per_second
        began = trio.current_time()
        try:
            with trio.move_on_after(settings.body_timeout + earned - self._waited) as self._waiting:
                return await self._wire.fill()
        finally:
            self._waited += trio.current_time() - began
        if self._answered.is_set():
            return False
        raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT, "The content came too slowly.")

    def _take_parsed(self) -> None:
        """Moves the content that the parser holds to `_unread`. No checkpoint.

        Raises:
            RequestRefused: 413, or 400 for broken chunks.
        """
        while not self._is_body_complete:
            try:
                event = self._wire.parser.next_event()
            except h11.RemoteProtocolError as error:
                raise RequestRefused(HTTPStatus.BAD_REQUEST, "The content is not valid HTTP/1.1.") from error
            if isinstance(event, h11.Data):
                self._received_bytes += len(event.data)
                if self._received_bytes > self._max_body_bytes:
                    raise self._too_large()
                self._unread += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._is_body_complete = True
            else:
                return

    def _too_large(self) -> RequestRefused:
        return RequestRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The content may have no more than {self._max_body_bytes} bytes here.",
        )

    async def _refuse(self, refusal: RequestRefused) -> NoReturn:
        """Cancels the app; the connection answers in its place."""
        self._refusal = refusal
        self._app_scope.cancel()
        await trio.lowlevel.checkpoint()
        raise ClientGone(str(refusal))  # for an app that shields itself

    # The app's send.

    async def _send(self, message: Message) -> None:
        if self._is_unheard or self._refusal is not None:
            raise ClientGone("The client is gone.")
        match message["type"]:
            case "http.response.start" if self._start is None:
                # ASGI: nothing is sent before the first piece of content, so that both leave together.
                headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
                self._start = (message["status"], headers)
                await trio.lowlevel.checkpoint()
            case "http.response.body" if self._start is not None and not self._answered.is_set():
                await self._send_body(*self._start, message.get("body", b""), message.get("more_body", False))
            case kind:
                raise RuntimeError(f"The app sent {kind!r} out of order.")

    async def _send_body(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, is_more: bool
    ) -> None:
        events: list[h11.Event] = []
        was_begun = self._is_answer_begun
        if not was_begun:
            events.append(self._response(status, headers))
        if body and self._head.method != "HEAD" and status not in _WITHOUT_CONTENT:
            events.append(h11.Data(data=bytes(body)))
        if not is_more:
            events.append(h11.EndOfMessage())
        self._is_answer_begun = True
        self._on_answer()
        try:
            await self._wire.send(*events)
        except h11.LocalProtocolError:
            self._is_answer_begun = was_begun
            raise
        except PeerGone as error:
            self._is_unheard = True
            raise ClientGone(str(error)) from error
        if not is_more:
            self._answered.set()
            self._waiting.cancel()

    def _response(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> h11.Response:
        fields = list(headers)
        if not any(name.lower() == b"date" for name, _ in fields):
            fields.append((b"date", http_date()))
        if self._must_close():
            fields = [field for field in fields if field[0].lower() != b"connection"]
            fields.append((b"connection", b"close"))
        try:
            reason = HTTPStatus(status).phrase.encode("ascii")
        except ValueError:
            reason = b""
        return h11.Response(status_code=status, headers=fields, reason=reason)

    def _must_close(self) -> bool:
        """True if the next request could not be told from content that nobody has read, or at a drain."""
        if self._door.drain.is_begun:
            return True
        with suppress(RequestRefused):
            self._take_parsed()  # most content has arrived by now, whether the app wants it or not
        return not self._is_body_complete


_WITHOUT_CONTENT = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


def _unwrap(group: ExceptionGroup[Exception]) -> Exception:
    """The error itself if it is only one: `except*` wraps what was not in a group."""
    only = group.exceptions[0]
    return only if len(group.exceptions) == 1 else group
