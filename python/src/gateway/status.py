"""What a page about the gateway shows beside the pools' state: how much, how fast, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Counter, Histogram

from .metrics import Metrics


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and a 95th percentile in seconds, read off a histogram's buckets; None where nothing was counted."""

    count: int
    p50_s: float | None
    p95_s: float | None

    def to_dict(self) -> dict[str, object]:
        """As JSON."""
        return {"count": self.count, "p50_s": self.p50_s, "p95_s": self.p95_s}


def totals(metrics: Metrics, running: int) -> dict[str, object]:
    """The gateway as a whole since it started."""
    return {
        "running": running,
        "requests": round(sum(summed(metrics.requests, "endpoint").values())),
        "errors": summed(metrics.errors, "error"),
        "streams": summed(metrics.streams, "outcome"),
        "retries": round(sum(summed(metrics.retries, "upstream").values())),
        "heals": summed(metrics.heals, "result"),
        "fallbacks": summed(metrics.fallbacks, "provider"),
    }


def summed(counter: Counter, label: str, **only: str) -> dict[str, int]:
    """A counter's values by one of its labels, those of 0 left out; `only` keeps samples with these labels."""
    found: dict[str, int] = {}
    for metric in counter.collect():
        for sample in metric.samples:
            wanted = all(sample.labels.get(name) == value for name, value in only.items())
            if sample.name.endswith("_total") and wanted and sample.value:
                key = sample.labels.get(label, "")
                found[key] = found.get(key, 0) + round(sample.value)
    return found


def first_tokens(metrics: Metrics) -> dict[str, dict[str, object]]:
    """Seconds to the first token of streams, by model."""
    return {model: _spread(buckets).to_dict() for model, buckets in _buckets(metrics.first_token).items()}


def _buckets(histogram: Histogram) -> dict[str, dict[float, float]]:
    found: dict[str, dict[float, float]] = {}
    for metric in histogram.collect():
        for sample in metric.samples:
            if sample.name.endswith("_bucket"):
                found.setdefault(sample.labels["model"], {})[float(sample.labels["le"])] = sample.value
    return {model: buckets for model, buckets in found.items() if max(buckets.values())}


def _spread(buckets: Mapping[float, float]) -> Spread:
    count = max(buckets.values(), default=0.0)
    return Spread(round(count), _quantile(buckets, 0.5 * count), _quantile(buckets, 0.95 * count))


def _quantile(buckets: Mapping[float, float], rank: float) -> float | None:
    """Where the `rank`th observation lies, taken as evenly spread within its bucket; None above the last one."""
    lower, before = 0.0, 0.0
    for upper, count in sorted(buckets.items()):
        if count >= rank > 0:
            if upper == float("inf"):
                return None
            return round(lower + (upper - lower) * (rank - before) / max(count - before, 1.0), 4)
        lower, before = upper, count
    return None
