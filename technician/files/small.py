"""Many small files at once: their contents behind each other in one message, instead of a message each.

What the host says is untrusted: it can tell only of files that were asked for, each once, none larger than
small, and each is checked by its SHA-256 before it has a name.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import trio

from peer.together import beside
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.messages import MAX_BODY_BYTES, Message
from technician.errors import TechnicianError
from technician.files.client import FilesClient, RemoteFile, parse_row, wire_name
from technician.files.parts import LocalProblem, write_small
from technician.files.transfers import Job, Transferred, download_job
from technician.requests import RequestRefused

MAX_SMALL_BYTES: Final = 256 * 1024
"""Of a file that is put with its request; the host takes no more."""
MAX_AT_ONCE: Final = 256
"""The host takes 512 in one request; their paths must fit the head of a message, too."""

Done = Callable[[Job, Transferred | TechnicianError], None]
"""Told what became of each file."""


# Up


async def upload_small(client: FilesClient, jobs: Sequence[Job], done: Done) -> None:
    """Send files of at most `MAX_SMALL_BYTES`, `MAX_AT_ONCE` at most.

    Raises:
        StreamClosed: the connection broke; those of which `done` was not told may be there or not.
    """
    files = await trio.to_thread.run_sync(lambda: [_read(job) for job in jobs])
    read = []
    for job, file in zip(jobs, files, strict=True):
        if isinstance(file, LocalProblem):
            done(job, file)
        else:
            read.append((job, file))
    for group in _groups(read):
        rows = [file.row for _, file in group]
        body = b"".join(file.data for _, file in group)
        (number,) = await client.ask_all("puts", [({"files": rows}, body)])
        message = await client.answer_to(number)
        with client.reading():
            failed = _failed_of(message.head.get("ok"), len(group))
        for index, (job, file) in enumerate(group):
            problem = failed.get(index)
            done(job, problem or Transferred(size=len(file.data), resumed_at=0, sha256=file.sha256))


@dataclass(frozen=True, slots=True)
class _SmallFile:
    """A file to be put: what the request says of it, and its content."""

    row: list[object]
    data: bytes
    sha256: bytes


def _read(job: Job) -> _SmallFile | LocalProblem:
    try:
        descriptor = os.open(job.here, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            found = os.fstat(descriptor)
            data = os.read(descriptor, min(found.st_size, MAX_SMALL_BYTES) + 1)
        finally:
            os.close(descriptor)
    except OSError as exc:
        return LocalProblem(f"{job.here} cannot be read: {exc.strerror}.")
    if len(data) != found.st_size or len(data) > MAX_SMALL_BYTES:
        return LocalProblem(f"{job.here} was changed while it was sent.")
    sha256 = hashlib.sha256(data).digest()
    keep = None if job.keep is None else wire_name(job.keep)
    modified, mode = found.st_mtime_ns // 1_000_000, found.st_mode & 0o777
    row: list[object] = [wire_name(job.there), len(data), modified, mode, sha256, job.overwrite, keep]
    return _SmallFile(row, data, sha256)


def _groups(files: Sequence[tuple[Job, _SmallFile]]) -> Iterator[list[tuple[Job, _SmallFile]]]:
    """Files whose contents fit a message."""
    group: list[tuple[Job, _SmallFile]] = []
    size = 0
    for job, file in files:
        if size + len(file.data) > MAX_BODY_BYTES:
            yield group
            group, size = [], 0
        group.append((job, file))
        size += len(file.data)
    if group:
        yield group


# Down


async def download_small(client: FilesClient, jobs: Sequence[Job], done: Done) -> None:
    """Fetch files that are small as far as is known, `MAX_AT_ONCE` at most.

    Raises:
        StreamClosed: the connection broke; those of which `done` was not told are not there.
    """
    there = await trio.to_thread.run_sync(lambda: [_is_in_the_way(job) for job in jobs])
    asked = []
    for job, is_there in zip(jobs, there, strict=True):
        if is_there:
            done(job, LocalProblem(f"{job.here} is there already."))
        else:
            asked.append(job)
    if not asked:
        return
    number = await client.ask("gets", paths=[wire_name(job.there) for job in asked])
    missing = set(range(len(asked)))
    large: list[Job] = []
    message = await client.answer_to(number)
    while "ok" not in message.head:
        with client.reading():
            rows = _rows_of(message, missing)
            failed = _failed_of(message.head, len(asked))
            if not failed.keys() <= missing or not (rows or failed):
                raise RemoteProtocolError("files that were not asked for, or none")
        missing -= failed.keys()
        for index, problem in failed.items():
            if problem.code == "large":  # it has grown meanwhile, or the host's words about it were not true
                large.append(asked[index])
            else:
                done(asked[index], problem)
        write = partial(_write_all, asked, rows, message.body)
        # What came is written while the next is on its way.
        message = await beside(partial(_keep, write, done), partial(client.answer_to, number))
    if missing:
        raise client.broken("files were left out")
    for job in large:
        try:
            done(job, await download_job(client, job))
        except (RequestRefused, LocalProblem) as problem:
            done(job, problem)


async def _keep(write: Callable[[], list[tuple[Job, Transferred | TechnicianError]]], done: Done) -> None:
    # No checkpoint in between: what is written is told, also if the connection breaks meanwhile.
    for job, result in await trio.to_thread.run_sync(write):
        done(job, result)


_Row = tuple[int, RemoteFile, bytes]
"""Which of those that were asked for, its facts, its SHA-256."""


def _rows_of(message: Message, missing: set[int]) -> list[_Row]:
    """The files of a message, which are missing no longer.

    Raises:
        RemoteProtocolError: they are not what was asked for.
    """
    files = message.head.get("files")
    if not isinstance(files, list):
        raise RemoteProtocolError("no files")
    rows = []
    for value in files:
        row = parse_row(value)
        if row[0] not in missing or row[1].size > MAX_SMALL_BYTES:
            raise RemoteProtocolError("a file that was not asked for")
        missing.remove(row[0])
        rows.append(row)
    if sum(facts.size for _, facts, _ in rows) != message.size:
        raise RemoteProtocolError("files that do not fit their body")
    return rows


def _failed_of(told: object, count: int) -> dict[int, RequestRefused]:
    """Which of `count` files failed, and why.

    Raises:
        RemoteProtocolError: it is nothing of the kind.
    """
    failed = cast("dict[str, object]", told).get("failed") if isinstance(told, dict) else None
    if not isinstance(failed, list) or len(failed) > count:
        raise RemoteProtocolError("no word of what failed")
    problems = {}
    for each in failed:
        match each:
            case [int(index), str(code), str(detail)] if 0 <= index < count:
                problems[int(index)] = RequestRefused(code[:32], detail[:500])
            case _:
                raise RemoteProtocolError("a failure is a number and two texts")
    return problems


def _write_all(
    jobs: Sequence[Job], rows: Sequence[_Row], body: bytes
) -> list[tuple[Job, Transferred | TechnicianError]]:
    results = []
    view, at = memoryview(body), 0
    for index, facts, sha256 in rows:
        data = view[at : at + facts.size]
        at += facts.size
        results.append((jobs[index], _written(jobs[index], facts, data, sha256)))
    return results


def _written(job: Job, facts: RemoteFile, data: memoryview, sha256: bytes) -> Transferred | TechnicianError:
    if hashlib.sha256(data).digest() != sha256:
        return RequestRefused("changed")
    try:
        write_small(job.here, data, facts, overwrite=job.overwrite, keep=job.keep_here, replaces=job.replaces)
    except LocalProblem as problem:
        return problem
    return Transferred(size=facts.size, resumed_at=0, sha256=sha256)


def _is_in_the_way(job: Job) -> bool:
    return not job.overwrite and os.path.lexists(job.here)
