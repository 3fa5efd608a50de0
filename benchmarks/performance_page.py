"""Puts the figures of a run into docs/performance.md.

    ./dev bench performance_page [FILE] [--page FILE]

The page is written by hand but for what stands between markers; there, tables are made from the JSON lines of
``./dev bench all``, so that no number on the page is one that no command has printed:

    <!-- figures: goals -->      every figure that has a goal, reached or missed
    <!-- figures: NAME -->       all figures of one benchmark
    <!-- figures: machine -->    what it was measured on, and with which versions
    <!-- end -->                 closes each of them
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.parts.report import REPOSITORY, Figure, short

PAGE = REPOSITORY / "docs" / "performance.md"
LINES = Path("var/bench.jsonl")
MARKED = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
VERDICTS = {None: "", True: "reached", False: "**missed**"}
NOT_MEASURED = "Not measured in this run.\n"

Line = Mapping[str, Any]
"""One decoded JSON line; see `benchmarks.parts.report.Report.json_lines`."""


def render_page(page: str, lines: Sequence[Line]) -> str:
    """The page with its tables made anew.

    Args:
        page: as it is.
        lines: of the run.

    Raises:
        ValueError: the page has no markers.
    """
    if not MARKED.search(page):
        raise ValueError("the page has no <!-- figures: … --> to fill")
    return MARKED.sub(lambda marked: marked[1] + render_section(marked[2], lines) + marked[3], page)


def render_section(name: str, lines: Sequence[Line]) -> str:
    """What stands behind the marker of this name."""
    if name == "machine":
        return _machine(lines)
    if name == "goals":
        chosen = [line for line in lines if line["wanted"]]
        return _table(chosen, with_benchmark=True) if chosen else NOT_MEASURED
    chosen = [line for line in lines if line["benchmark"] == name]
    return _table(chosen, with_benchmark=False) if chosen else NOT_MEASURED


def _table(lines: Sequence[Line], *, with_benchmark: bool) -> str:
    titles = ["figure", "size", "median", "low … high", "baseline", "its median", "ratio", "wanted", ""]
    if with_benchmark:
        titles.insert(0, "bench")
    rows = [titles, ["---"] * len(titles)]
    last = ("", "", -1)
    for line in lines:
        figure = Figure.from_json(line)
        this = (str(line["benchmark"]), figure.name, figure.size)
        row = _row(figure, is_more=this == last)
        rows.append([str(line["benchmark"]), *row] if with_benchmark else row)
        last = this
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(figure: Figure, *, is_more: bool) -> list[str]:
    """Cells of a figure; what it shares with the one before stays empty."""
    spread = "" if figure.low == figure.high else f"{short(figure.low)} … {short(figure.high)}"
    own = [figure.name, f"{figure.size:,}", f"{short(figure.value)} {figure.unit}".strip(), spread]
    return [
        *(["", "", "", ""] if is_more else own),
        figure.baseline,
        "" if figure.baseline_value is None else short(figure.baseline_value),
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        figure.wanted.replace(">=", "≥").replace("<=", "≤"),
        VERDICTS[figure.is_reached],
    ]


def _machine(lines: Sequence[Line]) -> str:
    if not lines:
        return NOT_MEASURED
    facts = {**lines[0]["machine"], **lines[0]["versions"]}
    loads = [line["machine"]["load_before"] for line in lines]
    facts["load_before"] = f"{min(loads)} … {max(loads)}"
    facts.pop("load_after", None)
    names = {"memory_gib": "memory, GiB", "load_before": "load average before each benchmark"}
    return "| | |\n| --- | --- |\n" + "".join(
        f"| {names.get(name, name)} | {value} |\n" for name, value in facts.items()
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the page; returns the exit status."""
    made = argparse.ArgumentParser(prog="./dev bench performance_page", description=__doc__.splitlines()[0])
    made.add_argument("lines", nargs="?", type=Path, default=LINES, help="JSON lines [%(default)s]")
    made.add_argument("--page", type=Path, default=PAGE, help="[docs/performance.md]")
    options = made.parse_args(arguments)
    lines = [json.loads(line) for line in options.lines.read_text().splitlines()]
    options.page.write_text(render_page(options.page.read_text(), lines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
