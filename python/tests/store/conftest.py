"""Every test of the store runs over each adapter: the embedded Postgres, any other by URL, and Supabase."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from src.config import REPOSITORY
from src.store.database import Database
from src.store.migrate import migrate
from src.store.place import StorePlace
from tests.fixtures.database import with_database

PLAIN = "archon_plain"
"""A role that owns its database and is nothing more: a Postgres of one's own gives no superuser."""


@pytest.fixture(scope="session")
def plain_template(postgres_url: str) -> str:
    """Name of a migrated database that belongs to an ordinary role."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create role archon_plain login password 'plain'"))
        connection.execute(sql.SQL("create database archon_plain_template owner archon_plain"))
    with psycopg.connect(with_database(postgres_url, "archon_plain_template"), autocommit=True) as connection:
        connection.execute("create extension vector")
    url = _plain(with_database(postgres_url, "archon_plain_template"))
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, migrate(url, REPOSITORY / "migration")).result()
    return "archon_plain_template"


@pytest.fixture(params=["embedded", "postgres", "supabase"])
def place(request: pytest.FixtureRequest) -> Iterator[StorePlace]:
    """A migrated, empty store of this test's own, over each adapter in turn."""
    folder = Path("/nonexistent")
    if request.param == "supabase":
        server = request.getfixturevalue("supabase")
        yield StorePlace("supabase", folder, server.url, server.key)
    elif request.param == "embedded":
        yield StorePlace("embedded", folder, request.getfixturevalue("database_url"))
    else:
        yield from _plain_place(request, folder)


@pytest.fixture
def admin_url(request: pytest.FixtureRequest, place: StorePlace) -> str:
    """The URL of the Postgres behind `place`, to put things there that have no function."""
    return request.getfixturevalue("supabase").admin_url if place.kind == "supabase" else str(place.url)


@pytest.fixture
async def database(place: StorePlace) -> AsyncIterator[Database]:
    """`place`, connected."""
    async with place.opened() as opened:
        yield opened


def _plain_place(request: pytest.FixtureRequest, folder: Path) -> Iterator[StorePlace]:
    url, template = request.getfixturevalue("postgres_url"), request.getfixturevalue("plain_template")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(f"create database {PLAIN} owner {PLAIN} template {template}"))  # type: ignore[arg-type]
        try:
            yield StorePlace("postgres", folder, _plain(with_database(url, PLAIN)))
        finally:
            connection.execute(sql.SQL(f"drop database {PLAIN} with (force)"))  # type: ignore[arg-type]


def _plain(url: str) -> str:
    return f"postgresql://{PLAIN}:plain@{url.rpartition('@')[2]}"
