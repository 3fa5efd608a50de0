"""The relay's own exception classes (STYLE §7); the protocol's are in `relay.protocol.errors`."""

from relay.protocol.close_reasons import CloseReason


class RelayError(Exception):
    """Root of what the relay raises on purpose. `str(error)` is one sentence a person can use."""

    close_reason = CloseReason.INTERNAL

    def __init__(self, message: str, close_reason: CloseReason | None = None) -> None:
        super().__init__(message)
        if close_reason is not None:
            self.close_reason = close_reason


class Refused(RelayError):
    """Somebody asked for what they may not have (now)."""

    close_reason = CloseReason.REFUSED


class AuthError(Refused):
    """Who they say they are was not proven."""


class NotAllowed(Refused):
    """Who they are is known, and that they may not."""


class ReasonRequired(Refused):
    """The company wants to know why somebody connects."""


class SessionUnavailable(Refused):
    """No such session, or not in a state that allows this; a stranger cannot tell which."""


class LimitExceeded(Refused):
    """A named limit is reached.

    Attributes:
        limit: the limit's name, as in the settings.
        retry_after: seconds until another try is worth it, or None where only an event helps.
        session_id: the session that is in the way, for limits on sessions.
    """

    close_reason = CloseReason.LIMIT

    def __init__(
        self, message: str, *, limit: str, retry_after: float | None = None, session_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.limit = limit
        self.retry_after = retry_after
        self.session_id = session_id


class PeerGone(RelayError):
    """The ordinary end of a connection: logged at INFO, counted, never a traceback."""

    close_reason = CloseReason.DEAD


class ConfigError(RelayError):
    """The settings cannot be used; raised before anything is opened."""
