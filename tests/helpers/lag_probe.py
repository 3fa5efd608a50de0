"""Finds whatever holds an event loop: computing too long between two awaits, or a call that blocks.

A trio instrument that looks at its thread before and after every step of every task, and before and after
the event loop waits (it takes first looks then). What a step *held* is

    the CPU time of the thread + the time that it slept in the kernel

and not the time that passed: a machine shared with others takes the CPU away at any moment, and a thread
that wants to run and may not (its "run delay") is not the program's doing. Sleeping is what is left of the
time that passed. Waiting for another thread of the same program, to leave the interpreter or to give memory
back, is sleep too, but comes as many short ones: CPython asks for its turn each `sys.getswitchinterval()`. So
`FORGIVEN` seconds are, for each time that the thread gave the CPU up; a call that blocks does once or twice.

Some calls are a mistake on the event loop however fast they were this time (a name that resolves at once may
take seconds tomorrow); these are known by name, from Python's audit events.

Linux only: ``/proc/thread-self/schedstat``, ``RUSAGE_THREAD``.
"""

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

import trio

BLOCKING_CALLS: Final = frozenset(
    {
        "import",  # of a module that was not loaded: files are read and compiled
        "time.sleep",  # from Python 3.13 on
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "smtplib.connect",
        "smtplib.send",
        "sqlite3.connect",
        "subprocess.Popen",
    }
)
"""Audit events that have no business on an event loop."""

SWITCH_INTERVAL: Final = 0.001
"""Seconds after which a thread that computes lets others have the interpreter. Python's own 5 ms would make
waiting for it hard to tell from calls that block."""

FORGIVEN: Final = 0.005
"""Seconds of sleep each time."""

MAX_KEPT: Final = 20

FIRST_LOOKS: Final = "first looks"
"""Stands for a task's name: what the event loop computes while it waits (`relay.transport.first_looks`)."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a task, from one await that waited to the next; or the first looks of one wait.

    Attributes:
        task: the task's name.
        where: file and function at which it stopped, "" if it ended.
        cpu, slept, passed: seconds; `passed` includes what other programs took.
        naps: times that the thread gave the CPU up by itself.
    """

    task: str
    where: str
    cpu: float
    slept: float
    passed: float
    naps: int

    @property
    def held(self) -> float:
        """Seconds that nobody else on the loop could have had, and that are this step's own doing."""
        return self.cpu + max(0.0, self.slept - self.naps * FORGIVEN)


@dataclass(frozen=True, kw_only=True)
class LagReport:
    """What a probe found.

    Attributes:
        steps: how many there were, and times that the event loop waited.
        longest: those that held the loop longest, the longest first.
        blocking: calls of `BLOCKING_CALLS` in a step, as "event in task".
    """

    steps: int
    longest: list[Step]
    blocking: list[str]

    def save(self, path: Path) -> None:
        """Write it for another process."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        found = json.loads(path.read_text())
        return cls(
            steps=found["steps"],
            longest=[Step(**step) for step in found["longest"]],
            blocking=found["blocking"],
        )


class _Usage(NamedTuple):
    """Of one thread: seconds and counts since it began."""

    passed: float
    cpu: float
    delayed: float
    naps: int


class LagProbe(trio.abc.Instrument):
    """An instrument for one run of trio; made and used in the thread of that run.

    An audit hook cannot be taken away again: a process should have only one probe, or few.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        self._began: _Usage | None = None
        self._task = ""
        self._steps = 0
        self._longest: list[Step] = []
        self._blocking: list[str] = []
        sys.setswitchinterval(SWITCH_INTERVAL)
        sys.addaudithook(self._audit)

    def report(self) -> LagReport:
        """What was found so far."""
        return LagReport(steps=self._steps, longest=list(self._longest), blocking=list(self._blocking))

    def close(self) -> None:
        """Give its descriptor back; no step may follow."""
        self._began = None
        os.close(self._schedstat)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A step begins (trio calls this)."""
        self._task = task.name
        self._began = self._usage()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """A step ended (trio calls this)."""
        self._note(lambda: _where(task))

    def before_io_wait(self, timeout: float) -> None:
        """The event loop begins to wait (trio calls this), and to take first looks."""
        self._task = FIRST_LOOKS
        self._began = self._usage()

    def after_io_wait(self, timeout: float) -> None:
        """It has waited (trio calls this), which is what it is for: only what it computed counts."""
        self._note(lambda: "", may_sleep=True)

    def _note(self, where: Callable[[], str], *, may_sleep: bool = False) -> None:
        """Keep what began last, if it was long."""
        began, self._began = self._began, None
        if began is None:
            return
        ended = self._usage()
        self._steps += 1
        passed, cpu = ended.passed - began.passed, ended.cpu - began.cpu
        step = Step(
            task=self._task,
            where=where(),
            cpu=cpu,
            slept=0.0 if may_sleep else max(0.0, passed - cpu - (ended.delayed - began.delayed)),
            passed=passed,
            naps=ended.naps - began.naps,
        )
        if len(self._longest) < MAX_KEPT or step.held > self._longest[-1].held:
            self._longest.append(step)
            self._longest.sort(key=lambda each: -each.held)
            del self._longest[MAX_KEPT:]

    def _usage(self) -> _Usage:
        delayed = int(os.pread(self._schedstat, 100, 0).split()[1]) / 1e9
        naps = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        return _Usage(time.perf_counter(), time.thread_time(), delayed, naps)

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        is_in_step = self._began is not None and threading.get_ident() == self._thread
        if is_in_step and event in BLOCKING_CALLS:
            what = f"import {arguments[0]}" if event == "import" else event
            self._blocking.append(f"{what} in {self._task}")


def _where(task: trio.lowlevel.Task) -> str:
    """Where the innermost of our own or a library's functions waits, for a person."""
    frames = [frame for frame, _ in task.iter_await_frames() if "/trio/" not in frame.f_code.co_filename]
    if not frames:
        return ""
    code = frames[-1].f_code
    return f"{Path(code.co_filename).name}:{code.co_name}"
