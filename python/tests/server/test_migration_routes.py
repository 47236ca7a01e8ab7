"""Archon v1's paths for migrations, version and metrics, over a real database."""

from __future__ import annotations

from pathlib import Path

import httpx
import psycopg
import pytest

from src.config import load_environment
from src.server.schema_view import look_at_schema
from src.server.startup import Startup
from src.store.migrate import available
from src.store.place import MIGRATIONS
from tests.fixtures import v1_database
from tests.fixtures.supabase import SupabaseServer

from .conftest import StartServer, serving


async def test_nothing_is_pending_once_the_server_runs(api: httpx.AsyncClient) -> None:
    body = (await api.get("/api/migrations/status")).json()
    files = available(MIGRATIONS)
    assert (body["has_pending"], body["pending_count"], body["applied_count"]) == (False, 0, len(files))
    assert (body["next_step"], body["bootstrap_required"]) == (None, False)
    assert set(body["applied_migrations"][0]) == {"version", "migration_name", "applied_at", "checksum"}


async def test_history_is_newest_first_and_has_an_etag_that_matches_itself(api: httpx.AsyncClient) -> None:
    first = await api.get("/api/migrations/history")
    versions = [row["version"] for row in first.json()["migrations"]]
    again = await api.get("/api/migrations/history", headers={"If-None-Match": first.headers["etag"]})
    assert (versions[0] > versions[-1], again.status_code) == (True, 304)


async def test_what_is_pending_is_shown_with_its_sql(start_server: StartServer, database_url: str) -> None:
    address = start_server()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("delete from archon_migrations where version = '0083'")
    async with httpx.AsyncClient(base_url=address) as client:
        [pending] = (await client.get("/api/migrations/pending")).json()
        body = (await client.get("/api/migrations/status")).json()
    assert (pending["version"], pending["file_path"]) == ("0083", "migration/0083_metrics.sql")
    assert "archon_database_metrics" in pending["sql_content"]
    assert "archon migrate" in body["next_step"]


async def test_version_is_told_and_nobody_else_is_asked(api: httpx.AsyncClient) -> None:
    current = (await api.get("/api/version/current")).json()["version"]
    check = (await api.get("/api/version/check")).json()
    assert (check["current"], check["update_available"]) == (current, False)
    assert check["check_error"]
    assert (await api.post("/api/version/clear-cache")).json()["success"] is True


async def test_metrics_count_what_is_stored(api: httpx.AsyncClient) -> None:
    body = (await api.get("/api/database/metrics")).json()
    assert set(body["tables"]) == {"projects", "tasks", "crawled_pages", "settings"}
    assert body["total_records"] == sum(body["tables"].values())


async def test_a_database_of_v1_says_what_is_left_to_take_over(
    start_server: StartServer, empty_database_url: str
) -> None:
    v1_database.build(empty_database_url)
    v1_database.fill(empty_database_url, [v1_database.V1Chunk("https://v1/a", 0, "text", [1.0] * 384)])
    address = start_server(DATABASE_URL=empty_database_url)
    async with httpx.AsyncClient(base_url=address) as client:
        body = (await client.get("/api/migrations/status")).json()
        tables = (await client.get("/api/database/metrics")).json()["tables"]
    assert (body["archon_v1_pending"], tables["projects"], tables["tasks"]) == (1, 1, 1)
    assert "archon migrate" in body["next_step"]


async def test_the_whole_server_works_over_supabase(supabase: SupabaseServer, free_port: int, tmp_path: Path) -> None:
    values = {
        "SUPABASE_URL": supabase.url,
        "SUPABASE_SERVICE_KEY": supabase.key,
        "ARCHON_SERVER_PORT": str(free_port),
        "ARCHON_DATA_DIR": str(tmp_path),
    }
    with serving(values) as address:
        async with httpx.AsyncClient(base_url=address) as client:
            saved = await client.put("/api/settings", json={"values": {"VLLM_BASE_URL": "http://127.0.0.1:9"}})
            health = (await client.get("/health")).json()
            metrics = (await client.get("/api/database/metrics")).json()
    assert (saved.status_code, health["ready"], metrics["database"]) == (200, True, "supabase")
    assert not (tmp_path / "postgres").exists()


async def test_a_server_that_cannot_start_still_says_what_is_pending(supabase: SupabaseServer, tmp_path: Path) -> None:
    with psycopg.connect(supabase.admin_url, autocommit=True) as connection:
        connection.execute("delete from archon_migrations where version = '0083'")
    values = {"SUPABASE_URL": supabase.url, "SUPABASE_SERVICE_KEY": supabase.key, "ARCHON_DATA_DIR": str(tmp_path)}
    view = await look_at_schema(Startup(_never), load_environment(values))
    assert [file.version for file in view.state.pending] == ["0083"]
    assert "complete_setup.sql" in str(view.next_step)


def _never() -> object:
    pytest.fail("nothing is opened to look")
