"""Every Prometheus collector of the relay, named in one place.

Names follow STYLE §3: ``relay_<noun>_<unit>``, counters end in ``_total``. Label values are always from a
closed set (a channel, a role, a close reason's wire name, a route's template): never an id, an address or
anything a stranger chose, so that nobody can grow the series or read people out of them.

What is *counted* is incremented where it happens, through the attributes of `Metrics`. What *is* at a moment
(sessions by state, connections by role, descriptors) is asked for at each scrape, from the frozen statistics
objects of the rooms, through `Metrics.watch`; nothing has to be kept in step.

This room touches no socket: `relay.server` serves `Metrics.render` on its own listener.
"""

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from os import listdir

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

LAG_BUCKETS_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5)
"""Waking takes tenths of a millisecond; no step of ours may hold the loop for 20 ms, hence a bucket's edge
there; anything past 50 ms is felt at a keyboard (DESIGN §8), and seconds are an outage."""

REQUEST_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

type_of_answer = CONTENT_TYPE_LATEST
"""The Content-Type that goes with `Metrics.render`."""

Reading = Callable[[], Mapping[str, float]]
"""Label value → number, as of now. Called from the scrape; must neither block nor raise."""


class Metrics:
    """The collectors of one relay, in a registry of their own.

    Two relays in one process (tests) have two of these. Every attribute is a plain `prometheus_client`
    collector, safe to use from any thread.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)

        # The tunnel and its connections.
        self.tunnel_bytes_total = Counter(
            "relay_tunnel_bytes_total",
            "Bytes of DATA frames forwarded, by channel and direction (to_host, to_viewer).",
            ["channel", "direction"],
            registry=self.registry,
        )
        self.tunnel_frames_total = Counter(
            "relay_tunnel_frames_total",
            "DATA frames forwarded, by channel and direction (to_host, to_viewer).",
            ["channel", "direction"],
            registry=self.registry,
        )
        self.credit_stalls_total = Counter(
            "relay_credit_stalls_total",
            "Times a sender had used up its credit, by channel.",
            ["channel"],
            registry=self.registry,
        )
        self.teardowns_total = Counter(
            "relay_teardowns_total",
            "Connections closed, by role and close reason.",
            ["role", "reason"],
            registry=self.registry,
        )
        self.handshake_failures_total = Counter(
            "relay_handshake_failures_total",
            "Peers that were not admitted, by close reason.",
            ["reason"],
            registry=self.registry,
        )
        self.tries_total = Counter(
            "relay_tries_total",
            "Tries of a security code, by outcome (counted, wrong, refused).",
            ["outcome"],
            registry=self.registry,
        )

        # The front door and the API.
        self.front_door_events_total = Counter(
            "relay_front_door_events_total",
            "What the front door did with sockets and requests, by event.",
            ["event"],
            registry=self.registry,
        )
        self.requests_total = Counter(
            "relay_requests_total",
            "API and page requests answered, by method, route template and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "relay_request_seconds",
            "Time from a request's head to the last byte handed to the front door.",
            buckets=REQUEST_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.sign_ins_total = Counter(
            "relay_sign_ins_total",
            "Attempts to sign in, by way (password, link) and outcome (accepted, refused, throttled).",
            ["way", "outcome"],
            registry=self.registry,
        )
        self.mails_total = Counter(
            "relay_mails_total",
            "Mails, by what became of them (sent, outbox, failed, withdrawn).",
            ["state"],
            registry=self.registry,
        )
        self.mail_tries_total = Counter(
            "relay_mail_tries_total",
            "Tries to hand a mail over, by outcome (accepted, put_off, refused).",
            ["outcome"],
            registry=self.registry,
        )
        self.webhook_tries_total = Counter(
            "relay_webhook_tries_total",
            "Tries to deliver an event to a webhook, by outcome (delivered, put_off, failed).",
            ["outcome"],
            registry=self.registry,
        )

        # The process.
        self.event_loop_lag_seconds = Histogram(
            "relay_event_loop_lag_seconds",
            "How late the event loop woke a task that had asked to be woken.",
            buckets=LAG_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.crashes_total = Counter(
            "relay_crashes_total",
            "Errors nobody expected, caught by a barrier and logged, by place.",
            ["place"],
            registry=self.registry,
        )
        self._readings = _Readings()
        self.registry.register(self._readings)
        self.watch("relay_descriptors", "File descriptors open in the relay's process.", "", _descriptors)
        self.watch(
            "relay_descriptors_limit", "File descriptors that the system allows it.", "", _descriptors_limit
        )

    def watch(self, name: str, documentation: str, label: str, reading: Reading) -> None:
        """Publish a gauge whose values are asked for at every scrape.

        Args:
            name: the series' name, beginning with ``relay_``.
            documentation: one sentence for the ``# HELP`` line.
            label: the label's name, or "" for a gauge without labels (`reading` answers ``{"": value}``).
            reading: answers the values as of now.

        Raises:
            ValueError: `name` is taken.
        """
        self._readings.add(name, documentation, label, reading)

    def render(self) -> bytes:
        """Everything, in the Prometheus text format (`type_of_answer`)."""
        return generate_latest(self.registry)


class _Readings:
    """The gauges of `Metrics.watch`, as a custom collector of prometheus_client."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[str, str, Reading]] = {}

    def add(self, name: str, documentation: str, label: str, reading: Reading) -> None:
        if name in self._sources:
            raise ValueError(f"{name} is published already")
        self._sources[name] = (documentation, label, reading)

    def collect(self) -> Iterator[Metric]:
        for name, (documentation, label, reading) in self._sources.items():
            family = GaugeMetricFamily(name, documentation, labels=[label] if label else [])
            for value, number in reading().items():
                family.add_metric([value] if label else [], number)
            yield family


def _descriptors_limit() -> Mapping[str, float]:
    """RLIMIT_NOFILE as of now; it can be changed from outside while the process runs."""
    return {"": float(resource.getrlimit(resource.RLIMIT_NOFILE)[0])}


def _descriptors() -> Mapping[str, float]:
    """Open descriptors, where the system tells (Linux); elsewhere no sample at all."""
    with suppress(OSError):
        return {"": float(len(listdir("/proc/self/fd")))}
    return {}
