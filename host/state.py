"""What the host remembers across restarts of its program or computer: one file, readable by its user only."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from host.consent import Duration
from host.sealed_file import read_sealed, replace_sealed
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import DeploymentLink
from relay.protocol.maps import Shape, binary, binary_up_to, decode_map, encode_map, integer, text, texts

FILE_NAME: Final = "state"
MAX_PERMISSIONS: Final = 8
"""More than there are tools."""
_NOTHING: Final = b""


def _permissions(value: object) -> bool:
    """Kinds of channels with lists of a word, two numbers of seconds and a text (`host.permissions`)."""
    if not isinstance(value, dict) or len(value) > MAX_PERMISSIONS:
        return False
    words = {duration.value for duration in Duration}
    return all(
        isinstance(kind, str)
        and isinstance(entry, list)
        and [type(each) for each in entry] == [str, int, int, str]
        and entry[0] in words
        for kind, entry in value.items()
    )


def _boolean(value: object) -> bool:
    return isinstance(value, bool)


def _texts_or_none(value: object) -> bool:
    return value is None or texts(value)


class StateError(Exception):
    """The state file cannot be used; `str(error)` is one sentence."""


_SHAPE: Shape = {
    "origin": text,
    "invite": binary(16),
    "secret": binary(16),
    "access_password": text,
    "key": binary(32),
    "session": text,
    "credential": binary_up_to(64),
    "pairing_key": binary_up_to(32),
    "relay_key": binary_up_to(32),
    "lease": binary_up_to(2048),
    "attempts": integer(0, 1000),
    "paired_attempt": integer(0, 1000),
    "kinds": texts,
    "folders": _texts_or_none,
    "wall_deadline": integer(0, 1 << 53),
    "boot_deadline": integer(0, 1 << 53),
    "boot_id": text,
}
_LATER: Shape = {"permissions": _permissions, "is_paused": _boolean}
"""What a state from before there was a choice does not have."""


@dataclass(slots=True, kw_only=True)
class HostState:
    """One session as its host knows it. Empty bytes and text mean: not yet.

    Attributes:
        origin, invite, secret, access_password: from the deployment link.
        key: 32 bytes, the seed of the host's Ed25519 key.
        session: its id, once joined.
        credential: 32 bytes, to join again.
        pairing_key: 32 bytes, once paired.
        relay_key: 32 bytes, Ed25519; what signs the lease, as learned at the first join.
        lease: as it came (docs/protocol.md §7).
        attempts: the greatest number of a pairing try, by the relay's count or this host's.
        paired_attempt: the try that yielded `pairing_key`.
        kinds: the channels that both sides proved to mean when they paired; no other is served.
            Those that the customer took out are none of them.
        folders: that the customer limited the File Manager to; None for no limit.
        wall_deadline, boot_deadline, boot_id: see `host.deadline`; seconds.
        permissions: for how long each tool is allowed, see `host.permissions`.
        is_paused: the customer lets nobody do anything for now.
    """

    origin: str
    invite: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    access_password: str = field(repr=False)
    key: bytes = field(repr=False)
    session: str = ""
    credential: bytes = field(default=_NOTHING, repr=False)
    pairing_key: bytes = field(default=_NOTHING, repr=False)
    relay_key: bytes = _NOTHING
    lease: bytes = field(default=_NOTHING, repr=False)
    attempts: int = 0
    paired_attempt: int = 0
    kinds: list[str] = field(default_factory=list)
    folders: list[str] | None = None
    wall_deadline: int = 0
    boot_deadline: int = 0
    boot_id: str = ""
    permissions: dict[str, list[Any]] = field(default_factory=dict)
    is_paused: bool = False

    @classmethod
    def fresh(cls, link: DeploymentLink) -> "HostState":
        """The state of a host that was just started from `link`, with a new key."""
        return cls(
            origin=link.origin,
            invite=link.invite,
            secret=bytes(link.secret),
            access_password=link.access_password,
            key=Ed25519PrivateKey.generate().private_bytes_raw(),
        )

    @property
    def private_key(self) -> Ed25519PrivateKey:
        """The host's key."""
        return Ed25519PrivateKey.from_private_bytes(self.key)

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self.private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def join_secret(self) -> SecretBytes:
        """What HELLO carries: the credential, before the first join the invite."""
        return SecretBytes(self.credential or self.invite)

    def save(self, directory: Path) -> None:
        """Replace the file in `directory` in one step.

        Raises:
            OSError: it could not be written; the old file is untouched.
        """
        fields: dict[str, Any] = asdict(self)
        replace_sealed(directory / FILE_NAME, encode_map(fields))

    @classmethod
    def load(cls, directory: Path) -> "HostState":
        """Read the file in `directory`.

        Raises:
            StateError: there is none, or it is damaged.
        """
        try:
            return cls(**decode_map(read_sealed(directory / FILE_NAME), _SHAPE, "state file", _LATER))
        except (OSError, RemoteProtocolError) as exc:
            raise StateError("The support program's memory of its session cannot be read.") from exc
