"""Rows of second factors (TOTP, recovery codes, passkeys) and of sign-ins that are half done. Queries only.

Every function runs inside the caller's transaction. What may be used once is spent by one statement, whose
answer says whether it was there: of two who come with the same code, the database lets one through.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, and_, delete, func, insert, or_, select, update

from relay.people import CompanyId, TechnicianId
from relay.store.engine import Transaction
from relay.store.tables import challenges, passkeys, recovery_codes, technicians

# TOTP (RFC 6238)


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpRow:
    """A technician's TOTP secret.

    Attributes:
        sealed_secret: see `relay.auth.Sealer`.
        confirmed_at: when it was proven to be in an authenticator; None: it decides nothing yet.
        last_step: the newest time step whose code was used (RFC 6238 §5.2), 0 for none.
    """

    sealed_secret: bytes
    confirmed_at: datetime | None
    last_step: int


def totp_of(tx: Transaction, technician_id: TechnicianId) -> TotpRow | None:
    """The technician's TOTP secret, confirmed or not, or None."""
    columns = (
        technicians.c.sealed_totp_secret,
        technicians.c.totp_confirmed_at,
        technicians.c.totp_last_step,
    )
    found = tx.execute(select(*columns).where(technicians.c.id == technician_id)).one_or_none()
    if found is None or found.sealed_totp_secret is None:
        return None
    return TotpRow(
        sealed_secret=found.sealed_totp_secret,
        confirmed_at=found.totp_confirmed_at,
        last_step=found.totp_last_step,
    )


def begin_totp(tx: Transaction, technician_id: TechnicianId, sealed_secret: bytes) -> bool:
    """Keeps a secret that is still to be confirmed; False if a confirmed one is there, which stays."""
    changed = tx.execute(
        update(technicians)
        .where(technicians.c.id == technician_id, technicians.c.totp_confirmed_at.is_(None))
        .values({"sealed_totp_secret": sealed_secret, "totp_last_step": 0})
    )
    return changed.rowcount == 1


def confirm_totp(tx: Transaction, technician_id: TechnicianId, at: datetime) -> None:
    """From now on the secret decides."""
    tx.execute(update(technicians).where(technicians.c.id == technician_id).values({"totp_confirmed_at": at}))


def remove_totp(tx: Transaction, technician_id: TechnicianId) -> bool:
    """Forgets the secret; False if there was no confirmed one."""
    was_on = tx.execute(
        select(technicians.c.totp_confirmed_at).where(technicians.c.id == technician_id)
    ).scalar_one_or_none()
    tx.execute(
        update(technicians)
        .where(technicians.c.id == technician_id)
        .values({"sealed_totp_secret": None, "totp_confirmed_at": None, "totp_last_step": 0})
    )
    return was_on is not None


def use_totp_step(tx: Transaction, technician_id: TechnicianId, step: int) -> bool:
    """Spends a time step; False if it, or a later one, was used before."""
    changed = tx.execute(
        update(technicians)
        .where(technicians.c.id == technician_id, technicians.c.totp_last_step < step)
        .values({"totp_last_step": step})
    )
    return changed.rowcount == 1


# Recovery codes


def replace_recovery_codes(
    tx: Transaction, technician_id: TechnicianId, code_hashes: Iterable[bytes]
) -> None:
    """These are the technician's codes now; earlier ones, used or not, are gone."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.technician_id == technician_id))
    rows = [{"code_hash": code_hash, "technician_id": technician_id} for code_hash in code_hashes]
    if rows:
        tx.execute(insert(recovery_codes), rows)


def use_recovery_code(tx: Transaction, technician_id: TechnicianId, code_hash: bytes, now: datetime) -> bool:
    """Spends a code; False if it is not the technician's or was used before."""
    changed = tx.execute(
        update(recovery_codes)
        .where(
            recovery_codes.c.code_hash == code_hash,
            recovery_codes.c.technician_id == technician_id,
            recovery_codes.c.used_at.is_(None),
        )
        .values({"used_at": now})
    )
    return changed.rowcount == 1


def recovery_codes_left(tx: Transaction, technician_id: TechnicianId) -> int:
    """How many codes are not used yet."""
    query = select(func.count()).where(
        recovery_codes.c.technician_id == technician_id, recovery_codes.c.used_at.is_(None)
    )
    return tx.execute(query).scalar_one()


# Passkeys (WebAuthn)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyRow:
    """A public key whose private half is in somebody's device.

    Attributes:
        id: what its owner calls it by in a request.
        technician_id: whose it is.
        credential_id: the authenticator's name for it, at most 1023 bytes, unique.
        public_key: COSE_Key (RFC 9052 §7).
        sign_count: the authenticator's counter at the last use; 0 for the many that do not count.
        transports: how the browser reaches the authenticator, for its hints.
        name: given by its owner.
        created_at, used_at: when it was registered, and last used to sign in.
    """

    id: str
    technician_id: TechnicianId
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    name: str
    created_at: datetime
    used_at: datetime | None = None


def add_passkey(tx: Transaction, row: PasskeyRow) -> None:
    """Adds a passkey."""
    values = {name: getattr(row, name) for name in PasskeyRow.__slots__}
    tx.execute(insert(passkeys).values(values | {"transports": list(row.transports)}))


def passkeys_of(tx: Transaction, technician_id: TechnicianId) -> list[PasskeyRow]:
    """A technician's passkeys, the oldest first."""
    query = select(passkeys).where(passkeys.c.technician_id == technician_id).order_by(passkeys.c.created_at)
    return [_passkey(found) for found in tx.execute(query).mappings()]


def passkey_by_credential(tx: Transaction, credential_id: bytes) -> PasskeyRow | None:
    """The passkey that an authenticator knows by this name, or None."""
    query = select(passkeys).where(passkeys.c.credential_id == credential_id)
    found = tx.execute(query).mappings().one_or_none()
    return None if found is None else _passkey(found)


def use_passkey(tx: Transaction, passkey_id: str, *, sign_count: int, now: datetime) -> bool:
    """Notes a use; False if the counter did not go up meanwhile (WebAuthn §7.2 step 22): maybe a copy."""
    changed = tx.execute(
        update(passkeys)
        .where(
            passkeys.c.id == passkey_id,
            or_(passkeys.c.sign_count < sign_count, (passkeys.c.sign_count == 0) & (sign_count == 0)),
        )
        .values({"sign_count": sign_count, "used_at": now})
    )
    return changed.rowcount == 1


def remove_passkey(tx: Transaction, technician_id: TechnicianId, passkey_id: str) -> bool:
    """Forgets one of a technician's passkeys; False if they have no such passkey."""
    changed = tx.execute(
        delete(passkeys).where(passkeys.c.technician_id == technician_id, passkeys.c.id == passkey_id)
    )
    return changed.rowcount == 1


def remove_passkeys_of(tx: Transaction, technician_id: TechnicianId) -> None:
    """Forgets all passkeys of a technician."""
    tx.execute(delete(passkeys).where(passkeys.c.technician_id == technician_id))


def count_passkeys(tx: Transaction, technician_ids: Collection[TechnicianId]) -> dict[TechnicianId, int]:
    """How many passkeys each of these people has; who has none is missing."""
    query = (
        select(passkeys.c.technician_id, func.count())
        .where(passkeys.c.technician_id.in_(sorted(technician_ids)))
        .group_by(passkeys.c.technician_id)
    )
    return {TechnicianId(technician_id): count for technician_id, count in tx.execute(query)}


# Sign-ins that are half done


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeRow:
    """Something that must be answered soon, by whoever holds a token.

    Attributes:
        purpose: ``second`` (factor), ``passkey`` (sign-in), ``register`` (a passkey), ``oidc``.
        technician_id: whose answer it must be; None while nobody knows.
        company_id: whose identity provider is asked; None for other purposes.
        sealed_data: what the answer is checked against, see `relay.auth.Sealer`.
        tries: answers counted so far, this one included.
        expires_at: when it is worth nothing any more.
    """

    purpose: str
    technician_id: TechnicianId | None
    company_id: CompanyId | None
    sealed_data: bytes
    tries: int
    expires_at: datetime


def add_challenge(tx: Transaction, challenge_hash: bytes, row: ChallengeRow, *, now: datetime) -> None:
    """Adds a challenge, and forgets those that are dead."""
    tx.execute(delete(challenges).where(challenges.c.expires_at <= now))
    values = {name: getattr(row, name) for name in ChallengeRow.__slots__}
    tx.execute(insert(challenges).values(values | {"challenge_hash": challenge_hash}))


def challenge_by_hash(
    tx: Transaction, challenge_hash: bytes, purpose: str, *, now: datetime
) -> ChallengeRow | None:
    """A challenge of this purpose that is alive, or None; looking is no try."""
    query = select(challenges).where(_alive(challenge_hash, purpose, now))
    found = tx.execute(query).mappings().one_or_none()
    return None if found is None else _challenge(found)


def try_challenge(
    tx: Transaction, challenge_hash: bytes, purpose: str, *, max_tries: int, now: datetime
) -> ChallengeRow | None:
    """Counts a try at a challenge; None if there is none alive, or it had `max_tries` already."""
    found = (
        tx.execute(
            update(challenges)
            .where(_alive(challenge_hash, purpose, now), challenges.c.tries < max_tries)
            .values({"tries": challenges.c.tries + 1})
            .returning(challenges)
        )
        .mappings()
        .one_or_none()
    )
    return None if found is None else _challenge(found)


def take_challenge(
    tx: Transaction, challenge_hash: bytes, purpose: str, *, now: datetime
) -> ChallengeRow | None:
    """Removes a challenge that is alive, and gives it; None if there was none: each is taken once."""
    query = delete(challenges).where(_alive(challenge_hash, purpose, now)).returning(challenges)
    found = tx.execute(query).mappings().one_or_none()
    return None if found is None else _challenge(found)


def remove_challenges_of(tx: Transaction, technician_id: TechnicianId) -> None:
    """Forgets whatever a technician has half done: their password or factors changed."""
    tx.execute(delete(challenges).where(challenges.c.technician_id == technician_id))


def _alive(challenge_hash: bytes, purpose: str, now: datetime) -> ColumnElement[bool]:
    return and_(
        challenges.c.challenge_hash == challenge_hash,
        challenges.c.purpose == purpose,
        challenges.c.expires_at > now,
    )


def _passkey(found: RowMapping) -> PasskeyRow:
    return PasskeyRow(
        id=found["id"],
        technician_id=TechnicianId(found["technician_id"]),
        credential_id=found["credential_id"],
        public_key=found["public_key"],
        sign_count=found["sign_count"],
        transports=tuple(found["transports"]),
        name=found["name"],
        created_at=found["created_at"],
        used_at=found["used_at"],
    )


def _challenge(found: RowMapping) -> ChallengeRow:
    return ChallengeRow(
        purpose=found["purpose"],
        technician_id=None if found["technician_id"] is None else TechnicianId(found["technician_id"]),
        company_id=None if found["company_id"] is None else CompanyId(found["company_id"]),
        sealed_data=found["sealed_data"],
        tries=found["tries"],
        expires_at=found["expires_at"],
    )
