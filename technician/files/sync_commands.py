"""``technician files sync`` and ``replicate``: a plan; a question before deletions; then it is done."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import trio
import typer

from technician.files.commands import SessionOption, with_connection
from technician.files.connection import FilesConnection
from technician.files.jobs import Tally
from technician.files.moving import Moving
from technician.files.printing import print_rows, progress_bar
from technician.files.sync_plan import Action, Known, Prefer, Side
from technician.files.sync_state import load_known, save_known
from technician.files.syncing import (
    Done,
    Pair,
    Seen,
    carry_out,
    known_now,
    look,
    plan_mirror,
    plan_sync,
    row_of,
)
from technician.keyring import Keyring
from technician.printing import print_json, printable, say
from technician.running import AccessPassword, AsJson, UsageProblem

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list what would be done.")]
Checksum = Annotated[bool, typer.Option("--checksum", help="Compare contents, not times. Reads every file.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before deletions.")]

Plan = Callable[[Seen, Known], list[Action]]


def sync(
    local: Annotated[Path, typer.Argument(help="A folder here.")],
    remote: Annotated[str, typer.Argument(help="A folder of the customer's computer, an absolute path.")],
    session: SessionOption = None,
    prefer: Annotated[
        Prefer | None, typer.Option(help="Who wins where both sides changed; else it is left alone.")
    ] = None,
    checksum: Checksum = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """Make two folders the same, both ways. Deleted and replaced files go to .adhoc-undo in the folder."""
    pair = _pair(local, remote.removeprefix(":"))
    _run(
        session,
        access_password,
        pair,
        lambda seen, known: plan_sync(seen, known, prefer),
        checksum=checksum,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
        keeps_state=True,
    )


def replicate(
    source: Annotated[str, typer.Argument(help="A folder; of the customer's computer with a colon: :/path")],
    target: Annotated[str, typer.Argument(help="What is to become its copy; likewise.")],
    session: SessionOption = None,
    checksum: Checksum = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """Make a folder the copy of another. Deleted and replaced files go to .adhoc-undo in the folder."""
    if source.startswith(":") == target.startswith(":"):
        raise UsageProblem("One of the two is on the customer's computer; it begins with a colon: :/path")
    side: Side = "remote" if source.startswith(":") else "local"
    here, there = (source, target) if side == "local" else (target, source)
    _run(
        session,
        access_password,
        _pair(Path(here), there[1:]),
        lambda seen, _known: plan_mirror(seen, side),
        checksum=checksum,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
        keeps_state=False,
    )


def _pair(local: Path, remote: str) -> Pair:
    if not remote.startswith("/"):
        raise UsageProblem("Paths of the customer's computer are absolute; they begin with a slash.")
    return Pair(local=local.absolute(), remote=remote)


def _run(
    session: str | None,
    access_password: str | None,
    pair: Pair,
    plan: Plan,
    *,
    checksum: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    keeps_state: bool,
) -> None:
    async def run(connection: FilesConnection, keyring: Keyring, session_id: str) -> dict[str, Any]:
        state = keyring.sync_path(session_id, f"{pair.local}\0{pair.remote}") if keeps_state else None
        known = {} if state is None else await trio.to_thread.run_sync(load_known, state)
        seen = await look(Moving(connection, Tally()), pair, checksum=checksum)
        actions = plan(seen, known)
        for path, why in sorted(seen.problems.items()):
            say(f"{printable(path)}: {why} It is left alone, with all that is in it.")
        done = Done()
        if not dry_run:
            if not yes:
                await trio.to_thread.run_sync(_ask, actions)
            with progress_bar() as tally:
                done = await carry_out(Moving(connection, tally), pair, seen, actions)
            if state is not None:
                await trio.to_thread.run_sync(save_known, state, known_now(seen, known, done))
        rows = [row_of(action, done.problems.get(action)) for action in actions]
        return {"dry_run": dry_run, "undo": done.undo, "actions": rows, "unread": dict(seen.problems)}

    _show(with_connection(session, access_password, run), as_json=as_json)


def _ask(actions: list[Action]) -> None:
    deleted = {
        side: sum(max(1, each.files) for each in actions if each.deed == "delete" and each.side == side)
        for side in ("local", "remote")
    }
    parts = [f"{deleted['local']} here"] * bool(deleted["local"])
    parts += [f"{deleted['remote']} on the customer's computer"] * bool(deleted["remote"])
    if parts:
        question = f"Delete {' and '.join(parts)}? What is deleted goes to .adhoc-undo in the folder."
        typer.confirm(question, abort=True, err=True)


def _show(result: dict[str, Any], *, as_json: bool) -> None:
    rows: list[dict[str, Any]] = result["actions"]
    failed = [row for row in rows if "problem" in row]
    if as_json:
        print_json(result)
    elif result["dry_run"]:
        columns = ("action", "side", "path", "size", "files", "problem")
        print_rows([{name: row.get(name, "") for name in columns} for row in rows], "Nothing is to be done.")
    else:
        for row in failed:
            say(f"{row['path']}: {row['problem']}")
        say(f"{len(rows) - len(failed)} of {len(rows)} done.")
        if result["undo"]:
            say(f"What was deleted or replaced is in {result['undo']} in the folder.")
    if failed and not result["dry_run"]:
        raise typer.Exit(1)
