"""System services by systemd: list, start, stop, restart; and its timers. Everything blocks."""

import re
from typing import Any, Final

from host.dashboard.programs import ProgramUnavailable, run, run_json
from host.problems import RequestProblem

ACTIONS: Final = frozenset({"start", "stop", "restart"})
_UNIT: Final = re.compile(r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]{0,250}\.service")
_MAX: Final = 4000


def services() -> list[dict[str, Any]]:
    """Maps of name, description, state ("active", "inactive", "failed" …), detail ("running", "exited" …)
    and start ("enabled", "disabled", "static" …, "" where unknown).

    Raises:
        RequestProblem: unavailable: this system does not run systemd.
    """
    try:
        units = run_json(
            ["systemctl", "list-units", "--type=service", "--all", "--output=json", "--no-pager"]
        )
        files = run_json(["systemctl", "list-unit-files", "--type=service", "--output=json", "--no-pager"])
    except ProgramUnavailable as exc:
        raise RequestProblem("unavailable", str(exc)) from exc
    starts = {row.get("unit_file"): row.get("state") for row in _rows(files)}
    return [
        {
            "name": str(row.get("unit", "")),
            "description": str(row.get("description", "")),
            "state": str(row.get("active", "")),
            "detail": str(row.get("sub", "")),
            "start": str(starts.get(row.get("unit")) or ""),
        }
        for row in _rows(units)
        if row.get("load") != "not-found"
    ]


def control_service(name: str, action: str) -> None:
    """Start, stop or restart the service `name`.

    Raises:
        RequestProblem: bad_value; or denied, with systemd's own words.
    """
    if action not in ACTIONS or not _UNIT.fullmatch(name):
        raise RequestProblem("bad_value", "There is no such service or action.")
    try:
        run(["systemctl", "--no-ask-password", "--no-pager", action, name])
    except ProgramUnavailable as exc:
        raise RequestProblem("denied", str(exc)) from exc


def timers() -> list[dict[str, Any]]:
    """Maps of kind ("timer"), name, command (the unit it starts), schedule ("") and next_at (seconds or
    None); none where systemd does not run.
    """
    try:
        rows = _rows(run_json(["systemctl", "list-timers", "--all", "--output=json", "--no-pager"]))
    except ProgramUnavailable:
        return []
    return [
        {
            "kind": "timer",
            "name": str(row.get("unit", "")),
            "user": "",
            "command": str(row.get("activates", "")),
            "schedule": "",
            "next_at": row["next"] // 1_000_000 if isinstance(row.get("next"), int) and row["next"] else None,
        }
        for row in rows
    ]


def _rows(told: Any) -> list[dict[str, Any]]:
    return [row for row in told if isinstance(row, dict)][:_MAX] if isinstance(told, list) else []
