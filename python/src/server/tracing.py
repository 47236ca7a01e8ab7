"""Traces for whoever collects them: FastAPI makes a span of each request, the pool one of each model request in it.

Without a collector (`OTEL_EXPORTER_OTLP_ENDPOINT`) the spans are OpenTelemetry's empty ones and cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from src.config import Environment


@contextmanager
def tracing(environment: Environment, service: str) -> Iterator[None]:
    """Send spans to the collector that the environment names while the block runs; nothing where it names none.

    The standard variables hold: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME.
    """
    if environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") is None:
        yield
        return
    # Loaded only here: it takes memory and start-up time that nobody without a collector should pay.
    export = import_module("src.server.tracing_export")
    with export.exporting(environment.get("OTEL_SERVICE_NAME") or service, environment.values):
        yield
