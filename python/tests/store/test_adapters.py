"""What every adapter gives: the same values, the same errors, and no edge at a thousand rows."""

from __future__ import annotations

from array import array

import psycopg
import pytest

from src.errors import ArchonError, Conflict, InvalidInput, MigrationNeeded, NotFound, StoreError
from src.store.columns import need, need_vector
from src.store.database import Database, Json, SqlValue
from src.store.place import StorePlace
from src.store.search import reason_of

_PIECES = array("f", [0.1, -1e-7, 3.4e38, 1 / 3])


async def _define(url: str, declaration: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(f"create function {declaration}")  # type: ignore[arg-type]


async def test_a_vector_comes_back_to_the_last_bit(database: Database, admin_url: str) -> None:
    await _define(admin_url, "archon_echo(v vector) returns table (echo vector) language sql as 'select v'")
    rows = await database.call("archon_echo", v=_PIECES)
    assert need_vector(rows[0], "echo") == _PIECES


async def test_a_list_of_vectors_is_one_argument(database: Database, admin_url: str) -> None:
    await _define(
        admin_url, "archon_sizes(v vector[]) returns int language sql as 'select sum(vector_dims(x)) from unnest(v) x'"
    )
    assert await database.call("archon_sizes", v=[array("f", [1.0]), _PIECES]) == [{"archon_sizes": 5}]


@pytest.mark.parametrize("value", [{"a": [1, None, "ü", {"b": 'x"\\y'}]}, [1, 2], [], "words", 7, True, None])
async def test_json_travels_both_ways(database: Database, admin_url: str, value: object) -> None:
    await _define(admin_url, "archon_echo(j jsonb) returns table (whole jsonb) language sql as $$ select j->'v' $$")
    assert await database.call("archon_echo", j=Json({"v": value})) == [{"whole": value}]


async def test_json_inside_a_string_is_understood(database: Database) -> None:
    assert await database.call("archon_json", argument=Json('{"a": 1}')) == [{"archon_json": {"a": 1}}]


@pytest.mark.parametrize("texts", [[], ["a", 'b,c"d{}', "NULL", "", "\\n'"]])
async def test_texts_keep_their_signs(database: Database, admin_url: str, texts: list[str]) -> None:
    await _define(admin_url, "archon_echo(t text[]) returns table (t2 text[]) language sql as 'select t'")
    assert await database.call("archon_echo", t=texts) == [{"t2": texts}]


@pytest.mark.parametrize("value", [None, 9_007_199_254_740_991, -0.1, "2026-11-21", True])
async def test_a_plain_value_keeps_its_type(database: Database, admin_url: str, value: SqlValue) -> None:
    kind = {bool: "boolean", int: "bigint", float: "double precision"}.get(type(value), "text")
    await _define(
        admin_url,
        f"archon_echo(a {kind}, b integer default 3) returns table (c {kind}, d int) language sql as 'select a, b'",
    )
    assert await database.call("archon_echo", a=value) == [{"c": value, "d": 3}]


async def test_more_rows_than_a_rest_face_gives_at_once_all_come(database: Database, admin_url: str) -> None:
    await _define(admin_url, "archon_many() returns table (n int) language sql as 'select generate_series(1, 2500)'")
    assert [row["n"] for row in await database.call("archon_many")] == list(range(1, 2501))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        ("raise exception 'gone' using errcode = 'no_data_found'", NotFound),
        ("raise exception 'twice' using errcode = 'unique_violation'", Conflict),
        ("raise exception 'held' using errcode = 'lock_not_available'", Conflict),
        ("perform 'x'::int", InvalidInput),
        ("perform 1 from archon_of_tomorrow", MigrationNeeded),
    ],
)
async def test_what_a_function_raises_gets_its_class(
    database: Database, admin_url: str, raised: str, expected: type[ArchonError]
) -> None:
    await _define(admin_url, f"archon_f() returns void language plpgsql as $$ begin {raised}; end $$")
    with pytest.raises(expected) as caught:
        await database.call("archon_f")
    assert caught.value.context.operation == "archon_f"


async def test_a_call_that_fails_has_changed_nothing(database: Database, admin_url: str) -> None:
    failing = "raise exception 'no' using errcode = 'data_exception'"
    body = f"begin insert into archon_sources (source_id) values ('s'); {failing}; end"
    await _define(admin_url, f"archon_f() returns void language plpgsql as $$ {body} $$")
    with pytest.raises(InvalidInput):
        await database.call("archon_f")
    rows = await database.call(
        "archon_source_summaries", source=None, knowledge_type=None, search=None, row_limit=5, row_offset=0
    )
    assert rows == []


async def test_a_missing_function_asks_for_migration(database: Database) -> None:
    with pytest.raises(MigrationNeeded) as caught:
        await database.call("archon_of_tomorrow")
    assert "archon migrate" in caught.value.next_step


async def test_the_state_names_kind_and_versions(database: Database, place: StorePlace) -> None:
    state = await database.state()
    assert (state.kind, state.vector_version is not None) == (place.kind, True)
    assert state.server_version.split(".")[0].isdigit()


async def test_nothing_is_pending_in_a_store_that_is_up_to_date(place: StorePlace) -> None:
    state = await place.schema_state()
    assert (state.pending, state.unknown, len(state.applied)) == ((), (), len(state.files))
    assert await place.bring_up_to_date() in ([], ())


async def test_a_whole_number_in_a_float_column_is_a_float(database: Database, admin_url: str) -> None:
    await _define(admin_url, "archon_echo() returns table (share double precision) language sql as 'select 1.0'")
    share = need((await database.call("archon_echo"))[0], "share", float)
    assert (share, type(share)) == (1.0, float)


async def test_a_word_that_a_newer_database_gives_is_named_with_what_to_do(database: Database, admin_url: str) -> None:
    await _define(admin_url, "archon_echo() returns table (reason text) language sql as $$select 'unheard of'$$")
    row = (await database.call("archon_echo"))[0]
    with pytest.raises(StoreError) as refused:
        reason_of(row, "reason")
    assert "reason" in refused.value.message
    assert "archon migrate" in refused.value.next_step
