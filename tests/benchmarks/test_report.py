"""How figures are made of turns."""

import pytest

from benchmarks.parts.baselines import open_direct
from benchmarks.parts.load import Framing, make_load, measure_flow
from benchmarks.parts.report import Report, compare


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
