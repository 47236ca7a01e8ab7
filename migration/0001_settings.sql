-- Settings and secrets. `archon_settings` has the columns of Archon v1; secrets live apart, sealed with a key of ours.

create extension if not exists vector;

create or replace function archon_touch() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end $$;

create table if not exists archon_migrations (
  id uuid primary key default gen_random_uuid(),
  version varchar(20) not null,
  migration_name varchar(255) not null,
  applied_at timestamptz not null default now(),
  checksum varchar(32),
  unique (version, migration_name)
);

create table if not exists archon_settings (
  id uuid primary key default gen_random_uuid(),
  key varchar(255) not null unique,
  value text,
  encrypted_value text,
  is_encrypted boolean not null default false,
  category varchar(100),
  description text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index if not exists archon_settings_category on archon_settings (category);

create table if not exists archon_secrets (
  key varchar(255) primary key,
  sealed text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create or replace trigger archon_settings_touch before update on archon_settings
  for each row execute function archon_touch();
create or replace trigger archon_secrets_touch before update on archon_secrets
  for each row execute function archon_touch();

-- A jsonb argument arrives as an object through psycopg and as a string through some REST faces.
create or replace function archon_json(argument jsonb) returns jsonb language sql immutable as $$
  select case jsonb_typeof(argument) when 'string' then (argument #>> '{}')::jsonb else argument end
$$;

create or replace function archon_settings_list() returns setof archon_settings language sql stable as $$
  select * from archon_settings order by key
$$;

create or replace function archon_secrets_list()
returns table (key varchar, sealed text) language sql stable as $$
  select s.key, s.sealed from archon_secrets s order by s.key
$$;

-- Writes all rows or none. `entries`: [{key, value, sealed, is_encrypted, category, description}]; a secret
-- has `sealed` and a placeholder row here, so that v1's ciphertext in the same row stays as it is.
create or replace function archon_settings_save(entries jsonb) returns integer language plpgsql as $$
declare
  entry jsonb;
  saved integer := 0;
begin
  for entry in select * from jsonb_array_elements(archon_json(entries)) loop
    insert into archon_settings as s (key, value, is_encrypted, category, description)
    values (entry->>'key', case when (entry->>'is_encrypted')::boolean then null else entry->>'value' end,
            coalesce((entry->>'is_encrypted')::boolean, false), entry->>'category', entry->>'description')
    on conflict (key) do update set
      value = excluded.value, is_encrypted = excluded.is_encrypted,
      category = coalesce(excluded.category, s.category),
      description = coalesce(excluded.description, s.description);
    if entry->>'sealed' is not null then
      insert into archon_secrets (key, sealed) values (entry->>'key', entry->>'sealed')
      on conflict (key) do update set sealed = excluded.sealed;
    else
      delete from archon_secrets where key = entry->>'key';
    end if;
    saved := saved + 1;
  end loop;
  return saved;
end $$;

create or replace function archon_settings_delete(keys text[]) returns integer language plpgsql as $$
declare
  removed integer;
begin
  delete from archon_secrets where key = any (keys);
  delete from archon_settings where key = any (keys);
  get diagnostics removed = row_count;
  return removed;
end $$;
