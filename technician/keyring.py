"""What a technician's computer keeps between two commands: the sign-in and the secrets of open sessions.

A folder that only its owner may enter (0700), files that only its owner may read (0600)::

    sign-in.json            {"origin", "cookie"}
    sessions/SESSION.json   {"origin", "link", "security_code"} until paired, then {"origin", "pairing_key"}

The access password is in the link until the session is paired, and nowhere afterwards: it is typed at each
connection. What belongs to an ended session is forgotten at the next chance.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from relay.protocol.hidden import SecretBytes
from relay.protocol.links import LinkError, decode_base64url, encode_base64url
from relay.protocol.pairing import PAIRING_KEY_BYTES
from technician.errors import TechnicianError

_SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """An earlier sign-in.

    Attributes:
        origin: the relay's.
        cookie: ``NAME=VALUE``.
    """

    origin: str
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSecrets:
    """What this computer knows of one session; either the first two or the last.

    Attributes:
        origin: the relay's.
        link: the deployment link, until paired.
        security_code: 9 digits, until paired.
        pairing_key: 32 bytes, once paired.
    """

    origin: str
    link: str | None = field(default=None, repr=False)
    security_code: str | None = field(default=None, repr=False)
    pairing_key: SecretBytes | None = None


def default_folder() -> Path:
    """``adhoc-technician`` among the user's settings (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".config") / "adhoc-technician"


class Keyring:
    """The folder `folder`, made when something is first kept.

    Every method raises `TechnicianError` when a file can not be read, written or understood.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sign_in(self) -> SignIn | None:
        """The sign-in that was kept, or None."""
        kept = self._read(self._folder / "sign-in.json")
        return None if kept is None else SignIn(origin=kept["origin"], cookie=kept["cookie"])

    def keep_sign_in(self, sign_in: SignIn) -> None:
        """Keeps a sign-in in place of any other."""
        self._write(self._folder / "sign-in.json", {"origin": sign_in.origin, "cookie": sign_in.cookie})

    def forget_sign_in(self) -> None:
        """Forgets the sign-in, if there is one."""
        (self._folder / "sign-in.json").unlink(missing_ok=True)

    def session(self, session: str) -> SessionSecrets | None:
        """What is known of a session, or None."""
        kept = self._read(self._path(session))
        if kept is None:
            return None
        key = kept.get("pairing_key")
        try:
            pairing_key = None if key is None else SecretBytes(decode_base64url(key, PAIRING_KEY_BYTES))
        except LinkError as exc:
            raise TechnicianError(f"{self._path(session)} is damaged.") from exc
        return SessionSecrets(
            origin=kept["origin"],
            link=kept.get("link"),
            security_code=kept.get("security_code"),
            pairing_key=pairing_key,
        )

    def keep_session(self, session: str, secrets: SessionSecrets) -> None:
        """Keeps what is known of a session in place of what was known before."""
        kept = {"origin": secrets.origin, "link": secrets.link, "security_code": secrets.security_code}
        if secrets.pairing_key is not None:
            kept["pairing_key"] = encode_base64url(secrets.pairing_key)
        self._write(self._path(session), {name: value for name, value in kept.items() if value is not None})

    def forget_session(self, session: str) -> None:
        """Forgets a session, if anything is known of it."""
        path = self._path(session)
        path.unlink(missing_ok=True)
        self._forget_syncs(path.stem)

    def sync_path(self, session: str, folders: str) -> Path:
        """The file about what two synchronised `folders` had in common; forgotten with the session."""
        name = hashlib.sha256(folders.encode(errors="surrogateescape")).hexdigest()[:32]
        return self._folder / "sync" / f"{self._path(session).stem}.{name}.json"

    def _forget_syncs(self, session: str) -> None:
        for path in sorted((self._folder / "sync").glob(f"{session}.*.json")):
            path.unlink(missing_ok=True)

    def keep_only(self, origin: str, sessions: Iterable[str]) -> None:
        """Forgets every session at the relay `origin` that is not one of `sessions`."""
        open_sessions = set(sessions)
        for path in sorted((self._folder / "sessions").glob("*.json")):
            if path.stem not in open_sessions and (self._read(path) or {}).get("origin") == origin:
                path.unlink(missing_ok=True)
                self._forget_syncs(path.stem)

    def _path(self, session: str) -> Path:
        # The id comes from the relay and becomes a file's name.
        if _SESSION_ID.fullmatch(session) is None:
            raise TechnicianError("This is not the id of a session.")
        return self._folder / "sessions" / f"{session}.json"

    def _read(self, path: Path) -> dict[str, str] | None:
        try:
            kept = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise TechnicianError(f"{path} can not be read: {exc.strerror}.") from exc
        except ValueError as exc:
            raise TechnicianError(f"{path} is damaged.") from exc
        if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
            raise TechnicianError(f"{path} is damaged.")
        if "origin" not in kept or (path.name == "sign-in.json" and "cookie" not in kept):
            raise TechnicianError(f"{path} is damaged.")
        return kept

    def _write(self, path: Path, content: dict[str, str]) -> None:
        try:
            for folder in (self._folder, path.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # mkstemp makes files that only their owner can read.
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            with os.fdopen(handle, "w") as file:
                json.dump(content, file)
            os.replace(temporary, path)
        except OSError as exc:
            raise TechnicianError(f"{path} can not be written: {exc.strerror}.") from exc
