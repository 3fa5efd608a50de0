"""Getting and putting files and whole trees, waiting for the computer where it must be waited for."""

import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import trio

from technician.errors import TechnicianError
from technician.files.client import FilesClient
from technician.files.connection import FilesStreams, Work
from technician.files.jobs import JobList, Tally, run_jobs
from technician.files.parts import LocalProblem
from technician.files.printing import outcome_rows
from technician.files.sync_plan import Node
from technician.files.transfers import Job
from technician.files.trees import (
    Tree,
    can_be_local,
    folders_of,
    local_node,
    local_tree,
    make_local_folders,
    make_remote_folders,
    node_of,
    remote_tree,
)
from technician.requests import RequestRefused

T = TypeVar("T")


class Runs(Protocol):
    """What a `FilesConnection` is to those who move files."""

    async def run(self, work: Work[T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Moving:
    """What moving needs: a way to the host, and who follows how far it is."""

    connection: Runs
    tally: Tally

    async def ask(self, work: Callable[[FilesClient], Awaitable[T]]) -> T:
        """What `work` returns, given one stream; it is called anew when the connection broke."""

        async def run(streams: FilesStreams) -> T:
            return await work(await streams.open())

        return await self.connection.run(run)

    async def move(self, jobs: JobList) -> None:
        """Do all jobs."""
        if jobs.jobs:
            await self.connection.run(lambda streams: run_jobs(jobs, streams.open))


async def get_all(moving: Moving, source: str, target: Path, *, overwrite: bool) -> list[dict[str, Any]]:
    """Fetch a file or a folder of the host.

    Args:
        source: path on the host.
        target: what it is to be here; in a folder that exists, under its own name.
        overwrite: files that are there already are replaced.

    Returns:
        What became of each file (`outcome_rows`), and of folders that failed; sorted.

    Raises:
        TechnicianError, PeerError: nothing of it could be moved.
    """

    async def look(client: FilesClient) -> tuple[Node, Tree]:
        top = node_of(await client.stat(source))
        return top, await remote_tree(client, source) if top.kind == "folder" else Tree()

    top, tree = await moving.ask(look)
    into = target
    if await trio.Path(target).is_dir():
        into = target / posixpath.basename(source.rstrip("/"))
    if top.kind != "folder":
        jobs = [Job(here=into, there=source, is_upload=False, size=top.size, overwrite=overwrite)]
        return await _moved(moving, jobs, {})
    unusable = {path for path in tree.nodes if not can_be_local(path)}
    problems = tree.problems | dict.fromkeys(unusable, "This computer cannot have such a name.")
    folders = ["", *(path for path in folders_of(tree.nodes) if path not in unusable)]
    problems |= await trio.to_thread.run_sync(make_local_folders, into, folders)
    if "" in problems:
        raise LocalProblem(f"{into} cannot be made.")
    jobs = [
        Job(
            here=into / path,
            there=posixpath.join(source, path),
            is_upload=False,
            size=node.size,
            overwrite=overwrite,
        )
        for path, node in tree.nodes.items()
        if node.kind == "file" and path not in unusable
    ]
    return await _moved(moving, jobs, {posixpath.join(source, path): why for path, why in problems.items()})


async def put_all(moving: Moving, source: Path, target: str, *, overwrite: bool) -> list[dict[str, Any]]:
    """Send a file or a folder to the host; arguments, result and errors as for `get_all`, the other way."""
    source = Path(await trio.Path(source).resolve())
    top = local_node(await trio.Path(source).stat())
    tree = await trio.to_thread.run_sync(local_tree, source) if top.kind == "folder" else Tree()
    into = await moving.ask(partial(_into, name=source.name, target=target))
    if top.kind != "folder":
        jobs = [Job(here=source, there=into, is_upload=True, size=top.size, overwrite=overwrite)]
        return await _moved(moving, jobs, {})
    folders = ["", *folders_of(tree.nodes)]
    problems = tree.problems | await moving.ask(lambda client: make_remote_folders(client, into, folders))
    if "" in problems:
        raise TechnicianError(problems[""])
    jobs = [
        Job(
            here=source / path,
            there=posixpath.join(into, path),
            is_upload=True,
            size=node.size,
            overwrite=overwrite,
        )
        for path, node in tree.nodes.items()
        if node.kind == "file"
    ]
    return await _moved(moving, jobs, {posixpath.join(into, path): why for path, why in problems.items()})


async def _into(client: FilesClient, *, name: str, target: str) -> str:
    """`target`, or `name` in it if it is a folder."""
    try:
        is_folder = (await client.stat(target)).kind == "folder"
    except RequestRefused as problem:
        if problem.code != "missing":
            raise
        is_folder = False
    return posixpath.join(target, name) if is_folder else target


async def _moved(moving: Moving, jobs: list[Job], problems: dict[str, str]) -> list[dict[str, Any]]:
    listed = JobList.of(jobs, moving.tally)
    await moving.move(listed)
    rows = outcome_rows(listed.outcomes)
    rows += [{"path": path, "problem": why} for path, why in problems.items()]
    return sorted(rows, key=lambda row: str(row["path"]))
