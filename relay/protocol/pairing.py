"""Pairing and connecting: the CPace handshake of a stream, both ends (docs/protocol.md §5).

The same four messages serve two purposes. *Pairing*, once per session, proves that host and viewer know
the link's invite secret and the security code, and yields the pairing key. *Connecting*, at the beginning
of every other stream, proves the pairing key and the access password, and yields fresh keys for that
stream alone::

    viewer                                               host
    open_params()      ── OPEN {nonce, claims …} ──▶     receive_open()
    receive_accept()   ◀── ACCEPT {nonce, share, facts}  accept_params()
      → payload        ── DATA {share, tag} ───────▶     receive_share()
    receive_confirmation()  ◀── DATA {tag} ────────        → payload and Keys
      → Keys

Everything either side said, relay origin, session and stream are hashed into the keys: a relay that changes a
byte makes the tags fail. What the other side claims is proven only once this side holds `Keys`; until then
`claims` and `facts` may be shown, but must not be relied upon. The viewer proves itself first, so that nobody
gets a tag of the host to guess against without having guessed.

Each object makes one try. Any error ends it for good, and the stream is closed with the error's close reason.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from relay.protocol import cpace
from relay.protocol.claims import PairClaims, PairFacts
from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import MAX_ATTEMPTS, MAX_CODES, normalise_access_password
from relay.protocol.cpace import SHARE_BYTES, TAG_BYTES, lv_cat
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError
from relay.protocol.hidden import SecretBytes
from relay.protocol.maps import (
    MAX_MAP_BYTES,
    Shape,
    binary,
    binary_up_to,
    check_map,
    decode_map,
    encode_map,
    integer,
)
from relay.protocol.sealing import Direction, Opener, Sealer, max_data_bytes_of

NONCE_BYTES = 16
PAIRING_KEY_BYTES = 32
NO_DETAILS = encode_map({})  # claims or facts of a channel that has none

_PAIR = "pair"
_DETAILS = binary_up_to(MAX_MAP_BYTES)
_OPEN: Shape = {"nonce": binary(NONCE_BYTES), "claims": _DETAILS}
_OPEN_PAIR: Shape = {
    "nonce": binary(NONCE_BYTES),
    "attempt": integer(1, MAX_ATTEMPTS),
    "code": integer(1, MAX_CODES),
    "claims": _DETAILS,
}
_ACCEPT: Shape = {"nonce": binary(NONCE_BYTES), "share": binary(SHARE_BYTES), "facts": _DETAILS}
_SHARE: Shape = {"share": binary(SHARE_BYTES), "tag": binary(TAG_BYTES)}
_CONFIRMATION: Shape = {"tag": binary(TAG_BYTES)}

Random = Callable[[int], bytes]


class WrongSecret(RemoteProtocolError):
    """The other side does not know the same code or password (or somebody in the middle changed something).

    `close_reason` is WRONG_CODE or WRONG_PASSWORD.
    """

    def __init__(self, close_reason: CloseReason) -> None:
        super().__init__(close_reason.sentence, close_reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a finished handshake yields.

    Attributes:
        viewer_to_host, host_to_viewer: 32 bytes, the stream's record keys.
        pairing_key: 32 bytes to keep, after pairing; None after connecting.
        stream, channel: what the record keys belong to.
    """

    viewer_to_host: SecretBytes
    host_to_viewer: SecretBytes
    pairing_key: SecretBytes | None
    stream: int
    channel: str

    def viewer_ends(self) -> tuple[Sealer, Opener]:
        """A sealer and an opener for the viewer's end of the stream; to be called once."""
        return self._sealer(Direction.VIEWER_TO_HOST), self._opener(Direction.HOST_TO_VIEWER)

    def host_ends(self) -> tuple[Sealer, Opener]:
        """A sealer and an opener for the host's end of the stream; to be called once."""
        return self._sealer(Direction.HOST_TO_VIEWER), self._opener(Direction.VIEWER_TO_HOST)

    def _sealer(self, direction: Direction) -> Sealer:
        size = max_data_bytes_of(self.channel)
        return Sealer(self._key(direction), self.stream, direction, max_data_bytes=size)

    def _opener(self, direction: Direction) -> Opener:
        size = max_data_bytes_of(self.channel)
        return Opener(self._key(direction), self.stream, direction, max_data_bytes=size)

    def _key(self, direction: Direction) -> SecretBytes:
        return self.viewer_to_host if direction is Direction.VIEWER_TO_HOST else self.host_to_viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Binding:
    """What both sides must agree on before a single byte is sent, and the keys that follow from it."""

    channel: str
    origin: str
    session: str
    stream: int
    prs: SecretBytes

    @property
    def wrong_secret(self) -> WrongSecret:
        is_pair = self.channel == _PAIR
        return WrongSecret(CloseReason.WRONG_CODE if is_pair else CloseReason.WRONG_PASSWORD)

    def session_id(self, code_number: int, attempt: int, viewer_nonce: bytes, host_nonce: bytes) -> bytes:
        return hashlib.sha256(
            lv_cat(
                self.origin.encode(),
                self.session.encode(),
                self.channel.encode(),
                self.stream.to_bytes(4, "big"),
                code_number.to_bytes(8, "big"),
                attempt.to_bytes(8, "big"),
                viewer_nonce,
                host_nonce,
            )
        ).digest()

    def generator(self, sid: bytes) -> bytes:
        ci = lv_cat(b"adhoc.v1", self.channel.encode(), self.origin.encode(), self.session.encode())
        return cpace.calculate_generator(self.prs, ci, sid)

    def keys(self, sid: bytes, isk: bytes) -> Keys:
        def derive(info: bytes) -> SecretBytes:
            return SecretBytes(HKDF(algorithm=hashes.SHA256(), length=32, salt=sid, info=info).derive(isk))

        stream = self.stream.to_bytes(4, "big")
        return Keys(
            viewer_to_host=derive(lv_cat(b"adhoc.v1 record", stream, b"v2h")),
            host_to_viewer=derive(lv_cat(b"adhoc.v1 record", stream, b"h2v")),
            pairing_key=derive(b"adhoc.v1 pairing key") if self.channel == _PAIR else None,
            stream=self.stream,
            channel=self.channel,
        )


class _Step(Enum):
    NEW = auto()
    OPENED = auto()  # OPEN is made or taken
    ACCEPTED = auto()  # ACCEPT is made or taken
    OVER = auto()  # finished, or failed


class _Handshake:
    """What the two ends share: their binding, their ephemeral secrets, and the order of steps."""

    def __init__(
        self,
        binding: _Binding,
        *,
        code_number: int,
        attempt: int,
        claims: bytes,
        facts: bytes,
        random: Random,
    ) -> None:
        self._binding = binding
        self._code_number = code_number
        self._attempt = attempt
        self._nonce = random(NONCE_BYTES)
        self._scalar = SecretBytes(random(cpace.SCALAR_BYTES))
        self._sid = b""
        self._share = b""  # this side's
        self._step = _Step.NEW
        self.claims = claims
        self.facts = facts

    def _begin(self, step: _Step) -> None:
        """Enters a step. Until the step sets the next one, the handshake counts as failed."""
        if self._step is not step:
            self._step = _Step.OVER
            raise LocalProtocolError("This handshake is over or its steps came out of order.")
        self._step = _Step.OVER

    def _make_share(self, viewer_nonce: bytes, host_nonce: bytes) -> None:
        self._sid = self._binding.session_id(self._code_number, self._attempt, viewer_nonce, host_nonce)
        self._share = bytes(cpace.multiply(self._scalar, self._binding.generator(self._sid)))

    def _derive_isk(self, peer_share: bytes, transcript: bytes) -> SecretBytes:
        k = cpace.multiply(self._scalar, cpace.check_share(peer_share))
        return cpace.derive_isk(self._sid, k, transcript)


class ViewerHandshake(_Handshake):
    """The viewer's end of one handshake. Made by `for_pairing` or `for_connection`.

    Attributes:
        claims: what this side says, packed.
        facts: what the host says, packed; after `receive_accept`, proven after `receive_confirmation`.
    """

    @classmethod
    def for_pairing(
        cls,
        *,
        origin: str,
        session: str,
        stream: int,
        code_number: int,
        attempt: int,
        invite_secret: bytes,
        security_code: str,
        claims: PairClaims,
        _random: Random = secrets.token_bytes,
    ) -> Self:
        """A try to pair.

        Args:
            origin: the relay's, spelled as in the deployment link.
            session: the session's id.
            stream: the id this handshake's stream is going to have.
            code_number: which of the session's security codes it is, 1 … 3.
            attempt: this try's number in the session, 1 … 15, greater than all before.
            invite_secret: 16 bytes, from the deployment link.
            security_code: 9 ASCII digits.
            claims: what to say about this side.
        """
        return cls(
            _bind_pairing(origin, session, stream, invite_secret, security_code),
            code_number=code_number,
            attempt=attempt,
            claims=claims.pack(),
            facts=b"",
            random=_random,
        )

    @classmethod
    def for_connection(
        cls,
        *,
        channel: str,
        origin: str,
        session: str,
        stream: int,
        pairing_key: bytes,
        access_password: str,
        claims: bytes = NO_DETAILS,
        _random: Random = secrets.token_bytes,
    ) -> Self:
        """The beginning of a stream on any other channel.

        Args:
            channel: the tool to open; not ``pair``.
            origin, session, stream: as in `for_pairing`.
            pairing_key: 32 bytes, from the pairing.
            access_password: as typed.
            claims: msgpack map of the tool's options, at most 4096 bytes.

        Raises:
            CodeError: the access password cannot be one.
        """
        return cls(
            _bind_connection(channel, origin, session, stream, pairing_key, access_password),
            code_number=0,
            attempt=0,
            claims=claims,
            facts=b"",
            random=_random,
        )

    def open_params(self) -> dict[str, Any]:
        """The params of the OPEN frame."""
        self._begin(_Step.NEW)
        self._step = _Step.OPENED
        if self._binding.channel != _PAIR:
            return {"nonce": self._nonce, "claims": self.claims}
        return {
            "nonce": self._nonce,
            "attempt": self._attempt,
            "code": self._code_number,
            "claims": self.claims,
        }

    def receive_accept(self, params: object) -> bytes:
        """Takes the params of the host's ACCEPT.

        Returns:
            The payload of this stream's first DATA frame.

        Raises:
            RemoteProtocolError: with BAD_FRAME or SEAL_BROKEN.
        """
        self._begin(_Step.OPENED)
        accept = check_map(params, _ACCEPT, "host's answer")
        self.facts = accept["facts"]
        if self._binding.channel == _PAIR:
            PairFacts.unpack(self.facts)
        self._make_share(self._nonce, accept["nonce"])
        host_share = accept["share"]
        transcript = cpace.make_transcript(host_share, self.facts, self._share, self.claims)
        isk = self._derive_isk(host_share, transcript)
        self._keys = self._binding.keys(self._sid, isk)
        self._expected_tag = cpace.confirmation_tag(isk, self._sid, host_share, self.facts)
        self._step = _Step.ACCEPTED
        tag = cpace.confirmation_tag(isk, self._sid, self._share, self.claims)
        return encode_map({"share": self._share, "tag": tag})

    def receive_confirmation(self, payload: bytes) -> Keys:
        """Takes the payload of the host's first DATA frame; from here on `facts` are proven.

        Raises:
            WrongSecret: the host does not know the same secret.
            RemoteProtocolError: with BAD_FRAME.
        """
        self._begin(_Step.ACCEPTED)
        confirmation = decode_map(payload, _CONFIRMATION, "host's confirmation")
        if not hmac.compare_digest(confirmation["tag"], self._expected_tag):
            raise self._binding.wrong_secret
        return self._keys


class HostHandshake(_Handshake):
    """The host's end of one handshake. Made by `for_pairing` or `for_connection`.

    Attributes:
        claims: what the viewer says, packed; after `receive_open`, proven after `receive_share`.
        facts: what this side says, packed.
        attempt: the try's number, after `receive_open` of a pairing.
    """

    @classmethod
    def for_pairing(
        cls,
        *,
        origin: str,
        session: str,
        stream: int,
        code_number: int,
        last_attempt: int,
        invite_secret: bytes,
        security_code: str,
        facts: PairFacts,
        _random: Random = secrets.token_bytes,
    ) -> Self:
        """A try to pair.

        Args:
            origin: the relay's, from the deployment link.
            session: the session's id.
            stream: the id of the stream that was opened.
            code_number: the current security code's number, 1 … 3.
            last_attempt: the greatest attempt so far, 0 if there was none. The new one must be greater; it
                may be more than one greater, as a try can be lost with a connection.
            invite_secret: 16 bytes, from the deployment link.
            security_code: 9 ASCII digits, as the customer typed them.
            facts: what to say about this side.
        """
        return cls(
            _bind_pairing(origin, session, stream, invite_secret, security_code),
            code_number=code_number,
            attempt=last_attempt,
            claims=b"",
            facts=facts.pack(),
            random=_random,
        )

    @classmethod
    def for_connection(
        cls,
        *,
        channel: str,
        origin: str,
        session: str,
        stream: int,
        pairing_key: bytes,
        access_password: str,
        facts: bytes = NO_DETAILS,
        _random: Random = secrets.token_bytes,
    ) -> Self:
        """The beginning of a stream on any other channel; the arguments are the viewer's, with `facts`.

        Raises:
            CodeError: the access password cannot be one.
        """
        return cls(
            _bind_connection(channel, origin, session, stream, pairing_key, access_password),
            code_number=0,
            attempt=0,
            claims=b"",
            facts=facts,
            random=_random,
        )

    @property
    def attempt(self) -> int:
        return self._attempt

    def receive_open(self, params: object) -> None:
        """Takes the params of the viewer's OPEN.

        Raises:
            RemoteProtocolError: with BAD_FRAME, or with OUT_OF_ORDER if it is not the next try.
        """
        self._begin(_Step.NEW)
        opening = check_open_params(self._binding.channel, params)
        if self._binding.channel == _PAIR:
            if opening["attempt"] <= self._attempt or opening["code"] != self._code_number:
                raise RemoteProtocolError("This is not the next try to pair.", CloseReason.OUT_OF_ORDER)
            self._attempt = opening["attempt"]
        self.claims = opening["claims"]
        self._viewer_nonce = opening["nonce"]
        self._step = _Step.OPENED

    def accept_params(self) -> dict[str, Any]:
        """The params of the ACCEPT frame. On a `pair` stream, sending them is what counts as a try."""
        self._begin(_Step.OPENED)
        self._make_share(self._viewer_nonce, self._nonce)
        self._step = _Step.ACCEPTED
        return {"nonce": self._nonce, "share": self._share, "facts": self.facts}

    def receive_share(self, payload: bytes) -> tuple[bytes, Keys]:
        """Takes the payload of the viewer's first DATA frame; from here on `claims` are proven.

        Returns:
            The payload of this side's first DATA frame, and the keys.

        Raises:
            WrongSecret: the viewer does not know the same secret.
            RemoteProtocolError: with BAD_FRAME or SEAL_BROKEN.
        """
        self._begin(_Step.ACCEPTED)
        message = decode_map(payload, _SHARE, "viewer's share")
        viewer_share = message["share"]
        transcript = cpace.make_transcript(self._share, self.facts, viewer_share, self.claims)
        isk = self._derive_isk(viewer_share, transcript)
        expected_tag = cpace.confirmation_tag(isk, self._sid, viewer_share, self.claims)
        if not hmac.compare_digest(message["tag"], expected_tag):
            raise self._binding.wrong_secret
        tag = cpace.confirmation_tag(isk, self._sid, self._share, self.facts)
        return encode_map({"tag": tag}), self._binding.keys(self._sid, isk)


def check_open_params(channel: str, params: object) -> dict[str, Any]:
    """The params of an OPEN, checked; a host may look at them before the customer has typed a code.

    Returns:
        ``nonce`` and ``claims``, and for ``pair`` also ``attempt`` and ``code``; the claims of ``pair``
        are known to be readable by `PairClaims.unpack`.

    Raises:
        RemoteProtocolError: with BAD_FRAME.
    """
    if channel != _PAIR:
        return check_map(params, _OPEN, "viewer's request")
    opening = check_map(params, _OPEN_PAIR, "viewer's request")
    PairClaims.unpack(opening["claims"])
    return opening


def _bind_pairing(
    origin: str, session: str, stream: int, invite_secret: bytes, security_code: str
) -> _Binding:
    return _Binding(
        channel=_PAIR,
        origin=origin,
        session=session,
        stream=stream,
        prs=SecretBytes(lv_cat(b"adhoc.v1 pair", invite_secret, security_code.encode())),
    )


def _bind_connection(
    channel: str, origin: str, session: str, stream: int, pairing_key: bytes, access_password: str
) -> _Binding:
    if channel == _PAIR:
        raise LocalProtocolError("A pair stream begins with a pairing.")
    password = normalise_access_password(access_password).encode()
    return _Binding(
        channel=channel,
        origin=origin,
        session=session,
        stream=stream,
        prs=SecretBytes(lv_cat(b"adhoc.v1 connect", pairing_key, password)),
    )
