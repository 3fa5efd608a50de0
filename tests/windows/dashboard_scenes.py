"""Scenes with the Dashboard, played inside wine: ``dashboard_scenes SCENE…`` prints what came of each.

`tests.windows.test_dashboard` starts them and judges.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import faulthandler
import json
import os
import subprocess
import winreg
from collections.abc import Callable
from typing import Any, Final, cast

import psutil
import trio

from host.dashboard import Dashboard, History, serve_dashboard
from host.dashboard.differences import Baseline, take_snapshot
from host.record import SessionRecord
from peer.errors import StreamClosed
from peer.messages import MessageStream
from technician.dashboard.client import DashboardClient
from technician.requests import RequestRefused
from tests.helpers.tool_pairs import MemoryEnd, joined

PATIENCE: Final = 60.0


def made() -> Dashboard:
    return Dashboard(History(None), Baseline(None), SessionRecord(None), display="")


async def with_client(dashboard: Dashboard, work: Callable[[DashboardClient], Any]) -> Any:
    near, far = joined()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, far, dashboard)
        with trio.fail_after(PATIENCE):
            said = await work(DashboardClient(MessageStream(near)))
        near.close()
    return said


async def _serve(far: MemoryEnd, dashboard: Dashboard) -> None:
    try:
        await serve_dashboard(MessageStream(far), dashboard, technician="Tess")
    except StreamClosed as exc:
        far.close(exc.close_reason)


async def rows(client: DashboardClient, op: str, **fields: object) -> Any:
    """All rows, or the word with which they are refused."""
    number = await client.ask(op, **fields)
    found: list[Any] = []
    try:
        while "ok" not in (message := await client.answer_to(number)).head:
            found += cast("list[Any]", message.head["rows"])
    except RequestRefused as refused:
        return refused.code
    return found


async def tried(client: DashboardClient, op: str, **fields: object) -> Any:
    try:
        return await client.ask_ok(op, **fields)
    except RequestRefused as refused:
        return refused.code


# Scenes


async def system() -> Any:
    return await with_client(made(), lambda client: client.ask_ok("system"))


async def lists() -> Any:
    """What is set up, with things that this scene puts there."""
    uninstall = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
    editor = {"DisplayName": "Editor", "DisplayVersion": "3.1", "Publisher": "Example", "EstimatedSize": 5}
    entries: dict[str, dict[str, Any]] = {
        "Editor": editor,
        "Part": {"DisplayName": "A part", "SystemComponent": 1},
        "Nameless": {"DisplayVersion": "1"},
    }
    for name, values in entries.items():
        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, f"{uninstall}\\{name}") as key:
            for each, value in values.items():
                kind = winreg.REG_DWORD if isinstance(value, int) else winreg.REG_SZ
                winreg.SetValueEx(key, each, 0, kind, value)
    current = r"SOFTWARE\Microsoft\Windows\CurrentVersion"
    with winreg.CreateKey(winreg.HKEY_CURRENT_USER, rf"{current}\Run") as key:
        winreg.SetValueEx(key, "Helper", 0, winreg.REG_SZ, r"C:\helper.exe /quiet")
        winreg.SetValueEx(key, "Off", 0, winreg.REG_SZ, r"C:\off.exe")
    with winreg.CreateKey(winreg.HKEY_CURRENT_USER, rf"{current}\Explorer\StartupApproved\Run") as key:
        winreg.SetValueEx(key, "Off", 0, winreg.REG_BINARY, b"\x03" + bytes(11))

    async def ask(client: DashboardClient) -> Any:
        names = ("software", "startup", "services", "schedule", "environment", "ports")
        return {name: await rows(client, name) for name in names}

    return await with_client(made(), ask)


async def processes() -> Any:
    """A program of our own in the list; its priority; its end, also of its tree; and what is spared."""
    program = subprocess.Popen(["cmd.exe", "/c", "ping -n 600 127.0.0.1 >nul"], stdin=subprocess.DEVNULL)  # noqa: ASYNC220

    async def ask(client: DashboardClient) -> Any:
        with trio.fail_after(PATIENCE):
            while not psutil.Process(program.pid).children():  # noqa: ASYNC110 - a process, not a task
                await trio.sleep(0.05)
        found = {row["pid"]: row for row in await rows(client, "processes")}
        mine, ours = found[program.pid], found[os.getpid()]
        named = {"pid": mine["pid"], "started": mine["started"]}
        return {
            "mine": mine,
            "parent": mine["parent"] == os.getpid(),
            "cpu": ours["cpu"] >= 0,
            "memory": ours["memory"] > 1 << 20,
            "priority": await tried(client, "priority", **named, priority="low"),
            "nonsense": await tried(client, "priority", **named, priority="highest"),
            "another": await tried(client, "end", pid=mine["pid"], started=mine["started"] - 1000),
            "own": await tried(client, "end", pid=ours["pid"], started=ours["started"]),
            "ended": await tried(client, "end", **named, tree=True, force=True),
            "gone": await tried(client, "end", **named),
        }

    dashboard = made()
    said = await with_client(dashboard, ask)
    program.wait(10)
    return {**said, "record": [act["act"] for act in dashboard.record.acts()]}


async def services() -> Any:
    async def ask(client: DashboardClient) -> Any:
        said: dict[str, Any] = {
            "wrong name": await tried(client, "service", name="no such", action="start"),
            "bad name": await tried(client, "service", name="a/b", action="start"),
            "bad action": await tried(client, "service", name="Spooler", action="delete"),
        }
        for action in ("start", "stop", "restart", "stop"):
            done = await tried(client, "service", name="Spooler", action=action)
            states = {row["name"]: row["state"] for row in await rows(client, "services")}
            said.setdefault("spooler", []).append([action, done, states.get("Spooler")])
        return said

    return await with_client(made(), ask)


async def watching() -> Any:
    async def ask(client: DashboardClient) -> Any:
        number = await client.ask("watch")
        while "now" not in (message := await client.answer_to(number)).head:
            pass
        return message.head["now"]

    return await with_client(made(), ask)


async def events() -> Any:
    async def ask(client: DashboardClient) -> Any:
        return [
            await rows(client, "events", limit=10),
            await rows(client, "events", limit=10, before="nonsense"),
            await rows(client, "events", limit=10, unit="a'b"),
        ]

    return await with_client(made(), ask)


async def changes() -> Any:
    dashboard = made()
    dashboard.baseline.keep(await trio.to_thread.run_sync(take_snapshot))

    async def ask(client: DashboardClient) -> Any:
        number = await client.ask("changes")
        while "ok" not in (message := await client.answer_to(number)).head:
            pass
        return message.head["ok"]

    return await with_client(dashboard, ask)


SCENES: Final = {
    scene.__name__: scene for scene in (system, lists, processes, services, watching, events, changes)
}


def main(wanted: list[str]) -> None:
    faulthandler.dump_traceback_later(PATIENCE + 20, exit=True)  # rather than no word at all
    print(json.dumps({name: trio.run(SCENES[name]) for name in wanted}))


if __name__ == "__main__":
    main(sys.argv[1:])
