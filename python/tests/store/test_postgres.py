"""The psycopg adapter on a real Postgres: values travel both ways and every failure has its class."""

import asyncio
from array import array
from collections.abc import AsyncIterator

import psycopg
import pytest

from src.errors import Conflict, InvalidInput, MigrationNeeded, NotFound, StoreUnavailable
from src.store.database import Json
from src.store.postgres import PostgresDatabase


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PostgresDatabase]:
    """This adapter alone."""
    connected = await PostgresDatabase.connect(database_url)
    yield connected
    await connected.close()


async def define(url: str, body: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(body)  # type: ignore[arg-type]


async def test_vectors_come_back_as_they_went(database: PostgresDatabase, database_url: str) -> None:
    await define(database_url, "create function echo(v vector) returns vector language sql as 'select v'")
    rows = await database.call("echo", v=array("f", [1.0, -0.5, 3.25]))
    assert rows == [{"echo": array("f", [1.0, -0.5, 3.25])}]


async def test_a_list_of_vectors_is_one_argument(database: PostgresDatabase, database_url: str) -> None:
    await define(
        database_url, "create function count_of(v vector[]) returns int language sql as 'select cardinality(v)'"
    )
    rows = await database.call("count_of", v=[array("f", [1.0]), array("f", [2.0])])
    assert rows == [{"count_of": 2}]


async def test_json_travels_both_ways(database: PostgresDatabase, database_url: str) -> None:
    await define(
        database_url, "create function echo_json(j jsonb) returns jsonb language sql as 'select archon_json(j)'"
    )
    assert await database.call("echo_json", j=Json({"a": [1, None, "ü"]})) == [{"echo_json": {"a": [1, None, "ü"]}}]


async def test_json_inside_a_string_is_understood(database: PostgresDatabase, database_url: str) -> None:
    await define(
        database_url, "create function echo_json(j jsonb) returns jsonb language sql as 'select archon_json(j)'"
    )
    assert await database.call("echo_json", j=Json('{"a": 1}')) == [{"echo_json": {"a": 1}}]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        ("raise exception 'gone' using errcode = 'no_data_found'", NotFound),
        ("raise exception 'twice' using errcode = 'unique_violation'", Conflict),
        ("perform 'x'::int", InvalidInput),
    ],
)
async def test_what_a_function_raises_gets_its_class(
    database: PostgresDatabase, database_url: str, raised: str, expected: type[Exception]
) -> None:
    await define(database_url, f"create function f() returns void language plpgsql as $$ begin {raised}; end $$")
    with pytest.raises(expected):
        await database.call("f")


async def test_a_missing_function_asks_for_migration(database: PostgresDatabase) -> None:
    with pytest.raises(MigrationNeeded) as caught:
        await database.call("archon_of_tomorrow")
    assert "archon migrate" in caught.value.next_step


async def test_an_unreachable_database_is_named_without_its_password(free_port: int) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await PostgresDatabase.connect(f"postgresql://u:hunter2@127.0.0.1:{free_port}/x")
    assert "hunter2" not in str(caught.value.to_dict())


async def test_the_state_names_versions(database: PostgresDatabase) -> None:
    state = await database.state()
    assert state.server_version.split(".")[0].isdigit()
    assert state.vector_version is not None


async def test_a_cancelled_call_ends_while_the_pool_hands_out_a_connection(database: PostgresDatabase) -> None:
    for _ in range(50):
        calls = [asyncio.create_task(_calls_for_ever(database)) for _ in range(4)]
        await database.call("archon_jobs_open")
        for call in calls:
            call.cancel()
        async with asyncio.timeout(5):
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)


async def _calls_for_ever(database: PostgresDatabase) -> None:
    while True:
        await database.call("archon_jobs_open")


async def test_a_connection_that_the_server_ended_is_not_used(database: PostgresDatabase, database_url: str) -> None:
    await database.state()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as admin:
        ended = await admin.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database()"
        )
        assert [row[0] for row in await ended.fetchall()] == [True]
    assert (await database.state()).kind == "postgres"


async def test_the_calls_of_an_ingest_leave_connections_for_people(
    database: PostgresDatabase, database_url: str
) -> None:
    await define(
        database_url,
        "create function archon_page_known(held int) returns int language sql as"
        " 'select pg_advisory_xact_lock_shared(held); select held'",
    )
    await define(database_url, "create function answer() returns int language sql as 'select 42'")
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("select pg_advisory_xact_lock(7)")
        pages = [asyncio.create_task(database.call("archon_page_known", held=7)) for _ in range(40)]
        async with asyncio.timeout(5):
            while await _waiting(holder) < 6:  # noqa: ASYNC110 - Postgres sets no event
                await asyncio.sleep(0.05)
            assert await database.call("answer") == [{"answer": 42}]
            assert await _waiting(holder) == 6
    assert await asyncio.gather(*pages) == [[{"archon_page_known": 7}]] * 40


async def _waiting(connection: psycopg.AsyncConnection) -> int:
    """How many wait for an advisory lock."""
    found = await connection.execute("select count(*) from pg_locks where locktype = 'advisory' and not granted")
    return (await found.fetchone() or (0,))[0]
