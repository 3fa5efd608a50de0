"""A relay's backup: everything that a new server needs to be this relay, in one checked file.

The file is a tar archive of ``manifest.json`` (first; names, sizes and SHA-256 of the rest), ``relay.db``,
``relay.key``, ``origin`` and, if one was named, ``relay.toml``. The database is copied by SQLite's own backup
while the relay may be writing; the copy is one consistent state. Kept mails and host files are left out: the
first hold access passwords, the second are built.

A backup is old the moment it is restored. What must not come back to life with it does not: signed-in
browsers, tickets, links, half-done sign-ins, mails and webhooks that may have gone out since, and sessions
that were not active yet: the tries of their codes would count from an old number.
"""

import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import trio

import relay
from relay.auth import load_or_make_relay_key
from relay.errors import ConfigError
from relay.protocol.close_reasons import CloseReason
from relay.store import Transaction, open_store
from relay.store.aftermath import forget_what_was_live

MANIFEST: Final = "manifest.json"
DATABASE: Final = "relay.db"
MEMBERS: Final = (DATABASE, "relay.key", "origin", "relay.toml")
"""What a backup may hold; the last two may be missing. Whatever else an archive names is refused."""

FORMAT: Final = 1
MAX_MANIFEST_BYTES: Final = 64 * 1024
MAX_SMALL_BYTES: Final = 1 << 20
"""Of every member but the database."""

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was backed up: bytes of the file, sessions and audit rows in it."""

    size: int
    sessions: int
    audit_rows: int


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What came back: when it was backed up, active sessions that go on, preparations that are over."""

    made_at: datetime
    active: int
    lapsed: int


def write_backup(data: Path, file: Path, *, settings_file: Path | None = None) -> Made:
    """Backs up the relay of the folder `data` into `file` (mode 0600), and checks the result.

    Blocks for about a second for each 100 MB. The relay may be running.

    Raises:
        ConfigError: there is no relay in `data`, `file` is there already, or something cannot be read or
            written, or is damaged; nothing is left behind.
    """
    if not (data / DATABASE).is_file():
        raise ConfigError(f"{data} is not the folder of a relay.")
    if file.exists():
        raise ConfigError(f"{file} is there already; it stays as it is.")
    try:
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=file.parent) as folder:
            members = {DATABASE: Path(folder) / DATABASE, "relay.key": data / "relay.key"}
            if (data / "origin").is_file():
                members["origin"] = data / "origin"
            if settings_file is not None:
                members["relay.toml"] = settings_file
            sessions, audit_rows = _copy_database(data / DATABASE, members[DATABASE])
            draft = Path(folder) / "backup.tar"
            _write_archive(draft, members)
            _check_archive(draft)
            size = draft.stat().st_size
            os.link(draft, file)  # refuses to replace what came in between
            _flush_folder(file.parent)
    except FileExistsError:
        raise ConfigError(f"{file} is there already; it stays as it is.") from None
    except (OSError, tarfile.TarError) as error:
        raise ConfigError(f"{file} cannot be written: {error}.") from None
    return Made(size=size, sessions=sessions, audit_rows=audit_rows)


def restore_backup(file: Path, data: Path) -> Restored:
    """Makes the folder `data`, which must be missing or empty, from the backup `file`.

    Raises:
        ConfigError: the folder is not empty, the backup is damaged or of a newer relay; nothing was changed.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise ConfigError(f"{data} is not empty; a backup is restored into a new folder only.")
    try:
        # Beside its place, so that it comes to be at once or not at all.
        data.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=data.parent) as folder:
            draft = Path(folder) / "data"
            draft.mkdir(mode=0o700)
            manifest = _check_archive(file, into=draft)
            _check_database(draft / DATABASE)
            load_or_make_relay_key(draft / "relay.key")
            active, lapsed = trio.run(_settle, draft / DATABASE)
            if data.exists():
                data.rmdir()
            draft.rename(data)
            _flush_folder(data.parent)
    except (OSError, tarfile.TarError) as error:
        raise ConfigError(f"{file} cannot be restored: {error}.") from None
    return Restored(made_at=datetime.fromisoformat(manifest["made_at"]), active=active, lapsed=lapsed)


async def _settle(database: Path) -> tuple[int, int]:
    """Brings the tables up to date and lets die what must not come back; active and lapsed sessions."""
    now = datetime.now(UTC)

    def work(tx: Transaction) -> tuple[int, int]:
        return forget_what_was_live(tx, now, reason=CloseReason.LAPSED)

    async with open_store(database) as store:
        return await store.write(work)


def _copy_database(source: Path, copy: Path) -> tuple[int, int]:
    """SQLite's online backup, checked; how many sessions and audit rows are in it.

    Raises:
        ConfigError: the database is damaged, or none.
    """
    try:
        with closing(sqlite3.connect(source.absolute().as_uri() + "?mode=ro", uri=True, timeout=30)) as live:
            with closing(sqlite3.connect(copy)) as made:
                live.backup(made, pages=4096)
                made.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            return _check_database(copy)
    except sqlite3.Error as error:
        raise ConfigError(f"{source} cannot be read: {error}.") from None


def _check_database(database: Path) -> tuple[int, int]:
    """How many sessions and audit rows there are.

    Raises:
        ConfigError: it is damaged, or none of a relay.
    """
    try:
        with closing(sqlite3.connect(database.absolute().as_uri() + "?mode=ro", uri=True)) as made:
            verdict = made.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if verdict != "ok" or made.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise ConfigError("The database is damaged.")
            (sessions,) = made.execute("SELECT count(*) FROM sessions").fetchone()
            (audit_rows,) = made.execute("SELECT count(*) FROM audit").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(f"The database cannot be used: {error}.") from None
    return sessions, audit_rows


def _write_archive(draft: Path, members: dict[str, Path]) -> None:
    facts = {name: {"size": path.stat().st_size, "sha256": _sha256(path)} for name, path in members.items()}
    manifest = {
        "format": FORMAT,
        "relay": relay.__version__,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "members": facts,
    }
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        with tarfile.open(fileobj=out, mode="w") as archive:
            text = json.dumps(manifest, indent=2).encode()
            archive.addfile(_entry(MANIFEST, len(text)), io.BytesIO(text))
            for name, path in members.items():
                with path.open("rb") as member:
                    archive.addfile(_entry(name, facts[name]["size"]), member)
        out.flush()
        os.fsync(out.fileno())


def _entry(name: str, size: Any) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o600
    return entry


def _check_archive(file: Path, *, into: Path | None = None) -> dict[str, Any]:
    """The manifest of a whole and unchanged backup, whose members go `into` a folder if one is given.

    Raises:
        ConfigError: it is something else, cut short, changed, or made by a newer relay.
        OSError, tarfile.TarError: it cannot be read, or written there.
    """
    with tarfile.open(file, mode="r:") as archive:
        first = archive.next()
        content = None if first is None or first.name != MANIFEST else archive.extractfile(first)
        if first is None or content is None or first.size > MAX_MANIFEST_BYTES:
            raise ConfigError(f"{file} is no backup of a relay.")
        manifest = _parse_manifest(file, content.read(MAX_MANIFEST_BYTES))
        missing = dict(manifest["members"])
        while (entry := archive.next()) is not None:
            fact = missing.pop(entry.name, None)
            content = archive.extractfile(entry) if fact is not None and entry.isreg() else None
            if fact is None or content is None or entry.size != fact["size"]:
                raise ConfigError(f"{file} is damaged, or was changed.")
            if _take(content, None if into is None else into / entry.name) != fact["sha256"]:
                raise ConfigError(f"{file} is damaged, or was changed.")
    if missing:
        raise ConfigError(f"{file} is cut short.")
    return manifest


def _parse_manifest(file: Path, text: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
        if manifest["format"] != FORMAT:
            raise ConfigError(f"{file} was made by a newer relay; use that one.")
        datetime.fromisoformat(manifest["made_at"])
        members = manifest["members"]
        is_good = {DATABASE, "relay.key"} <= set(members) <= set(MEMBERS) and all(
            isinstance(fact["sha256"], str)
            and isinstance(fact["size"], int)
            and (name == DATABASE or fact["size"] <= MAX_SMALL_BYTES)
            for name, fact in members.items()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        is_good = False
    if not is_good:
        raise ConfigError(f"{file} is no backup of a relay.")
    return dict(manifest)


def _take(content: IO[bytes], target: Path | None) -> str:
    """Reads a member to its end, into a new file if one is named; its SHA-256."""
    hashed = hashlib.sha256()
    if target is None:
        while piece := content.read(_PIECE_BYTES):
            hashed.update(piece)
        return hashed.hexdigest()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        while piece := content.read(_PIECE_BYTES):
            hashed.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    return hashed.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush_folder(folder: Path) -> None:
    """Has the disk keep a new name in `folder`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
