"""What the front door agrees on with its neighbours: the ASGI app, the upgrade handlers, the wiring."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import trio

from relay.http.admission import Admission
from relay.http.events import EventSink, ignore_event
from relay.http.familiar_heads import FamiliarHeads
from relay.http.problems import render_problem
from relay.http.settings import FrontDoorSettings
from relay.transport import Transport

# ASGI's messages are dictionaries by specification (asgi.readthedocs.io, "HTTP & WebSocket", version 2.4).
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

ASGI_VERSIONS = {"version": "3.0", "spec_version": "2.4"}
"""2.4: `send` raises an OSError once the client is gone, and Starlette relies on it."""

REFUSAL_TIMEOUT = 10.0
"""Seconds to hand the kernel one refusal of a few hundred bytes; SECURITY's write stall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeRequest:
    """A WebSocket upgrade on its way to the handler of its path.

    Nothing has been answered. The handler writes the ``101`` (or calls `refuse`) and talks on; it may close
    `transport`, and when it returns or raises the front door makes sure that it is closed. Only the handler
    keeps this object: one that talks for hours drops it once it has read the head.

    Attributes:
        path: exactly the key in `FrontDoor.upgrades`.
        query_string: as sent, without ``?``.
        headers: names in lower case, values as sent, in order.
        client: address and port of the client; of a trusted proxy's client, port 0.
        is_tls: whether the client's own leg is encrypted, here or at a trusted proxy.
        transport: its `receive_some` begins with the bytes that came right behind the head.
    """

    path: str
    query_string: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    client: tuple[str, int]
    is_tls: bool
    transport: Transport

    async def refuse(
        self,
        status: int,
        sentence: str,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answers with a problem (RFC 9457) instead of ``101``; the handler returns afterwards.

        Args:
            status: 400 to 599.
            sentence: what is wrong, for a person.
            retry_after: seconds.
            headers: more fields, for example ``Sec-WebSocket-Version``.

        Raises:
            PeerGone: nobody is there to be told. The front door takes it as the ordinary end it is.
        """
        with trio.move_on_after(REFUSAL_TIMEOUT):
            await self.transport.send_all(
                render_problem(status, sentence, retry_after=retry_after, headers=headers)
            )


UpgradeHandler: TypeAlias = Callable[[UpgradeRequest], Awaitable[None]]


class Drain:
    """Tells connections to finish: idle ones at once, busy ones after the request they are at.

    Idle connections register a cancel scope instead of each waiting in a task of its own.
    """

    def __init__(self) -> None:
        self.is_begun = False
        self._idle: set[trio.CancelScope] = set()

    def begin(self) -> None:
        """From here on connections end; may be called again."""
        self.is_begun = True
        for scope in self._idle:
            scope.cancel()

    @contextmanager
    def idle_until(self, deadline: float) -> Iterator[trio.CancelScope]:
        """A scope for waiting without a request: cancelled at `deadline` (Trio's clock) or by `begin`."""
        with trio.CancelScope(deadline=deadline) as scope:
            self._idle.add(scope)
            if self.is_begun:
                scope.cancel()
            try:
                yield scope
            finally:
                self._idle.discard(scope)


class FrontDoor:
    """What all connections of one front door share. Made once, by the composition root.

    Args:
        app: an ASGI 3 application.
        upgrades: exact path → handler. A WebSocket upgrade for any other path is an ordinary request.
        settings: the limits; validated here.
        state: what `open_lifespan` gave; every request gets a shallow copy as ``scope["state"]``.
        on_event: counts; must neither block nor raise.

    Raises:
        ConfigError: the settings cannot be obeyed.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        upgrades: Mapping[str, UpgradeHandler] | None = None,
        settings: FrontDoorSettings | None = None,
        state: Mapping[str, Any] | None = None,
        on_event: EventSink = ignore_event,
    ) -> None:
        self.app = app
        self.upgrades = dict(upgrades or {})
        self.settings = settings or FrontDoorSettings()
        self.settings.validate()
        self.state = state or {}
        self.on_event = on_event
        self.admission = Admission(self.settings)
        self.drain = Drain()
        self.familiar_heads = FamiliarHeads()
