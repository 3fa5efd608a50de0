"""What the front door reports about itself. The caller counts it; `relay/http/` knows no metrics."""

from collections.abc import Callable
from enum import StrEnum


class FrontDoorEvent(StrEnum):
    """Something worth counting. The values are metric labels; the set is closed."""

    REQUEST = "request"
    """A request head was accepted and is answered by the app."""
    UPGRADE = "upgrade"
    """A connection was handed to an upgrade handler."""
    HANDSHAKE_FAILURE = "handshake_failure"
    """TLS could not be agreed on in time, or something else than TLS came."""
    BAD_REQUEST = "bad_request"
    """A head or body that is not (our) HTTP/1.1: 400, 501, 505."""
    TOO_LARGE = "too_large"
    """A head (431) or content (413) above its limit."""
    SLOW_REQUEST = "slow_request"
    """A head or content that did not arrive in time: 408."""
    WRITE_STALL = "write_stall"
    """A client that stopped reading its answer."""
    REFUSED_LIMIT = "refused_limit"
    """A connection or upgrade above a limit per address or in all: 429, 503."""
    REFUSED_DESCRIPTORS = "refused_descriptors"
    """A connection turned away because the process is nearly out of file descriptors: 503."""
    CLIENT_GONE = "client_gone"
    """A client that left before its answer was complete."""
    APP_ERROR = "app_error"
    """The app raised, or left an answer incomplete."""
    UPGRADE_ERROR = "upgrade_error"
    """An upgrade handler raised."""
    CONNECTION_ERROR = "connection_error"
    """The front door itself raised: a bug, caught at the connection's barrier."""
    ACCEPT_ERROR = "accept_error"
    """The system refused to accept a connection, mostly for want of file descriptors."""


EventSink = Callable[[FrontDoorEvent], None]
"""Called synchronously for each event; must neither block nor raise."""


def ignore_event(event: FrontDoorEvent) -> None:
    """The sink of those who do not count."""
