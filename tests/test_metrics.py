"""The collectors: names, labels, and an output that Prometheus' own parser reads."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_counts_come_out_under_their_names() -> None:
    metrics = Metrics()
    metrics.tunnel_bytes_total.labels("control", "to_viewer").inc(1000)
    metrics.teardowns_total.labels("host", "expired").inc()
    metrics.event_loop_lag_seconds.observe(0.002)
    found = samples(metrics)
    assert found["relay_tunnel_bytes_total", (("channel", "control"), ("direction", "to_viewer"))] == 1000
    assert found["relay_teardowns_total", (("reason", "expired"), ("role", "host"))] == 1
    assert found["relay_event_loop_lag_seconds_count", ()] == 1


def test_gauges_are_asked_for_at_each_scrape() -> None:
    metrics = Metrics()
    now = {"prepared": 1.0}
    metrics.watch("relay_sessions", "Open sessions, by state.", "state", lambda: now)
    assert samples(metrics)["relay_sessions", (("state", "prepared"),)] == 1
    now["prepared"] = 5
    assert samples(metrics)["relay_sessions", (("state", "prepared"),)] == 5


def test_a_name_is_published_once() -> None:
    metrics = Metrics()
    with pytest.raises(ValueError, match="published already"):
        metrics.watch("relay_descriptors", "Again.", "", dict)


def test_every_name_follows_the_convention_and_is_explained() -> None:
    for family in text_string_to_metric_families(Metrics().render().decode()):
        assert re.fullmatch(r"relay_[a-z]+(_[a-z]+)*", family.name), family.name
        assert family.documentation.endswith("."), family.name


def test_two_relays_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.mails_total.labels("sent").inc()
    assert ("relay_mails_total", (("state", "sent"),)) not in samples(second)


def test_descriptors_of_the_process_are_counted() -> None:
    assert samples(Metrics())["relay_descriptors", ()] > 2
