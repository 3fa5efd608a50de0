"""Figures, and how they are printed: one JSON line each, or a table for people.

A figure compares one measured value with one baseline that was measured in the same run, turn by turn with
it: the ratio is the median of the turns' ratios, so that what else the machine did meanwhile cancels out.
"""

import json
import os
import platform
import re
import shutil
import ssl
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.table import Table

import relay
from relay.protocol.runs import take_runs, take_runs_in_python

PACKAGES = ("trio", "msgpack", "websockets", "cryptography", "SQLAlchemy", "trio-websocket")
PROGRAMS = {"nginx": "-v", "haproxy": "-v"}
"""Baselines that tell their version, and the argument that makes them."""
REPOSITORY = Path(__file__).parents[2]
_GOAL = re.compile(r"([<>]=) ([\d,.]+)")
_NUMBER = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value beside one baseline.

    Attributes:
        name: what was measured.
        size: of one payload or of the crowd; see `unit_of_size`. 0 where there is none.
        value: the median over the turns.
        unit: of `value` and `baseline_value`.
        low, high: the least and the greatest turn.
        baseline: the name of what it is compared with; "" for nothing.
        baseline_value, ratio: the baseline's median; the median of the turns' ratios. None without one.
        wanted: the goal, ``>= NUMBER`` or ``<= NUMBER``, of `ratio` if there is a baseline, else of `value`;
            "" for none.
    """

    name: str
    size: int
    value: float
    unit: str
    low: float
    high: float
    baseline: str = ""
    baseline_value: float | None = None
    ratio: float | None = None
    wanted: str = ""

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Self:
        """The figure of a line that `Report.json_lines` made, decoded."""
        return cls(**{name: line[name] for name in (field.name for field in fields(cls))})

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is; None if there is none."""
        goal = _GOAL.match(self.wanted)
        if goal is None:
            return None
        reached = self.value if self.ratio is None else self.ratio
        wanted = float(goal[2].replace(",", ""))
        return reached >= wanted if goal[1] == ">=" else reached <= wanted


def compare(
    name: str,
    size: int,
    unit: str,
    turns: Sequence[float],
    baselines: Mapping[str, Sequence[float]] | None = None,
    wanted: Mapping[str, str] | None = None,
) -> list[Figure]:
    """The figures of one measured thing: one for each baseline, or a single one without any.

    Args:
        name, size, unit: see `Figure`.
        turns: the measured values, at least one.
        baselines: by name, values measured in the same turns; shorter where turns failed.
        wanted: goals, by the baseline's name; that of "" is for the value itself.
    """
    wanted = wanted or {}
    low, high, middle = min(turns), max(turns), statistics.median(turns)

    def figure(baseline: str, value: float | None, ratio: float | None) -> Figure:
        return Figure(
            name=name,
            size=size,
            value=middle,
            unit=unit,
            low=low,
            high=high,
            baseline=baseline,
            baseline_value=value,
            ratio=ratio,
            wanted=wanted.get(baseline, ""),
        )

    figures = [] if baselines and "" not in wanted else [figure("", None, None)]
    for baseline, values in (baselines or {}).items():
        ratios = [ours / theirs for ours, theirs in zip(turns, values, strict=False) if theirs]
        if ratios:
            figures.append(figure(baseline, statistics.median(values), statistics.median(ratios)))
    return figures


@dataclass
class Report:
    """The figures of one run, with what they were measured on.

    Attributes:
        benchmark: the name after ``./dev bench``.
        title: for people.
        unit_of_size: what `Figure.size` counts.
        as_json: how `print` prints.
        notes: lines for people: what was left out and why, what to bear in mind.
        failures: lines for people: what went wrong; any makes the exit status 1.
    """

    benchmark: str
    title: str
    unit_of_size: str = "bytes"
    as_json: bool = False
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(self, figures: Sequence[Figure]) -> None:
        """Take figures in."""
        self.figures += figures

    def note(self, line: str) -> None:
        """Take a line for people in, once."""
        if line not in self.notes:
            self.notes.append(line)

    def print(self) -> None:
        """Print everything: JSON lines on standard output and the rest on standard error, or a table."""
        lines = [*self.notes, *(f"FAILED: {line}" for line in self.failures)]
        if self.as_json:
            for line in self.json_lines():
                print(line)
            for line in lines:
                print(line, file=sys.stderr)
            return
        console = Console(width=None if sys.stdout.isatty() else 150)
        console.print(table_of(self.title, self.unit_of_size, self.figures))
        for line in lines:
            console.print(line, style="dim", highlight=False)
        facts = machine(self._load_before)
        console.print(", ".join(f"{name} {value}" for name, value in {**facts, **versions()}.items()))

    def json_lines(self) -> list[str]:
        """One object for each figure: what `Figure` holds, the benchmark, machine and versions."""
        about = {"machine": machine(self._load_before), "versions": versions()}
        return [
            json.dumps({"benchmark": self.benchmark, **asdict(figure), "reached": figure.is_reached, **about})
            for figure in self.figures
        ]


def table_of(title: str, unit_of_size: str, figures: Sequence[Figure]) -> Table:
    """Figures as a table for people; what a figure shares with the one before stays empty."""
    table = Table(title=title)
    table.add_column("figure")
    table.add_column(unit_of_size, justify="right")
    table.add_column("median", justify="right")
    table.add_column("low … high", justify="right")
    table.add_column("unit")
    table.add_column("baseline")
    table.add_column("its median", justify="right")
    table.add_column("ratio", justify="right")
    table.add_column("wanted")
    last = ("", -1)
    for figure in figures:
        is_more = (figure.name, figure.size) == last
        last = (figure.name, figure.size)
        table.add_row(
            "" if is_more else figure.name,
            "" if is_more or not figure.size else f"{figure.size:,}",
            "" if is_more else short(figure.value),
            "" if is_more or figure.low == figure.high else f"{short(figure.low)} … {short(figure.high)}",
            "" if is_more else figure.unit,
            figure.baseline,
            "" if figure.baseline_value is None else short(figure.baseline_value),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.wanted + {None: "", True: " ✓", False: " ✗"}[figure.is_reached],
        )
    return table


def machine(load_before: float) -> dict[str, str | int | float]:
    """What the figures were measured on, and how busy it was (load average of a minute, before and after)."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "load_before": round(load_before, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


@cache
def versions() -> dict[str, str]:
    """Versions of the relay, of Python, and of the packages and programs that matter and are there."""
    found = {
        "relay": relay.__version__,
        "commit": _said_by("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"),
        "python": platform.python_version(),
        "accelerator": "none" if take_runs is take_runs_in_python else "compiled",
        "openssl": ssl.OPENSSL_VERSION.split()[1],
    }
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    for name, argument in PROGRAMS.items():
        if number := _NUMBER.search(_said_by(name, argument)):
            found[name] = number[0]
    return {name: value for name, value in found.items() if value}


def _said_by(program: str, *arguments: str) -> str:
    """What a program prints; "" if it is not there or fails."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        return ""
    done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=10, check=False)
    return "" if done.returncode else (done.stdout + done.stderr).strip()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")


def short(value: float) -> str:
    """Three digits or more, whatever the order of magnitude."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
