"""Every benchmark of the relay, one after the other, into one file that docs/performance.md is made from.

    ./dev bench all [--json] [--figures full|quick] [--output FILE] [--soak MINUTES]

Each runs in a process of its own, so that one that fails costs only its own figures. JSON lines go to the
file as they come, and to standard output with --json; tables for people go there without it.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.parts.report import Figure, table_of

OUTPUT = Path("var/bench.jsonl")
RUNS: dict[str, dict[str, list[str]]] = {
    "full": {
        "tunnel": [],
        "tls": [],
        "latency": [],
        "connect": [],
        "fairness": [],
        "idle": [],
        "paths": ["--rounds", "2", "--seconds", "4"],
    },
    "quick": {
        "tunnel": ["--rounds", "3", "--seconds", "0.3"],
        "tls": ["--rounds", "3", "--seconds", "0.3"],
        "latency": ["--rounds", "3", "--seconds", "1.5", "--count", "250"],
        "connect": ["--rounds", "2"],
        "fairness": ["--rounds", "2"],
        "idle": ["--hosts", "2000", "--tls-hosts", "500", "--seconds", "20"],
        "paths": ["--only", "delay", "--rounds", "1", "--seconds", "2"],
    },
}
"""Arguments of each benchmark: all figures as they are meant, or in a third of the time."""
SOAK_MINUTES = {"full": 5.0, "quick": 1.0}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them all; returns the exit status: 1 if one of them failed."""
    made = argparse.ArgumentParser(prog="./dev bench all", description="Every benchmark of the relay.")
    made.add_argument("--json", action="store_true", help="one JSON line a figure instead of tables")
    made.add_argument("--figures", choices=RUNS, default="full", help="[%(default)s]")
    made.add_argument("--output", type=Path, default=OUTPUT, help="of the JSON lines [%(default)s]")
    made.add_argument("--soak", type=float, help="minutes; 0 leaves it out [full: 5, quick: 1]")
    made.add_argument("--only", nargs="+", choices=[*RUNS["full"], "soak"], help="these benchmarks")
    options = made.parse_args(arguments)
    minutes = SOAK_MINUTES[options.figures] if options.soak is None else options.soak
    runs = dict(RUNS[options.figures])
    if minutes:
        runs["soak"] = ["--minutes", f"{minutes:g}"]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    failed = []
    with options.output.open("w") as output:
        for name, words in runs.items():
            if options.only and name not in options.only:
                continue
            began = time.monotonic()
            command = [sys.executable, "-m", f"benchmarks.{name}", "--json", *words]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            output.write(done.stdout)
            output.flush()
            _show(name, done.stdout, as_json=options.json)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
            if done.returncode:
                failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _show(name: str, lines: str, *, as_json: bool) -> None:
    if as_json:
        print(lines, end="", flush=True)
        return
    figures = [Figure.from_json(json.loads(line)) for line in lines.splitlines()]
    Console(width=None if sys.stdout.isatty() else 150).print(table_of(name, "size", figures))


if __name__ == "__main__":
    raise SystemExit(main())
