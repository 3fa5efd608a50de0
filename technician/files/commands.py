"""``technician files``: ls, get, put, make, rm. Paths of the customer's computer are absolute."""

import hashlib
import posixpath
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import trio
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from peer.messages import MessageStream
from relay.protocol.frames import Channel
from technician.attaching import open_tool
from technician.files.client import Entry, FilesClient
from technician.files.transfers import LocalProblem, Transferred, download, upload
from technician.files.transfers import Progress as Told
from technician.keyring import Keyring
from technician.printing import print_json, printable, say
from technician.relay_client import RelayClient
from technician.requests import RequestRefused
from technician.running import AccessPassword, AsJson, choose_session, run_signed_in, unlock

Result = TypeVar("Result")

app = typer.Typer(help="Files of the customer's computer.", no_args_is_help=True)

Remote = Annotated[str, typer.Argument(help="An absolute path on the customer's computer.")]
SessionOption = Annotated[str | None, typer.Option("--session", help="Not needed when one is open.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what has the name.")]


@app.command()
def ls(
    path: Annotated[str | None, typer.Argument(help="Default: where looking begins.")] = None,
    session: SessionOption = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Hidden ones too.")] = False,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """List a folder, or where looking begins."""

    async def run(client: FilesClient) -> list[dict[str, Any]]:
        if path is None:
            return await client.roots()
        entries = [entry async for entry in client.list(path, hidden=hidden)]
        return [
            _row(entry) for entry in sorted(entries, key=lambda entry: (entry.kind != "folder", entry.name))
        ]

    rows = _with_client(session, access_password, run)
    if as_json:
        print_json({"entries": rows})
    else:
        _print_rows(rows)


@app.command()
def get(
    source: Remote,
    target: Annotated[Path, typer.Argument(help="A file or folder here.")] = Path(),
    session: SessionOption = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """Fetch a file, or a folder with all that is in it. An interrupted one goes on when asked for again."""

    async def run(client: FilesClient) -> list[dict[str, Any]]:
        into = await _below(target, posixpath.basename(source.rstrip("/")))
        with _progress() as told:
            return [
                await _tried(there, partial(_get, client, there, here, overwrite, told))
                async for there, here in _remote_tree(client, source, into)
            ]

    _finish(_with_client(session, access_password, run), as_json)


@app.command()
def put(
    source: Annotated[Path, typer.Argument(help="A file or folder here.", exists=True)],
    target: Remote,
    session: SessionOption = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """Send a file, or a folder with all that is in it. An interrupted one goes on when asked for again."""

    async def run(client: FilesClient) -> list[dict[str, Any]]:
        into = await _inside(client, (await trio.Path(source).resolve()).name, target)
        with _progress() as told:
            return [
                await _tried(there, partial(_put, client, here, there, overwrite, told))
                async for here, there in _local_tree(client, source, into)
            ]

    _finish(_with_client(session, access_password, run), as_json)


@app.command()
def make(path: Remote, session: SessionOption = None, access_password: AccessPassword = None) -> None:
    """Make a folder."""
    _with_client(session, access_password, lambda client: client.make(path))


@app.command()
def rm(
    path: Remote,
    session: SessionOption = None,
    final: Annotated[bool, typer.Option("--final", help="For good, not into the trash.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    access_password: AccessPassword = None,
) -> None:
    """Put a file or folder into the trash, or delete it for good."""
    if final and not yes:
        typer.confirm(f"Delete {printable(path)} for good, with all that is in it?", abort=True, err=True)
    _with_client(session, access_password, lambda client: client.delete(path, final=final))


def _with_client(
    session: str | None, access_password: str | None, work: Callable[[FilesClient], Awaitable[Result]]
) -> Result:
    async def run(relay: RelayClient, keyring: Keyring) -> Result:
        chosen = await choose_session(relay, session, "active")
        password, key = await unlock(relay, keyring, chosen, access_password)
        async with open_tool(relay, chosen.id, Channel.FILES, key, password) as stream:
            return await work(FilesClient(MessageStream(stream)))

    return run_signed_in(run)


async def _get(client: FilesClient, source: str, target: Path, overwrite: bool, told: Told) -> Transferred:
    return await download(client, source, target, overwrite=overwrite, progress=told)


async def _put(client: FilesClient, source: Path, target: str, overwrite: bool, told: Told) -> Transferred:
    # The same file to the same place is the same transfer, so that another run goes on with it.
    place = f"{await trio.Path(source).resolve()}\0{target}"
    transfer = hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:32]
    return await upload(client, source, target, transfer=transfer, overwrite=overwrite, progress=told)


async def _tried(path: str, work: Callable[[], Awaitable[Transferred]]) -> dict[str, Any]:
    """What became of one file; a file that cannot be moved does not keep the others."""
    try:
        done = await work()
    except (RequestRefused, LocalProblem) as problem:
        return {"path": path, "problem": str(problem)}
    return {"path": path, "size": done.size, "resumed_at": done.resumed_at, "sha256": done.sha256.hex()}


async def _remote_tree(client: FilesClient, source: str, into: Path) -> AsyncIterator[tuple[str, Path]]:
    """The files below `source` and where they go; folders are made on the way. Links are passed over."""
    entry = await client.stat(source)
    if entry.kind == "file":
        yield source, into
        return
    waiting = [(source, into)]
    while waiting:
        folder, here = waiting.pop()
        await trio.Path(here).mkdir(parents=True, exist_ok=True)
        for each in [each async for each in client.list(folder, hidden=True)]:
            if each.kind == "folder":
                waiting.append((posixpath.join(folder, each.name), here / each.name))
            elif each.kind == "file":
                yield posixpath.join(folder, each.name), here / each.name


async def _local_tree(client: FilesClient, source: Path, into: str) -> AsyncIterator[tuple[Path, str]]:
    if await trio.Path(source).is_file():
        yield source, into
        return
    waiting = [(source, into)]
    while waiting:
        folder, there = waiting.pop()
        try:
            await client.make(there)
        except RequestRefused as problem:
            if problem.code != "exists":
                raise
        for each in sorted(await trio.to_thread.run_sync(list, folder.iterdir())):
            name = posixpath.join(there, each.name)
            if each.is_dir() and not each.is_symlink():
                waiting.append((each, name))
            elif each.is_file() and not each.is_symlink():
                yield each, name


async def _below(target: Path, name: str) -> Path:
    """`target`, or `name` in it if it is a folder."""
    return target / name if await trio.Path(target).is_dir() else target


async def _inside(client: FilesClient, name: str, target: str) -> str:
    """`target`, or `name` in it if it is a folder."""
    try:
        is_folder = (await client.stat(target)).kind == "folder"
    except RequestRefused as problem:
        if problem.code != "missing":
            raise
        is_folder = False
    return posixpath.join(target, name) if is_folder else target


def _finish(results: list[dict[str, Any]], as_json: bool) -> None:
    failed = [result for result in results if "problem" in result]
    if as_json:
        print_json({"files": results})
    for result in failed:
        say(f"{result['path']}: {result['problem']}")
    if not as_json:
        say(f"{len(results) - len(failed)} of {len(results)} files arrived, checked by SHA-256.")
    if failed:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar on a terminal; nothing in a pipe."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("")
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "name": printable(entry.name),
        "kind": entry.kind,
        "size": entry.size,
        "modified": entry.modified.isoformat(timespec="seconds"),
        "mode": stat.filemode(entry.mode)[1:],
        "owner": printable(entry.owner),
        "target": printable(entry.target),
    }


def _print_rows(rows: list[dict[str, Any]]) -> None:
    console = Console()
    if not rows:
        say("The folder is empty.")
        return
    if not console.is_terminal:
        for row in rows:
            print("\t".join(str(value) for value in row.values()))
        return
    table = Table(*rows[0], box=None)
    for row in rows:
        table.add_row(*(escape(printable(str(value))) for value in row.values()))
    console.print(table)
