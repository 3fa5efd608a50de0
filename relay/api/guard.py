"""What stands before every route: who may speak to it at all, and what every answer carries.

An ASGI middleware around the whole app, so that no route can forget it (and none can opt out):

1. *Host* must be the relay's own (against DNS rebinding). A person who typed another name of the same relay
   is sent to the right one; programs get 421. ``/healthz`` is exempt, load balancers ask by address.
2. *Fetch metadata*: nothing under ``/api/`` answers a request that another site's page caused. But for one:
   identity providers send the browser itself back to `RETURN_PATH`, which trusts nothing but its own state.
3. *Unsafe methods*: JSON content type, the header ``X-Adhoc-Csrf: 1`` (a page of another origin cannot set it
   without a preflight that nobody answers), and the exact Origin. A client that is no browser sends neither
   Origin nor Sec-Fetch-Site; a browser always sends an Origin with a POST.
4. Headers of SECURITY on every answer, `no-store` on the API's; a route that serves what people uploaded has
   a stricter policy of its own, and says itself what browsers may keep (`relay.api.logos`).
5. One log line and one count per request: method, *template* of the route (a path holds invites), status,
   duration. Never an address, a query, a header or a body.
6. The barrier: what nobody expected becomes a logged 500 and harms only its own request.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.api.context import bearer_of
from relay.api.problems import Problem, problem_response
from relay.metrics import Metrics
from relay.texts import best_language, mark

CSRF_HEADER = "x-adhoc-csrf"
RETURN_PATH = "/api/v1/sign-in/oidc/callback"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CHANGING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
KNOWN_METHODS = SAFE_METHODS | CHANGING_METHODS

_PAGE = re.compile(
    r"/(sign-in|invite|reset|account|audit|settings(/[a-z-]+)?"
    r"|sessions/[A-Za-z0-9_-]+|session/[A-Za-z0-9_-]+(/files|/dashboard|/shell)?)?"
)

_log: structlog.stdlib.BoundLogger = structlog.get_logger("relay.access")


def security_headers(origin: str) -> dict[str, str]:
    """The headers of SECURITY for a relay that people reach at `origin`."""
    websockets = origin.replace("http", "ws", 1)
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        f"connect-src 'self' {websockets}; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'"
    )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    if origin.startswith("https://"):
        headers["strict-transport-security"] = "max-age=63072000"
    return headers


@dataclass(slots=True)
class _Answer:
    """How far the answer to one request has got."""

    status: int | None = None
    is_complete: bool = False
    is_client_gone: bool = False


class Guard:
    """The middleware described above.

    Args:
        app: what is guarded.
        origin: the only origin that is served.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, origin: str, metrics: Metrics) -> None:
        self._app = app
        self._origin = origin
        self._host = origin.partition("://")[2]
        self._metrics = metrics
        self._headers = security_headers(origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer()
        started = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                self._add_headers(scope["path"], MutableHeaders(scope=message))
            try:
                await send(message)
            except OSError:  # ASGI 2.4: the client is gone
                answer.is_client_gone = True
                raise
            answer.is_complete = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            refusal = self._refusal(scope)
            if refusal is None:
                await self._app(scope, receive, send_with_headers)
            else:
                await refusal(scope, receive, send_with_headers)
        except Exception:  # the barrier of this room (STYLE §8.4)
            if answer.is_client_gone:
                raise  # an ordinary ending, which the front door counts
            self._metrics.crashes_total.labels("api").inc()
            _log.exception("request_crashed", route=_route(scope))
            # Starlette answers 500 and raises all the same. With half an answer out, only closing the
            # connection can say that something went wrong; the front door does that.
            if not answer.is_complete:
                raise
        finally:
            self._count(scope, answer.status, time.perf_counter() - started)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that no route shall see, or None."""
        headers = Headers(scope=scope)
        path: str = scope["path"]
        problem: Problem | None = None
        if headers.getlist("host") != [self._host] and path != "/healthz":
            if scope["method"] in SAFE_METHODS and _PAGE.fullmatch(path):
                return RedirectResponse(self._origin + path, status_code=308)
            problem = Problem(421, mark("This relay is known by another name."))
        elif path.startswith("/api/") and not _is_return(scope["method"], path, headers):
            problem = self._forgery(scope["method"], headers)
        return None if problem is None else problem_response(problem, language=_language(scope))

    def _forgery(self, method: str, headers: Headers) -> Problem | None:
        """What makes a request to the API look as if another site had caused it, or None."""
        sites = headers.getlist("sec-fetch-site")
        if sites not in ([], ["same-origin"], ["none"]):
            return Problem(403, mark("The request came from another site."))
        if method not in CHANGING_METHODS:
            return None  # whatever else there may be, no route answers it
        origins = headers.getlist("origin")
        if origins not in ([], [self._origin]):
            return Problem(403, mark("The request came from another site."))
        if not origins and sites == ["none"]:
            # Browsers say who caused a POST; this one claims that nobody did and names no origin either.
            return Problem(403, mark("The request came from another site."))
        # No page of another site can make a browser send a bearer's token; whoever does needs no other proof,
        # and is nobody but the token's holder (`relay.api.context.signed_on`).
        if bearer_of(headers.getlist("authorization")) is None and headers.getlist(CSRF_HEADER) != ["1"]:
            return Problem(403, mark("The header X-Adhoc-Csrf is missing."))
        if "content-type" not in headers and not _has_body(headers):
            return None  # says all with its path; a route that wants a body says so
        kinds = [kind.partition(";")[0].strip().lower() for kind in headers.getlist("content-type")]
        if kinds != ["application/json"]:
            return Problem(415, mark("Only JSON is understood here."))
        return None

    def _add_headers(self, path: str, headers: MutableHeaders) -> None:
        for name, value in self._headers.items():
            if name == "content-security-policy":
                headers.setdefault(name, value)
            else:
                headers[name] = value
        if path.startswith("/api/"):
            headers.setdefault("cache-control", "no-store")

    def _count(self, scope: Scope, status: int | None, seconds: float) -> None:
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
        route = _route(scope)
        self._metrics.requests_total.labels(method, route, str(status or 0)).inc()
        self._metrics.request_seconds.observe(seconds)
        _log.info("request", method=method, route=route, status=status, milliseconds=round(seconds * 1000, 1))


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _is_return(method: str, path: str, headers: Headers) -> bool:
    """True for a browser that another site has sent back here, as a whole page and not as part of one."""
    modes, targets = headers.getlist("sec-fetch-mode"), headers.getlist("sec-fetch-dest")
    is_page = modes in ([], ["navigate"]) and targets in ([], ["document"])
    return method == "GET" and path == RETURN_PATH and is_page


def _route(scope: Scope) -> str:
    """The template of the route that answered: from a closed set, and without ids."""
    return str(getattr(scope.get("route"), "path", "none"))


def _language(scope: Scope) -> str:
    return best_language(Headers(scope=scope).get("accept-language", ""))


def origin_allowed(headers: Iterable[tuple[bytes, bytes]], origin: str) -> bool:
    """True if a WebSocket upgrade names exactly `origin`, once (CVE-2024-26135 is what happens else)."""
    named = [value for name, value in headers if name.lower() == b"origin"]
    return named == [origin.encode("ascii")]
