"""What the host needs for its last words to the relay, kept until they can be said.

It is written before anything is removed, and removed before the program is. So a removal that was cut short,
or that has to be tried once more at the next start of the computer, can still hand in its receipt. The key
and the credential in it are good for nothing else: the relay takes no more of the host of an ended session,
and what technicians connect with is not in it.
"""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from host.layout import FAREWELL_NAME
from host.sealed_file import read_sealed, replace_sealed
from host.state import HostState
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.lease import Receipt
from relay.protocol.maps import Shape, binary, counts, decode_map, encode_map, integer, text

_SHAPE: Shape = {
    "origin": text,
    "session": text,
    "credential": binary(32),
    "key": binary(32),
    "ended_at": integer(0, 2**40),
    "reason": text,
    "acts": counts,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Farewell:
    """One session's, which has ended.

    Attributes:
        origin, session, credential, key: as in `host.state`.
        ended_at: Unix seconds by this computer's clock.
        reason: why, by its name on the wire.
        acts: how often technicians did what changes something.
    """

    origin: str
    session: str
    credential: bytes = field(repr=False)
    key: bytes = field(repr=False)
    ended_at: int
    reason: str
    acts: dict[str, int]

    @classmethod
    def of(cls, state: HostState, reason: CloseReason, acts: dict[str, int]) -> "Farewell | None":
        """That of a session which ends now; None if the relay never heard of this host."""
        if not state.credential or not state.session:
            return None
        return cls(
            origin=state.origin,
            session=state.session,
            credential=state.credential,
            key=state.key,
            ended_at=int(time.time()),
            reason=reason.wire,
            acts=acts,
        )

    @property
    def state(self) -> HostState:
        """The session's, without anything but what this has of it."""
        return HostState(
            origin=self.origin,
            invite=bytes(16),
            secret=bytes(16),
            access_password="",
            key=self.key,
            session=self.session,
            credential=self.credential,
        )

    def receipt(self, removed: list[str], left: list[str], going: list[str], *, again: bool) -> Receipt:
        """To be signed; see `relay.protocol.lease.Receipt` for the arguments."""
        return Receipt(
            session=self.session,
            ended_at=self.ended_at,
            reason=self.reason,
            removed=removed,
            left=left,
            acts=self.acts,
            going=going,
            again=again,
        )

    def save(self, folder: Path) -> None:
        """Keep it in the session's folder. Raises OSError."""
        replace_sealed(folder / FAREWELL_NAME, encode_map(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> "Farewell | None":
        """That of the session in `folder`; None if none was kept, or it cannot be read."""
        try:
            return cls(**decode_map(read_sealed(folder / FAREWELL_NAME), _SHAPE, "farewell"))
        except (OSError, RemoteProtocolError):
            return None
