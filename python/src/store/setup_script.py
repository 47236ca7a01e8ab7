"""All migrations as one script, for the SQL editor of a Supabase project: run again, it applies what is new."""

from __future__ import annotations

from pathlib import Path

from .migrate import Migration, available
from .postgres import MIN_VECTOR_VERSION

_HEAD = """\
-- Archon's whole schema, for the SQL editor of a Supabase project (or any Postgres 15 or newer with pgvector).
-- Generated from the numbered files beside it by `make generate`; do not edit. It can be run again: what was applied
-- is left out. Run as one piece it is one transaction, so that a failure leaves nothing half-done.
-- A large database of Archon v1 is better taken over with `DATABASE_URL=<connection string> archon migrate`: the
-- editor ends statements that take minutes.

create extension if not exists vector;

create table if not exists archon_migrations (
  id uuid primary key default gen_random_uuid(),
  version varchar(20) not null,
  migration_name varchar(255) not null,
  applied_at timestamptz not null default now(),
  checksum varchar(32),
  unique (version, migration_name)
);

do $archon_check$
declare
  installed text := (select extversion from pg_extension where extname = 'vector');
  unknown text := (select string_agg(version, ', ' order by version) from archon_migrations
                   where version ~ '^[0-9]{{4}}$' and version not in ({versions}));
begin
  if string_to_array(substring(installed from '^[0-9]+[.][0-9]+'), '.')::integer[] < array[{vector}] then
    raise exception 'pgvector % is too old: run "alter extension vector update".', installed;
  end if;
  if unknown is not null then
    raise exception 'The database has migrations that this version of Archon does not know: %.', unknown;
  end if;
end $archon_check$;
"""

_STEP = """
do $archon_step_{version}$
begin
  if exists (select 1 from archon_migrations where version = '{version}') then
    return;
  end if;
  execute $archon_file_{version}$
{sql}
$archon_file_{version}$;
  insert into archon_migrations (version, migration_name, checksum) values ('{version}', '{name}', '{checksum}');
end $archon_step_{version}$;
"""

_FOOT = "\nselect archon_close_to_others();\n"


def complete_setup(folder: Path) -> str:
    """The script for the files in `folder`."""
    files = available(folder)
    versions = ", ".join(f"'{file.version}'" for file in files)
    head = _HEAD.format(versions=versions, vector=", ".join(map(str, MIN_VECTOR_VERSION)))
    return head + "".join(map(_step, files)) + _FOOT


def _step(file: Migration) -> str:
    return _STEP.format(version=file.version, name=file.name, checksum=file.checksum, sql=file.sql.rstrip("\n"))
