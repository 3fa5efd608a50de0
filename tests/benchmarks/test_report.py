"""How figures are made of turns, and what becomes of them."""

import json
import signal
import sys
from pathlib import Path

import pytest

from benchmarks import performance_page
from benchmarks.parts.baselines import open_direct
from benchmarks.parts.command import OutOfTime, main, parse, parser, time_limit
from benchmarks.parts.load import BATCH_BYTES, SEAL_BYTES, Framing, make_load, measure_flow
from benchmarks.parts.report import Figure, Report, compare
from benchmarks.parts.trends import trend


def test_ratio_is_of_each_turn_not_of_the_medians() -> None:
    (figure,) = compare("throughput", 64, "MB/s", [1.0, 4.0, 3.0], {"nginx": [1.0, 2.0, 6.0]})
    assert (figure.value, figure.low, figure.high) == (3.0, 1.0, 4.0)
    assert (figure.baseline, figure.baseline_value, figure.ratio) == ("nginx", 2.0, 1.0)


def test_value_without_baseline_is_one_figure() -> None:
    (figure,) = compare("memory", 10, "KiB", [5.0], wanted={"": "<= 12"})
    assert (figure.baseline, figure.ratio, figure.wanted) == ("", None, "<= 12")


def test_goal_of_the_value_has_a_line_of_its_own() -> None:
    figures = compare("frames", 64, "/s", [5.0], {"nginx": [2.0]}, {"": ">= 4", "nginx": ">= 2"})
    assert [(figure.baseline, figure.wanted) for figure in figures] == [("", ">= 4"), ("nginx", ">= 2")]


def test_baseline_that_measured_nothing_is_left_out() -> None:
    assert compare("frames", 64, "/s", [5.0], {"nginx": [0.0]}) == []


def test_table_names_figures_baselines_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("tunnel", "Throughput")
    report.add(compare("host to viewer", 64, "MB/s", [1.0], {"nginx": [2.0]}))
    report.note("left out: haproxy")
    report.note("left out: haproxy")
    report.print()
    shown = capsys.readouterr().out
    assert "host to viewer" in shown
    assert "nginx" in shown
    assert shown.count("left out: haproxy") == 1


@pytest.mark.parametrize("payload", [64, 1000, 65536])
def test_frames_arrive_as_large_as_the_load_says(payload: int) -> None:
    load = make_load(payload, 0x10001)
    whole = len(load.batch) // load.frames
    assert load.frames * whole == len(load.batch)
    assert load.arriving_bytes(Framing.MASKED) == whole
    assert load.arriving_bytes(Framing.UNMASKED) == whole - 4
    assert load.arriving_bytes(Framing.MESSAGE) == load.message_bytes


@pytest.mark.slow
@pytest.mark.sockets
def test_generator_measures_a_path_with_nothing_in_between() -> None:
    with open_direct(None) as subject:
        path = subject.open_path()
        (flow,) = measure_flow([path], 1000, 0.1)
        path.close()
    assert flow.frames_per_second > 0
    assert flow.bytes_per_second == pytest.approx(1000 * flow.frames_per_second)
    assert flow.cpu_share == 0
    assert 0 < flow.generator_share <= 1.1


def test_batch_is_the_same_for_each_run() -> None:
    assert make_load(1000, 0x10001).frames == make_load(1000, 0x10001).frames == BATCH_BYTES // 1027


def test_payload_is_as_long_as_a_sealed_record() -> None:
    # Array, kind, stream with its marker, marker and length of the binary: 10 bytes.
    assert make_load(1000, 0x10001).message_bytes == 10 + 1000 + SEAL_BYTES


def test_batch_fits_several_times_into_the_window() -> None:
    load = make_load(16 * 1024, 0x10001, 256 * 1024)
    assert load.frames * load.message_bytes <= 64 * 1024


@pytest.mark.parametrize(
    ("wanted", "value", "ratio", "reached"),
    [
        ("", 1.0, None, None),
        (">= 1,500", 1500.0, None, True),
        (">= 1,500", 1499.0, None, False),
        ("<= 12", 12.1, None, False),
        (">= 1.2", 0.0, 1.2, True),
        ("<= 1.3", 0.0, 1.31, False),
    ],
)
def test_goal_is_of_the_ratio_where_there_is_one(
    wanted: str, value: float, ratio: float | None, reached: bool | None
) -> None:
    figure = Figure(name="f", size=1, value=value, unit="", low=value, high=value, ratio=ratio, wanted=wanted)
    assert figure.is_reached is reached


def test_json_line_gives_the_figure_back() -> None:
    report = Report("tunnel", "Throughput")
    report.add(compare("host to viewer", 64, "MB/s", [1.0], {"nginx": [2.0]}, {"nginx": ">= 1"}))
    (line,) = map(json.loads, report.json_lines())
    assert Figure.from_json(line) == report.figures[0]
    assert (line["benchmark"], line["reached"]) == ("tunnel", False)
    assert {"cpu", "cores", "kernel"} <= set(line["machine"])
    assert {"relay", "python", "trio", "accelerator"} <= set(line["versions"])


def test_page_gets_tables_between_markers_and_keeps_its_words() -> None:
    report = Report("tunnel", "Throughput")
    report.add(compare("host to viewer", 64, "MB/s", [1234.0], {"nginx": [617.0]}, {"nginx": ">= 1.2"}))
    lines = [json.loads(line) for line in report.json_lines()]
    page = "Before.\n<!-- figures: goals -->\nold\n<!-- end -->\nAfter.\n"
    once = performance_page.render_page(page, lines)
    assert "| tunnel | host to viewer | 64 | 1,234 MB/s |  | nginx | 617 | 2.00 | ≥ 1.2 | reached |" in once
    assert once.startswith("Before.\n")
    assert once.endswith("<!-- end -->\nAfter.\n")
    assert "old" not in once
    assert performance_page.render_page(once, lines) == once


def test_page_says_what_was_not_measured() -> None:
    page = "<!-- figures: tls -->\n<!-- end -->"
    assert performance_page.NOT_MEASURED in performance_page.render_page(page, [])


def test_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no <!-- figures"):
        performance_page.render_page("Only words.", [])


def test_page_of_the_project_has_every_benchmark(tmp_path: Path) -> None:
    page, lines = tmp_path / "page.md", tmp_path / "lines.jsonl"
    page.write_text(performance_page.PAGE.read_text())
    lines.write_text("")
    performance_page.main([str(lines), "--page", str(page)])
    marked = [found[2] for found in performance_page.MARKED.finditer(page.read_text())]
    assert marked == [
        *("machine", "goals", "tunnel", "tls", "latency", "connect", "idle", "fairness", "paths", "soak"),
    ]


def test_quick_gives_way_to_what_is_given() -> None:
    made = parser("tunnel", "Throughput", seconds=5.0, rounds=5)
    options = parse(made, ["--quick", "--rounds", "2"], {"seconds": 0.1, "rounds": 1})
    assert (options.seconds, options.rounds) == (0.1, 2)


def test_benchmark_over_its_limit_is_given_up() -> None:
    before = signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 0)  # the test's own limit, for a moment
    try:
        with pytest.raises(OutOfTime, match=r"0\.05 s"), time_limit(0.05):
            signal.pause()
    finally:
        signal.signal(signal.SIGALRM, before[1])
        signal.setitimer(signal.ITIMER_REAL, *before[0])


def test_failure_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--json"])

    def measure(arguments: object) -> Report:
        return Report("soak", "Soak", as_json=True, failures=["one host was left"])

    before = signal.getitimer(signal.ITIMER_REAL)
    try:
        assert main(measure, limit=60) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_slope_of_a_straight_line_has_no_noise() -> None:
    found = trend([(float(time), 100 + 3.0 * time) for time in range(40)])
    assert found.slope == pytest.approx(3, rel=0.2)
    assert found.noise == pytest.approx(0, abs=0.1)


def test_what_goes_up_and_comes_down_again_is_no_slope() -> None:
    found = trend([(float(time), 100.0 + 50 * (time % 4)) for time in range(80)])
    assert found.slope == pytest.approx(0)


def test_few_samples_say_nothing() -> None:
    assert trend([(0.0, 1.0), (1.0, 2.0)]).noise == float("inf")
