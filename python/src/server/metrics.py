"""Prometheus figures of the server: requests by route, errors by class, and what the database holds and works on."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from starlette.types import Scope

from src.store.operation import Figure

from .answer_counts import ANSWER_COUNTS

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_OTHER = "other"
"""The label of a path without a route: what strangers ask for must not make a series each."""


class ServerMetrics:
    """The figures of one server process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "archon_http_requests", "Answered requests", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "archon_http_request_seconds",
            "Time to the end of the answer; of an event stream, its whole length",
            ("method", "route"),
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self.in_flight = Gauge("archon_http_in_flight", "Requests being answered", registry=self._registry)
        self._errors = Counter(
            "archon_errors", "Failures by class and provider", ("code", "provider"), registry=self._registry
        )
        self._figures = {
            "jobs": Gauge("archon_jobs", "Jobs by state, ended ones of a day", ("state",), registry=self._registry),
            "rows": Gauge("archon_rows", "Rows of the large tables, estimated", ("table",), registry=self._registry),
        }
        self._plain = {
            "oldest_queued_s": Gauge(
                "archon_oldest_queued_job_seconds", "Age of the oldest waiting job", registry=self._registry
            ),
            "workers": Gauge("archon_workers", "Workers that hold a job", registry=self._registry),
            "database_bytes": Gauge("archon_database_bytes", "Size of the database", registry=self._registry),
        }
        self._database_up = Gauge("archon_database_up", "1 when the database answers", registry=self._registry)

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answer; its route is known once the application has chosen it."""
        route = getattr(scope.get("route"), "path", _OTHER)
        self._requests.labels(scope["method"], route, str(status)).inc()
        self._seconds.labels(scope["method"], route).observe(seconds)

    def failed(self, code: str, provider: str | None) -> None:
        """Count one typed error that reached a caller."""
        self._errors.labels(code, provider or "").inc()

    def failures(self) -> list[tuple[str, str, int]]:
        """Class, provider (or blank) and number of the typed errors since the start, the most frequent first."""
        found = [
            (sample.labels["code"], sample.labels["provider"], int(sample.value))
            for metric in self._errors.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        ]
        return sorted(found, key=lambda one: -one[2])

    def exposition(self, figures: Sequence[Figure] | None) -> bytes:
        """The text that Prometheus reads; `figures` None: the database did not answer."""
        self._database_up.set(0 if figures is None else 1)
        for gauge in self._figures.values():
            gauge.clear()
        for figure in figures or ():
            if figure.name in self._figures:
                self._figures[figure.name].labels(figure.label).set(figure.value)
            elif figure.name in self._plain:
                self._plain[figure.name].set(figure.value)
        return generate_latest(self._registry) + generate_latest(ANSWER_COUNTS)
