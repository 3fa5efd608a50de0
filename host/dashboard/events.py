"""The system's event log, by journald: the newest entries, older pages, and new ones as they come."""

import json
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import trio

from host.dashboard.programs import ProgramUnavailable, plain_environment, run
from host.problems import RequestProblem

MAX_PAGE: Final = 500
MAX_MESSAGE: Final = 4000
_MAX_LINE: Final = 1 << 20
_END_TIMEOUT: Final = 2.0


def read_events(
    *, limit: int, priority: int, unit: str, pattern: str, before: str, boot: bool
) -> list[dict[str, Any]]:
    """Entries, newest first: maps of cursor, at (ms), priority (0 emergency … 7 debug, RFC 5424), unit, pid,
    message. Blocks.

    Args:
        limit: at most so many, 1 to 500.
        priority: no entry less urgent than this.
        unit: of this unit or program only; "" for all.
        pattern: whose message matches this regular expression (PCRE2); "" for all.
        before: older than the entry with this cursor; "" from the newest.
        boot: since the computer was started only.

    Raises:
        RequestProblem: unavailable, with journald's own words.
    """
    arguments = [
        *_filters(priority, unit, pattern),
        "--reverse",
        f"--lines={limit + 1 if before else limit}",
        *([f"--cursor={before}"] if before else []),
        *(["--boot"] if boot else []),
    ]
    try:
        lines = run(arguments).splitlines()
    except ProgramUnavailable as exc:
        if "No journal files" in str(exc) or "-- No entries --" in str(exc):
            return []
        raise RequestProblem("unavailable", str(exc)) from exc
    found = [event for event in map(_event, lines) if event is not None]
    return [event for event in found if event["cursor"] != before][:limit]


@asynccontextmanager
async def follow_events(
    *, priority: int, unit: str, pattern: str
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Entries from now on, as maps of `read_events`. journald's program ends with the `with`.

    Raises:
        RequestProblem: unavailable.
    """
    arguments = [*_filters(priority, unit, pattern), "--follow", "--lines=0"]
    try:
        process = await trio.lowlevel.open_process(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=plain_environment(),
        )
    except OSError as exc:
        raise RequestProblem("unavailable", "journalctl is not available.") from exc
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        async with aclosing(_followed(process.stdout)) as events:
            yield events
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            with trio.move_on_after(_END_TIMEOUT) as patience:
                await process.wait()
            if patience.cancelled_caught:
                process.kill()
                await process.wait()


async def _followed(pipe: trio.abc.ReceiveStream) -> AsyncGenerator[dict[str, Any], None]:
    rest = b""
    async for data in pipe:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            event = _event(line.decode(errors="replace"))
            if event is not None:
                yield event
        if len(rest) > _MAX_LINE:
            rest = b""  # what is left of this line is no JSON and is passed over


def _filters(priority: int, unit: str, pattern: str) -> list[str]:
    # With "=" in one word, nothing that a viewer says can become an option of its own.
    return [
        "journalctl",
        "--output=json",
        "--no-pager",
        "--quiet",
        f"--priority={priority}",
        *([f"--unit={unit}"] if unit.endswith(".service") else [f"--identifier={unit}"] if unit else []),
        *([f"--grep={pattern}"] if pattern else []),
    ]


def _event(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
        return {
            "cursor": str(told["__CURSOR"]),
            "at": int(told["__REALTIME_TIMESTAMP"]) // 1000,
            "priority": int(told.get("PRIORITY", 6)),
            "unit": str(told.get("_SYSTEMD_UNIT") or told.get("SYSLOG_IDENTIFIER") or ""),
            "pid": int(told["_PID"]) if "_PID" in told else None,
            "message": _message(told.get("MESSAGE")),
        }
    except (ValueError, KeyError, TypeError):
        return None  # a line of somebody who writes into the journal as they like


def _message(value: object) -> str:
    """Text; or a list of bytes, where it is not UTF-8 (journal export formats)."""
    if isinstance(value, list):
        value = bytes(byte for byte in value if isinstance(byte, int) and 0 <= byte < 256).decode(
            errors="replace"
        )
    return str(value or "")[:MAX_MESSAGE]
