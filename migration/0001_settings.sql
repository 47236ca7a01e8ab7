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
  key varchar(255) primary key references archon_settings (key) on delete cascade on update cascade,
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

-- Settings and their sealed secrets as they are at one moment.
create or replace function archon_settings_load()
returns table (key varchar, value text, encrypted_value text, is_encrypted boolean, category varchar,
               description text, sealed text) language sql stable as $$
  select s.key, s.value, s.encrypted_value, s.is_encrypted, s.category, s.description, t.sealed
  from archon_settings s left join archon_secrets t on t.key = s.key
  order by s.key
$$;

-- One row of `archon_settings`, and what becomes of the secret beside it. A secret that is saved leaves v1's
-- ciphertext in its row as it is; one that is cleared, or a row that turns into a plain one, takes it along.
-- `sealed` absent: the caller writes the row only.
create or replace function archon_settings_put(entry jsonb) returns void language plpgsql as $$
declare
  secret boolean := coalesce((entry->>'is_encrypted')::boolean, false);
  cleared boolean := not secret or (entry ? 'sealed' and entry->>'sealed' is null);
begin
  insert into archon_settings as s (key, value, encrypted_value, is_encrypted, category, description)
  values (entry->>'key', case when secret then null else entry->>'value' end,
          case when cleared then null else entry->>'encrypted_value' end, secret,
          entry->>'category', entry->>'description')
  on conflict (key) do update set
    value = excluded.value,
    encrypted_value = case when cleared then null else coalesce(excluded.encrypted_value, s.encrypted_value) end,
    is_encrypted = excluded.is_encrypted,
    category = coalesce(excluded.category, s.category),
    description = coalesce(excluded.description, s.description);
  if cleared then
    delete from archon_secrets where key = entry->>'key';
  elsif entry->>'sealed' is not null then
    insert into archon_secrets (key, sealed) values (entry->>'key', entry->>'sealed')
    on conflict (key) do update set sealed = excluded.sealed;
  end if;
end $$;

-- Writes and removes all or nothing. `entries`: [{key, value, sealed, is_encrypted, category, description}].
create or replace function archon_settings_save(entries jsonb, removed text[] default '{}')
returns integer language plpgsql as $$
declare
  entry jsonb;
  changed integer;
begin
  delete from archon_settings where key = any (removed);
  get diagnostics changed = row_count;
  for entry in select * from jsonb_array_elements(archon_json(entries)) loop
    perform archon_settings_put(entry);
    changed := changed + 1;
  end loop;
  return changed;
end $$;

create or replace function archon_settings_delete(keys text[]) returns integer language sql as $$
  select archon_settings_save('[]'::jsonb, keys)
$$;

-- The sealed text of one secret whose row in `archon_settings` is already there; null clears it, v1's too.
create or replace function archon_secrets_put(key text, sealed text) returns void language plpgsql as $$
begin
  if archon_secrets_put.sealed is null then
    delete from archon_secrets t where t.key = archon_secrets_put.key;
    update archon_settings s set encrypted_value = null where s.key = archon_secrets_put.key;
    return;
  end if;
  insert into archon_secrets as t (key, sealed) values (archon_secrets_put.key, archon_secrets_put.sealed)
  on conflict on constraint archon_secrets_pkey do update set sealed = excluded.sealed;
end $$;

-- Another key for all secrets at once. `entries`: [{key, was, sealed}]; refused as a whole when a secret was
-- changed, added or removed since they were read, because what is missed here could never be opened again.
create or replace function archon_secrets_reseal(entries jsonb) returns integer language plpgsql as $$
declare
  resealed integer;
begin
  lock table archon_secrets in share row exclusive mode;
  update archon_secrets t set sealed = e.sealed
  from jsonb_to_recordset(archon_json(entries)) as e(key text, was text, sealed text)
  where t.key = e.key and t.sealed = e.was;
  get diagnostics resealed = row_count;
  if resealed <> jsonb_array_length(archon_json(entries)) or resealed <> (select count(*) from archon_secrets) then
    raise exception 'A secret was changed while all secrets were given a new key' using errcode = 'lock_not_available';
  end if;
  return resealed;
end $$;
