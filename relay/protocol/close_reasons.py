"""Why things end: one vocabulary for the wire, the log, the metrics and the people.

A `CloseReason`'s value is what travels in a ``CLOSE`` frame and labels metrics; `ws_code` is the
WebSocket close code of a whole connection (private range, RFC 6455 §7.4.2); `sentence` is what a
person is told when nothing better is known (source text of the translations).
"""

from enum import Enum


class CloseReason(Enum):
    """The end of a stream, a connection or a session.

    Fields: wire name, WebSocket close code, sentence for a person, and whether a peer that is told so
    may come back by itself.
    """

    # A session's endings (DESIGN §2). Nothing comes back from these.
    ENDED_BY_TECHNICIAN = ("technician", 4000, "The technician ended the session.", False)
    ENDED_BY_CUSTOMER = ("customer", 4001, "The customer ended the session.", False)
    EXPIRED = ("expired", 4002, "The session's time is over.", False)
    LAPSED = ("lapsed", 4003, "The session was never activated and its preparation lapsed.", False)
    GUESSES = ("guesses", 4004, "Too many wrong security codes; the session was ended.", False)
    SUSPENDED = ("suspended", 4005, "The company's account is suspended.", False)

    # A connection's endings.
    NORMAL = ("normal", 1000, "Closed.", False)
    GOING_AWAY = ("going_away", 4010, "The relay is restarting; reconnecting shortly.", True)
    REPLACED = ("replaced", 4011, "The session was opened on another computer or connection.", False)
    REVOKED = ("revoked", 4012, "The right to be connected was withdrawn.", False)
    REFUSED = ("refused", 4013, "This link, ticket or session is not valid (any more).", False)
    LIMIT = ("limit", 4014, "Too many at once; try again in a moment.", True)
    HANDSHAKE_TIMEOUT = ("handshake_timeout", 4015, "The other side did not say who it is in time.", True)
    DEAD = ("dead", 4016, "The connection went silent.", True)
    STALLED = ("stalled", 4017, "The other side reads too slowly.", True)
    INTERNAL = ("internal", 4018, "Something went wrong inside the relay.", True)

    # The peer broke the protocol.
    BAD_WEBSOCKET = ("bad_websocket", 1002, "The WebSocket framing is broken.", True)
    TEXT_MESSAGE = ("text_message", 1003, "Only binary messages are allowed here.", True)
    TOO_LARGE = ("too_large", 1009, "A message is too large.", True)
    BAD_FRAME = ("bad_frame", 4020, "A frame could not be understood.", True)
    OUT_OF_ORDER = ("out_of_order", 4021, "A frame came at the wrong time.", True)
    BAD_VERSION = ("bad_version", 4022, "This program speaks another version of the protocol.", False)
    CREDIT_EXCEEDED = ("credit_exceeded", 4023, "More was sent than the receiver allowed.", True)
    TOO_MANY_STREAMS = ("too_many_streams", 4024, "Too many streams are open.", True)

    # A stream's endings.
    DONE = ("done", 4030, "Finished.", False)
    HOST_OFFLINE = ("host_offline", 4031, "The computer is offline.", True)
    DETACHED = ("detached", 4032, "The technician detached.", True)
    NOT_ACTIVE = ("not_active", 4033, "The session is not active yet.", True)
    PLAN = ("plan", 4034, "The company's plan does not include this tool.", False)
    KIND_NOT_GRANTED = ("kind_not_granted", 4035, "This tool was not granted.", False)
    WRONG_CODE = ("wrong_code", 4036, "The security code is not right.", False)
    WRONG_PASSWORD = ("wrong_password", 4037, "The access password is not right.", False)
    DECLINED = ("declined", 4038, "The customer declined.", False)
    SEAL_BROKEN = ("seal_broken", 4039, "The encryption check failed; the stream was closed.", True)
    UNAVAILABLE = ("unavailable", 4040, "This tool cannot run on that computer.", False)
    TOO_MANY_TRIES = ("too_many_tries", 4041, "Too many tries; wait a moment.", True)
    NOT_ALLOWED = ("not_allowed", 4042, "The customer does not allow this now.", False)
    PAUSED = ("paused", 4043, "The customer has paused the session.", False)

    def __init__(self, wire: str, ws_code: int, sentence: str, may_return: bool) -> None:
        self.wire = wire
        self.ws_code = ws_code
        self.sentence = sentence
        self.may_return = may_return

    @classmethod
    def from_wire(cls, name: object) -> "CloseReason":
        """The reason a peer named; anything unknown is `INTERNAL`, so that a newer peer can end things."""
        return _BY_WIRE.get(name, cls.INTERNAL) if isinstance(name, str) else cls.INTERNAL

    @classmethod
    def from_ws_code(cls, code: int) -> "CloseReason":
        """The reason behind a WebSocket close code; unknown codes are `DEAD` (the peer may come back)."""
        return _BY_CODE.get(code, cls.DEAD)

    @property
    def ends_session(self) -> bool:
        """True for the six endings of a whole session (DESIGN §2)."""
        return 4000 <= self.ws_code < 4010


_BY_WIRE = {reason.wire: reason for reason in CloseReason}
_BY_CODE = {reason.ws_code: reason for reason in CloseReason}
