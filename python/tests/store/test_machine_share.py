"""The embedded Postgres takes a share of the machine, and of a container's limit where that is less."""

from __future__ import annotations

from pathlib import Path

import psutil
import psycopg
import pytest

from src.store.machine_share import postgres_settings

GIGABYTE = 1024**3


def _machine(monkeypatch: pytest.MonkeyPatch, gigabytes: float) -> None:
    memory = psutil.virtual_memory()._replace(total=int(gigabytes * GIGABYTE))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


@pytest.mark.parametrize(
    ("gigabytes", "pages", "build"),
    [(0.25, "128MB", "256MB"), (8, "2048MB", "512MB"), (24, "6144MB", "1536MB"), (256, "8192MB", "2048MB")],
)
def test_shares_of_the_memory_are_for_pages_and_for_building_indexes(
    monkeypatch: pytest.MonkeyPatch, gigabytes: float, pages: str, build: str
) -> None:
    _machine(monkeypatch, gigabytes)
    settings = postgres_settings(())
    assert (settings["shared_buffers"], settings["maintenance_work_mem"]) == (pages, build)


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _machine(monkeypatch, 64)
    limit, unlimited = tmp_path / "memory.max", tmp_path / "other"
    limit.write_text(f"{4 * GIGABYTE}\n")
    unlimited.write_text("max\n")
    assert postgres_settings((limit, unlimited, tmp_path / "missing"))["shared_buffers"] == "1024MB"


@pytest.mark.parametrize(("cores", "helpers"), [(1, "0"), (2, "0"), (4, "1"), (16, "7")])
def test_less_than_half_of_the_cores_build_an_index(cores: int, helpers: str) -> None:
    assert postgres_settings((), cores)["max_parallel_maintenance_workers"] == helpers


async def test_the_embedded_postgres_is_started_with_them(postgres_url: str) -> None:
    connection = await psycopg.AsyncConnection.connect(postgres_url)
    async with connection:
        for name, value in postgres_settings().items():
            row = await (
                await connection.execute(
                    "select pg_size_bytes(%s) = pg_size_bytes(current_setting(%s)) from pg_settings where name = %s",
                    (value, name, name),
                )
            ).fetchone()
            assert row == (True,), name
