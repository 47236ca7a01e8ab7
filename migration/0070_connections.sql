-- Named model servers. A connection's key is a secret like any other: the row 'connection:<id>' of archon_settings
-- and its sealed text in archon_secrets, so that a change of the secret key takes it along.

create table if not exists archon_connections (
  id text primary key check (id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  position bigint generated always as identity,
  name text not null check (name <> ''),
  provider text not null,
  base_url text,
  model text,
  timeout_s double precision not null check (timeout_s > 0),
  max_tokens integer check (max_tokens > 0),
  temperature double precision check (temperature between 0 and 2),
  is_local boolean not null default false,
  is_default boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
-- At most one is the default; none: the chat model of Settings is.
create unique index if not exists archon_connections_default on archon_connections (is_default) where is_default;

create or replace trigger archon_connections_touch before update on archon_connections
  for each row execute function archon_touch();

create or replace function archon_connections_list()
returns table (id text, name text, provider text, base_url text, model text, timeout_s double precision,
               max_tokens integer, temperature double precision, is_local boolean, is_default boolean,
               created_at timestamptz, updated_at timestamptz, sealed text) language sql stable as $$
  select c.id, c.name, c.provider, c.base_url, c.model, c.timeout_s, c.max_tokens, c.temperature, c.is_local,
         c.is_default, c.created_at, c.updated_at, t.sealed
  from archon_connections c left join archon_secrets t on t.key = 'connection:' || c.id
  order by c.created_at, c.position
$$;

-- One connection. `sealed` present and null clears its key, absent leaves it.
create or replace function archon_connection_put(entry jsonb) returns void language plpgsql as $$
begin
  insert into archon_connections as c
    (id, name, provider, base_url, model, timeout_s, max_tokens, temperature, is_local)
  select e.id, e.name, e.provider, e.base_url, e.model, e.timeout_s, e.max_tokens, e.temperature, e.is_local
  from jsonb_to_record(entry) as e(id text, name text, provider text, base_url text, model text,
    timeout_s double precision, max_tokens integer, temperature double precision, is_local boolean)
  on conflict (id) do update set
    name = excluded.name, provider = excluded.provider, base_url = excluded.base_url, model = excluded.model,
    timeout_s = excluded.timeout_s, max_tokens = excluded.max_tokens, temperature = excluded.temperature,
    is_local = excluded.is_local;
  if entry ? 'sealed' and entry->>'sealed' is null then
    delete from archon_settings s where s.key = 'connection:' || (entry->>'id');
  elsif entry ? 'sealed' then
    perform archon_settings_put(jsonb_build_object(
      'key', 'connection:' || (entry->>'id'), 'is_encrypted', true, 'sealed', entry->>'sealed',
      'category', 'connections', 'description', 'Key of a connection.'));
  end if;
end $$;

-- Writes all of `entries` or none. `most`: connections there may be in all; `fresh`: none of them may exist yet.
create or replace function archon_connections_save(entries jsonb, most integer, fresh boolean)
returns integer language plpgsql as $$
declare
  entry jsonb;
  written integer := 0;
begin
  lock table archon_connections in share row exclusive mode;
  for entry in select * from jsonb_array_elements(archon_json(entries)) loop
    if fresh and exists (select 1 from archon_connections c where c.id = entry->>'id') then
      raise exception 'There is already a connection %', entry->>'id' using errcode = 'unique_violation';
    end if;
    perform archon_connection_put(entry);
    written := written + 1;
  end loop;
  if (select count(*) from archon_connections) > most then
    raise exception 'There would be more than % connections', most using errcode = 'check_violation';
  end if;
  return written;
end $$;

create or replace function archon_connection_delete(connection text) returns boolean language plpgsql as $$
begin
  delete from archon_connections c where c.id = connection;
  if not found then
    return false;
  end if;
  delete from archon_settings s where s.key = 'connection:' || connection;
  return true;
end $$;

-- Makes one connection the default; null: none of them. False where there is no such connection.
create or replace function archon_connection_default(connection text) returns boolean language plpgsql as $$
begin
  lock table archon_connections in share row exclusive mode;
  if connection is not null and not exists (select 1 from archon_connections c where c.id = connection) then
    return false;
  end if;
  update archon_connections c set is_default = false where c.is_default and c.id is distinct from connection;
  update archon_connections c set is_default = true where c.id = connection and not c.is_default;
  return true;
end $$;
