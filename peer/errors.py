"""How a peer's connection and streams end, as its own code sees it."""

from relay.protocol.close_reasons import CloseReason


class PeerError(Exception):
    """Root. `close_reason` says why; `str(error)` is one sentence for a person."""

    def __init__(self, close_reason: CloseReason, message: str | None = None) -> None:
        super().__init__(message or close_reason.sentence)
        self.close_reason = close_reason


class ConnectionFailed(PeerError):
    """The relay could not be reached, or the connection to it ended or was refused.

    `is_untrusted`: somebody answered who could not prove to be the relay.
    """

    def __init__(
        self, close_reason: CloseReason, message: str | None = None, *, is_untrusted: bool = False
    ) -> None:
        super().__init__(close_reason, message)
        self.is_untrusted = is_untrusted


class NotAdmitted(ConnectionFailed):
    """The relay itself answered HELLO with CLOSE: its own word, not that of something on the way to it."""


class StreamClosed(PeerError):
    """The stream is closed; nothing more can be sent or will arrive."""
