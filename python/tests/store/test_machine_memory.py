"""The embedded Postgres takes a share of the memory that there is, and of a container's limit where that is less."""

from __future__ import annotations

from pathlib import Path

import psutil
import psycopg
import pytest

from src.store.machine_memory import page_cache_mb

GIGABYTE = 1024**3


def _machine(monkeypatch: pytest.MonkeyPatch, gigabytes: float) -> None:
    memory = psutil.virtual_memory()._replace(total=int(gigabytes * GIGABYTE))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


@pytest.mark.parametrize(("gigabytes", "wanted"), [(0.5, 128), (8, 1024), (24, 3072), (256, 4096)])
def test_an_eighth_of_the_machine_is_for_pages(monkeypatch: pytest.MonkeyPatch, gigabytes: float, wanted: int) -> None:
    _machine(monkeypatch, gigabytes)
    assert page_cache_mb(()) == wanted


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _machine(monkeypatch, 64)
    limit, unlimited = tmp_path / "memory.max", tmp_path / "other"
    limit.write_text(f"{4 * GIGABYTE}\n")
    unlimited.write_text("max\n")
    assert page_cache_mb((limit, unlimited, tmp_path / "missing")) == 512


async def test_the_embedded_postgres_is_started_with_it(postgres_url: str) -> None:
    connection = await psycopg.AsyncConnection.connect(postgres_url)
    async with connection:
        row = await (
            await connection.execute("select setting::bigint * 8 / 1024 from pg_settings where name = 'shared_buffers'")
        ).fetchone()
    assert row == (page_cache_mb(),)
