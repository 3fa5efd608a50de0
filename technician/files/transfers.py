"""Moving one file either way: in pieces, resumed where an earlier attempt ended, checked by SHA-256.

A file of ours is written into a part beside its target (``.NAME.part``) and renamed when it is whole. What
there is of an earlier attempt is used only if it is still the beginning of what the other side has.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from peer.together import beside
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import FieldReader
from relay.protocol.messages import MAX_BODY_BYTES, Message
from technician.files.client import FilesClient, RemoteFile, parse_facts, wire_name
from technician.files.parts import LocalProblem, Part, TargetChanged
from technician.files.sync_plan import Node
from technician.requests import RequestRefused

Progress = Callable[[int, int], None]
"""Told bytes that are there, of how many, as they come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """A file that arrived: its bytes, how many of them were there already, and the SHA-256 of the whole."""

    size: int
    resumed_at: int
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """A file to be moved. Each is one of its own, whatever others say the same.

    Attributes:
        here: its path on this computer.
        there: its path on the host.
        is_upload: from here to there.
        size: bytes, as far as is known.
        overwrite: what has the target's name may be replaced.
        keep: path beside the target, on its side, where what is replaced is kept.
        replaces: what is there and may be replaced; anything else is left alone. None: whatever is there.
    """

    here: Path
    there: str
    is_upload: bool
    size: int
    overwrite: bool = False
    keep: str | None = None
    replaces: Node | None = None

    @property
    def keep_here(self) -> Path | None:
        """`keep`, of a file that is fetched."""
        return None if self.keep is None else Path(self.keep)


def no_progress(done: int, total: int) -> None:
    """For whoever does not look."""


# Down


async def download(
    client: FilesClient,
    source: str,
    target: Path,
    *,
    overwrite: bool = False,
    keep: Path | None = None,
    replaces: Node | None = None,
    progress: Progress = no_progress,
) -> Transferred:
    """Fetch a file.

    Args:
        client: asked for it; no other request may be under way on it.
        source: path on the host.
        target: here; its folder exists.
        overwrite: what has this name may be replaced.
        keep: where what is replaced is kept.
        replaces: what has this name may be replaced only if it is this.
        progress: see `Progress`.

    Raises:
        RequestRefused: the host cannot read it, or it was changed meanwhile.
        LocalProblem: it cannot be written here, or is there already. TargetChanged: it is not `replaces`.
        StreamClosed: the connection broke; the part stays, and the next attempt goes on from there.

    Cancellation: the part stays; the stream is of no more use.
    """
    if not overwrite and await trio.Path(target).exists():
        raise LocalProblem(f"{target} is there already.")
    part = await trio.to_thread.run_sync(Part, target)
    try:
        resume = {"offset": part.size, "prefix": part.digest()} if part.size else {}
        number = await client.ask("read", path=wire_name(source), **resume)
        message = await client.answer_to(number)
        arrived = await _take(client, number, message, part, progress)
        name = partial(part.give_name, target, overwrite=overwrite, keep=keep, replaces=replaces)
        await trio.to_thread.run_sync(name, arrived[0])
    except (RequestRefused, TargetChanged):
        part.drop()
        raise
    finally:
        part.close()
    facts, resumed_at, sha256 = arrived
    return Transferred(size=facts.size, resumed_at=resumed_at, sha256=sha256)


async def download_job(client: FilesClient, job: Job, progress: Progress = no_progress) -> Transferred:
    """As `download`, of a job."""
    return await download(
        client,
        job.there,
        job.here,
        overwrite=job.overwrite,
        keep=job.keep_here,
        replaces=job.replaces,
        progress=progress,
    )


async def _take(
    client: FilesClient, number: int, message: Message, part: Part, progress: Progress
) -> tuple[RemoteFile, int, bytes]:
    """Receive all of a file, of whose request `message` is the first answer."""
    try:
        if "ok" in message.head:  # all of a small file
            await trio.to_thread.run_sync(part.restart)
            await trio.to_thread.run_sync(part.append, message.pieces)
            resumed_at = 0
        else:
            facts, resumed_at = _begins(message)
            if resumed_at != part.size:
                await trio.to_thread.run_sync(part.restart)
            progress(part.size, facts.size)
            size, message = part.size, await client.answer_to(number)
            while "ok" not in message.head:
                offset = FieldReader(message.head).number("offset")
                if offset != size or not message.size or size + message.size > facts.size:
                    raise RemoteProtocolError("a piece that does not follow")
                size += message.size
                write = partial(trio.to_thread.run_sync, part.append, message.pieces)
                # One piece is written while the next is on its way.
                message = await beside(write, partial(client.answer_to, number))
                progress(size, facts.size)
        facts, sha256 = parse_whole(message)
    except RemoteProtocolError as exc:
        raise client.broken(str(exc)) from exc
    if (part.size, part.digest()) != (facts.size, sha256):
        raise RequestRefused("changed")
    progress(part.size, facts.size)
    return facts, resumed_at if resumed_at <= facts.size else 0, sha256


def parse_whole(message: Message) -> tuple[RemoteFile, bytes]:
    """What the last answer to a `read` says of the file: facts and SHA-256.

    Raises:
        RemoteProtocolError: it is none.
    """
    ok = _map(message.head.get("ok"))
    return parse_facts(ok), FieldReader(ok).binary("sha256", length=32)


def _begins(message: Message) -> tuple[RemoteFile, int]:
    begins = _map(message.head.get("begins"))
    return parse_facts(begins), FieldReader(begins).number("offset")


def _map(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise RemoteProtocolError("an answer is a map")
    return value


# Up


async def upload(
    client: FilesClient,
    source: Path,
    target: str,
    *,
    transfer: str,
    overwrite: bool = False,
    keep: str | None = None,
    progress: Progress = no_progress,
) -> Transferred:
    """Send a file.

    Args:
        client: no other request may be under way on it.
        source: here.
        target: path on the host; its folder exists.
        transfer: 32 hexadecimal digits; the same at each attempt, so that the host finds what it has.
        overwrite: what has this name may be replaced.
        keep: path on the host where what is replaced is kept.
        progress: see `Progress`.

    Raises:
        RequestRefused: the host cannot write it; `client.is_over` tells whether the stream ended with it.
        LocalProblem: it cannot be read, or was changed meanwhile.
        StreamClosed: the connection broke; the host keeps its part for the next attempt.
    """
    try:
        with source.open("rb") as file:
            found = os.fstat(file.fileno())
            fields = {
                "path": wire_name(target),
                "size": found.st_size,
                "modified": found.st_mtime_ns // 1_000_000,
                "mode": found.st_mode & 0o777,
                "transfer": transfer,
                "overwrite": overwrite,
                **({} if keep is None else {"keep": wire_name(keep)}),
            }
            sent = await _send(client, file.fileno(), found.st_size, fields, progress)
            after = os.fstat(file.fileno())
    except OSError as exc:
        raise LocalProblem(f"{source} cannot be read: {exc.strerror}.") from exc
    if (after.st_size, after.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
        raise LocalProblem(f"{source} was changed while it was sent.")
    return sent


async def _send(
    client: FilesClient, descriptor: int, size: int, fields: Mapping[str, object], progress: Progress
) -> Transferred:
    number = await client.ask("write", **fields)
    go = FieldReader(_map((await client.answer_to(number)).head.get("go")))
    there = go.number("offset", at_most=size)
    hashed = hashlib.sha256()

    def read(at_most: int) -> bytes:
        piece = os.read(descriptor, min(MAX_BODY_BYTES, at_most))
        hashed.update(piece)
        return piece

    at = 0
    while at < there and (piece := await trio.to_thread.run_sync(read, there - at)):
        at += len(piece)
    if hashed.digest() != go.binary("prefix", length=32):
        await client.stream.send({"id": number, "restart": True})
        os.lseek(descriptor, 0, os.SEEK_SET)
        hashed, at = hashlib.sha256(), 0
    resumed_at = at
    progress(at, size)

    async def send_pieces() -> None:
        at = resumed_at
        piece = await trio.to_thread.run_sync(read, size - at)
        while piece:
            send = partial(client.stream.send, {"id": number, "offset": at}, piece)
            at += len(piece)
            # One piece is read while the one before is sent.
            piece = await beside(send, partial(trio.to_thread.run_sync, read, size - at))
            progress(at, size)
        await client.stream.send({"id": number, "end": hashed.digest()})

    try:
        # The one answer may come early, if the host cannot go on.
        await beside(send_pieces, partial(client.answer_to, number))
    except RequestRefused:
        client.close()  # what was being sent may be cut in the middle of a message
        raise
    return Transferred(size=size, resumed_at=resumed_at, sha256=hashed.digest())
