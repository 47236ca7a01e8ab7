"""The fixtures that other tests stand on."""

from src.store.postgres import PostgresDatabase


async def test_a_test_gets_a_migrated_empty_database(database: PostgresDatabase) -> None:
    assert list(await database.call("archon_settings_list")) == []


async def test_the_test_database_has_a_pgvector_that_the_product_accepts(database: PostgresDatabase) -> None:
    state = await database.state()
    assert tuple(int(part) for part in (state.vector_version or "0").split(".")[:2]) >= (0, 8)


def test_two_tests_never_share_a_database(database_url: str, empty_database_url: str) -> None:
    assert database_url != empty_database_url
