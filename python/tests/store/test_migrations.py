"""Migrations and the one script of all of them: the same schema, however it came about."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from src.config import REPOSITORY
from src.errors import MigrationNeeded, StoreError
from src.store.migrate import available, migrate, schema_state_at
from src.store.setup_script import complete_setup

FOLDER = REPOSITORY / "migration"
_SCHEMA = """
  select 'column', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod)
    || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') || ' ' || a.attnotnull::text
    from pg_class c join pg_attribute a on a.attrelid = c.oid
      left join pg_attrdef d on (d.adrelid, d.adnum) = (c.oid, a.attnum)
    where c.relname like 'archon%' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
  union all select 'index', indexname, indexdef from pg_indexes where tablename like 'archon%'
  union all select 'constraint', conname, pg_get_constraintdef(oid) from pg_constraint where conname like 'archon%'
  union all select 'trigger', tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
  union all select 'function', oid::regprocedure::text, prosrc || provolatile::text from pg_proc
    where proname like 'archon%'
  union all select 'migration', version, migration_name || checksum from archon_migrations
  order by 1, 2, 3
"""


def _schema(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(_SCHEMA).fetchall()  # type: ignore[arg-type]


def _run(url: str, script: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(script)  # type: ignore[arg-type]


def test_the_script_of_all_migrations_is_their_sum(empty_database_url: str, database_url: str) -> None:
    _run(empty_database_url, complete_setup(FOLDER))
    assert _schema(empty_database_url) == _schema(database_url)


def test_the_script_can_be_run_again_and_over_what_is_there(database_url: str) -> None:
    before = _schema(database_url)
    _run(database_url, complete_setup(FOLDER))
    assert _schema(database_url) == before


def test_the_script_in_the_repository_is_of_these_files() -> None:
    assert (FOLDER / "complete_setup.sql").read_text() == complete_setup(FOLDER)


def test_the_script_refuses_a_newer_schema(database_url: str) -> None:
    _run(database_url, "insert into archon_migrations (version, migration_name) values ('9999', 'tomorrow')")
    with pytest.raises(psycopg.errors.RaiseException, match="does not know: 9999"):
        _run(database_url, complete_setup(FOLDER))


async def test_a_newer_schema_than_the_program_is_refused(database_url: str) -> None:
    _run(database_url, "insert into archon_migrations (version, migration_name) values ('9999', 'tomorrow')")
    with pytest.raises(MigrationNeeded, match="9999") as caught:
        await migrate(database_url, FOLDER)
    assert "newer version" in caught.value.next_step


async def test_a_time_limit_of_the_database_does_not_end_a_migration(empty_database_url: str, tmp_path: Path) -> None:
    _run(
        empty_database_url,
        "do $$ begin execute format('alter database %I set statement_timeout = 300', current_database()); end $$",
    )
    (tmp_path / "0000_settings.sql").write_text((FOLDER / "0001_settings.sql").read_text())
    (tmp_path / "0001_slow.sql").write_text("select pg_sleep(0.6)")
    assert len(await migrate(empty_database_url, tmp_path)) == 2


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_good.sql").write_text((FOLDER / "0001_settings.sql").read_text())
    (tmp_path / "0002_bad.sql").write_text("create table archon_half (a int); select 1 / 0;")
    with pytest.raises(StoreError, match=r"0002_bad\.sql failed"):
        await migrate(empty_database_url, tmp_path)
    state = await schema_state_at(empty_database_url, tmp_path)
    assert [file.path.name for file in state.pending] == ["0002_bad.sql"]
    assert not [row for row in _schema(empty_database_url) if "half" in str(row[1])]


def test_files_have_numbers_of_their_own() -> None:
    versions = [file.version for file in available(FOLDER)]
    assert len(set(versions)) == len(versions)
