"""``technician files``: ls, get, put, make, rm. Paths of the customer's computer are absolute."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from peer.messages import MessageStream
from relay.protocol.frames import Channel
from technician.attaching import open_tool
from technician.files.client import FilesClient
from technician.files.connection import FilesConnection
from technician.files.moving import Moving, get_all, put_all
from technician.files.printing import entry_row, finish, print_rows, progress_bar
from technician.keyring import Keyring
from technician.printing import print_json, printable, say
from technician.relay_client import RelayClient
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
            entry_row(entry)
            for entry in sorted(entries, key=lambda entry: (entry.kind != "folder", entry.name))
        ]

    rows = _with_client(session, access_password, run)
    if as_json:
        print_json({"entries": rows})
    else:
        print_rows(rows, "The folder is empty.")


@app.command()
def get(
    source: Remote,
    target: Annotated[Path, typer.Argument(help="A file or folder here.")] = Path(),
    session: SessionOption = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """Fetch a file, or a folder with all that is in it. It goes on by itself when the connection is back."""

    async def move(connection: FilesConnection, _keyring: Keyring, _session: str) -> list[dict[str, Any]]:
        with progress_bar() as tally:
            return await get_all(Moving(connection, tally), source, target, overwrite=overwrite)

    finish(with_connection(session, access_password, move), as_json=as_json)


@app.command()
def put(
    source: Annotated[Path, typer.Argument(help="A file or folder here.", exists=True)],
    target: Remote,
    session: SessionOption = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """Send a file, or a folder with all that is in it. It goes on by itself when the connection is back."""

    async def move(connection: FilesConnection, _keyring: Keyring, _session: str) -> list[dict[str, Any]]:
        with progress_bar() as tally:
            return await put_all(Moving(connection, tally), source, target, overwrite=overwrite)

    finish(with_connection(session, access_password, move), as_json=as_json)


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


def with_connection(
    session: str | None,
    access_password: str | None,
    work: Callable[[FilesConnection, Keyring, str], Awaitable[Result]],
) -> Result:
    """Run `work` with a connection that waits for the computer where it must, and the session's id."""

    async def run(relay: RelayClient, keyring: Keyring) -> Result:
        chosen = await choose_session(relay, session, "active")
        password, key = await unlock(relay, keyring, chosen, access_password)
        return await work(FilesConnection(relay, chosen.id, key, password, say=say), keyring, chosen.id)

    return run_signed_in(run)
