"""What is counted, under the names that people know from other routers. `GET /metrics` prints it for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


def _counter(registry: CollectorRegistry, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
    return Counter(f"archon_gateway_{name}", text, labels, registry=registry)


class Metrics:
    """The counters of one gateway. Children are kept by label set: looking one up costs as much as counting."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = _counter(
            registry, "requests_total", "Requests answered.", ("endpoint", "model", "upstream", "status")
        )
        self.errors = _counter(registry, "request_errors_total", "Requests that failed, by class.", ("error",))
        self.refused = _counter(registry, "client_refusals_total", "Requests refused unread, by class.", ("error",))
        self.attempts = _counter(registry, "upstream_attempts_total", "Requests sent to a server.", ("upstream",))
        self.upstream_errors = _counter(
            registry, "upstream_errors_total", "Failures of a server, by class.", ("upstream", "error")
        )
        self.retries = _counter(registry, "retries_total", "Tries after the first.", ("upstream",))
        self.retries_exhausted = _counter(registry, "retries_exhausted_total", "Requests given up after retries.")
        self.ejections = _counter(registry, "ejections_total", "Times a server was taken out.", ("upstream",))
        self.tokens = _counter(registry, "tokens_total", "Tokens as the servers counted them.", ("model", "type"))
        self.streams = _counter(registry, "streams_total", "Streams by how they ended.", ("outcome",))
        self.truncated = _counter(registry, "streams_truncated_total", "Streams that ended without a finish_reason.")
        self.after_leaving = _counter(
            registry, "tokens_after_client_left_total", "Token events that came for a client that had left."
        )
        self.cancelled = _counter(registry, "cancelled_total", "Requests whose client left before the end.")
        self.bad_lines = _counter(registry, "stream_bad_lines_total", "Lines of streams that are not SSE.")
        self.heals = _counter(registry, "heals_total", "Broken streams continued elsewhere.", ("result",))
        self.fallbacks = _counter(registry, "fallbacks_total", "Requests handed to a fallback.", ("provider", "result"))
        self.key_requests = _counter(registry, "key_requests_total", "Requests by API key.", ("key", "status"))
        self.clamped = _counter(registry, "context_full_total", "Answers cut by the context, not by max_tokens.")
        self.duration = Histogram(
            "archon_gateway_request_duration_seconds", "From the whole request to the whole answer.",
            ("endpoint", "model"), buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.first_token = Histogram(
            "archon_gateway_time_to_first_token_seconds", "From the whole request to a stream's first event.",
            ("model",), buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.running = Gauge("archon_gateway_running_requests", "Requests under way.", registry=registry)
        self.queued = Gauge(
            "archon_gateway_queued_requests", "Requests waiting for a free server.", ("pool",), registry=registry
        )
        self.outstanding = Gauge(
            "archon_gateway_upstream_outstanding", "Requests under way at a server.", ("upstream",), registry=registry
        )
        self.breaker = Gauge(
            "archon_gateway_cb_state", "0 closed, 1 open, 2 being probed.", ("upstream",), registry=registry
        )
        self.upstream_up = Gauge(
            "archon_gateway_upstream_up", "Whether the server gets requests.", ("upstream",), registry=registry
        )
        self._sent: dict[str, Counter] = {}
        self._asked: dict[tuple[str, int], Counter] = {}
        self.meters: dict[tuple[str, str, str, int], Meter] = {}

    def sent_to(self, upstream: str) -> None:
        """Count a request sent to a server."""
        child = self._sent.get(upstream)
        if child is None:
            child = self._sent[upstream] = self.attempts.labels(upstream)
        child.inc()

    def asked_by(self, key: str, status: int) -> None:
        """Count a request of the holder of a key."""
        child = self._asked.get((key, status))
        if child is None:
            child = self._asked[key, status] = self.key_requests.labels(key, str(status))
        child.inc()

    def meter(self, endpoint: str, model: str, upstream: str, status: int) -> Meter:
        """The children for one kind of request."""
        key = (endpoint, model, upstream, status)
        found = self.meters.get(key)
        if found is None:
            found = self.meters[key] = Meter(
                self.requests.labels(endpoint, model, upstream, str(status)),
                self.duration.labels(endpoint, model),
                self.first_token.labels(model),
                self.tokens.labels(model, "prompt"),
                self.tokens.labels(model, "completion"),
            )
        return found

    def page(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


@dataclass(frozen=True, slots=True)
class Meter:
    """The counters that one answered request moves."""

    requests: Counter = field(repr=False)
    duration: Histogram = field(repr=False)
    first_token: Histogram = field(repr=False)
    prompt_tokens: Counter = field(repr=False)
    completion_tokens: Counter = field(repr=False)
