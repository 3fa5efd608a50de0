"""Moving one file either way: in pieces, resumed where an earlier attempt ended, checked by SHA-256.

A file of ours is written into a part beside its target (``.NAME.part``) and renamed when it is whole. What
there is of an earlier attempt is used only if it is still the beginning of what the other side has.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from peer.errors import StreamClosed
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import FieldReader
from relay.protocol.messages import MAX_BODY_BYTES, Message
from technician.errors import TechnicianError
from technician.files.client import FilesClient, RemoteFile, parse_facts, wire_name
from technician.requests import RequestRefused

Progress = Callable[[int, int], None]
"""Told bytes that are there, of how many, as they come."""

MAX_SMALL_BYTES: Final = 256 * 1024
"""Of a file that is put with its request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """A file that arrived: its bytes, how many of them were there already, and the SHA-256 of the whole."""

    size: int
    resumed_at: int
    sha256: bytes


class LocalProblem(TechnicianError):
    """This computer's side of a transfer failed."""


def no_progress(done: int, total: int) -> None:
    """For whoever does not look."""


# Down


async def download(
    client: FilesClient,
    source: str,
    target: Path,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Transferred:
    """Fetch a file.

    Args:
        client: asked for it; no other request may be under way on it.
        source: path on the host.
        target: here; its folder exists.
        overwrite: what has this name may be replaced.
        progress: see `Progress`.

    Raises:
        RequestRefused: the host cannot read it, or it was changed meanwhile.
        LocalProblem: it cannot be written here, or is there already.
        StreamClosed: the connection broke; the part stays, and the next attempt goes on from there.

    Cancellation: the part stays; the stream is of no more use.
    """
    if not overwrite and await trio.Path(target).exists():
        raise LocalProblem(f"{target} is there already.")
    part = await trio.to_thread.run_sync(_Part, target.with_name(f".{target.name}.part"))
    try:
        arrived = await _fetch(client, source, part, progress)
        await trio.to_thread.run_sync(part.give_name, target, arrived[0], overwrite)
    except RequestRefused:
        part.drop()
        raise
    finally:
        part.close()
    facts, resumed_at, sha256 = arrived
    return Transferred(size=facts.size, resumed_at=resumed_at, sha256=sha256)


async def _fetch(
    client: FilesClient, source: str, part: "_Part", progress: Progress
) -> tuple[RemoteFile, int, bytes]:
    resume = {"offset": part.size, "prefix": part.digest()} if part.size else {}
    number = await client.ask("read", path=wire_name(source), **resume)
    message = await client.answer_to(number)
    try:
        if "ok" in message.head:  # all of a small file
            await trio.to_thread.run_sync(part.restart)
            await trio.to_thread.run_sync(part.append, message.body)
            resumed_at = 0
        else:
            facts, resumed_at = _begins(message)
            if resumed_at != part.size:
                await trio.to_thread.run_sync(part.restart)
            progress(part.size, facts.size)
            while "ok" not in (message := await client.answer_to(number)).head:
                offset = FieldReader(message.head).number("offset")
                if offset != part.size or part.size + len(message.body) > facts.size:
                    raise RemoteProtocolError("a piece that does not follow")
                await trio.to_thread.run_sync(part.append, message.body)
                progress(part.size, facts.size)
        facts = parse_facts(message.head["ok"])
        sha256 = FieldReader(_map(message.head["ok"])).binary("sha256", length=32)
    except RemoteProtocolError as exc:
        client.stream.close(CloseReason.BAD_FRAME)
        raise StreamClosed(CloseReason.BAD_FRAME, f"The computer broke the protocol: {exc}.") from exc
    if (part.size, part.digest()) != (facts.size, sha256):
        raise RequestRefused("changed")
    progress(part.size, facts.size)
    return facts, resumed_at if resumed_at <= facts.size else 0, sha256


def _begins(message: Message) -> tuple[RemoteFile, int]:
    begins = _map(message.head.get("begins"))
    return parse_facts(begins), FieldReader(begins).number("offset")


def _map(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise RemoteProtocolError("an answer is a map")
    return value


class _Part:
    """A file of ours that is not whole yet. Blocking; raises LocalProblem."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self.size = 0
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            while piece := os.read(self._descriptor, MAX_BODY_BYTES):
                self._hash.update(piece)
                self.size += len(piece)
        except OSError as exc:
            raise LocalProblem(f"{path} cannot be written: {exc.strerror}.") from exc

    def digest(self) -> bytes:
        """SHA-256 of what there is."""
        return self._hash.digest()

    def restart(self) -> None:
        """Forget what there is."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._hash, self.size = hashlib.sha256(), 0

    def append(self, data: bytes) -> None:
        """Write on."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as exc:
            raise LocalProblem(f"{self._path} cannot be written: {exc.strerror}.") from exc
        self._hash.update(data)
        self.size += len(data)

    def give_name(self, target: Path, facts: RemoteFile, overwrite: bool) -> None:
        """Make it the file it is meant to be, with its time and the user's own permissions."""
        try:
            os.utime(self._descriptor, ns=(facts.modified * 1_000_000, facts.modified * 1_000_000))
            umask = os.umask(0)
            os.umask(umask)
            # What was executable there is executable here; setuid and the like are nobody's wish.
            os.fchmod(self._descriptor, (facts.mode | 0o600) & 0o777 & ~umask)
            if overwrite:
                os.replace(self._path, target)
                return
            os.link(self._path, target)  # fails if somebody took the name meanwhile
            self._path.unlink()
        except OSError as exc:
            raise LocalProblem(f"{target} cannot be written: {exc.strerror}.") from exc

    def drop(self) -> None:
        """Delete it."""
        with suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Close it; what is there stays."""
        os.close(self._descriptor)


# Up


async def upload(
    client: FilesClient,
    source: Path,
    target: str,
    *,
    transfer: str,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Transferred:
    """Send a file.

    Args:
        client: no other request may be under way on it.
        source: here.
        target: path on the host; its folder exists.
        transfer: 32 hexadecimal digits; the same at each attempt, so that the host finds what it has.
        overwrite: what has this name may be replaced.
        progress: see `Progress`.

    Raises:
        RequestRefused: the host cannot write it.
        LocalProblem: it cannot be read, or was changed meanwhile.
        StreamClosed: the connection broke; the host keeps its part for the next attempt.
    """
    try:
        with source.open("rb") as file:
            found = os.fstat(file.fileno())
            sent = await _send(client, file.fileno(), found, target, transfer, overwrite, progress)
            after = os.fstat(file.fileno())
    except OSError as exc:
        raise LocalProblem(f"{source} cannot be read: {exc.strerror}.") from exc
    if (after.st_size, after.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
        raise LocalProblem(f"{source} was changed while it was sent.")
    return sent


async def _send(
    client: FilesClient,
    descriptor: int,
    found: os.stat_result,
    target: str,
    transfer: str,
    overwrite: bool,
    progress: Progress,
) -> Transferred:
    size = found.st_size
    number = await client.ask(
        "write",
        path=wire_name(target),
        size=size,
        modified=found.st_mtime_ns // 1_000_000,
        mode=found.st_mode & 0o777,
        transfer=transfer,
        overwrite=overwrite,
    )
    go = FieldReader(_map((await client.answer_to(number)).head.get("go")))
    hashed, at = hashlib.sha256(), 0
    there = go.number("offset", at_most=size)
    while at < there:
        piece = await trio.to_thread.run_sync(os.read, descriptor, min(MAX_BODY_BYTES, there - at))
        if not piece:
            break
        hashed.update(piece)
        at += len(piece)
    if hashed.digest() != go.binary("prefix", length=32):
        await client.stream.send({"id": number, "restart": True})
        os.lseek(descriptor, 0, os.SEEK_SET)
        hashed, at = hashlib.sha256(), 0
    resumed_at = at
    progress(at, size)
    refusal: list[RequestRefused] = []
    async with trio.open_nursery() as nursery:

        async def send_pieces() -> None:
            nonlocal at
            while at < size and (
                piece := await trio.to_thread.run_sync(os.read, descriptor, min(MAX_BODY_BYTES, size - at))
            ):
                hashed.update(piece)
                await client.stream.send({"id": number, "offset": at}, piece)
                at += len(piece)
                progress(at, size)
            await client.stream.send({"id": number, "end": hashed.digest()})

        async def hear() -> None:
            """The one answer, which may come early if the host cannot go on."""
            try:
                await client.answer_to(number)
            except RequestRefused as exc:
                refusal.append(exc)
                nursery.cancel_scope.cancel()

        nursery.start_soon(hear)
        nursery.start_soon(send_pieces)
    if refusal:
        # What was being sent may be cut in the middle of a message.
        client.stream.close(CloseReason.DETACHED)
        raise refusal[0]
    return Transferred(size=size, resumed_at=resumed_at, sha256=hashed.digest())
