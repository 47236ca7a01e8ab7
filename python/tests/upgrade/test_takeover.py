"""Archon v1's database, at each of its levels, taken over: counted, searched, and still v1's."""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from src.cli.takeover import look, take_over
from src.cli.upgrading import plan, upgrade
from src.config import Environment, load_environment
from src.errors import Conflict, SecretUnreadable
from src.settings import SecretBox
from src.settings.v1_cipher import decrypt
from src.store import settings_rows, v1
from src.store.place import MIGRATIONS, StorePlace, place_of
from src.store.search import Scope, SearchRepository
from tests.fixtures import v1_database
from tests.fixtures.supabase import SupabaseServer, renew_empty
from tests.fixtures.v1_database import LEVELS, SERVICE_KEY, SIZES, V1Chunk

_WORDS = ("gather", "coroutine", "lock", "socket", "queue", "event", "future", "signal")


def _vector(size: int, seed: int) -> list[float]:
    chance = random.Random(seed)
    raw = [chance.gauss(0, 1) for _ in range(size)]
    length = sum(part * part for part in raw) ** 0.5
    return [part / length for part in raw]


def _between(size: int) -> list[float]:
    """A question with five chunks near it, one nearer than the other."""
    near = [_vector(size, size * 1000 + n) for n in range(5)]
    return [sum((5 - n) * vector[at] for n, vector in enumerate(near)) for at in range(size)]


def chunks(size: int = 1536, count: int = 12, model: str | None = "text-embedding-3-small") -> list[V1Chunk]:
    """Chunks of three pages with unit vectors of `size`; `V1Chunk.url` is unique by size."""
    return [
        V1Chunk(
            f"https://v1.test/{size}/{n % 3}", n // 3, f"{_WORDS[n % 8]} of {size}, passage {n}",
            _vector(size, size * 1000 + n), model,
        )
        for n in range(count)
    ]  # fmt: skip


@pytest.fixture
def environment(empty_database_url: str, tmp_path: Path) -> Environment:
    return load_environment(
        {"DATABASE_URL": empty_database_url, "SUPABASE_SERVICE_KEY": SERVICE_KEY, "ARCHON_DATA_DIR": str(tmp_path)}
    )


@pytest.fixture
def place(environment: Environment) -> StorePlace:
    return place_of(environment)


def _quiet(_text: str) -> None:
    return None


async def _upgrade(place: StorePlace, environment: Environment, *, retire: bool = False) -> dict[str, object]:
    return dict((await upgrade(place, environment, retire=retire, say=_quiet)).body)


def _ask(url: str, question: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(question, values or None)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize("level", LEVELS)
async def test_every_level_is_taken_over_whole(place: StorePlace, environment: Environment, level: str) -> None:
    v1_database.build(str(place.url), level)
    v1_database.fill(str(place.url), chunks())
    body = await _upgrade(place, environment)
    taken = body["archon_v1"]
    assert isinstance(taken, dict)
    assert (taken["vectors_taken"], taken["without_vector"], taken["secrets_taken"]) == (12, 0, ["OPENAI_API_KEY"])
    async with place.opened() as database:
        found = await SearchRepository(database).chunks(
            space=1, vector=array("f", _vector(1536, 1536 * 1000 + 5)), words="unheard", scope=Scope(), limit=3
        )
    assert found[0].content.endswith("passage 5")


def _v1_nearest(url: str, vector: Sequence[float], size: int) -> list[object]:
    rows = _ask(url, "select id from match_archon_crawled_pages_multi(%s::vector, %s, 5)", str(list(vector)), size)
    return [row[0] for row in rows]


async def _ours_nearest(place: StorePlace, vector: Sequence[float], size: int) -> list[object]:
    async with place.opened() as database:
        space = next(space.space_id for space in await v1.taken(database) if space.dimensions == size)
        found = await SearchRepository(database).chunks(
            space=space, vector=array("f", vector), words="unheard", scope=Scope(), limit=5
        )
    return [hit.id for hit in found]


@pytest.fixture
def five_sizes(place: StorePlace) -> str:
    """A database of level 011 with vectors of all of v1's sizes."""
    url = str(place.url)
    v1_database.build(url)
    every = [chunk for size in SIZES for chunk in chunks(size, model=f"model-{size}")]
    v1_database.fill(
        url, every, examples=[V1Chunk("https://v1.test/code", 0, "print(1)", _vector(768, 7), "model-768")]
    )
    return url


async def test_all_five_sizes_find_the_passages_that_v1_finds(
    place: StorePlace, environment: Environment, five_sizes: str
) -> None:
    questions = {size: _between(size) for size in SIZES}
    before = {size: _v1_nearest(five_sizes, vector, size) for size, vector in questions.items()}
    await _upgrade(place, environment)
    after = {size: await _ours_nearest(place, vector, size) for size, vector in questions.items()}
    assert after == before
    assert {size: _v1_nearest(five_sizes, vector, size) for size, vector in questions.items()} == before


async def test_v1_still_reads_and_writes_its_own(place: StorePlace, environment: Environment, five_sizes: str) -> None:
    await _upgrade(place, environment)
    upsert = (
        "insert into archon_page_metadata (source_id, url, full_content, word_count, char_count) values ('v1source',"
        " 'https://v1.test/384/0', 'new', 1, 3) on conflict (url) do update set full_content = excluded.full_content"
    )
    _ask(five_sizes, upsert)
    chunk = "insert into archon_crawled_pages (url, chunk_number, content, source_id, embedding_384) values"
    _ask(
        five_sizes,
        f"{chunk} ('https://v1.test/new', 0, 'fresh gather', 'v1source', %s)",
        str(_vector(384, 5)),
    )
    hybrid = "select match_type from hybrid_search_archon_crawled_pages_multi(%s::vector, 384, 'fresh gather', 1)"
    assert _ask(five_sizes, hybrid, str(_vector(384, 5))) == [("hybrid",)]
    secret = _ask(five_sizes, "select encrypted_value from archon_settings where key = 'OPENAI_API_KEY'")[0][0]
    assert decrypt(str(secret), SERVICE_KEY) == "sk-from-v1"
    assert _ask(five_sizes, "select count(*) from archon_tasks t, archon_projects p") == [(1,)]


async def test_indexes_wait_for_the_server_and_can_be_built_at_once(
    place: StorePlace, environment: Environment, five_sizes: str
) -> None:
    hnsw = "select count(*) from pg_indexes where indexdef like '%%USING hnsw%%' and tablename like '%%_p1'"
    waits = (await _upgrade(place, environment))["indexes_waiting"]
    assert (isinstance(waits, int) and waits >= 4, _ask(five_sizes, hnsw)) == (True, [(0,)])
    body = (await upgrade(place, environment, retire=False, build=True, say=_quiet)).body
    assert (body["indexes_waiting"], body["indexes_built"]) == (0, waits)
    assert _ask(five_sizes, hnsw) == [(5,)]


async def test_what_v1_writes_afterwards_is_taken_over_by_the_next_run(
    place: StorePlace, environment: Environment, five_sizes: str
) -> None:
    await _upgrade(place, environment)
    v1_database.fill(five_sizes, [V1Chunk("https://v1.test/later", 0, "later", _vector(384, 5), "model-384")])
    body = await _upgrade(place, environment)
    assert body["archon_v1"]["vectors_taken"] == 1  # type: ignore[index]
    assert "archon_v1" not in await _upgrade(place, environment)


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(place: StorePlace, five_sizes: str) -> None:
    tables = "select relname, relnatts from pg_class where relnamespace = 'public'::regnamespace order by 1"
    before = _ask(five_sizes, tables)
    outcome = await plan(place)
    found = outcome.body["archon_v1"]
    assert isinstance(found, dict)
    assert (found["level"], found["counts"]["archon_crawled_pages"], found["secrets"]) == ("011", 60, 1)  # type: ignore[index, call-overload]
    assert any("12 chunks of model-3072, 3072 dimensions" in line for line in outcome.lines)
    assert _ask(five_sizes, tables) == before


async def test_a_takeover_that_was_cut_goes_on_where_it_was(
    place: StorePlace, environment: Environment, five_sizes: str
) -> None:
    await place.bring_up_to_date()
    async with place.opened() as database:
        assert await v1.take(database, "chunk", fallback_model="x", rows=7) == (7, 7)
        done = await take_over(database, environment, _quiet)
        assert done is not None
        assert (done.vectors, sum(space.chunks for space in done.spaces)) == (54, 60)


async def test_chunks_without_vectors_are_counted_and_found_by_words(
    place: StorePlace, environment: Environment
) -> None:
    v1_database.build(str(place.url))
    lost = V1Chunk("https://v1.test/lost", 0, "a zygomorphic remark", None)
    empty = V1Chunk("https://v1.test/zero", 0, "nothing", [0.0] * 384)
    v1_database.fill(str(place.url), [*chunks(), lost, empty])
    body = await _upgrade(place, environment)
    assert body["archon_v1"]["without_vector"] == 2  # type: ignore[index]
    async with place.opened() as database:
        found = await SearchRepository(database).chunks(
            space=None, vector=None, words="zygomorphic", scope=Scope(), limit=3
        )
    assert [hit.content for hit in found] == ["a zygomorphic remark"]


async def test_rows_without_a_model_belong_to_the_model_of_v1s_settings(
    place: StorePlace, environment: Environment
) -> None:
    v1_database.build(str(place.url))
    v1_database.fill(str(place.url), chunks(model=None))
    await _upgrade(place, environment)
    async with place.opened() as database:
        assert [(space.model, space.chunks) for space in await v1.taken(database)] == [("text-embedding-3-small", 12)]


async def test_secrets_are_sealed_with_our_key_and_v1s_text_stays(place: StorePlace, environment: Environment) -> None:
    v1_database.build(str(place.url))
    await _upgrade(place, environment)
    async with place.opened() as database:
        row = next(row for row in await settings_rows.load(database) if row.key == "OPENAI_API_KEY")
    box = SecretBox.of(None, environment.data_dir)
    assert box.open(row.key, row.sealed or "") == "sk-from-v1"
    assert decrypt(row.encrypted_value or "", SERVICE_KEY) == "sk-from-v1"


async def test_a_secret_of_another_service_key_is_named_and_the_rest_goes_on(
    place: StorePlace, environment: Environment
) -> None:
    v1_database.build(str(place.url))
    v1_database.fill(str(place.url), chunks())
    other = load_environment({**environment.values, "SUPABASE_SERVICE_KEY": "another"})
    outcome = await upgrade(place, other, retire=False, say=_quiet)
    assert outcome.body["archon_v1"]["secrets_unreadable"] == ["OPENAI_API_KEY"]  # type: ignore[index, call-overload]
    assert any("Enter them again in Settings" in line for line in outcome.lines)
    assert (await _upgrade(place, environment))["archon_v1"]["secrets_taken"] == ["OPENAI_API_KEY"]  # type: ignore[index]


async def test_a_retired_v1_has_no_secrets_left_but_those_we_could_not_read(
    place: StorePlace, environment: Environment
) -> None:
    v1_database.build(str(place.url))
    _ask(
        str(place.url),
        "insert into archon_settings (key, encrypted_value, is_encrypted) values ('GROK_API_KEY', 'x', true)",
    )
    body = await _upgrade(place, environment, retire=True)
    assert body["kept_secrets"] == ["GROK_API_KEY"]
    left = _ask(str(place.url), "select key, encrypted_value from archon_settings where encrypted_value is not null")
    assert left == [("GROK_API_KEY", "x")]
    with pytest.raises(SecretUnreadable):
        decrypt("x", SERVICE_KEY)


async def test_nothing_is_retired_where_v1_never_was(place: StorePlace, environment: Environment) -> None:
    with pytest.raises(Conflict):
        await _upgrade(place, environment, retire=True)
    assert await look(place) is None


async def test_the_same_address_in_a_second_source_says_why_it_cannot_be_while_v1_may_run(
    place: StorePlace, environment: Environment, five_sizes: str
) -> None:
    await _upgrade(place, environment)
    ours = (
        "insert into archon_page_metadata (source_id, url, url_key, full_content, word_count, char_count)"
        " values ('mine', 'https://v1.test/384/0', 'https://v1.test/384/0', 'x', 1, 1)"
    )
    _ask(five_sizes, "insert into archon_sources (source_id) values ('mine')")
    with pytest.raises(psycopg.errors.UniqueViolation, match="retire-v1"):
        _ask(five_sizes, ours)
    await _upgrade(place, environment, retire=True)
    assert _ask(five_sizes, ours) == []


async def test_a_half_done_step_of_v1_is_taken_from_both_columns(place: StorePlace, environment: Environment) -> None:
    v1_database.build(str(place.url), "003")
    v1_database.fill(str(place.url), chunks(count=6))
    _ask(
        str(place.url), "update archon_crawled_pages set embedding = embedding_1536, embedding_1536 = null where id < 4"
    )
    body = await _upgrade(place, environment)
    assert body["archon_v1"]["vectors_taken"] == 6  # type: ignore[index]


async def test_through_supabase_it_is_the_setup_script_and_then_the_same(
    postgres_url: str, supabase_server: SupabaseServer, environment: Environment
) -> None:
    admin_url = renew_empty(postgres_url)
    v1_database.build(admin_url)
    v1_database.fill(admin_url, chunks())
    place = StorePlace("supabase", environment.data_dir, supabase_server.url, supabase_server.key)
    _ask(admin_url, (MIGRATIONS / "complete_setup.sql").read_text())
    body = await _upgrade(place, environment)
    assert (body["archon_v1"]["vectors_taken"], body["archon_v1"]["secrets_taken"]) == (12, ["OPENAI_API_KEY"])  # type: ignore[index]
