"""What the files commands show: rows of a folder, a bar while files move, what became of them."""

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

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

from technician.files.client import Entry
from technician.files.jobs import Outcome, Tally
from technician.files.transfers import Transferred
from technician.printing import print_json, printable, say


def entry_row(entry: Entry) -> dict[str, Any]:
    """An entry as it is printed."""
    return {
        "name": printable(entry.name),
        "kind": entry.kind,
        "size": entry.size,
        "modified": entry.modified.isoformat(timespec="seconds"),
        "mode": stat.filemode(entry.mode)[1:],
        "owner": printable(entry.owner),
        "target": printable(entry.target),
    }


def print_rows(rows: list[dict[str, Any]], empty: str) -> None:
    """A table on a terminal, tab-separated lines in a pipe; `empty` is said when there is none."""
    console = Console()
    if not rows:
        say(empty)
        return
    if not console.is_terminal:
        for row in rows:
            print("\t".join(str(value) for value in row.values()))
        return
    table = Table(*rows[0], box=None)
    for row in rows:
        table.add_row(*(escape(printable(str(value))) for value in row.values()))
    console.print(table)


@contextmanager
def progress_bar() -> Iterator[Tally]:
    """A bar on a terminal, with rate and time left; nothing in a pipe. Follows the tally it gives."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.fields[files]}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("", files="", total=None)
        tally = Tally()

        def show() -> None:
            files = f"{tally.files:,} of {tally.all_files:,} files"
            bars.update(task, completed=tally.bytes, total=tally.all_bytes, files=files)

        if console.is_terminal:
            tally.changed = show
        yield tally


def outcome_rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What became of each file, for JSON: its path on the computer, and facts or the problem."""
    return [_outcome_row(outcome) for outcome in outcomes]


def _outcome_row(outcome: Outcome) -> dict[str, Any]:
    path = outcome.job.there
    if isinstance(outcome.result, Transferred):
        done = outcome.result
        return {"path": path, "size": done.size, "resumed_at": done.resumed_at, "sha256": done.sha256.hex()}
    return {"path": path, "problem": str(outcome.result)}


def finish(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Tell what became of files, as `outcome_rows` has it. Exits with 1 if one could not be moved."""
    failed = [row for row in rows if "problem" in row]
    if as_json:
        print_json({"files": list(rows)})
    for row in failed:
        say(f"{row['path']}: {row['problem']}")
    if not as_json:
        say(f"{len(rows) - len(failed)} of {len(rows)} files arrived, checked by SHA-256.")
    if failed:
        raise typer.Exit(1)
