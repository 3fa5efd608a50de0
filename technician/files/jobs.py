"""Many files to move, several at a time: small ones many at once on a stream, large ones a stream each.

A `JobList` outlives the connections: what was not finished when one broke is waiting again for the next.
"""

import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

import trio

from peer.errors import PeerError
from relay.protocol.messages import MAX_BODY_BYTES
from technician.errors import TechnicianError
from technician.files.client import FilesClient
from technician.files.parts import LocalProblem, TargetChanged
from technician.files.small import MAX_AT_ONCE, MAX_SMALL_BYTES, download_small, upload_small
from technician.files.sync_plan import is_same
from technician.files.transfers import Job, Transferred, download_job, upload
from technician.files.trees import node_of
from technician.requests import RequestRefused

STREAMS: Final = 3
"""While one stream's batch is on the disk of either side, another's is on its way."""
MAX_BATCH_BYTES: Final = MAX_BODY_BYTES - MAX_SMALL_BYTES
"""With one file more they still fit a message."""

OpenClient = Callable[[], Awaitable[FilesClient]]
"""Opens one more stream."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: the file that arrived, or why it did not."""

    job: Job
    result: Transferred | TechnicianError


@dataclass(slots=True)
class Tally:
    """How far it is.

    Attributes:
        files, all_files, bytes, all_bytes: done, and in all.
        changed: called after each change.
    """

    all_files: int = 0
    all_bytes: int = 0
    files: int = 0
    bytes: int = 0
    changed: Callable[[], None] = lambda: None

    def add(self, *, files: int = 0, size: int = 0) -> None:
        """So much more is done."""
        self.files += files
        self.bytes += size
        self.changed()


@dataclass(slots=True)
class JobList:
    """Jobs, and what became of them.

    Attributes:
        outcomes: of those that are over, in the order of their ending.
    """

    jobs: deque[Job]
    tally: Tally
    outcomes: list[Outcome] = field(default_factory=list)
    _interrupted: set[Job] = field(default_factory=set)

    @classmethod
    def of(cls, jobs: Iterable[Job], tally: Tally | None = None) -> "JobList":
        """A list of jobs, none of which was begun; `tally` gets their sum."""
        made = cls(deque(jobs), tally or Tally())
        made.tally.all_files += len(made.jobs)
        made.tally.all_bytes += sum(job.size for job in made.jobs)
        made.tally.changed()
        return made

    def take(self) -> list[Job]:
        """What a stream does next: one large file, or small ones in one direction; nothing at the end."""
        batch: list[Job] = []
        size = 0
        while self.jobs and len(batch) < MAX_AT_ONCE and size < MAX_BATCH_BYTES:
            job = self.jobs[0]
            if batch and not (is_small(job) and is_small(batch[0]) and job.is_upload == batch[0].is_upload):
                break
            batch.append(self.jobs.popleft())
            size += job.size
        return batch

    def give_back(self, jobs: Iterable[Job]) -> None:
        """These were interrupted: first in the queue again. They may have arrived all the same."""
        jobs = list(jobs)
        self._interrupted.update(jobs)
        self.jobs.extendleft(reversed(jobs))

    def was_interrupted(self, job: Job) -> bool:
        """Whether an attempt ended without an answer."""
        return job in self._interrupted

    def done(self, job: Job, result: Transferred | TechnicianError) -> None:
        """A job is over."""
        self.outcomes.append(Outcome(job, result))
        self.tally.add(files=1)


def is_small(job: Job) -> bool:
    """Whether it goes in one message with its request."""
    return job.size <= MAX_SMALL_BYTES


async def run_jobs(jobs: JobList, open_client: OpenClient) -> None:
    """Do all of them, on up to `STREAMS` streams at a time.

    Raises:
        StreamClosed, and whatever `open_client` raises: what is not done by then is in the list again.

    Cancellation: likewise.
    """
    failures: list[Exception] = []
    async with trio.open_nursery() as nursery:

        async def work() -> None:
            try:
                client = None
                while batch := jobs.take():
                    unfinished = dict.fromkeys(batch)
                    try:
                        if client is None or client.is_over:
                            client = await open_client()
                        await _do(client, batch, jobs, unfinished)
                    finally:
                        jobs.give_back(unfinished)
            except (PeerError, TechnicianError) as exc:  # told outside, as it was, and not as a group
                failures.append(exc)
                nursery.cancel_scope.cancel()

        for _ in range(STREAMS):
            nursery.start_soon(work)
    if failures:
        raise failures[0]


async def _do(client: FilesClient, batch: list[Job], jobs: JobList, unfinished: dict[Job, None]) -> None:
    refused: list[tuple[Job, RequestRefused]] = []

    def done(job: Job, result: Transferred | TechnicianError) -> None:
        if (
            isinstance(result, RequestRefused)
            and result.code == "exists"
            and job.is_upload
            and jobs.was_interrupted(job)
        ):
            refused.append((job, result))
            return
        del unfinished[job]
        if is_small(job) and isinstance(result, Transferred):
            jobs.tally.add(size=result.size)
        jobs.done(job, result)

    if batch[0].is_upload:
        batch = await _replaceable(client, batch, jobs, done)
    if batch and is_small(batch[0]):
        await (upload_small if batch[0].is_upload else download_small)(client, batch, done)
    elif batch:
        done(batch[0], await _move(client, batch[0], jobs.tally))
    for job, problem in refused:
        # It may be our own file, whose answer was lost with the connection.
        there = None if client.is_over else await _same_there(client, job)
        del unfinished[job]
        jobs.tally.add(size=0 if there is None else there.size)
        jobs.done(job, there or problem)


async def _replaceable(
    client: FilesClient, batch: list[Job], jobs: JobList, done: Callable[[Job, TechnicianError], None]
) -> list[Job]:
    """Those of a batch whose target on the host is still what may be replaced; the others are `done`."""
    looked = [job for job in batch if job.replaces is not None]
    found = await client.stat_all([job.there for job in looked])
    left = set()
    for job, there in zip(looked, found, strict=True):
        if isinstance(there, RequestRefused) and there.code != "missing":
            left.add(job)
            done(job, there)
        elif isinstance(there, RequestRefused) or not is_same(node_of(there), job.replaces):
            left.add(job)
            # After an interruption it may be our own file.
            done(job, RequestRefused("exists") if jobs.was_interrupted(job) else TargetChanged(job.there))
    return [job for job in batch if job not in left]


async def _move(client: FilesClient, job: Job, tally: Tally) -> Transferred | TechnicianError:
    """One large file."""
    before = 0
    has_arrived = False

    def progress(done: int, _total: int) -> None:
        nonlocal before
        tally.add(size=done - before)
        before = done

    try:
        if job.is_upload:
            sent = await upload(
                client,
                job.here,
                job.there,
                transfer=transfer_of(job),
                overwrite=job.overwrite,
                keep=job.keep,
                progress=progress,
            )
            has_arrived = True
            return sent
        fetched = await download_job(client, job, progress)
        has_arrived = True
        return fetched
    except (RequestRefused, LocalProblem) as problem:
        return problem
    finally:
        if not has_arrived:  # it is not done, or begins again
            tally.add(size=-before)


def transfer_of(job: Job) -> str:
    """The id of an upload. The same file to the same place is the same transfer, so that it is resumed."""
    return sha256(os.fsencode(f"{job.here.absolute()}\0{job.there}")).hexdigest()[:32]


async def _same_there(client: FilesClient, job: Job) -> Transferred | None:
    """The file on the host, if it is the one that was to be sent."""
    try:
        size, digest = await client.digest(job.there)
        if digest == await trio.to_thread.run_sync(partial(digest_here, job.here)):
            return Transferred(size=size, resumed_at=size, sha256=digest)
    except (RequestRefused, LocalProblem):
        pass
    return None


def digest_here(path: Path) -> bytes:
    """SHA-256 of a file here. Blocks.

    Raises:
        LocalProblem: it cannot be read.
    """
    try:
        hashed = sha256()
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                hashed.update(piece)
    except OSError as exc:
        raise LocalProblem(f"{path} cannot be read: {exc.strerror}.") from exc
    return hashed.digest()
