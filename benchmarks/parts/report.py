"""Figures, and how they are printed: one JSON line each, or a table for people.

A figure compares one measured value with one baseline that was measured in the same run, turn by turn with
it: the ratio is the median of the turns' ratios, so that what else the machine did meanwhile cancels out.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

PACKAGES = ("trio", "msgpack", "websockets", "trio-websocket")


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
        wanted: the goal in words; "" for none.
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
        wanted: goals in words, by the baseline's name; that of "" is for the value itself.
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
    """

    benchmark: str
    title: str
    unit_of_size: str = "bytes"
    as_json: bool = False
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(self, figures: Sequence[Figure]) -> None:
        """Take figures in."""
        self.figures += figures

    def note(self, line: str) -> None:
        """Take a line for people in, once."""
        if line not in self.notes:
            self.notes.append(line)

    def print(self) -> None:
        """Print everything: JSON lines on standard output and notes on standard error, or a table."""
        if self.as_json:
            about = {"machine": machine(self._load_before), "versions": versions()}
            for figure in self.figures:
                print(json.dumps({"benchmark": self.benchmark, **asdict(figure), **about}))
            for line in self.notes:
                print(line, file=sys.stderr)
            return
        console = Console(width=None if sys.stdout.isatty() else 150)
        console.print(self._table())
        for line in self.notes:
            console.print(line, style="dim", highlight=False)
        facts = machine(self._load_before)
        console.print(", ".join(f"{name} {value}" for name, value in {**facts, **versions()}.items()))

    def _table(self) -> Table:
        table = Table(title=self.title)
        table.add_column("figure")
        table.add_column(self.unit_of_size, justify="right")
        table.add_column("median", justify="right")
        table.add_column("low … high", justify="right")
        table.add_column("unit")
        table.add_column("baseline")
        table.add_column("its median", justify="right")
        table.add_column("ratio", justify="right")
        table.add_column("wanted")
        last = ("", -1)
        for figure in self.figures:
            is_more = (figure.name, figure.size) == last
            last = (figure.name, figure.size)
            table.add_row(
                "" if is_more else figure.name,
                "" if is_more or not figure.size else f"{figure.size:,}",
                "" if is_more else _short(figure.value),
                ""
                if is_more or figure.low == figure.high
                else f"{_short(figure.low)} … {_short(figure.high)}",
                "" if is_more else figure.unit,
                figure.baseline,
                "" if figure.baseline_value is None else _short(figure.baseline_value),
                "" if figure.ratio is None else f"{figure.ratio:.2f}",
                figure.wanted,
            )
        return table


def machine(load_before: float) -> dict[str, str | int | float]:
    """What the figures were measured on, and how busy it was (load average of a minute, before and after)."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "kernel": platform.release(),
        "load_before": round(load_before, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that matter."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def parser(name: str, description: str, *, seconds: float, rounds: int) -> argparse.ArgumentParser:
    """The arguments every benchmark has: ``--json``, ``--seconds``, ``--rounds``."""
    made = argparse.ArgumentParser(prog=f"./dev bench {name}", description=description)
    made.add_argument("--json", action="store_true", help="one JSON line a figure")
    made.add_argument("--seconds", type=float, default=seconds, help="of each measurement [%(default)s]")
    made.add_argument(
        "--rounds", type=int, default=rounds, help="turns, each with every baseline [%(default)s]"
    )
    made.add_argument(
        "--against", metavar="FOLDER", type=Path, help="another checkout, whose relay is one more baseline"
    )
    return made


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")


def _short(value: float) -> str:
    """Three digits or more, whatever the order of magnitude."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
