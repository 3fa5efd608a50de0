"""What can go wrong for a technician; `str(error)` is the one sentence that the command line prints."""


class TechnicianError(Exception):
    """Root of what this package raises on purpose."""


class RelayUnreachable(TechnicianError):
    """The relay did not answer, or what answered is no relay."""


class RelayRefused(TechnicianError):
    """The relay answered with a problem (RFC 9457).

    Attributes:
        status: the HTTP status, 400 … 599.
        limit: the name of the limit that is reached, if one is.
        session: the id of the session that is in the way, if one is.
    """

    def __init__(
        self, message: str, *, status: int, limit: str | None = None, session: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.limit = limit
        self.session = session

    @property
    def is_sign_in_needed(self) -> bool:
        """True when nobody is signed in (any more)."""
        return self.status == 401


class PairingFailed(TechnicianError):
    """The session cannot be paired (any more): declined, too many wrong codes, or ended."""


class ToolFailed(TechnicianError):
    """The desktop cannot be shown: no pairing key is known, or the computer answers wrongly."""


class ComputerSilent(ToolFailed):
    """The computer does not answer, though the relay believes that it is there."""
