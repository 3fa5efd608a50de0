"""Sign-ins that are half done: something must be answered soon, by whoever holds a token.

The token is 32 random bytes, of which the store keeps the hash; what the answer is checked against lies
beside it, sealed. Each challenge is for one purpose, can be tried so many times, and is taken once.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from relay.accounts.desk import Desk
from relay.auth import digest, new_secret
from relay.people import CompanyId, TechnicianId
from relay.protocol.hidden import SecretBytes
from relay.store import Transaction, factor_rows
from relay.store.factor_rows import ChallengeRow

SECOND: Final = "second"
PASSKEY: Final = "passkey"
REGISTER: Final = "register"
PROVIDER: Final = "oidc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A challenge that is alive, unsealed.

    Attributes:
        technician_id: whose answer it must be; None while nobody knows.
        company_id: whose identity provider is asked; None for other purposes.
        data: what was kept when it was made.
    """

    technician_id: TechnicianId | None
    company_id: CompanyId | None
    data: dict[str, str]


class Challenges:
    """Makes, tries and takes challenges, within the caller's transactions.

    Args:
        desk: what all parts work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def make(
        self,
        tx: Transaction,
        now: datetime,
        purpose: str,
        data: dict[str, str],
        *,
        technician_id: TechnicianId | None = None,
        company_id: CompanyId | None = None,
    ) -> SecretBytes:
        """The token of a new challenge."""
        token = new_secret()
        row = ChallengeRow(
            purpose=purpose,
            technician_id=technician_id,
            company_id=company_id,
            sealed_data=self._desk.sealer.seal(json.dumps(data).encode(), place=_place(token)),
            tries=0,
            expires_at=now + timedelta(seconds=self._desk.settings.challenge_ttl),
        )
        factor_rows.add_challenge(tx, digest(token), row, now=now)
        return token

    def look(self, tx: Transaction, now: datetime, purpose: str, token: bytes) -> Opened | None:
        """The challenge, or None if it is dead; looking is no try."""
        return self._open(token, factor_rows.challenge_by_hash(tx, digest(token), purpose, now=now))

    def attempt(self, tx: Transaction, now: datetime, purpose: str, token: bytes) -> Opened | None:
        """The challenge, with this try counted, or None if it is dead or was tried too often."""
        max_tries = self._desk.settings.tries_per_challenge
        row = factor_rows.try_challenge(tx, digest(token), purpose, max_tries=max_tries, now=now)
        return self._open(token, row)

    def take(self, tx: Transaction, now: datetime, purpose: str, token: bytes) -> Opened | None:
        """The challenge, which is gone afterwards, or None if it is dead."""
        return self._open(token, factor_rows.take_challenge(tx, digest(token), purpose, now=now))

    def _open(self, token: bytes, row: ChallengeRow | None) -> Opened | None:
        if row is None:
            return None
        data = json.loads(self._desk.sealer.unseal(row.sealed_data, place=_place(token)))
        return Opened(technician_id=row.technician_id, company_id=row.company_id, data=data)


def _place(token: bytes) -> str:
    return f"challenges:{digest(token).hex()}"
