"""Signed heads: what proves that the end of the audit log was not cut off.

A hash chain alone shows edits inside it, but whoever may write the database can cut its end, or write it anew
from some row on. So the relay signs how long each chain is and how it ends, with the key it signs leases with
(Ed25519), at most `SIGN_INTERVAL` after a row was added, and keeps that in the database and in a file beside
its key. It never signs a chain that does not continue what it signed before.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
import trio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from relay.errors import ConfigError, RelayError
from relay.store import Store, Transaction, audit_rows
from relay.store.audit_chain import Head, canonical, head_message, write_time
from relay.store.audit_rows import AuditQuery, SignedHead

SIGN_INTERVAL: Final = 2.0
"""Seconds between two looks for rows that no signature covers; a cut within that time may go unseen."""
FLUSH_TIMEOUT: Final = 5.0
HEADS_FILE: Final = "audit-heads.jsonl"
"""In the relay's folder: one line a chain, as `write_head` makes them."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KnownHead:
    """A head that was written down somewhere: in the relay's file, or by somebody who keeps them elsewhere.

    Attributes:
        chain: whose.
        signed: what was signed.
    """

    chain: str
    signed: SignedHead


def sign_head(key: Ed25519PrivateKey, chain: str, head: Head, at: datetime) -> SignedHead:
    """The relay's word that this chain had this head."""
    return SignedHead(head, at, key.sign(head_message(chain, head, at)))


def is_signed(key: Ed25519PublicKey, chain: str, signed: SignedHead) -> bool:
    """Whether it is the relay's word."""
    try:
        key.verify(signed.signature, head_message(chain, signed.head, signed.at))
    except InvalidSignature:
        return False
    return True


def write_head(chain: str, signed: SignedHead, key: Ed25519PublicKey) -> str:
    """One line of JSON that says all that is needed to check the head."""
    return canonical(
        {
            "chain": chain,
            "number": signed.head.number,
            "hash": signed.head.hash.hex(),
            "at": write_time(signed.at),
            "signature": signed.signature.hex(),
            "public_key": key.public_bytes_raw().hex(),
        }
    )


def read_heads(path: Path) -> list[KnownHead]:
    """The heads in a file of lines that `write_head` made; none if there is no such file.

    Raises:
        ConfigError: it is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path} cannot be read.") from None
    return [parse_head(line, str(path)) for line in lines if line.strip()]


def parse_head(line: str, place: str) -> KnownHead:
    """A head from one line.

    Raises:
        ConfigError: it is no such line.
    """
    try:
        found = json.loads(line)
        head = Head(int(found["number"]), bytes.fromhex(found["hash"]))
        signed = SignedHead(head, datetime.fromisoformat(found["at"]), bytes.fromhex(found["signature"]))
        return KnownHead(str(found["chain"]), signed)
    except (ValueError, TypeError, KeyError):
        raise ConfigError(f"{place} holds something else than heads of the audit log.") from None


class HeadSigner:
    """Signs the heads of the chains while the relay runs.

    Args:
        store: an open store.
        relay_key: signs.
        path: the file to keep the heads in as well.
        now: the clock, aware and in UTC.

    Attributes:
        broken: chains that do not continue what was signed, and are not signed any more.
    """

    def __init__(
        self, store: Store, relay_key: Ed25519PrivateKey, path: Path, *, now: Callable[[], datetime]
    ) -> None:
        self.broken: set[str] = set()
        self._store = store
        self._key = relay_key
        self._path = path
        self._now = now
        self._known: dict[str, SignedHead] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Signs what is new, again and again until cancelled, and once more then; ready after the first time.

        Raises:
            ConfigError: the file holds something else.
        """
        self._known = {known.chain: known.signed for known in read_heads(self._path)}
        await self._try_to_sign()
        task_status.started()
        try:
            while True:
                await trio.sleep(SIGN_INTERVAL)
                await self._try_to_sign()
        finally:
            with trio.move_on_after(FLUSH_TIMEOUT, shield=True):
                await self._try_to_sign()

    async def sign(self) -> None:
        """Signs the heads that moved.

        Raises:
            RelayError: the store failed.
            OSError: the file cannot be written.
        """
        moved = await self._store.read(audit_rows.unsigned_heads)
        if not moved.keys() - self.broken:
            return
        signed, broken = await self._store.write(self._sign_all)
        for chain in sorted(broken - self.broken):
            log.error("the audit log was changed; it is not signed any more", chain=chain)
        self.broken = broken
        if signed:
            self._known.update(signed)
            await trio.to_thread.run_sync(self._save, dict(self._known))

    async def _try_to_sign(self) -> None:
        try:
            await self.sign()
        except (RelayError, OSError):
            log.exception("the audit log could not be signed yet")

    def _sign_all(self, tx: Transaction) -> tuple[dict[str, SignedHead], set[str]]:
        now = self._now()
        signed, broken = {}, set()
        for chain, head in audit_rows.unsigned_heads(tx).items():
            if self._continues(tx, chain, head):
                signed[chain] = sign_head(self._key, chain, head, now)
            else:
                broken.add(chain)
        audit_rows.sign_heads(tx, signed)
        return signed, broken

    def _continues(self, tx: Transaction, chain: str, head: Head) -> bool:
        """Whether the chain still has the rows that were signed last, in the database and in the file."""
        stored = audit_rows.signed_head_of(tx, chain)
        for earlier in (stored, self._known.get(chain)):
            if earlier is None:
                continue
            number = earlier.head.number
            found = audit_rows.next_rows(tx, chain, AuditQuery(), after=number - 1, up_to=number, limit=1)
            if head.number < number or not found or found[0].hash != earlier.head.hash:
                return False
        return True

    def _save(self, heads: Mapping[str, SignedHead]) -> None:
        """Replaces the file at once, so that a crash leaves the old or the new one."""
        lines = (write_head(chain, signed, self._key.public_key()) for chain, signed in sorted(heads.items()))
        draft = self._path.with_suffix(".new")
        _write_private(draft, lines)
        draft.replace(self._path)


def _write_private(path: Path, lines: Iterable[str]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(descriptor)
