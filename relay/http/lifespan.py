"""The ASGI lifespan protocol: the app's start-up before the first request, its shutdown after the last."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
import trio

from relay.errors import RelayError
from relay.http.types import ASGI_VERSIONS, AsgiApp, Message

log = structlog.get_logger(__name__)

SHUTDOWN_TIMEOUT = 5.0
"""Seconds an app has for its shutdown; the process is about to end, with or without it."""


@asynccontextmanager
async def open_lifespan(app: AsgiApp) -> AsyncIterator[dict[str, Any]]:
    """Starts the app, and shuts it down on leaving.

    Args:
        app: an ASGI 3 application. One that does not know the protocol (it raises at once) is fine.

    Yields:
        The state the app has filled in; hand it to `FrontDoor`.

    Raises:
        ExceptionGroup: of one RelayError, the app refused to start, with its own words; and, as from any
            nursery, of whatever the block raises. A failed shutdown is only logged.

    Cancellation: the app still gets `SHUTDOWN_TIMEOUT` seconds for its shutdown.
    """
    lifespan = _Lifespan(app)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lifespan.run)
        try:
            await lifespan.started.wait()
            if lifespan.start_failure is not None:
                raise RelayError(lifespan.start_failure)
            try:
                yield lifespan.state
            finally:
                with trio.move_on_after(SHUTDOWN_TIMEOUT, shield=True):
                    lifespan.begin_shutdown()
                    await lifespan.stopped.wait()
        finally:
            lifespan.scope.cancel()


class _Lifespan:
    """The app's lifespan call. Its `scope` is shielded, so that it outlives the cancelling of its server."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._send_event, self._receive_event = trio.open_memory_channel[Message](math.inf)  # never above 2
        self.scope = trio.CancelScope(shield=True)
        self.state: dict[str, Any] = {}
        self.started = trio.Event()
        self.stopped = trio.Event()  # when the app has returned: it may fail behind its last message
        self.start_failure: str | None = None
        self._send_event.send_nowait({"type": "lifespan.startup"})

    def begin_shutdown(self) -> None:
        self._send_event.send_nowait({"type": "lifespan.shutdown"})

    async def run(self) -> None:
        scope = {"type": "lifespan", "asgi": dict(ASGI_VERSIONS), "state": self.state}
        try:
            with self.scope:
                await self._app(scope, self._receive_event.receive, self._send)
        except* Exception:
            if not self.started.is_set():
                log.info("the app knows no lifespan", exc_info=True)
            elif self.start_failure is None:
                log.exception("the app failed outside any request")
        finally:
            self.started.set()
            self.stopped.set()

    async def _send(self, message: Message) -> None:
        match message["type"]:
            case "lifespan.startup.failed":
                self.start_failure = message.get("message") or "The app refused to start."
            case "lifespan.shutdown.failed":
                log.error("the app's shutdown failed", why=message.get("message"))
        if message["type"].startswith("lifespan.startup."):
            self.started.set()
        await trio.lowlevel.checkpoint()
