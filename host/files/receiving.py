"""Writing what a viewer sends: into a part beside the target, checked, then renamed. Blocking, for a worker
thread.

A part is called ``.NAME.TRANSFER.part`` after the target and the transfer's id, so that an interrupted
transfer finds it again. Nothing half-written ever has the final name. Parts that are not finished are
deleted at the latest with the session (`host.parts`).
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Self

from host.files.places import Place
from host.files.system import system
from host.parts import Parts
from host.problems import RequestProblem
from peer.pieces import write_pieces
from relay.protocol.messages import MAX_BODY_BYTES

TRANSFER_CHARACTERS: Final = 32
"""A transfer's id: 16 random bytes as lower-case hex, the viewer's choice."""

_TAIL_BYTES: Final = TRANSFER_CHARACTERS + len("..") + len(".part")


class Writing:
    """A part being written; a context manager that closes it and leaves it, unless it was finished or
    dropped.

    Attributes:
        offset: how much is there already.
        prefix: SHA-256 of it.
    """

    def __init__(self, place: Place, transfer: str, parts: Parts, *, size: int, overwrite: bool) -> None:
        """Opens the part, which an earlier connection may have begun.

        Args:
            place: the target.
            transfer: the transfer's id.
            parts: where the part is written down until it is finished or dropped.
            size: of the whole, bytes.
            overwrite: what has the final name may be replaced.

        Raises:
            RequestProblem: ``exists``; ``full``, there is no room for it; ``is_folder``, a folder has the
            name. OSError: it may not be written.
        """
        system.check_name(place.name)
        self._place, self._size, self._overwrite = place, size, overwrite
        self._check_target()
        self._part = part_name(place.name, transfer)
        self._parts, self._known_as = parts, parts.begin(place.folder, self._part)
        try:
            self._descriptor = system.create(self._part, place.folder, is_new=False)
        except OSError:
            self._forget_if_missing()
            raise
        try:
            self._begin()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _begin(self) -> None:
        found = system.facts_of_open(self._descriptor)
        if not system.is_own(found):
            self._parts.forget(self._known_as)  # it is not ours to remove
            raise RequestProblem("denied", "something else has the name of the part")
        self._hash = hashlib.sha256()
        self.offset = 0
        if found.st_size > self._size:
            os.ftruncate(self._descriptor, 0)
        while piece := os.read(self._descriptor, MAX_BODY_BYTES):
            self._hash.update(piece)
            self.offset += len(piece)
        if system.room(self._descriptor) < self._size - self.offset:
            if self.offset == 0:
                self.drop()
            raise RequestProblem("full", "there is not enough room on the disk")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)

    @property
    def prefix(self) -> bytes:
        """SHA-256 of what is there."""
        return self._hash.digest()

    def restart(self) -> None:
        """Forgets what is there: it is not the beginning of what the viewer has."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._hash, self.offset = hashlib.sha256(), 0

    def write(self, offset: int, pieces: Sequence[bytes]) -> None:
        """Appends what came in one message.

        Raises:
            RequestProblem: it does not follow the last one, or goes beyond the size that was announced.
            OSError: the disk is full, or gone.
        """
        size = sum(map(len, pieces))
        if offset != self.offset or self.offset + size > self._size:
            raise RequestProblem("changed", "the pieces do not fit the size that was announced")
        write_pieces(self._descriptor, pieces)
        for piece in pieces:
            self._hash.update(piece)
        self.offset += size

    def finish(self, sha256: bytes, *, modified: int, mode: int | None, keep: Place | None = None) -> None:
        """Checks the whole, and gives it its name, times and mode.

        Args:
            keep: where what has the name until then is kept.

        Raises:
            RequestProblem: ``changed``, it is not what the viewer meant (the part is dropped); ``exists``.
            OSError: it may not be renamed; the part stays.
        """
        if self.offset != self._size or self._hash.digest() != sha256:
            self.drop()
            raise RequestProblem("changed", "what arrived is not what was sent")
        system.set_facts(self._descriptor, modified, mode)
        self._check_target()
        _give_name(self._part, self._place, overwrite=self._overwrite, keep=keep)
        self._parts.forget(self._known_as)

    def drop(self) -> None:
        """Deletes the part."""
        with suppress(FileNotFoundError):
            system.remove_file(self._part, self._place.folder)
        self._parts.forget(self._known_as)

    def _forget_if_missing(self) -> None:
        try:
            system.facts(self._part, self._place.folder)
        except OSError:
            self._parts.forget(self._known_as)

    def _check_target(self) -> None:
        _check_target(self._place, overwrite=self._overwrite)


def part_name(name: str, transfer: str) -> str:
    """What the part of a transfer to `name` is called, beside it.

    Raises:
        RequestProblem: `transfer` is no id.
    """
    if len(transfer) != TRANSFER_CHARACTERS or not set(transfer) <= set("0123456789abcdef"):
        raise RequestProblem("bad_name", "a transfer's id is 32 hexadecimal digits")
    return f".{system.cut_name(name, _TAIL_BYTES)}.{transfer}.part"


def put(
    place: Place,
    data: bytes,
    parts: Parts,
    *,
    sha256: bytes,
    modified: int,
    mode: int | None,
    overwrite: bool,
    keep: Place | None = None,
) -> None:
    """A small file at once, with the same checks; nothing of it stays if it fails.

    Raises:
        RequestProblem, OSError: as for `Writing`.
    """
    system.check_name(place.name)
    _check_target(place, overwrite=overwrite)
    if hashlib.sha256(data).digest() != sha256:
        raise RequestProblem("changed", "what arrived is not what was sent")
    part = part_name(place.name, os.urandom(TRANSFER_CHARACTERS // 2).hex())
    known_as = parts.begin(place.folder, part)
    try:
        put_part(part, data, place, modified=modified, mode=mode, overwrite=overwrite, keep=keep)
    finally:
        parts.forget(known_as)


def put_part(
    part: str,
    data: bytes | memoryview,
    place: Place,
    *,
    modified: int,
    mode: int | None,
    overwrite: bool,
    keep: Place | None = None,
) -> None:
    """Write a part in one go, and give it its name; nothing of it stays if it fails.

    Args:
        part: its name, which was written down (`host.parts`).
        data: what was checked already.

    Raises:
        RequestProblem, OSError: as for `Writing`.
    """
    descriptor = system.create(part, place.folder, is_new=True)
    try:
        try:
            write_pieces(descriptor, [data])
            system.set_facts(descriptor, modified, mode)
        finally:
            os.close(descriptor)
        _give_name(part, place, overwrite=overwrite, keep=keep)
    except BaseException as exc:
        with suppress(FileNotFoundError):
            system.remove_file(part, place.folder)
        if isinstance(exc, FileExistsError):
            _check_target(place, overwrite=overwrite)  # which may have a better word for it
        raise


def _check_target(place: Place, *, overwrite: bool) -> None:
    try:
        found = place.facts()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(found.st_mode):
        raise RequestProblem("is_folder", place.name)
    if not overwrite:
        raise RequestProblem("exists", place.name)


def _give_name(part: str, place: Place, *, overwrite: bool, keep: Place | None) -> None:
    if keep is not None:
        system.check_name(keep.name)
    kept = None if keep is None else (keep.name, keep.folder)
    system.give_name(part, place.name, place.folder, overwrite=overwrite, keep=kept)
