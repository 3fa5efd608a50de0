"""API tokens: how programs act for somebody, within scopes, for a time.

A token reads ``adhoc_`` + 32 random bytes in base64url + six characters by which a typing mistake, or a scan
for secrets that were published by accident, can tell a token from other text without asking the relay. Only
the SHA-256 of the 32 bytes is stored.
"""

from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from typing import Final

from relay.accounts.desk import Desk, actor, audit, may_work
from relay.auth import digest, new_id, new_secret
from relay.errors import LimitExceeded, Refused
from relay.people import TOKEN_SCOPES, Company, Permission, Technician
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import LinkError, decode_base64url, encode_base64url
from relay.store import Transaction, account_rows, token_rows
from relay.store.token_rows import ApiToken
from relay.texts import mark

PREFIX: Final = "adhoc_"
SECRET_BYTES: Final = 32
MAX_DAYS: Final = 366
MAX_TOKENS: Final = 20
"""Of one technician, alive."""
USE_INTERVAL: Final = 60.0
"""Seconds between two notes of a token's use: a write for every request would be a disk flush each."""

_SECRET_CHARACTERS: Final = 43
_CHECK_CHARACTERS: Final = 6


class ApiTokens:
    """Makes, lists, revokes and recognises tokens.

    Args:
        desk: what all parts work with.

    Concurrency: any task may call anything.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def make(
        self, technician: Technician, *, name: str, scopes: Collection[Permission], days: int
    ) -> tuple[str, ApiToken]:
        """A new token, as text that is told once, and its record.

        Args:
            technician: for whom it acts.
            name: checked by the caller.
            scopes: at least one, of those that the technician has.
            days: of life, 1 to 366.

        Raises:
            LimitExceeded: the technician has 20 tokens.
            Refused: a scope is none of theirs, or not for tokens.
        """
        wanted = frozenset(scopes)
        if not wanted or not wanted <= TOKEN_SCOPES & technician.permissions:
            raise Refused(mark("A token can only be for what you may do yourself."))
        now, secret = self._desk.now(), new_secret()
        token = ApiToken(
            id=new_id(),
            company_id=technician.company_id,
            technician_id=technician.id,
            token_hash=digest(secret),
            name=name,
            scopes=wanted,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )

        def work(tx: Transaction) -> None:
            if token_rows.count_of(tx, technician.id, now) >= MAX_TOKENS:
                raise LimitExceeded(
                    mark("You have as many API tokens as possible; revoke one first."), limit="tokens"
                )
            token_rows.add(tx, token)
            by, shown = actor(technician.id), " ".join(sorted(wanted))
            audit(tx, now, technician.company_id, by=by, action="token_made", id=token.id, scopes=shown)

        await self._desk.store.write(work)
        return write_token(secret), token

    async def list(self, technician: Technician) -> list[ApiToken]:
        """A technician's tokens that are alive, newest first."""
        now = self._desk.now()
        return await self._desk.store.read(lambda tx: token_rows.of_technician(tx, technician.id, now))

    async def revoke(self, technician: Technician, token_id: str) -> bytes | None:
        """Kills a token; its hash, for whatever it has open, or None if there is no such token."""
        now = self._desk.now()

        def work(tx: Transaction) -> bytes | None:
            gone = token_rows.remove(tx, technician.id, token_id)
            if gone is None:
                return None
            by = actor(technician.id)
            audit(tx, now, technician.company_id, by=by, action="token_revoked", id=gone.id)
            return gone.token_hash

        return await self._desk.store.write(work)

    async def holder(self, secret: bytes) -> tuple[Technician, Company, frozenset[Permission]] | None:
        """For whom the token with this secret (untrusted) acts, and what it may do: what its technician may,
        as far as it is in its scopes. None if it is worth nothing.
        """
        now, token_hash = self._desk.now(), digest(secret)

        def look(tx: Transaction) -> tuple[ApiToken, Technician, Company] | None:
            token = token_rows.by_hash(tx, token_hash)
            if token is None or token.expires_at <= now:
                return None
            technician = account_rows.technician_by_id(tx, token.technician_id)
            company = None if technician is None else may_work(tx, technician)
            return None if technician is None or company is None else (token, technician, company)

        known = await self._desk.store.read(look)
        if known is None:
            return None
        token, technician, company = known
        if token.used_at is None or now >= token.used_at + timedelta(seconds=USE_INTERVAL):
            await self._desk.store.write(lambda tx: token_rows.touch(tx, token_hash, now))
        return technician, company, technician.permissions & token.scopes


def write_token(secret: bytes) -> str:
    """The token with this secret, as text."""
    text = encode_base64url(secret)
    return PREFIX + text + _check(text)


def read_token(text: str) -> SecretBytes | None:
    """The secret in a token (untrusted), or None if it is none."""
    body = text.removeprefix(PREFIX)
    if len(text) != len(PREFIX) + _SECRET_CHARACTERS + _CHECK_CHARACTERS or body == text:
        return None
    secret, check = body[:_SECRET_CHARACTERS], body[_SECRET_CHARACTERS:]
    if check != _check(secret):
        return None
    try:
        return SecretBytes(decode_base64url(secret, SECRET_BYTES))
    except LinkError:
        return None


def _check(text: str) -> str:
    return encode_base64url(sha256((PREFIX + text).encode()).digest())[:_CHECK_CHARACTERS]
