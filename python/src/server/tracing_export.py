"""Sends spans to an OTLP collector over HTTP, in batches and in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from src.config.export import export_values

LAST_S = 2.0
"""How long the last spans may take to leave, in seconds: a collector that is away must not hold up a stop."""


@contextmanager
def exporting(service: str, values: Mapping[str, str]) -> Iterator[None]:
    """Make every span of this process go to the collector named in `values` (the OTEL_ variables)."""
    # The SDK reads its variables from the process; those of `.env` are not there yet.
    export_values({name: value for name, value in values.items() if name.startswith("OTEL_")})
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(LAST_S)
