"""Files as they come to be on this computer: beside their target, then at once under its name. Blocking."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from peer.naming import Name, give_name
from peer.pieces import write_pieces
from relay.protocol.messages import MAX_BODY_BYTES
from technician.errors import TechnicianError
from technician.files.client import RemoteFile
from technician.files.sync_plan import Node, is_same
from technician.files.trees import node_here

_MAX_NAME_BYTES: Final = 255


class LocalProblem(TechnicianError):
    """This computer's side of a transfer failed."""


class TargetChanged(LocalProblem):
    """What was to be replaced is not what it was when that was decided; it is left alone."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(f"{path} was changed meanwhile; it is left alone.")


class Part:
    """A file that is not whole yet, called ``.NAME.part``. Raises LocalProblem."""

    def __init__(self, target: Path) -> None:
        self._path = part_path(target)
        self._hash = hashlib.sha256()
        self.size = 0
        try:
            self._descriptor = os.open(
                self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600
            )
            while piece := os.read(self._descriptor, MAX_BODY_BYTES):
                self._hash.update(piece)
                self.size += len(piece)
        except OSError as exc:
            raise LocalProblem(f"{self._path} cannot be written: {exc.strerror}.") from exc

    def digest(self) -> bytes:
        """SHA-256 of what there is."""
        return self._hash.digest()

    def restart(self) -> None:
        """Forget what there is."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._hash, self.size = hashlib.sha256(), 0

    def append(self, pieces: Sequence[bytes]) -> None:
        """Write on."""
        try:
            write_pieces(self._descriptor, pieces)
        except OSError as exc:
            raise LocalProblem(f"{self._path} cannot be written: {exc.strerror}.") from exc
        for piece in pieces:
            self._hash.update(piece)
            self.size += len(piece)

    def give_name(
        self, target: Path, facts: RemoteFile, *, overwrite: bool, keep: Path | None, replaces: Node | None
    ) -> None:
        """Make it the file it is meant to be, with its time and the user's own permissions.

        Raises:
            LocalProblem: also TargetChanged, if what has the name is not `replaces`.
        """
        try:
            _set_facts(self._descriptor, facts)
            _give_name(self._path, target, overwrite=overwrite, keep=keep, replaces=replaces)
        except OSError as exc:
            raise LocalProblem(f"{target} cannot be written: {exc.strerror}.") from exc

    def drop(self) -> None:
        """Delete it."""
        with suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Close it; what is there stays."""
        os.close(self._descriptor)


def write_small(
    target: Path,
    data: bytes | memoryview,
    facts: RemoteFile,
    *,
    overwrite: bool,
    keep: Path | None = None,
    replaces: Node | None = None,
) -> None:
    """Write a file whose whole content is at hand, with its time and the user's own permissions.

    Args:
        target: its folder exists.
        keep: where what has the name until then is kept.
        replaces: what that must be, if it is not to be left alone.

    Raises:
        LocalProblem: it cannot be written; nothing of it is left. TargetChanged: it is not `replaces`.
    """
    part = part_path(target)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(part, flags, 0o600)
        try:
            try:
                write_pieces(descriptor, [data])
                _set_facts(descriptor, facts)
            finally:
                os.close(descriptor)
            _give_name(part, target, overwrite=overwrite, keep=keep, replaces=replaces)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as exc:
        raise LocalProblem(f"{target} cannot be written: {exc.strerror}.") from exc


def part_path(target: Path) -> Path:
    """Where a file that is to be `target` comes to be."""
    name = f".{target.name}.part"
    if len(os.fsencode(name)) > _MAX_NAME_BYTES:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}.part"
    return target.with_name(name)


def is_part(name: str) -> bool:
    """Whether a name looks like that of a part, of ours or of the host's."""
    return name.startswith(".") and name.endswith(".part")


def _set_facts(descriptor: int, facts: RemoteFile) -> None:
    os.utime(descriptor, ns=(facts.modified * 1_000_000, facts.modified * 1_000_000))
    # What was executable there is executable here; setuid and the like are nobody's wish.
    os.fchmod(descriptor, (facts.mode | 0o600) & 0o777 & ~_user_mask())


def _give_name(
    part: Path, target: Path, *, overwrite: bool, keep: Path | None, replaces: Node | None
) -> None:
    if replaces is not None and not is_same(node_here(target), replaces):
        raise TargetChanged(target)
    kept = None if keep is None else Name(str(keep))
    give_name(Name(str(part)), Name(str(target)), overwrite=overwrite, keep=kept)


@cache
def _user_mask() -> int:
    """What the user's settings deny to others (umask). Looked up once: it cannot be without being set."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
