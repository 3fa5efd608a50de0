"""Errors of the protocol: who broke it decides the class (as in h11's Local/Remote split)."""

from relay.protocol.close_reasons import CloseReason


class ProtocolError(Exception):
    """The protocol was broken. `close_reason` says how to answer; `str(error)` is one sentence."""

    def __init__(self, message: str, close_reason: CloseReason) -> None:
        super().__init__(message)
        self.close_reason = close_reason


class RemoteProtocolError(ProtocolError):
    """The other side sent what it may not; closing it with `close_reason` is the whole answer."""

    def __init__(self, message: str, close_reason: CloseReason = CloseReason.BAD_FRAME) -> None:
        super().__init__(message, close_reason)


class LocalProtocolError(ProtocolError):
    """Our own code tried a step the protocol forbids: a bug; answered as INTERNAL."""

    def __init__(self, message: str) -> None:
        super().__init__(message, CloseReason.INTERNAL)
