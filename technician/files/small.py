"""Many small files at once on one stream: all requests, then all answers, instead of a round trip each."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import trio

from relay.protocol.errors import RemoteProtocolError
from relay.protocol.messages import Message
from technician.errors import TechnicianError
from technician.files.client import FilesClient, wire_name
from technician.files.parts import LocalProblem, write_small
from technician.files.transfers import Job, Transferred, download_begun, no_progress, parse_whole
from technician.requests import RequestRefused

MAX_SMALL_BYTES: Final = 256 * 1024
"""Of a file that is put with its request; the host takes no more."""
MAX_AT_ONCE: Final = 64
MAX_HELD_BYTES: Final = 4 << 20
"""Of files that arrived and are not written yet; one more may be a piece's size."""

Done = Callable[[Job, Transferred | TechnicianError], None]
"""Told what became of each file."""


async def upload_small(client: FilesClient, jobs: Sequence[Job], done: Done) -> None:
    """Send files of at most `MAX_SMALL_BYTES`, `MAX_AT_ONCE` at most.

    Raises:
        StreamClosed: the connection broke; those of which `done` was not told may be there or not.
    """
    files = await trio.to_thread.run_sync(_read_all, jobs)
    sent = []
    for job, file in zip(jobs, files, strict=True):
        if isinstance(file, LocalProblem):
            done(job, file)
        else:
            sent.append((job, file))
    numbers = await client.ask_all("put", [(file.fields, file.data) for _, file in sent])
    for number, (job, file) in zip(numbers, sent, strict=True):
        try:
            await client.answer_to(number)
        except RequestRefused as problem:
            done(job, problem)
        else:
            done(job, Transferred(size=len(file.data), resumed_at=0, sha256=file.sha256))


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
    numbers = await client.ask_all("read", [({"path": wire_name(job.there)}, b"") for job in asked])
    arrived = _Arrived(done)
    for number, job in zip(numbers, asked, strict=True):
        try:
            message = await client.answer_to(number)
            if "ok" in message.head:
                arrived.take(job, message, client)
                if arrived.size >= MAX_HELD_BYTES:
                    await arrived.write()
            else:  # it has grown meanwhile, or the host's words about it were not true
                await arrived.write()
                done(job, await _take_large(client, number, message, job))
        except (RequestRefused, LocalProblem) as problem:
            done(job, problem)
    await arrived.write()


async def _take_large(client: FilesClient, number: int, message: Message, job: Job) -> Transferred:
    return await download_begun(
        client,
        number,
        message,
        job.here,
        overwrite=job.overwrite,
        keep=None if job.keep is None else Path(job.keep),
        progress=no_progress,
    )


def _is_in_the_way(job: Job) -> bool:
    return not job.overwrite and os.path.lexists(job.here)


@dataclass(frozen=True, slots=True)
class _SmallFile:
    """A file to be put: the request's fields, and its content."""

    fields: dict[str, object]
    data: bytes
    sha256: bytes


def _read_all(jobs: Sequence[Job]) -> list[_SmallFile | LocalProblem]:
    return [_read(job) for job in jobs]


def _read(job: Job) -> _SmallFile | LocalProblem:
    try:
        descriptor = os.open(job.here, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            found = os.fstat(descriptor)
            data = os.read(descriptor, MAX_SMALL_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as exc:
        return LocalProblem(f"{job.here} cannot be read: {exc.strerror}.")
    if len(data) != found.st_size or len(data) > MAX_SMALL_BYTES:
        return LocalProblem(f"{job.here} was changed while it was sent.")
    sha256 = hashlib.sha256(data).digest()
    fields: dict[str, object] = {
        "path": wire_name(job.there),
        "modified": found.st_mtime_ns // 1_000_000,
        "mode": found.st_mode & 0o777,
        "sha256": sha256,
        "overwrite": job.overwrite,
    }
    if job.keep is not None:
        fields["keep"] = wire_name(job.keep)
    return _SmallFile(fields, data, sha256)


@dataclass(slots=True)
class _Arrived:
    """Files that arrived and are written in one go of a thread.

    Attributes:
        size: bytes that are held.
    """

    done: Done
    size: int = 0
    _files: list[tuple[Job, Transferred, Callable[[], None]]] = field(default_factory=list)

    def take(self, job: Job, message: Message, client: FilesClient) -> None:
        """Take a whole file in.

        Raises:
            RequestRefused: it is not what the host says it is.
            StreamClosed: the host broke the protocol.
        """
        try:
            facts, sha256 = parse_whole(message)
        except RemoteProtocolError as exc:
            raise client.broken(str(exc)) from exc
        if (len(message.body), hashlib.sha256(message.body).digest()) != (facts.size, sha256):
            raise RequestRefused("changed")
        self.size += facts.size
        keep = None if job.keep is None else Path(job.keep)
        write = partial(write_small, job.here, message.body, facts, overwrite=job.overwrite, keep=keep)
        self._files.append((job, Transferred(size=facts.size, resumed_at=0, sha256=sha256), write))

    async def write(self) -> None:
        """Write what there is."""
        files, self._files, self.size = self._files, [], 0
        if files:
            problems = await trio.to_thread.run_sync(lambda: [_tried(write) for _, _, write in files])
            for (job, transferred, _), problem in zip(files, problems, strict=True):
                self.done(job, problem or transferred)


def _tried(write: Callable[[], None]) -> LocalProblem | None:
    try:
        write()
    except LocalProblem as problem:
        return problem
    return None
