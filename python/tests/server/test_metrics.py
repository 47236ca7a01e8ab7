"""The server's figures for Prometheus, read with Prometheus' own parser."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from .conftest import StartServer


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_failures_by_class(start_server: StartServer) -> None:
    server = start_server()
    for name in ("one", "two"):
        assert httpx.get(f"{server}/api/credentials/{name}").status_code == 404
    assert httpx.get(f"{server}/nobody/knows/this").status_code == 404
    found = samples(httpx.get(f"{server}/metrics").text)
    asked = (("method", "GET"), ("route", "/api/credentials/{key}"), ("status", "404"))
    assert found["archon_http_requests_total", asked] == 2
    assert found["archon_http_requests_total", (("method", "GET"), ("route", "other"), ("status", "404"))] == 1
    assert found["archon_errors_total", (("code", "not_found"), ("provider", ""))] >= 2


def test_the_database_is_told(start_server: StartServer) -> None:
    found = samples(httpx.get(f"{start_server()}/metrics").text)
    assert found["archon_database_up", ()] == 1
    assert found["archon_database_bytes", ()] > 1_000_000
    assert ("archon_rows", (("table", "sources"),)) in found
    assert found["process_resident_memory_bytes", ()] > 10_000_000


def test_beyond_this_machine_figures_want_the_token(start_server: StartServer) -> None:
    token = "a-long-random-text-for-this-test"
    server = start_server(ARCHON_BIND="0.0.0.0", ARCHON_TOKEN=token)
    assert httpx.get(f"{server}/metrics").status_code == 401
    answer = httpx.get(f"{server}/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.headers["content-type"].startswith("text/plain")
