"""The front door's own answers: refusals as problem details (RFC 9457), written whole, closing."""

import json
import math
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus

from relay.http.events import FrontDoorEvent


class RequestRefused(Exception):
    """A request the front door answers itself; never leaves `relay/http/`.

    Args:
        status: 400 to 599.
        sentence: one sentence that a person can use; nothing of the request is repeated in it, so that
            an error page can never become somebody else's script.
    """

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status

    @property
    def event(self) -> FrontDoorEvent:
        """What it counts as."""
        return _EVENT_OF_STATUS.get(self.status, FrontDoorEvent.BAD_REQUEST)


_EVENT_OF_STATUS = {
    HTTPStatus.REQUEST_TIMEOUT: FrontDoorEvent.SLOW_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: FrontDoorEvent.TOO_LARGE,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: FrontDoorEvent.TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR: FrontDoorEvent.APP_ERROR,
}


def http_date() -> bytes:
    """The wall clock's time as an IMF-fixdate (RFC 9110 §5.6.7)."""
    return formatdate(usegmt=True).encode("ascii")


def render_problem(
    status: int,
    sentence: str,
    *,
    has_body: bool = True,
    retry_after: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A complete HTTP/1.1 answer that refuses and announces the connection's end.

    Args:
        status: an HTTP status, 400 to 599.
        sentence: what went wrong, for a person (``detail``).
        has_body: False for the answer to a HEAD.
        retry_after: seconds, rounded up into ``Retry-After``.
        headers: more fields, for example ``Sec-WebSocket-Version``; trusted, not checked.
    """
    known = HTTPStatus(status)
    problem = {"type": "about:blank", "title": known.phrase, "status": known.value, "detail": sentence}
    body = json.dumps(problem, ensure_ascii=False).encode()
    lines = [
        f"HTTP/1.1 {known.value} {known.phrase}",
        f"Date: {formatdate(usegmt=True)}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if retry_after is not None:
        lines.append(f"Retry-After: {math.ceil(retry_after)}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body if has_body else b"")
