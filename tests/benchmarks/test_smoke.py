"""The tunnel's benchmarks run and print what they promise. How fast is no business of a test."""

import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version

import pytest

from benchmarks import connect, dashboard, fairness, files, idle, latency, soak, tls, tunnel
from benchmarks.parts.lives import Unexpected
from benchmarks.parts.relays import Relay
from benchmarks.parts.report import Report

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

FIELDS = {
    *("benchmark", "name", "size", "value", "unit", "low", "high"),
    *("baseline", "baseline_value", "ratio", "wanted", "reached", "machine", "versions"),
}
QUICK = ["--json", "--quick"]


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
            ["--only"],
            ["host → viewer", "viewer → host", "host → viewer, per CPU second"],
        ),
        (tls.measure, ["--only"], ["host → viewer", "viewer → host"]),
        (
            latency.measure,
            ["--only"],
            ["idle, p50", "idle, p99", "viewer → host against files, p99", "host → viewer among files, p99"],
        ),
        (
            idle.measure,
            ["--only", "--hosts", "20", "--tls-hosts", "5"],
            ["memory of each, plain", "processor time, plain", "memory of each, TLS"],
        ),
        (
            connect.measure,
            ["--only", "--hosts", "20"],
            ["first joins, by invite, 0 open", "returns, by credential, 50 open"],
        ),
        (
            fairness.measure,
            ["--sessions", "2"],
            ["slowest by fastest", "the others beside one that stalls", "memory growth beside it"],
        ),
        (
            dashboard.measure,
            [],
            ["nobody looks", "the Dashboard is open", "the Dashboard and all processes"],
        ),
        (
            files.measure,
            [],
            ["one file, host → technician", "tree of small files, technician → host"],
        ),
    ],
    ids=["tunnel", "tls", "latency", "idle", "connect", "fairness", "dashboard", "files"],
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
        assert figure["reached"] in (None, True, False)
        assert figure["versions"]["trio"] == version("trio")
        assert figure["low"] <= figure["value"] <= figure["high"]


def test_soak_of_seconds_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    report = soak.measure(QUICK)
    report.print()
    figures = {figure["name"]: figure for figure in map(json.loads, capsys.readouterr().out.splitlines())}
    assert report.failures == []
    assert figures["connections closed"]["value"] > 0
    assert figures["left in the registry"]["value"] == 0


def test_soak_tells_of_a_life_that_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def goes_wrong(relay: Relay, chance: random.Random) -> None:
        relay.end(relay.prepare())
        raise Unexpected("the relay stood on its head")

    monkeypatch.setattr(soak, "LIVES", {goes_wrong: 1})
    monkeypatch.setattr(soak, "warm_up", lambda relay, chance: relay.end(relay.prepare()))
    report = soak.measure([*QUICK, "--minutes", "0.005", "--workers", "1"])
    assert report.failures[0] == "goes_wrong: Unexpected: the relay stood on its head"
    assert any(line.startswith("lives that went wrong") for line in report.failures)
