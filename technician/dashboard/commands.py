"""``technician dashboard``: what the customer's computer is and does, live or as JSON."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import trio
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from peer.messages import MessageStream
from relay.protocol.frames import Channel, FieldReader
from technician.attaching import open_tool
from technician.dashboard.client import LISTS, MAX_TIME, DashboardClient, Load, Past, Row
from technician.keyring import Keyring
from technician.printing import print_json, printable, say
from technician.relay_client import RelayClient
from technician.running import AccessPassword, AsJson, UsageProblem, choose_session, run_signed_in, unlock

Result = TypeVar("Result")

SPARKS: Final = " ▁▂▃▄▅▆▇█"
SPARK_WIDTH: Final = 72
_SHOWN: Final = {
    "processes": ("pid", "user", "cpu", "memory", "name", "command"),
    "services": ("name", "state", "detail", "start", "description"),
    "schedule": ("schedule", "user", "command", "name"),
    "software": ("name", "version", "summary"),
    "startup": ("is_enabled", "name", "command"),
    "environment": ("name", "value"),
    "ports": ("protocol", "address", "port", "program"),
    "record": ("at", "technician", "act", "detail"),
}

app = typer.Typer(help="What the customer's computer is and does.", invoke_without_command=True)

SessionOption = Annotated[str | None, typer.Option("--session", help="Not needed when one is open.")]


@app.callback()
def dashboard(
    context: typer.Context,
    session: SessionOption = None,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """Live until Ctrl+C; with --json one document: system, load, and the last 24 hours."""
    if context.invoked_subcommand is not None:
        return

    async def run(client: DashboardClient) -> None:
        system = await client.system()
        async with aclosing(client.watch()) as watched:
            if as_json:
                await _print_once(system, watched)
            else:
                await _show_live(system, watched)

    _with_client(session, access_password, run)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help=" | ".join(LISTS))],
    session: SessionOption = None,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """Processes, services, scheduled tasks, software, startup programs, open ports, what was done …"""
    if what not in LISTS:
        raise UsageProblem(f"There is no such list; there are: {', '.join(LISTS)}.")
    rows = _with_client(session, access_password, lambda client: client.rows(what))
    if what == "processes":
        rows.sort(key=lambda row: -_float(row.get("cpu")))
    _print_rows(rows, _SHOWN[what], as_json)


@app.command()
def changes(
    session: SessionOption = None, as_json: AsJson = False, access_password: AccessPassword = None
) -> None:
    """What is different since the session's first connection."""
    since, found = _with_client(session, access_password, lambda client: client.changes())
    if as_json:
        print_json({"since": since, "changes": found})
        return
    say(f"Since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC:")
    rows = [{"kind": kind, **row} for kind, each in sorted(found.items()) for row in each]
    _print_rows(rows, ("kind", "name", "before", "after"), as_json=False)


@app.command()
def events(
    session: SessionOption = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 100,
    priority: Annotated[int, typer.Option(min=0, max=7, help="0 emergency … 7 debug.")] = 7,
    unit: Annotated[str, typer.Option(help="Of one unit or program only.")] = "",
    pattern: Annotated[str, typer.Option("--grep", help="Only what matches this regular expression.")] = "",
    follow: Annotated[bool, typer.Option("--follow", help="Go on, until Ctrl+C.")] = False,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """The event log."""

    async def run(client: DashboardClient) -> list[Row]:
        rows = await client.events(limit=limit, priority=priority, unit=unit, pattern=pattern)
        if follow:
            _print_events(reversed(rows))
            followed = client.follow(priority=priority, unit=unit, pattern=pattern)
            async with aclosing(followed):
                async for row in followed:
                    _print_events([row])
        return rows

    rows = _with_client(session, access_password, run)
    if as_json:
        print_json({"rows": rows})
    else:
        _print_events(reversed(rows))


@app.command()
def end(
    pid: Annotated[int, typer.Argument(min=2)],
    session: SessionOption = None,
    tree: Annotated[bool, typer.Option("--tree", help="And what it started.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Kill it if it does not end.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    access_password: AccessPassword = None,
) -> None:
    """End a process."""

    async def run(client: DashboardClient) -> Row:
        found = [row for row in await client.rows("processes") if row.get("pid") == pid]
        if not found:
            raise UsageProblem("There is no such process.")
        name = printable(str(found[0].get("name")))
        with client.reading():
            started = FieldReader(found[0]).number("started")
        if not yes:
            await trio.to_thread.run_sync(lambda: typer.confirm(f"End {name} ({pid})?", abort=True, err=True))
        return await client.end_process(pid, started, tree=tree, force=force)

    done = _with_client(session, access_password, run)
    say(f"Ended: {done.get('ended')}. Still there: {done.get('left')}.")
    if done.get("left"):
        raise typer.Exit(1)


@app.command()
def service(
    name: Annotated[str, typer.Argument(help="Such as cups.service.")],
    action: Annotated[str, typer.Argument(help="start | stop | restart")],
    session: SessionOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    access_password: AccessPassword = None,
) -> None:
    """Start, stop or restart a service."""
    if not yes:
        typer.confirm(f"{action.capitalize()} {printable(name)}?", abort=True, err=True)
    _with_client(session, access_password, lambda client: client.control_service(name, action))
    say("Done.")


def _with_client(
    session: str | None, access_password: str | None, work: Callable[[DashboardClient], Awaitable[Result]]
) -> Result:
    async def run(relay: RelayClient, keyring: Keyring) -> Result:
        chosen = await choose_session(relay, session, "active")
        password, key = await unlock(relay, keyring, chosen, access_password)
        async with open_tool(relay, chosen.id, Channel.DASHBOARD, key, password) as stream:
            return await work(DashboardClient(MessageStream(stream)))

    return run_signed_in(run)


async def _print_once(system: Row, watched: AsyncIterator[Past | Load]) -> None:
    past: dict[str, Any] = {}
    async for told in watched:
        if isinstance(told, Past):
            past = asdict(told)
        else:
            print_json({"system": system, "load": asdict(told), "past": past})
            return


async def _show_live(system: Row, watched: AsyncIterator[Past | Load]) -> None:
    past = Past(0, 1, {})
    with Live(console=Console(), auto_refresh=False) as live:
        async for told in watched:
            if isinstance(told, Past):
                past = told
            else:
                live.update(_picture(system, past, told), refresh=True)


def _picture(system: Row, past: Past, load: Load) -> RenderableType:
    facts = Table.grid(padding=(0, 2))
    for name in ("computer", "os", "kernel", "model"):
        facts.add_row(f"[dim]{name}[/dim]", escape(printable(str(system.get(name, "")))))
    now = Table.grid(padding=(0, 2))
    now.add_row("[dim]CPU[/dim]", f"{load.cpu:5.1f} %", "".join(_spark(core, 100) for core in load.cores))
    memory = f"{_size(load.memory_used)} of {_size(load.memory_total)}"
    now.add_row("[dim]Memory[/dim]", f"{_share(load.memory_used, load.memory_total):5.1f} %", memory)
    now.add_row("[dim]Disk[/dim]", f"{_size(load.disk_read)}/s read", f"{_size(load.disk_written)}/s written")
    now.add_row("[dim]Network[/dim]", f"{_size(load.received)}/s in", f"{_size(load.sent)}/s out")
    day = Table.grid(padding=(0, 2))
    for name, title in (("cpu", "CPU"), ("memory", "Memory")):
        day.add_row(f"[dim]{title}[/dim]", sparkline(past.columns.get(name, []), SPARK_WIDTH))
    top = Table("PID", "Name", "CPU %", "Memory", box=None)
    for row in load.top:
        name = escape(printable(row["name"]))
        top.add_row(str(row["pid"]), name, f"{row['cpu']:.1f}", _size(row["memory"]))
    return Panel(Group(facts, "", now, "", "[dim]Last 24 hours[/dim]", day, "", top), title="Dashboard")


def sparkline(values: list[float | None], width: int) -> str:
    """Shares of 0 to 100 as `width` bars, the highest of each stretch; "·" where nothing is known."""
    bars = []
    for at in range(width):
        stretch = values[at * len(values) // width : (at + 1) * len(values) // width]
        known = [value for value in stretch if value is not None]
        bars.append(_spark(max(known), 100) if known else "·")
    return "".join(bars)


def _spark(value: float, top: float) -> str:
    return SPARKS[min(max(round(value / top * (len(SPARKS) - 1)), 0), len(SPARKS) - 1)]


def _share(used: int, total: int) -> float:
    return 100 * used / total if total else 0.0


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _print_events(rows: Any) -> None:
    for row in rows:
        seconds = min(max(_float(row.get("at")) / 1000, 0), MAX_TIME)
        at = f"{datetime.fromtimestamp(seconds, UTC):%m-%d %H:%M:%S}"
        priority, unit = (printable(str(row.get(name))) for name in ("priority", "unit"))
        print(f"{at} {priority} {unit}: {printable(str(row.get('message')), 2000)}", flush=True)


def _print_rows(rows: list[Row], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        print_json({"rows": rows})
        return
    console = Console()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(printable(str(row.get(column, ""))) for column in columns))
        return
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(escape(printable(str(row.get(column, "")))) for column in columns))
    console.print(table)


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
