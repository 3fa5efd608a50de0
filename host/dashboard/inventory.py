"""What is set up on this computer: software, what starts by itself, scheduled tasks, open ports, environment.

Everything blocks. Lists are of maps; what this user may not read is not in them.
"""

import configparser
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil

from host.dashboard.measuring import name_of
from host.dashboard.programs import ProgramUnavailable, run
from host.dashboard.services import timers
from host.problems import RequestProblem

MAX_FILES: Final = 500
MAX_FILE_BYTES: Final = 64 * 1024
_DPKG_FORMAT: Final = "${db:Status-Status}\t${Package}\t${Version}\t${Installed-Size}\t${binary:Summary}\n"
_RPM_FORMAT: Final = "installed\t%{NAME}\t%{VERSION}-%{RELEASE}\t%{SIZE}\t%{SUMMARY}\n"
_CRON_LINE: Final = re.compile(r"(@\w+|(?:\S+\s+){4}\S+)\s+(.+)")
_OWN_VARIABLES: Final = re.compile(r"ADHOC_")


def software() -> list[dict[str, Any]]:
    """Maps of name, version, size (bytes) and summary, by dpkg or rpm.

    Raises:
        RequestProblem: unavailable: neither is there.
    """
    if shutil.which("dpkg-query"):
        arguments, unit = ["dpkg-query", "--show", f"--showformat={_DPKG_FORMAT}"], 1024
    elif shutil.which("rpm"):
        arguments, unit = ["rpm", "--query", "--all", f"--queryformat={_RPM_FORMAT}"], 1
    else:
        raise RequestProblem("unavailable", "There is neither dpkg nor rpm.")
    try:
        lines = run(arguments).splitlines()
    except ProgramUnavailable as exc:
        raise RequestProblem("unavailable", str(exc)) from exc
    found = []
    for line in lines:
        status, name, version, size, summary, *_ = (*line.split("\t"), "", "", "", "", "")
        if status == "installed":
            bytes_ = int(size) * unit if size.isdecimal() else None
            found.append({"name": name, "version": version, "size": bytes_, "summary": summary[:300]})
    return found


def startup() -> list[dict[str, Any]]:
    """Maps of name, command, path and is_enabled: what the desktop starts at sign-in (Desktop Application
    Autostart Specification; an entry of the user hides one of the system with the same file name).
    """
    found: dict[str, dict[str, Any]] = {}
    own = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    system = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    for folder in (own, *system.split(":")):
        for path in _files(Path(folder) / "autostart", "*.desktop"):
            entry = _desktop_entry(path)
            if entry is not None and path.name not in found:
                found[path.name] = entry
    return list(found.values())


def _desktop_entry(path: Path) -> dict[str, Any] | None:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    with suppress(OSError, configparser.Error):
        parser.read_string(_text(path))
        fields = parser["Desktop Entry"] if parser.has_section("Desktop Entry") else {}
        is_hidden = fields.get("Hidden", "").lower() == "true"
        is_off = fields.get("X-GNOME-Autostart-enabled", "").lower() == "false"
        return {
            "name": fields.get("Name", path.stem)[:200],
            "command": fields.get("Exec", "")[:1000],
            "path": str(path),
            "is_enabled": not (is_hidden or is_off),
        }
    return None


def schedule() -> list[dict[str, Any]]:
    """Scheduled tasks: this user's crontab, the system's, and systemd's timers. Maps of kind ("cron",
    "timer"), name (where it stands), user, command, schedule (as written) and next_at (seconds since 1970,
    or None).
    """
    found: list[dict[str, Any]] = []
    with suppress(ProgramUnavailable):
        found += _cron_tasks("crontab", run(["crontab", "-l"]), has_user=False)
    for path in (Path("/etc/crontab"), *_files(Path("/etc/cron.d"), "*")):
        with suppress(OSError):
            found += _cron_tasks(str(path), _text(path), has_user=True)
    for period in ("hourly", "daily", "weekly", "monthly"):
        for path in _files(Path(f"/etc/cron.{period}"), "*"):
            if not path.name.startswith("."):
                found.append(_task(str(path), "root", str(path), f"@{period}"))
    return [*found, *timers()]


def _cron_tasks(name: str, text: str, *, has_user: bool) -> Iterator[dict[str, Any]]:
    """The lines of a crontab (crontab(5))."""
    for line in text.splitlines():
        match = _CRON_LINE.fullmatch(line.strip())
        if line.lstrip().startswith("#") or match is None or re.match(r"\s*\w+\s*=", line):
            continue
        when, command = match.groups()
        user = ""
        if has_user:
            user, _, command = command.partition(" ")
        yield _task(name, user, command.strip(), when)


def _task(name: str, user: str, command: str, when: str) -> dict[str, Any]:
    task = {"kind": "cron", "name": name, "user": user, "command": command[:1000], "schedule": when}
    return {**task, "next_at": None}


def ports() -> list[dict[str, Any]]:
    """Open ports: maps of protocol ("tcp", "udp"), address, port, pid (None if not ours to know) and
    program.
    """
    try:
        connections = psutil.net_connections(kind="inet")
    except psutil.Error as exc:
        raise RequestProblem("denied", "This needs more rights than the program has.") from exc
    names: dict[int, str] = {}
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for each in connections:
        is_tcp = each.type == socket.SOCK_STREAM
        if not each.laddr or (is_tcp and each.status != psutil.CONN_LISTEN) or (not is_tcp and each.raddr):
            continue
        pid = each.pid
        if pid is not None and pid not in names:
            names[pid] = ""
            with suppress(psutil.Error):
                names[pid] = name_of(psutil.Process(pid))
        protocol = "tcp" if is_tcp else "udp"
        found[protocol, each.laddr.ip, each.laddr.port] = {
            "protocol": protocol,
            "address": each.laddr.ip,
            "port": each.laddr.port,
            "pid": pid,
            "program": names.get(pid, "") if pid is not None else "",
        }
    return sorted(found.values(), key=lambda one: (one["port"], one["protocol"], one["address"]))


def environment() -> list[dict[str, Any]]:
    """The variables that this program was started with, but for its own: maps of name and value."""
    return [
        {"name": name, "value": value[:4000]}
        for name, value in sorted(os.environ.items())
        if not _OWN_VARIABLES.match(name)
    ]


def _files(folder: Path, pattern: str) -> list[Path]:
    with suppress(OSError):
        return sorted(path for path in folder.glob(pattern) if path.is_file())[:MAX_FILES]
    return []


def _text(path: Path) -> str:
    with path.open(errors="replace") as file:
        return file.read(MAX_FILE_BYTES)
