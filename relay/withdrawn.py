"""Rights that were withdrawn a moment ago.

A viewer may be admitted by a transaction just before its right dies, and attached just after those who had it
were closed. So what died is remembered for as long as that can take.
"""

from collections.abc import Hashable
from math import inf
from typing import Final

from relay.broker import ViewerAdmission
from relay.errors import Refused
from relay.protocol.close_reasons import CloseReason

MEMORY: Final = 60.0
"""Seconds; an admission that takes longer has failed."""


class Withdrawn:
    """What died, and when: technicians, SHA-256 of cookies and tokens, technicians in a session."""

    def __init__(self) -> None:
        self._at: dict[Hashable, float] = {}

    def add(self, right: Hashable, now: float) -> None:
        """Remember it; what died too long ago to matter is forgotten."""
        self._at = {known: at for known, at in self._at.items() if now - at < MEMORY}
        self._at[right] = now

    def check(self, admission: ViewerAdmission, *, since: float) -> None:
        """Raises Refused if what the admission stood on died after `since`, when it was asked for."""
        technician = admission.technician_id
        for right in (technician, admission.asked_by_hash, (admission.session.id, technician)):
            if self._at.get(right, -inf) >= since:
                raise Refused(CloseReason.REVOKED.sentence, CloseReason.REVOKED)
