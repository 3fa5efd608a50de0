"""The tunnel's benchmarks run and print what they promise. How fast is no business of a test."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version

import pytest

from benchmarks import connect, fairness, idle, latency, tls, tunnel
from benchmarks.parts.report import Report

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

FIELDS = {
    *("benchmark", "name", "size", "value", "unit", "low", "high"),
    *("baseline", "baseline_value", "ratio", "wanted", "machine", "versions"),
}
QUICK = ["--json", "--rounds", "1", "--seconds", "0.1"]


@pytest.fixture(autouse=True)
def _on_all_cores_again() -> Iterator[None]:
    """A benchmark keeps its own process, here the tests', away from the core of what it measures."""
    cores = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, cores)


@pytest.mark.parametrize(
    ("measure", "arguments", "names"),
    [
        (
            tunnel.measure,
            ["--only", "--sizes", "64", "16384"],
            ["host → viewer", "viewer → host", "host → viewer, per CPU second"],
        ),
        (tls.measure, ["--only", "--sizes", "16384"], ["host → viewer", "viewer → host"]),
        (
            latency.measure,
            ["--only", "--count", "20"],
            ["idle, p50", "idle, p99", "viewer → host against files, p99", "host → viewer among files, p99"],
        ),
        (
            idle.measure,
            ["--hosts", "20", "--tls-hosts", "5"],
            ["memory of each, plain", "processor time, plain", "memory of each, TLS"],
        ),
        (connect.measure, ["--hosts", "20"], ["first joins, by invite", "returns, by credential"]),
        (fairness.measure, ["--sessions", "2"], ["slowest by fastest", "memory growth meanwhile"]),
    ],
    ids=["tunnel", "tls", "latency", "idle", "connect", "fairness"],
)
def test_each_figure_is_one_json_line(
    measure: Callable[[Sequence[str]], Report],
    arguments: list[str],
    names: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = measure([*QUICK, *arguments])
    report.print()
    figures = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {figure["name"] for figure in figures} >= set(names)
    for figure in figures:
        assert set(figure) == FIELDS
        assert figure["benchmark"] == report.benchmark
        assert figure["versions"]["trio"] == version("trio")
        assert figure["low"] <= figure["value"] <= figure["high"]
