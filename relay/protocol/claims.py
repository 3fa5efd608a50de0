"""What host and viewer say to each other when pairing: who they are, and what came of it.

Claims and facts travel in OPEN and ACCEPT, readable by the relay, and are proven by the handshake
(`relay.protocol.pairing`). Answer and receipt are the two sealed records after it (docs/protocol.md §5).
"""

from dataclasses import asdict, dataclass
from typing import Self

from relay.protocol.maps import Shape, binary, boolean, decode_map, encode_map, integer, text, texts

MAX_LIFETIME = 10 * 365 * 86_400  # seconds; a bound against nonsense, the relay's settings are far stricter

_CLAIMS: Shape = {"technician": text, "company": text, "kinds": texts, "lifetime": integer(1, MAX_LIFETIME)}
_FACTS: Shape = {"computer": text, "os": text, "user": text, "key": binary(32)}
_ANSWER: Shape = {"allowed": boolean}
_STORED: Shape = {"stored": boolean}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairClaims:
    """What the viewer says about itself when pairing; shown to the customer.

    Attributes:
        technician, company: names, at most 1024 bytes of UTF-8, of any content: strip before showing.
        kinds: the channels asked for, at most 32.
        lifetime: seconds from activation, at least 1.
    """

    technician: str
    company: str
    kinds: list[str]
    lifetime: int

    def pack(self) -> bytes:
        """The claims as they travel in OPEN."""
        return encode_map(asdict(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Reads untrusted claims.

        Raises:
            RemoteProtocolError: with BAD_FRAME.
        """
        return cls(**decode_map(data, _CLAIMS, "viewer's claims"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFacts:
    """What the host says about itself when pairing; shown to the technician.

    Attributes:
        computer, os, user: names, at most 1024 bytes of UTF-8, of any content: strip before showing.
        key: 32 bytes, the host's public key (Ed25519), which signs its receipt.
    """

    computer: str
    os: str
    user: str
    key: bytes

    def pack(self) -> bytes:
        """The facts as they travel in ACCEPT."""
        return encode_map(asdict(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Reads untrusted facts.

        Raises:
            RemoteProtocolError: with BAD_FRAME.
        """
        return cls(**decode_map(data, _FACTS, "host's facts"))


def pack_answer(*, is_allowed: bool) -> bytes:
    """The plaintext of the host's sealed record after a pairing's confirmation: the customer's answer."""
    return encode_map({"allowed": is_allowed})


def unpack_answer(data: bytes) -> bool:
    """Reads the customer's answer.

    Raises:
        RemoteProtocolError: with BAD_FRAME.
    """
    is_allowed: bool = decode_map(data, _ANSWER, "customer's answer")["allowed"]
    return is_allowed


def pack_stored() -> bytes:
    """The plaintext with which the viewer says that it keeps the pairing key."""
    return encode_map({"stored": True})


def unpack_stored(data: bytes) -> bool:
    """Reads whether the viewer keeps the pairing key.

    Raises:
        RemoteProtocolError: with BAD_FRAME.
    """
    is_stored: bool = decode_map(data, _STORED, "viewer's answer")["stored"]
    return is_stored
