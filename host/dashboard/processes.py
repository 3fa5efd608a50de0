"""Processes: list them, end one or a tree, change a priority.

A process is named by its number and the time it began: numbers are used again, and the one that the
technician saw may have gone.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import psutil

from host.dashboard.measuring import ProcessMeter, name_of
from host.problems import RequestProblem

Describe: TypeAlias = Callable[[list[psutil.Process]], dict[int, dict[str, Any]]]
"""Facts of each process that is there still, by its number; None for what is not told."""

if sys.platform == "win32":
    from host.windows.processes import PRIORITIES, close_windows, describe, is_critical
    from host.windows.words import nice_of

    def _describer() -> Describe:
        return describe
else:
    from host.dashboard.linux_processes import Descriptions

    PRIORITIES: Final = {"low": 10, "normal": 0, "high": -5}

    def nice_of(priority: int) -> int:
        """What is shown of a priority: itself."""
        return priority

    def _describer() -> Describe:
        return Descriptions().describe


END_TIMEOUT: Final = 3.0
"""Seconds a process has to end by itself when it is asked."""
MAX_COMMAND: Final = 2000
FIRST_LOOK: Final = 0.3
"""Seconds between the two looks of the first list, without which nobody's CPU is known."""


class Processes:
    """The list with what each used since the last one. Everything blocks; one caller at a time."""

    def __init__(self) -> None:
        self._meter = ProcessMeter()
        self._describe = _describer()
        self._is_first = True

    def list(self) -> list[dict[str, Any]]:
        """Maps of pid, parent, name, user, command, status, priority, started (ms), cpu (per cent of one
        core), memory (bytes); what this user may not know is "" or None.
        """
        if self._is_first:
            self._is_first = False
            self._meter.measure()
            time.sleep(FIRST_LOOK)
        found = []
        uses = self._meter.measure()
        described = self._describe(list(uses))
        for process, use in uses.items():
            known = described.get(process.pid)
            if known is None:
                continue
            found.append(
                {
                    "pid": process.pid,
                    "parent": known["ppid"] or 0,
                    "name": known["name"] or "",
                    "user": known["username"] or "",
                    "command": " ".join(known["cmdline"] or ())[:MAX_COMMAND],
                    "status": str(known["status"] or ""),
                    "priority": int(known["nice"] or 0),
                    "started": _milliseconds(known["create_time"] or 0.0),
                    "cpu": round(use.cpu, 1),
                    "memory": use.memory,
                }
            )
        return found


def end(pid: int, started: int, *, with_tree: bool, is_forced: bool) -> dict[str, Any]:
    """Ask a process to end, and with `is_forced` kill it if it does not within three seconds. Blocks.

    Returns:
        `name`, and how many are `ended` and how many `left`.

    Raises:
        RequestProblem: missing (it has gone), denied, or own (this program runs in it).
    """
    process = _find(pid, started)
    try:
        name = name_of(process)
        chosen = [process, *(process.children(recursive=True) if with_tree else ())]
    except psutil.Error as exc:
        raise problem_of_process(exc) from exc
    _spare_ourselves(chosen)
    refusal: psutil.Error | None = None
    for each in reversed(chosen):  # children first, so that none is taken over by another parent
        try:
            _ask_to_end(each)
        except psutil.NoSuchProcess:
            pass
        except psutil.Error as exc:
            refusal = exc
    if refusal is not None and len(chosen) == 1:
        raise problem_of_process(refusal)
    _, alive = psutil.wait_procs(chosen, timeout=END_TIMEOUT)
    if is_forced:
        for each in alive:
            try:
                each.kill()
            except psutil.Error:
                continue  # counted as left, unless it ended by itself
        _, alive = psutil.wait_procs(alive, timeout=END_TIMEOUT)
    return {"name": name, "ended": len(chosen) - len(alive), "left": len(alive)}


def set_priority(pid: int, started: int, priority: str) -> dict[str, Any]:
    """Make a process "low", "normal" or "high" in priority. Blocks.

    Raises:
        RequestProblem: missing, denied, or bad_value.
    """
    if priority not in PRIORITIES:
        raise RequestProblem("bad_value", "There is no such priority.")
    process = _find(pid, started)
    try:
        process.nice(PRIORITIES[priority])
        return {"name": name_of(process), "priority": nice_of(int(process.nice()))}
    except psutil.Error as exc:
        raise problem_of_process(exc) from exc


def problem_of_process(error: psutil.Error) -> RequestProblem:
    """What psutil said, in the protocol's words."""
    if isinstance(error, psutil.NoSuchProcess):
        return RequestProblem("missing", "The process has ended.")
    return RequestProblem("denied", "This needs more rights than the program has.")


def _find(pid: int, started: int) -> psutil.Process:
    try:
        process = psutil.Process(pid)
        if _milliseconds(process.create_time()) != started:
            raise psutil.NoSuchProcess(pid)
    except psutil.Error as exc:
        raise problem_of_process(exc) from exc
    return process


def _spare_ourselves(chosen: Iterable[psutil.Process]) -> None:
    ours = {os.getpid(), 1, *(parent.pid for parent in psutil.Process().parents())}
    if any(process.pid in ours for process in chosen):
        raise RequestProblem("own", "The support program itself runs in it; end the session instead.")
    if sys.platform == "win32" and any(is_critical(process.pid) for process in chosen):
        raise RequestProblem("denied", "Windows itself would stop without it.")


def _ask_to_end(process: psutil.Process) -> None:
    """So that it can tidy up: by a signal, or by closing its windows; what has none is ended outright.

    Raises:
        psutil.Error: it has gone, or may not be asked.
    """
    if sys.platform != "win32" or not close_windows(process.pid):
        process.terminate()


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
