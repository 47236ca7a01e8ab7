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
                   where version ~ '^[0-9]{4}$' and version not in ('0000', '0001', '0002', '0003', '0010', '0020', '0030', '0040', '0041', '0050', '0051', '0052', '0060', '0061', '0070', '0075', '0076', '0078', '0080', '0081', '0082', '0083', '0090', '0092', '0093', '0096', '0097', '0098', '0099', '0101', '0103', '0104', '0110', '0111', '0112', '0113', '0114', '0115', '0116', '0117', '0118', '0130', '0131', '0140', '0141', '0142', '0150', '0151', '0152', '0153'));
begin
  if string_to_array(substring(installed from '^[0-9]+[.][0-9]+'), '.')::integer[] < array[0, 8] then
    raise exception 'pgvector % is too old: run "alter extension vector update".', installed;
  end if;
  if unknown is not null then
    raise exception 'The database has migrations that this version of Archon does not know: %.', unknown;
  end if;
end $archon_check$;

do $archon_step_0000$
begin
  if exists (select 1 from archon_migrations where version = '0000') then
    return;
  end if;
  execute $archon_file_0000$
-- A database of Archon v1 is taken over in place, whichever of its levels it is at. This file comes before all others:
-- it notes what was found and adds what later levels would have added, so that the others find the columns they build
-- on. Nothing that v1 reads or writes is changed or removed, but for indexes that are made again later: adding a
-- computed column writes a table anew, and with them it would take minutes instead of seconds.

-- ---------------------------------------------------------------- what is there; a dry run uses this much

-- The last of v1's eleven steps that left its mark, '000' before the first.
create or replace function archon_v1_level() returns text language plpgsql stable as $$
declare
  chunks oid := to_regclass('archon_crawled_pages');
  sources oid := to_regclass('archon_sources');
  level text := '000';
  noted boolean := false;
begin
  if to_regclass('archon_migrations') is not null then
    execute $q$ select exists (select 1 from archon_migrations where version !~ '^[0-9]{4}$') $q$ into noted;
  end if;
  select coalesce(max(step), '000') into level from (values
    ('001', exists (select 1 from pg_attribute where attrelid = sources and attname = 'source_url' and not attisdropped)),
    ('002', exists (select 1 from pg_attribute where attrelid = chunks and attname = 'content_search_vector'
                    and not attisdropped)),
    ('003', exists (select 1 from pg_attribute where attrelid = chunks and attname = 'embedding_1536' and not attisdropped)),
    ('005', exists (select 1 from pg_proc where proname = 'match_archon_crawled_pages_multi')),
    ('008', noted),
    ('009', exists (select 1 from pg_constraint where conrelid = chunks and confrelid = sources and confdeltype = 'c')),
    ('011', to_regclass('archon_page_metadata') is not null)) as marks (step, there)
  where there;
  return level;
end $$;

-- v1's vector columns: `embedding` of its first levels, `embedding_384` and the others of the later ones.
create or replace function archon_v1_columns() returns table (owner text, name text, size integer)
language sql stable as $$
  select t.name, a.attname::text, a.atttypmod
  from (values ('archon_crawled_pages'), ('archon_code_examples')) as t (name)
  join pg_attribute a on a.attrelid = to_regclass(t.name)
  where a.atttypid = to_regtype('vector') and a.attname like 'embedding%' and not a.attisdropped
$$;

-- The one vector of a row as an SQL expression over `c`, and its size without reading it.
create or replace function archon_v1_vector(owner text) returns table (vector_sql text, size_sql text)
language sql stable as $$
  select 'coalesce(' || string_agg(format('c.%I::vector', k.name), ', ' order by k.size desc) || ')',
    'case ' || string_agg(format('when c.%I is not null then %s', k.name, k.size), ' ' order by k.size desc) || ' end'
  from archon_v1_columns() k where k.owner = archon_v1_vector.owner having count(*) > 0
$$;

-- One row per table, model and size: what v1 embedded. `size` null: rows without a vector. `model` null: v1 noted none.
create or replace function archon_v1_vectors() returns table (owner text, model text, size integer, found bigint)
language plpgsql stable as $$
declare
  given record;
  noted text;
begin
  for given in select t.name, v.size_sql from (values ('archon_crawled_pages'), ('archon_code_examples')) as t (name),
    lateral archon_v1_vector(t.name) v
  loop
    noted := case when exists (select 1 from pg_attribute where attrelid = to_regclass(given.name)
      and attname = 'embedding_model' and not attisdropped) then 'nullif(c.embedding_model, '''')' else 'null::text' end;
    -- Rows that came after v1 have our vectors and none of its columns filled: they are not v1's to miss.
    return query execute format(
      'select %L::text, %s, %s, count(*) from %I c group by 2, 3', given.name, noted, given.size_sql, given.name);
  end loop;
end $$;

-- What was found, for the report before and after. Works on every level, also before any of our migrations.
create or replace function archon_v1_overview() returns jsonb language plpgsql stable as $$
declare
  counts jsonb := '{}';
  counted bigint;
  name text;
begin
  if not exists (select 1 from archon_v1_columns()) then
    return jsonb_build_object('found', false);
  end if;
  foreach name in array array['archon_settings', 'archon_sources', 'archon_page_metadata', 'archon_crawled_pages',
                              'archon_code_examples', 'archon_projects', 'archon_tasks'] loop
    if to_regclass(name) is not null then
      execute format('select count(*) from %I', name) into counted;
      counts := counts || jsonb_build_object(name, counted);
    end if;
  end loop;
  select count(*) into counted from archon_settings where is_encrypted and encrypted_value <> '';
  return jsonb_build_object('found', true, 'level', archon_v1_level(), 'counts', counts, 'secrets', counted,
    'vectors', (select coalesce(jsonb_agg(to_jsonb(v) order by v.owner, v.found desc), '[]') from archon_v1_vectors() v));
end $$;

-- ---------------------------------------------------------------- changes

create table if not exists archon_migrations (
  id uuid primary key default gen_random_uuid(),
  version varchar(20) not null,
  migration_name varchar(255) not null,
  applied_at timestamptz not null default now(),
  checksum varchar(32),
  unique (version, migration_name)
);

create table if not exists archon_v1 (
  only_one boolean primary key default true check (only_one),
  level text not null,
  postponed_indexes text[] not null default '{}',
  chunks_until bigint not null default 0,
  examples_until bigint not null default 0,
  found_at timestamptz not null default now(),
  taken_at timestamptz,
  retired_at timestamptz
);

do $$
declare
  index_of record;
begin
  if to_regclass('archon_crawled_pages') is null or to_regclass('archon_sources') is null or not exists (
    select 1 from pg_attribute where attrelid = to_regclass('archon_crawled_pages') and attname like 'embedding%'
      and atttypid = to_regtype('vector') and not attisdropped) then
    return;
  end if;
  insert into archon_v1 (level) values (archon_v1_level()) on conflict do nothing;
  for index_of in
    select c.oid::regclass as name, pg_get_indexdef(c.oid) as definition
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
    where i.indrelid in (to_regclass('archon_crawled_pages'), to_regclass('archon_code_examples'))
      and (m.amname in ('ivfflat', 'hnsw') or pg_get_indexdef(c.oid) like '%gin_trgm_ops%')
  loop
    update archon_v1 set postponed_indexes = postponed_indexes || index_of.definition;
    execute format('drop index %s', index_of.name);
  end loop;

  alter table archon_sources
    add column if not exists source_url text,
    add column if not exists source_display_name text,
    add column if not exists title text,
    add column if not exists summary text,
    add column if not exists total_word_count integer not null default 0,
    add column if not exists metadata jsonb not null default '{}',
    add column if not exists created_at timestamptz not null default now(),
    add column if not exists updated_at timestamptz not null default now();
  alter table archon_crawled_pages
    add column if not exists llm_chat_model text,
    add column if not exists embedding_model text,
    add column if not exists embedding_dimension integer,
    add column if not exists content_search_vector tsvector,
    add column if not exists page_id uuid;
  if to_regclass('archon_code_examples') is not null then
    alter table archon_code_examples
      add column if not exists llm_chat_model text,
      add column if not exists embedding_model text,
      add column if not exists embedding_dimension integer,
      add column if not exists content_search_vector tsvector;
  end if;
end $$;
$archon_file_0000$;
  insert into archon_migrations (version, migration_name, checksum) values ('0000', 'archon_v1', 'a7b3dad544d657b2e57158019468e32e');
end $archon_step_0000$;

do $archon_step_0001$
begin
  if exists (select 1 from archon_migrations where version = '0001') then
    return;
  end if;
  execute $archon_file_0001$
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
$archon_file_0001$;
  insert into archon_migrations (version, migration_name, checksum) values ('0001', 'settings', '2ff39901fb82000ac6dae98a64cc2599');
end $archon_step_0001$;

do $archon_step_0002$
begin
  if exists (select 1 from archon_migrations where version = '0002') then
    return;
  end if;
  execute $archon_file_0002$
-- Sources, pages, chunks and code examples: the columns of Archon v1, with what Archon adds beside them.

create table if not exists archon_sources (
  source_id text primary key,
  source_url text,
  source_display_name text,
  title text,
  summary text,
  total_word_count integer not null default 0,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index if not exists archon_sources_metadata on archon_sources using gin (metadata);

create table if not exists archon_page_metadata (
  id uuid primary key default gen_random_uuid(),
  source_id text not null references archon_sources (source_id) on delete cascade,
  url text not null,
  full_content text not null,
  section_title text,
  section_order integer not null default 0,
  word_count integer not null,
  char_count integer not null,
  chunk_count integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  metadata jsonb not null default '{}'
);
alter table archon_page_metadata
  add column if not exists title text,
  add column if not exists url_key text,
  add column if not exists content_hash text,
  add column if not exists language text,
  add column if not exists etag text,
  add column if not exists last_modified text,
  add column if not exists fetched_at timestamptz;
create index if not exists archon_page_metadata_source on archon_page_metadata (source_id, section_order);
create index if not exists archon_page_metadata_url on archon_page_metadata (url);
-- `url_key` is the canonical form of `url` (scheme and host in lower case, no fragment, no tracking parameters).
create unique index if not exists archon_page_metadata_key on archon_page_metadata (source_id, url_key);

create table if not exists archon_crawled_pages (
  id bigserial primary key,
  url varchar not null,
  chunk_number integer not null,
  content text not null,
  metadata jsonb not null default '{}',
  source_id text not null references archon_sources (source_id) on delete cascade,
  llm_chat_model text,
  embedding_model text,
  embedding_dimension integer,
  content_search_vector tsvector generated always as (to_tsvector('english', content)) stored,
  created_at timestamptz not null default now(),
  page_id uuid references archon_page_metadata (id) on delete cascade,
  unique (source_id, url, chunk_number)
);
alter table archon_crawled_pages
  add column if not exists heading_path text[] not null default '{}',
  add column if not exists token_count integer,
  add column if not exists page_number integer;
create index if not exists archon_crawled_pages_source on archon_crawled_pages (source_id);
create index if not exists archon_crawled_pages_page on archon_crawled_pages (page_id);
create index if not exists archon_crawled_pages_text on archon_crawled_pages using gin (content_search_vector);

create table if not exists archon_code_examples (
  id bigserial primary key,
  url varchar not null,
  chunk_number integer not null,
  content text not null,
  summary text not null,
  metadata jsonb not null default '{}',
  source_id text not null references archon_sources (source_id) on delete cascade,
  llm_chat_model text,
  embedding_model text,
  embedding_dimension integer,
  content_search_vector tsvector
    generated always as (to_tsvector('english', content || ' ' || summary)) stored,
  created_at timestamptz not null default now(),
  unique (url, chunk_number)
);
create index if not exists archon_code_examples_source on archon_code_examples (source_id);
create index if not exists archon_code_examples_text on archon_code_examples using gin (content_search_vector);

-- Archon v1 allowed an address once in the whole store, so that a second source took pages away from the first.
do $$
declare
  found record;
begin
  for found in
    select c.conrelid::regclass as owner, c.conname
    from pg_constraint c
    where c.contype = 'u' and c.conrelid in ('archon_page_metadata'::regclass, 'archon_crawled_pages'::regclass)
      and (select array_agg(a.attname::text order by a.attname) from pg_attribute a
           where a.attrelid = c.conrelid and a.attnum = any (c.conkey)) in (array['url'], array['chunk_number', 'url'])
  loop
    execute format('alter table %s drop constraint %I', found.owner, found.conname);
  end loop;
end $$;

-- An embedding space: vectors of different spaces are never compared. `similarity_floor` is the 95th
-- percentile of the cosine between unrelated sentences and passages of the store, null until measured.
create table if not exists archon_embedding_spaces (
  id integer generated always as identity primary key,
  model text not null,
  dimensions integer not null check (dimensions between 1 and 16000),
  normalised boolean not null default true,
  query_prefix text not null default '',
  passage_prefix text not null default '',
  state text not null default 'active' check (state in ('building', 'active', 'retired')),
  similarity_floor real,
  canaries jsonb not null default '[]',
  activated_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  unique (model, dimensions, normalised, query_prefix, passage_prefix)
);

-- Any vector size: the column has none, each space has a partial HNSW index over a cast.
create table if not exists archon_chunk_vectors (
  space_id integer not null references archon_embedding_spaces (id) on delete cascade,
  chunk_id bigint not null references archon_crawled_pages (id) on delete cascade,
  embedding vector not null,
  primary key (space_id, chunk_id)
);
create index if not exists archon_chunk_vectors_chunk on archon_chunk_vectors (chunk_id);
$archon_file_0002$;
  insert into archon_migrations (version, migration_name, checksum) values ('0002', 'knowledge', 'ae5a3e493c0775a9fa55d26a1c755b2e');
end $archon_step_0002$;

do $archon_step_0003$
begin
  if exists (select 1 from archon_migrations where version = '0003') then
    return;
  end if;
  execute $archon_file_0003$
-- Jobs and conversations.

create table if not exists archon_jobs (
  id uuid primary key default gen_random_uuid(),
  kind text not null check (kind in ('crawl', 'upload', 'refresh', 'reembed')),
  state text not null default 'queued'
    check (state in ('queued', 'running', 'paused', 'completed', 'failed', 'cancelled')),
  source_id text,
  request jsonb not null,
  progress jsonb not null default '{}',
  result jsonb,
  error jsonb,
  cancel_requested boolean not null default false,
  lease_owner text,
  lease_until timestamptz,
  attempts integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  finished_at timestamptz
);
create index if not exists archon_jobs_open on archon_jobs (created_at) where state in ('queued', 'running', 'paused');
create unique index if not exists archon_jobs_one_per_source on archon_jobs (source_id)
  where state in ('queued', 'running', 'paused');
create index if not exists archon_jobs_source on archon_jobs (source_id, created_at desc);
create or replace trigger archon_jobs_touch before update on archon_jobs
  for each row execute function archon_touch();

-- The frontier of a crawl and its history in one: every address a job knows, and what became of it.
create table if not exists archon_job_pages (
  job_id uuid not null references archon_jobs (id) on delete cascade,
  url_key text not null,
  url text not null,
  depth integer not null,
  label text not null default '',
  position bigint generated always as identity,
  state text not null default 'queued'
    check (state in ('queued', 'stored', 'unchanged', 'failed', 'removed', 'skipped')),
  chunks integer not null default 0,
  words integer not null default 0,
  error jsonb,
  finished_at timestamptz,
  primary key (job_id, url_key)
);

-- The bytes of an uploaded file, kept until its job has ended.
create table if not exists archon_uploads (
  job_id uuid primary key references archon_jobs (id) on delete cascade,
  content bytea not null
);

create table if not exists archon_conversations (
  id uuid primary key default gen_random_uuid(),
  title text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- `outcome` of an answer: complete, truncated, upstream_error, stalled or cancelled; null while it is written.
create table if not exists archon_messages (
  id uuid primary key default gen_random_uuid(),
  conversation_id uuid not null references archon_conversations (id) on delete cascade,
  position integer not null,
  role text not null check (role in ('user', 'assistant')),
  content text not null,
  outcome text check (outcome in ('complete', 'truncated', 'upstream_error', 'stalled', 'cancelled')),
  provider text,
  model text,
  passages jsonb not null default '[]',
  support jsonb not null default '[]',
  usage jsonb,
  error jsonb,
  created_at timestamptz not null default now(),
  unique (conversation_id, position)
);
$archon_file_0003$;
  insert into archon_migrations (version, migration_name, checksum) values ('0003', 'work', 'd8b69e79ecd7b7469908c27c57f35c2a');
end $archon_step_0003$;

do $archon_step_0010$
begin
  if exists (select 1 from archon_migrations where version = '0010') then
    return;
  end if;
  execute $archon_file_0010$
-- What ingest writes and what the knowledge pages read: spaces, sources, pages, jobs.

-- ---------------------------------------------------------------- embedding spaces

-- The space of an identity, made on first use with its index; it becomes the newest active one.
create or replace function archon_space_ensure(
  model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text
) returns setof archon_embedding_spaces language plpgsql as $$
#variable_conflict use_column
declare
  space archon_embedding_spaces;
begin
  -- Two jobs that start at once must not both build the index.
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  insert into archon_embedding_spaces as s (model, dimensions, normalised, query_prefix, passage_prefix)
  values (archon_space_ensure.model, archon_space_ensure.dimensions, archon_space_ensure.normalised,
          archon_space_ensure.query_prefix, archon_space_ensure.passage_prefix)
  on conflict (model, dimensions, normalised, query_prefix, passage_prefix)
    do update set state = 'active', activated_at = now()
  returning * into space;
  perform archon_space_index(space.id, space.dimensions);
  return next space;
end $$;

-- HNSW over a cast, for this space's rows alone: `vector` to 2,000 dimensions, `halfvec` to 4,000, exact above.
create or replace function archon_space_index(space integer, size integer) returns void language plpgsql as $$
declare
  cast_type text := case when size <= 2000 then 'vector' when size <= 4000 then 'halfvec' end;
begin
  if cast_type is not null then
    execute format(
      'create index if not exists %I on archon_chunk_vectors using hnsw ((embedding::%s(%s)) %s_cosine_ops) where space_id = %s',
      'archon_vectors_space_' || space, cast_type, size, cast_type, space);
  end if;
end $$;

create or replace function archon_space_set_canaries(space integer, canaries jsonb) returns void language sql as $$
  update archon_embedding_spaces s set canaries = archon_json(archon_space_set_canaries.canaries) where s.id = space
$$;

create or replace function archon_active_space() returns setof archon_embedding_spaces language sql stable as $$
  select * from archon_embedding_spaces where state = 'active' order by activated_at desc, id desc limit 1
$$;

create or replace function archon_spaces() returns table (
  id integer, model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text,
  state text, similarity_floor real, canaries jsonb, activated_at timestamptz, vector_count bigint
) language sql stable as $$
  select s.id, s.model, s.dimensions, s.normalised, s.query_prefix, s.passage_prefix, s.state, s.similarity_floor,
         s.canaries, s.activated_at, (select count(*) from archon_chunk_vectors v where v.space_id = s.id)
  from archon_embedding_spaces s order by s.activated_at desc, s.id desc
$$;

-- ---------------------------------------------------------------- jobs

create or replace function archon_job_create(kind text, source text, request jsonb, progress jsonb)
returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  running archon_jobs;
  made archon_jobs;
begin
  select * into running from archon_jobs j
  where j.source_id = source and j.state in ('queued', 'running', 'paused') limit 1;
  if found then
    raise exception 'This source is being worked on already, by job %.', running.id using errcode = 'unique_violation';
  end if;
  insert into archon_jobs (kind, source_id, request, progress)
  values (archon_job_create.kind, source, archon_json(archon_job_create.request), archon_json(archon_job_create.progress))
  returning * into made;
  return next made;
end $$;

-- An upload's job and its bytes come into being together; `content` is base64.
create or replace function archon_job_create_upload(source text, request jsonb, progress jsonb, content text)
returns setof archon_jobs language plpgsql as $$
declare
  made archon_jobs;
begin
  select * into made from archon_job_create('upload', source, request, progress);
  insert into archon_uploads (job_id, content)
  values (made.id, decode(archon_job_create_upload.content, 'base64'));
  return next made;
end $$;

create or replace function archon_upload_content(job uuid) returns table (content text) language sql stable as $$
  select encode(u.content, 'base64') from archon_uploads u where u.job_id = job
$$;

-- One job for `worker`, or no row: a queued one, one whose lease ran out, or one of a worker known to be gone.
create or replace function archon_job_claim(worker text, lease_s double precision, gone text[])
returns setof archon_jobs language sql as $$
  update archon_jobs set state = 'running', lease_owner = worker, lease_until = now() + make_interval(secs => lease_s),
         attempts = attempts + 1
  where id = (select j.id from archon_jobs j
              where j.state = 'queued'
                 or (j.state = 'running' and (j.lease_until < now() or j.lease_owner = any (gone)))
              order by j.created_at for update skip locked limit 1)
  returning *
$$;

-- No row: the lease is lost, the worker must stop.
create or replace function archon_job_heartbeat(job uuid, worker text, lease_s double precision, progress jsonb)
returns table (cancel_requested boolean) language sql as $$
  update archon_jobs j set lease_until = now() + make_interval(secs => lease_s),
         progress = archon_json(archon_job_heartbeat.progress)
  where j.id = job and j.lease_owner = worker and j.state = 'running'
  returning j.cancel_requested
$$;

create or replace function archon_job_finish(
  job uuid, worker text, state text, progress jsonb, result jsonb, error jsonb
) returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  done archon_jobs;
begin
  update archon_jobs j set state = archon_job_finish.state, progress = archon_json(archon_job_finish.progress),
         result = archon_json(archon_job_finish.result), error = archon_json(archon_job_finish.error),
         finished_at = now(), lease_owner = null, lease_until = null
  where j.id = job and j.lease_owner = worker and j.state = 'running'
  returning * into done;
  if found then
    delete from archon_uploads u where u.job_id = job;
    return next done;
  end if;
end $$;

-- A worker that shuts down gives its job back; that does not count as an attempt.
create or replace function archon_job_release(job uuid, worker text, progress jsonb) returns void language sql as $$
  update archon_jobs j set state = 'queued', lease_owner = null, lease_until = null, attempts = greatest(attempts - 1, 0),
         progress = archon_json(archon_job_release.progress)
  where j.id = job and j.lease_owner = worker and j.state = 'running'
$$;

-- No row: there is no such job. A job that nobody works on yet ends at once.
create or replace function archon_job_stop(job uuid) returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  found_job archon_jobs;
begin
  update archon_jobs j set cancel_requested = true,
         state = case when j.state in ('queued', 'paused') then 'cancelled' else j.state end,
         finished_at = case when j.state in ('queued', 'paused') then now() else j.finished_at end
  where j.id = job and j.state in ('queued', 'running', 'paused');
  select * into found_job from archon_jobs j where j.id = job;
  if found then
    return next found_job;
  end if;
end $$;

create or replace function archon_job(job uuid) returns setof archon_jobs language sql stable as $$
  select * from archon_jobs where id = job
$$;

create or replace function archon_jobs_open() returns setof archon_jobs language sql stable as $$
  select * from archon_jobs where state in ('queued', 'running', 'paused') order by created_at
$$;

create or replace function archon_jobs_of(source text, row_limit integer) returns setof archon_jobs language sql stable as $$
  select * from archon_jobs where source_id = source order by created_at desc limit row_limit
$$;

-- ---------------------------------------------------------------- the frontier of a job

-- Adds addresses that the job does not know yet, up to `page_limit` in all, and returns those.
create or replace function archon_frontier_add(
  job uuid, keys text[], urls text[], labels text[], depth integer, page_limit integer
) returns table (url_key text, url text, label text) language sql as $$
  insert into archon_job_pages as p (job_id, url_key, url, label, depth)
  select job, n.key, n.url, n.label, archon_frontier_add.depth
  from (select t.key, t.url, t.label, t.place from unnest(keys, urls, labels) with ordinality t (key, url, label, place)
        where not exists (select 1 from archon_job_pages k where k.job_id = job and k.url_key = t.key)
        order by t.place
        limit greatest(page_limit - (select count(*) from archon_job_pages c where c.job_id = job and c.state <> 'skipped'), 0)) n
  order by n.place
  on conflict (job_id, url_key) do nothing
  returning p.url_key, p.url, p.label
$$;

create or replace function archon_frontier(job uuid) returns setof archon_job_pages language sql stable as $$
  select * from archon_job_pages where job_id = job order by position
$$;

-- What became of one address, where nothing was stored for it.
create or replace function archon_frontier_settle(job uuid, worker text, page text, state text, error jsonb)
returns void language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_require_lease(job, worker);
  update archon_job_pages p set state = archon_frontier_settle.state, error = archon_json(archon_frontier_settle.error),
         finished_at = now()
  where p.job_id = job and p.url_key = page;
end $$;

-- A worker that lost its lease must not write: another one has the job.
create or replace function archon_require_lease(job uuid, worker text) returns void language plpgsql as $$
begin
  if not exists (select 1 from archon_jobs j where j.id = job and j.lease_owner = worker and j.state = 'running') then
    raise exception 'The job is no longer this worker''s.' using errcode = 'lock_not_available';
  end if;
end $$;

-- ---------------------------------------------------------------- sources

-- An existing title stays: a person may have changed it.
create or replace function archon_source_ensure(
  source text, source_url text, display_name text, title text, metadata jsonb
) returns void language sql as $$
  insert into archon_sources as s (source_id, source_url, source_display_name, title, summary, metadata)
  values (source, archon_source_ensure.source_url, display_name, archon_source_ensure.title,
          'Content from ' || display_name, archon_json(archon_source_ensure.metadata))
  on conflict (source_id) do update set
    source_url = excluded.source_url, source_display_name = excluded.source_display_name,
    title = coalesce(nullif(s.title, ''), excluded.title), metadata = s.metadata || excluded.metadata, updated_at = now()
$$;

-- Sums up the pages; a title that was only the address gives way to the start page's. A source that never got a
-- page goes again, so that a failed first crawl leaves nothing behind.
create or replace function archon_source_settle(source text, better_title text) returns void language plpgsql as $$
begin
  delete from archon_sources s where s.source_id = source
    and not exists (select 1 from archon_page_metadata p where p.source_id = source)
    and not exists (select 1 from archon_crawled_pages c where c.source_id = source);
  update archon_sources s set
    total_word_count = (select coalesce(sum(p.word_count), 0) from archon_page_metadata p where p.source_id = source),
    title = case when better_title <> '' and s.title = s.source_display_name then better_title else s.title end,
    updated_at = now()
  where s.source_id = source;
end $$;

create or replace function archon_source_summaries(
  source text, knowledge_type text, search text, row_limit integer, row_offset integer
) returns table (
  source_id text, source_url text, display_name text, title text, summary text, metadata jsonb, word_count integer,
  page_count bigint, chunk_count bigint, code_examples_count bigint, created_at timestamptz, updated_at timestamptz,
  last_job_id uuid, last_job_state text, last_job_finished_at timestamptz, last_job_stored integer,
  last_job_failed integer, total bigint
) language sql stable as $$
  with chosen as (
    select s.*, count(*) over () as total from archon_sources s
    where (source is null or s.source_id = source)
      and (archon_source_summaries.knowledge_type is null
           or s.metadata->>'knowledge_type' = archon_source_summaries.knowledge_type)
      and (search is null or s.title ilike search or s.summary ilike search or s.source_id ilike search)
    order by s.updated_at desc, s.source_id
    limit row_limit offset row_offset
  )
  select c.source_id, coalesce(c.source_url, 'source://' || c.source_id), coalesce(c.source_display_name, c.title, c.source_id),
         coalesce(c.title, c.source_display_name, c.source_id), coalesce(c.summary, ''), c.metadata, c.total_word_count,
         (select count(*) from archon_page_metadata p where p.source_id = c.source_id),
         (select count(*) from archon_crawled_pages k where k.source_id = c.source_id),
         (select count(*) from archon_code_examples e where e.source_id = c.source_id),
         c.created_at, c.updated_at, j.id, j.state, j.finished_at,
         coalesce((j.result->>'pages_stored')::integer, 0), coalesce((j.result->>'pages_failed')::integer, 0), c.total
  from chosen c
  left join lateral (select * from archon_jobs a where a.source_id = c.source_id order by a.created_at desc limit 1) j on true
  order by c.updated_at desc, c.source_id
$$;

create or replace function archon_source_update(source text, title text, metadata jsonb)
returns table (source_id text) language sql as $$
  update archon_sources s set title = coalesce(archon_source_update.title, s.title),
         metadata = s.metadata || coalesce(archon_json(archon_source_update.metadata), '{}'), updated_at = now()
  where s.source_id = source returning s.source_id
$$;

-- Takes the source with everything below it and stops the work on it.
create or replace function archon_source_delete(source text)
returns table (source_id text) language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_job_stop(j.id) from archon_jobs j
  where j.source_id = source and j.state in ('queued', 'running', 'paused');
  return query delete from archon_sources s where s.source_id = source returning s.source_id;
end $$;

-- ---------------------------------------------------------------- pages and chunks

-- True when the page is stored with this very content and has vectors in `space`: then nothing is embedded.
create or replace function archon_page_keep(
  job uuid, worker text, frontier_key text, source text, page_key text, hash text, space integer
) returns table (kept boolean) language plpgsql as $$
#variable_conflict use_column
declare
  page uuid;
begin
  perform archon_require_lease(job, worker);
  select p.id into page from archon_page_metadata p
  where p.source_id = source and p.url_key = page_key and p.content_hash = hash
    and exists (select 1 from archon_crawled_pages c join archon_chunk_vectors v on v.chunk_id = c.id
                where c.page_id = p.id and v.space_id = space);
  if page is not null then
    update archon_page_metadata p set fetched_at = now() where p.id = page;
    update archon_job_pages f set state = 'unchanged', error = null, finished_at = now()
    where f.job_id = job and f.url_key = frontier_key;
  end if;
  return query select page is not null;
end $$;

-- Writes a page, its chunks and their vectors, and takes away what the page had before: all or nothing.
-- `page`: {url, url_key, title, content, content_hash, language, word_count, section_order, metadata, etag, last_modified};
-- `details`: one {heading_path, token_count, page_number, metadata} per chunk, in the order of `contents`.
create or replace function archon_page_save(
  job uuid, worker text, frontier_key text, source text, page jsonb, space integer,
  contents text[], details jsonb, embeddings vector[]
) returns table (page_id uuid, chunk_count integer) language plpgsql as $$
#variable_conflict use_column
declare
  doc jsonb := archon_json(page);
  parts jsonb := archon_json(details);
  saved uuid;
begin
  perform archon_require_lease(job, worker);
  saved := archon_page_put(source, doc, coalesce(cardinality(contents), 0));
  delete from archon_crawled_pages c where c.page_id = saved;
  perform archon_chunks_put(source, saved, doc, space, contents, parts, embeddings);
  update archon_job_pages f set state = 'stored', error = null, chunks = cardinality(contents),
         words = (doc->>'word_count')::integer, finished_at = now()
  where f.job_id = job and f.url_key = frontier_key;
  return query select saved, cardinality(contents);
end $$;

create or replace function archon_page_put(source text, doc jsonb, chunk_total integer) returns uuid
language plpgsql as $$
declare
  saved uuid;
begin
  if not exists (select 1 from archon_sources s where s.source_id = source for key share) then
    raise exception 'The source was deleted.' using errcode = 'no_data_found';
  end if;
  -- A page that Archon v1 stored has no key; its first new copy takes its place.
  delete from archon_page_metadata p where p.source_id = source and p.url = doc->>'url' and p.url_key is null;
  delete from archon_crawled_pages c where c.source_id = source and c.url = doc->>'url' and c.page_id is null;
  insert into archon_page_metadata as p (source_id, url, url_key, title, full_content, content_hash, language, section_title,
    section_order, word_count, char_count, chunk_count, metadata, etag, last_modified, fetched_at)
  values (source, doc->>'url', doc->>'url_key', doc->>'title', doc->>'content', doc->>'content_hash', doc->>'language',
    doc->>'section_title', coalesce((doc->>'section_order')::integer, 0), (doc->>'word_count')::integer,
    length(doc->>'content'), chunk_total, coalesce(doc->'metadata', '{}'), doc->>'etag', doc->>'last_modified', now())
  on conflict (source_id, url_key) do update set
    url = excluded.url, title = excluded.title, full_content = excluded.full_content, content_hash = excluded.content_hash,
    language = excluded.language, section_title = excluded.section_title, section_order = excluded.section_order,
    word_count = excluded.word_count, char_count = excluded.char_count, chunk_count = excluded.chunk_count,
    metadata = excluded.metadata, etag = excluded.etag, last_modified = excluded.last_modified,
    fetched_at = excluded.fetched_at, updated_at = now()
  returning p.id into saved;
  return saved;
end $$;

create or replace function archon_chunks_put(
  source text, page uuid, doc jsonb, space integer, contents text[], parts jsonb, embeddings vector[]
) returns void language plpgsql as $$
declare
  target archon_embedding_spaces;
begin
  select * into strict target from archon_embedding_spaces s where s.id = space;
  if exists (select 1 from unnest(embeddings) e where vector_dims(e) <> target.dimensions)
     or cardinality(embeddings) <> cardinality(contents) then
    raise exception 'The vectors do not fit the embedding space of % dimensions.', target.dimensions
      using errcode = 'data_exception';
  end if;
  with made as (
    insert into archon_crawled_pages (url, chunk_number, content, metadata, source_id, page_id, embedding_model,
      embedding_dimension, heading_path, token_count, page_number)
    select doc->>'url', t.n - 1, t.content,
           coalesce(doc->'metadata', '{}') || coalesce(parts->(t.n::integer - 1)->'metadata', '{}')
             || jsonb_build_object('page_id', page, 'chunk_index', t.n - 1),
           source, page, target.model, target.dimensions,
           array(select jsonb_array_elements_text(parts->(t.n::integer - 1)->'heading_path')),
           (parts->(t.n::integer - 1)->>'token_count')::integer, (parts->(t.n::integer - 1)->>'page_number')::integer
    from unnest(contents) with ordinality t (content, n)
    returning id, chunk_number
  )
  insert into archon_chunk_vectors (space_id, chunk_id, embedding)
  select space, made.id, embeddings[made.chunk_number + 1] from made;
end $$;

-- A page that its site no longer has.
create or replace function archon_page_remove(job uuid, worker text, frontier_key text, source text, page_key text, error jsonb)
returns table (removed boolean) language plpgsql as $$
#variable_conflict use_column
declare
  gone integer;
begin
  perform archon_require_lease(job, worker);
  delete from archon_page_metadata p where p.source_id = source and p.url_key = page_key;
  get diagnostics gone = row_count;
  update archon_job_pages f set state = case when gone > 0 then 'removed' else 'failed' end,
         error = archon_json(archon_page_remove.error), finished_at = now()
  where f.job_id = job and f.url_key = frontier_key;
  return query select gone > 0;
end $$;

create or replace function archon_page_urls(source text)
returns table (url text, url_key text) language sql stable as $$
  select p.url, coalesce(p.url_key, p.url) from archon_page_metadata p where p.source_id = source order by p.section_order, p.url
$$;

create or replace function archon_page_list(source text, section text)
returns table (id uuid, url text, title text, section_title text, section_order integer, word_count integer,
               char_count integer, chunk_count integer, fetched_at timestamptz) language sql stable as $$
  select p.id, p.url, coalesce(p.title, p.url), p.section_title, p.section_order, p.word_count, p.char_count, p.chunk_count,
         p.fetched_at
  from archon_page_metadata p
  where p.source_id = source and (section is null or p.section_title = section)
  order by p.section_order, p.created_at, p.url
$$;

create or replace function archon_page(page uuid) returns setof archon_page_metadata language sql stable as $$
  select * from archon_page_metadata where id = page
$$;

create or replace function archon_page_by_url(page_url text, page_key text)
returns setof archon_page_metadata language sql stable as $$
  (select * from archon_page_metadata where url = page_url order by updated_at desc limit 1)
  union all
  (select * from archon_page_metadata where url_key = page_key and url <> page_url order by updated_at desc limit 1)
  limit 1
$$;

create or replace function archon_chunk_list(source text, address text, row_limit integer, row_offset integer)
returns table (id bigint, source_id text, content text, metadata jsonb, url text, title text, heading_path text[],
               page_id uuid, page_number integer, chunk_number integer, token_count integer, total bigint)
language sql stable as $$
  select c.id, c.source_id, c.content, c.metadata, c.url, coalesce(p.title, c.metadata->>'title', c.url), c.heading_path,
         c.page_id, c.page_number, c.chunk_number, c.token_count, count(*) over ()
  from archon_crawled_pages c left join archon_page_metadata p on p.id = c.page_id
  where c.source_id = source and (address is null or c.url ilike address)
  order by c.url, c.id
  limit row_limit offset row_offset
$$;

create or replace function archon_code_example_list(source text, row_limit integer, row_offset integer)
returns table (id bigint, source_id text, content text, summary text, metadata jsonb, url text, total bigint)
language sql stable as $$
  select e.id, e.source_id, e.content, e.summary, e.metadata, e.url, count(*) over ()
  from archon_code_examples e where e.source_id = source order by e.id limit row_limit offset row_offset
$$;
$archon_file_0010$;
  insert into archon_migrations (version, migration_name, checksum) values ('0010', 'ingest_functions', '5d3144d33f3a99e1b4238ff6241cb4d6');
end $archon_step_0010$;

do $archon_step_0020$
begin
  if exists (select 1 from archon_migrations where version = '0020') then
    return;
  end if;
  execute $archon_file_0020$
-- Search: vector and keyword candidates, fused by rank; what an empty answer means; the measure of similarity.

-- 'asyncio.gather' and 'docs/install' are one word each to the parser; apart, a question finds their parts.
create or replace function archon_search_words(body text) returns tsvector language sql immutable parallel safe as $$
  select to_tsvector('english'::regconfig, translate(body, './', '  '))
$$;

-- array_to_string is only "stable" because of arrays of dates; for text it never changes.
create or replace function archon_heading_words(heading_path text[], metadata jsonb)
returns tsvector language plpgsql immutable parallel safe as $$
begin
  return archon_search_words(coalesce(metadata->>'title', '') || ' ' || array_to_string(heading_path, ' '));
end $$;

alter table archon_crawled_pages drop column if exists content_search_vector;
alter table archon_crawled_pages
  add column content_search_vector tsvector generated always as (archon_search_words(content)) stored,
  add column heading_search_vector tsvector
    generated always as (archon_heading_words(heading_path, metadata)) stored;
create index if not exists archon_crawled_pages_text on archon_crawled_pages using gin (content_search_vector);
create index if not exists archon_crawled_pages_headings on archon_crawled_pages using gin (heading_search_vector);

-- How many vectors the space had when its floor was measured: grown much since, it is measured again.
alter table archon_embedding_spaces add column if not exists similarity_floor_size integer;

-- The sources a search may use: null is all of them, an empty array none.
create or replace function archon_search_scope(source_ids text[], tags text[])
returns text[] language sql stable as $$
  select case
    when cardinality(source_ids) = 0 and cardinality(tags) = 0 then null
    when cardinality(tags) = 0 then source_ids
    else array(
      select s.source_id from archon_sources s
      where (cardinality(archon_search_scope.source_ids) = 0 or s.source_id = any (archon_search_scope.source_ids))
        and s.metadata->'tags' ?| archon_search_scope.tags)
  end
$$;

-- The `depth` nearest chunks. Within few chunks exactly; else through the HNSW index of the space, which is
-- partial and over a cast: only a literal space and the same cast let the planner use it.
create or replace function archon_vector_candidates(
  space integer, query_embedding vector, scope text[], depth integer, exact boolean default false
) returns table (chunk_id bigint, distance double precision) language plpgsql
set jit = off as $$
#variable_conflict use_column
declare
  exact_within constant integer := 5000;
  size integer := vector_dims(query_embedding);
  narrow boolean := false;
  cast_type text;
begin
  perform 1 from archon_embedding_spaces s where s.id = space and s.dimensions = size;
  if not found then
    raise exception 'there is no embedding space % with % dimensions', space, size using errcode = 'no_data_found';
  end if;
  if scope is not null then
    select count(*) <= exact_within into narrow from (
      select 1 from archon_crawled_pages c where c.source_id = any (scope) limit exact_within + 1) as counted;
  end if;
  if narrow or exact or size > 4000 then
    return query execute format(
      'select v.chunk_id, v.embedding <=> $1 from archon_chunk_vectors v
       where v.space_id = %s and ($2 is null
         or v.chunk_id in (select c.id from archon_crawled_pages c where c.source_id = any ($2)))
       order by 2, 1 limit $3', space) using query_embedding, scope, depth;
    return;
  end if;
  cast_type := format(case when size <= 2000 then 'vector(%s)' else 'halfvec(%s)' end, size);
  perform set_config('hnsw.ef_search', least(1000, greatest(100, 2 * depth))::text, true);
  -- A filter that the nearest do not pass makes the scan go on instead of ending short; its order is
  -- relaxed, so the few that come back are ordered again by the full vector.
  perform set_config('hnsw.iterative_scan', case when scope is null then 'off' else 'relaxed_order' end, true);
  return query execute format(
    'with nearest as materialized (
       select v.chunk_id, v.embedding from archon_chunk_vectors v
       where v.space_id = %1$s %3$s order by v.embedding::%2$s <=> $1::%2$s limit $3)
     select n.chunk_id, n.embedding <=> $1 from nearest n order by 2, 1',
    space, cast_type, case when scope is null then '' else
      'and exists (select 1 from archon_crawled_pages c where c.id = v.chunk_id and c.source_id = any ($2))' end)
    using query_embedding, scope, depth;
end $$;

-- The words of a question with the share of chunks that have them (null: rare or never counted). The shares
-- are the planner's own statistics of the text column, kept by (auto)analyze.
create or replace function archon_query_words(query_text text)
returns table (lexeme text, word tsquery, share real) language sql stable as $$
  with known as (
    select e.lexeme, e.share from pg_stats s,
      unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) as e (lexeme, share)
    where s.schemaname = any (current_schemas(false)) and s.tablename = 'archon_crawled_pages'
      and s.attname = 'content_search_vector' and e.lexeme is not null
  )
  select w.lexeme, quote_literal(w.lexeme)::tsquery, k.share
  from unnest(archon_search_words(left(query_text, 4000))) as w (lexeme)
  left join known k on k.lexeme = w.lexeme
  order by k.share nulls first, w.lexeme limit 24
$$;

-- The `depth` best chunks by words. Any word may match (people ask in sentences), a rare word counts more than a
-- common one, a word in title or headings counts again. The rarest words that about `most` chunks have bring the
-- candidates, from the indexes alone; then all words rank the best of them. ts_rank of one word is its saturated
-- frequency: 0.6 where it stands once, never above 1.
create or replace function archon_keyword_candidates(query_text text, scope text[], depth integer)
returns table (chunk_id bigint, score double precision) language plpgsql
set jit = off set plan_cache_mode = force_custom_plan set work_mem = '32MB' as $$
#variable_conflict use_column
declare
  most constant integer := 2500;
  headings constant double precision := 0.5;
  weights constant real[] := '{1,1,1,1}';
  total double precision;
begin
  select c.reltuples into total from pg_class c where c.oid = 'archon_crawled_pages'::regclass;
  if total <= 0 then
    select count(*) into total from archon_crawled_pages;
  end if;
  perform 1 from archon_query_words(query_text) q having min(coalesce(q.share, 0)) * total > most;
  if found then  -- only common words: those chunks that have all of them
    return query
      select c.id, ts_rank(weights, c.content_search_vector, a.words)::double precision
      from (select string_agg(quote_literal(q.lexeme), ' & ')::tsquery as words from archon_query_words(query_text) q) a,
        lateral (select p.id, p.content_search_vector, p.heading_search_vector from archon_crawled_pages p
          where p.content_search_vector @@ a.words and (scope is null or p.source_id = any (scope)) limit most) c
      order by ts_rank(weights, c.heading_search_vector, a.words) desc, 2 desc, 1 limit depth;
    return;
  end if;
  return query
    with word as materialized (
      select row_number() over rarest as n, q.word, q.share,
        sum(coalesce(q.share, 0) * total) over rarest <= most as brings
      from archon_query_words(query_text) q window rarest as (order by q.share nulls first, q.lexeme)
    ), matched as materialized (
      select w.n, true as inside, c.id from word w, lateral (
        select p.id from archon_crawled_pages p
        where p.content_search_vector @@ w.word and (scope is null or p.source_id = any (scope)) limit most) c
      where w.brings
      union all
      select w.n, false, c.id from word w, lateral (
        select p.id from archon_crawled_pages p
        where p.heading_search_vector @@ w.word and (scope is null or p.source_id = any (scope)) limit most) c
      where w.brings
    ), weighed as materialized (
      select w.n, w.word, ln(1 + total / greatest(1, coalesce(w.share * total, m.found, 0))) as rarity
      from word w left join (select x.n, count(*) filter (where x.inside) as found from matched x group by x.n) m using (n)
    ), best as materialized (
      select m.id from matched m join weighed w using (n)
      group by m.id order by sum(case when m.inside then w.rarity else headings * w.rarity end) desc, m.id
      limit 3 * depth
    ), plain as materialized (  -- `|| ''` unpacks each stored text once instead of once a word
      select c.id, c.content_search_vector || ''::tsvector as body, c.heading_search_vector as heading
      from best b join archon_crawled_pages c on c.id = b.id
    )
    select p.id, sum(w.rarity * (ts_rank(weights, p.body, w.word)
      + case when p.heading @@ w.word then headings else 0 end))
    from plain p cross join weighed w group by p.id order by 2 desc, 1 limit depth;
end $$;

-- Reciprocal rank fusion (k = 60) of both candidate lists. `space` null: keywords only. `similarity` is the
-- cosine, also of a chunk that only its words found; null where the chunk has no vector in the space.
create or replace function archon_search_chunks(
  space integer, query_embedding vector, query_text text, source_ids text[], tags text[], match_count integer
) returns table (
  id bigint, url varchar, chunk_number integer, content text, metadata jsonb, source_id text, page_id uuid, title text,
  heading_path text[], page_number integer, similarity double precision, fused_score double precision,
  vector_rank integer, keyword_rank integer
) language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  depth integer := greatest(50, 2 * match_count);
  scope text[] := archon_search_scope(source_ids, tags);
begin
  return query
    with near as materialized (
      select v.chunk_id, row_number() over (order by v.distance, v.chunk_id)::integer as place
      from archon_vector_candidates(space, query_embedding, scope, depth) v
      where space is not null and v.distance < 0.95  -- below a cosine of 0.05 nothing is alike
    ), worded as materialized (
      select k.chunk_id, row_number() over (order by k.score desc, k.chunk_id)::integer as place
      from archon_keyword_candidates(query_text, scope, depth) k
    ), fused as materialized (
      select coalesce(n.chunk_id, w.chunk_id) as chunk_id, n.place as near_place, w.place as worded_place,
        coalesce(1.0 / (60 + n.place), 0) + coalesce(1.0 / (60 + w.place), 0) as points
      from near n full join worded w on w.chunk_id = n.chunk_id
      order by 4 desc, coalesce(n.place, 1000000), 1 limit match_count
    )
    select c.id, c.url, c.chunk_number, c.content, c.metadata, c.source_id, c.page_id,
      coalesce(p.title, c.metadata->>'title', p.section_title, s.title), c.heading_path, c.page_number,
      1 - (v.embedding <=> query_embedding), f.points::double precision, f.near_place, f.worded_place
    from fused f
    join archon_crawled_pages c on c.id = f.chunk_id
    join archon_sources s on s.source_id = c.source_id
    left join archon_page_metadata p on p.id = c.page_id
    left join archon_chunk_vectors v on v.space_id = space and v.chunk_id = c.id
    order by f.points desc, coalesce(f.near_place, 1000000), c.id;
end $$;

-- The pages of page results, by id or, for chunks without one, by address.
create or replace function archon_search_pages(page_ids text[])
returns table (page_id uuid, url text, title text, section_title text, word_count integer, source_id text)
language sql stable as $$
  select p.id, p.url, p.title, p.section_title, p.word_count, p.source_id
  from archon_page_metadata p where p.id = any (page_ids::uuid[])
$$;

-- Why a search that worked found nothing.
create or replace function archon_search_reason(space integer, source_ids text[], tags text[])
returns text language plpgsql stable as $$
declare
  scope text[] := archon_search_scope(source_ids, tags);
begin
  perform 1 from archon_crawled_pages c where scope is null or c.source_id = any (scope) limit 1;
  if not found then
    return 'empty_store';
  end if;
  perform 1 from archon_crawled_pages c join archon_chunk_vectors v on v.chunk_id = c.id and v.space_id = space
    where scope is null or c.source_id = any (scope) limit 1;
  if found then
    return 'no_match';
  end if;
  perform 1 from archon_crawled_pages c join archon_chunk_vectors v on v.chunk_id = c.id
    where scope is null or c.source_id = any (scope) limit 1;
  return case when found then 'other_space' else 'no_match' end;
end $$;

-- The space of an embedding identity that may be searched; no row when nothing was ever embedded with it.
create or replace function archon_search_space(
  model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text
) returns table (id integer, similarity_floor real, similarity_floor_size integer) language sql stable as $$
  select s.id, s.similarity_floor, s.similarity_floor_size from archon_embedding_spaces s
  where s.model = archon_search_space.model and s.dimensions = archon_search_space.dimensions
    and s.normalised = archon_search_space.normalised and s.query_prefix = archon_search_space.query_prefix
    and s.passage_prefix = archon_search_space.passage_prefix and s.state <> 'retired'
$$;

-- Vectors in the space: counted to 10,000, estimated from there on.
create or replace function archon_space_size(space integer) returns integer language sql stable as $$
  select case when counted.n < 10000 then counted.n else greatest(10000, c.reltuples)::integer end
  from pg_class c,
    (select count(*)::integer as n from (
      select 1 from archon_chunk_vectors v where v.space_id = space limit 10000) as few) as counted
  where c.oid = 'archon_chunk_vectors'::regclass
$$;

-- Passages spread evenly over the store, with the page each belongs to.
create or replace function archon_floor_sample(space integer, wanted integer)
returns table (chunk_id bigint, page text, content text, embedding vector) language sql stable as $$
  with ends as (
    select min(v.chunk_id) as first, max(v.chunk_id) as last from archon_chunk_vectors v where v.space_id = space
  ), steps as (
    select distinct near.chunk_id
    from ends, generate_series(0, wanted - 1) as step,
      lateral (select v.chunk_id from archon_chunk_vectors v
        where v.space_id = space
          and v.chunk_id >= ends.first + ((ends.last - ends.first) * step / greatest(1, wanted - 1))
        order by v.chunk_id limit 1) as near
  )
  select c.id, coalesce(c.page_id::text, c.url), c.content, v.embedding
  from steps
  join archon_crawled_pages c on c.id = steps.chunk_id
  join archon_chunk_vectors v on v.space_id = space and v.chunk_id = c.id
  order by c.id
$$;

create or replace function archon_floor_save(space integer, similarity_floor double precision, size integer)
returns void language sql as $$
  update archon_embedding_spaces s
  set similarity_floor = archon_floor_save.similarity_floor, similarity_floor_size = archon_floor_save.size
  where s.id = space
$$;

create or replace function archon_vectors_of(space integer, chunk_ids bigint[])
returns table (chunk_id bigint, embedding vector) language sql stable as $$
  select v.chunk_id, v.embedding from archon_chunk_vectors v where v.space_id = space and v.chunk_id = any (chunk_ids)
$$;
$archon_file_0020$;
  insert into archon_migrations (version, migration_name, checksum) values ('0020', 'search_functions', '9732b9ee8303a0ad3094629486b4fa7a');
end $archon_step_0020$;

do $archon_step_0030$
begin
  if exists (select 1 from archon_migrations where version = '0030') then
    return;
  end if;
  execute $archon_file_0030$
-- Conversations and their messages.

-- Stores a question and the still empty message of its answer. `conversation` null begins a new conversation.
create or replace function archon_turn_begin(
  conversation text, title text, question text, provider text, model text, passages jsonb
) returns table (conversation_id uuid, question_id uuid, answer_id uuid) language plpgsql as $$
declare
  home uuid := conversation::uuid;
  next_position integer;
  asked uuid;
  answer uuid;
begin
  if home is null then
    insert into archon_conversations as c (title) values (archon_turn_begin.title) returning c.id into home;
  else
    -- Two tabs in one conversation: the row lock puts their turns one after the other.
    perform 1 from archon_conversations c where c.id = home for update;
    if not found then
      raise exception 'There is no conversation %.', home using errcode = 'no_data_found';
    end if;
  end if;
  select coalesce(max(m.position) + 1, 0) into next_position from archon_messages m where m.conversation_id = home;
  insert into archon_messages as m (conversation_id, position, role, content)
    values (home, next_position, 'user', question) returning m.id into asked;
  insert into archon_messages as m (conversation_id, position, role, content, provider, model, passages)
    values (home, next_position + 1, 'assistant', '', archon_turn_begin.provider, archon_turn_begin.model,
            archon_json(archon_turn_begin.passages))
    returning m.id into answer;
  update archon_conversations c set updated_at = now() where c.id = home;
  return query select home, asked, answer;
end $$;

-- Completes an answer; false when its conversation was deleted meanwhile.
create or replace function archon_turn_end(
  answer_id uuid, content text, outcome text, support jsonb, usage jsonb, error jsonb
) returns boolean language plpgsql as $$
declare
  home uuid;
begin
  update archon_messages m
  set content = archon_turn_end.content, outcome = archon_turn_end.outcome,
      support = archon_json(archon_turn_end.support), usage = archon_json(archon_turn_end.usage),
      error = archon_json(archon_turn_end.error)
  where m.id = answer_id returning m.conversation_id into home;
  update archon_conversations c set updated_at = now() where c.id = home;
  return home is not null;
end $$;

create or replace function archon_conversations_list(most integer)
returns table (id uuid, title text, created_at timestamptz, updated_at timestamptz, message_count bigint)
language sql stable as $$
  select c.id, c.title, c.created_at, c.updated_at,
    (select count(*) from archon_messages m where m.conversation_id = c.id)
  from archon_conversations c order by c.updated_at desc, c.id limit most
$$;

create or replace function archon_conversation(conversation uuid)
returns table (id uuid, title text, created_at timestamptz, updated_at timestamptz, message_count bigint)
language sql stable as $$
  select c.id, c.title, c.created_at, c.updated_at,
    (select count(*) from archon_messages m where m.conversation_id = c.id)
  from archon_conversations c where c.id = conversation
$$;

create or replace function archon_conversation_messages(conversation uuid)
returns setof archon_messages language sql stable as $$
  select * from archon_messages m where m.conversation_id = conversation order by m.position
$$;

-- The last `most` messages, oldest first. Raises when there is no such conversation.
create or replace function archon_conversation_tail(conversation uuid, most integer)
returns table (role text, content text, outcome text) language plpgsql stable as $$
begin
  perform 1 from archon_conversations c where c.id = conversation;
  if not found then
    raise exception 'There is no conversation %.', conversation using errcode = 'no_data_found';
  end if;
  return query
    select t.role, t.content, t.outcome from (
      select m.role, m.content, m.outcome, m.position from archon_messages m
      where m.conversation_id = conversation order by m.position desc limit most) as t
    order by t.position;
end $$;

create or replace function archon_conversation_delete(conversation uuid) returns boolean language plpgsql as $$
begin
  delete from archon_conversations c where c.id = conversation;
  return found;
end $$;
$archon_file_0030$;
  insert into archon_migrations (version, migration_name, checksum) values ('0030', 'conversation_functions', '08ba572a3af1827a9dcba99eda852c43');
end $archon_step_0030$;

do $archon_step_0040$
begin
  if exists (select 1 from archon_migrations where version = '0040') then
    return;
  end if;
  execute $archon_file_0040$
-- Feeding: what is kept of a page to ask its site only whether it changed, and code examples with vectors of their own.

-- `links`: addresses in scope that the page led to, for a refresh that does not get the page again.
-- `read_as`: the way it was read and cut; a page that would be read another way now is fetched whole.
alter table archon_page_metadata
  add column if not exists links text[] not null default '{}',
  add column if not exists read_as text;

-- ---------------------------------------------------------------- code examples

-- Archon v1 allowed an address once in the whole store.
do $$
declare
  found record;
begin
  for found in
    select c.conname from pg_constraint c
    where c.contype = 'u' and c.conrelid = 'archon_code_examples'::regclass
      and (select array_agg(a.attname::text order by a.attname) from pg_attribute a
           where a.attrelid = c.conrelid and a.attnum = any (c.conkey)) = array['chunk_number', 'url']
  loop
    execute format('alter table archon_code_examples drop constraint %I', found.conname);
  end loop;
end $$;

-- `embedded_text` is what the vector is made of; null for examples of Archon v1.
alter table archon_code_examples drop column if exists content_search_vector;
alter table archon_code_examples
  add column if not exists page_id uuid references archon_page_metadata (id) on delete cascade,
  add column if not exists language text,
  add column if not exists heading_path text[] not null default '{}',
  add column if not exists embedded_text text,
  add column content_search_vector tsvector
    generated always as (archon_search_words(content || ' ' || summary) || archon_heading_words(heading_path, metadata)) stored;
create unique index if not exists archon_code_examples_place on archon_code_examples (source_id, url, chunk_number);
create index if not exists archon_code_examples_page on archon_code_examples (page_id);
create index if not exists archon_code_examples_text on archon_code_examples using gin (content_search_vector);

create table if not exists archon_code_vectors (
  space_id integer not null references archon_embedding_spaces (id) on delete cascade,
  example_id bigint not null references archon_code_examples (id) on delete cascade,
  embedding vector not null,
  primary key (space_id, example_id)
);
create index if not exists archon_code_vectors_example on archon_code_vectors (example_id);

-- What a refresh may ask a site about: the page as it is stored, if it has all its vectors in `space` and would be
-- read the same way. No row: fetch it whole.
create or replace function archon_page_known(source text, page_key text, space integer, read_as text)
returns table (etag text, last_modified text, content_hash text, links text[]) language sql stable as $$
  select p.etag, p.last_modified, p.content_hash, p.links
  from archon_page_metadata p
  where p.source_id = source and p.url_key = page_key and p.read_as = archon_page_known.read_as
    and (p.etag is not null or p.last_modified is not null)
    and exists (select 1 from archon_crawled_pages c join archon_chunk_vectors v on v.chunk_id = c.id
                where c.page_id = p.id and v.space_id = space)
    and not exists (select 1 from archon_code_examples e where e.page_id = p.id
                    and not exists (select 1 from archon_code_vectors v where v.example_id = e.id and v.space_id = space))
$$;

-- The space's own HNSW index over its examples, as for chunks. Asked for once a job, before its first write: making
-- it waits for writers, so nobody may do that who has written already.
create or replace function archon_code_space_ready(space integer) returns void language plpgsql as $$
declare
  size integer;
  cast_type text;
  name text := 'archon_code_vectors_space_' || space;
begin
  perform pg_advisory_xact_lock(hashtext('archon_code_space_ready'));
  select s.dimensions into size from archon_embedding_spaces s where s.id = space;
  cast_type := case when size <= 2000 then 'vector' when size <= 4000 then 'halfvec' end;
  if cast_type is not null and to_regclass(name) is null then
    execute format(
      'create index if not exists %I on archon_code_vectors using hnsw ((embedding::%s(%s)) %s_cosine_ops) where space_id = %s',
      name, cast_type, size, cast_type, space);
  end if;
end $$;

-- The examples of a page, in place of those it had. `details`: one {summary, language, heading_path, embedded_text,
-- metadata} per example, in the order of `codes`.
create or replace function archon_code_put(
  source text, page uuid, page_url text, space integer, codes text[], details jsonb, embeddings vector[]
) returns void language plpgsql as $$
declare
  parts jsonb := archon_json(details);
  target archon_embedding_spaces;
  described jsonb;
  vectors vector[];
begin
  select * into strict target from archon_embedding_spaces s where s.id = space;
  -- What a model said of code that the page still has holds on, with its vector.
  select jsonb_agg(jsonb_build_object('content', e.content, 'summary', e.summary, 'model', e.llm_chat_model,
           'embedded_text', e.embedded_text, 'metadata', e.metadata) order by e.id), array_agg(v.embedding order by e.id)
  into described, vectors
  from archon_code_examples e join archon_code_vectors v on v.example_id = e.id and v.space_id = space
  where e.page_id = page and e.metadata ? 'summary_by' and e.content = any (codes);
  delete from archon_code_examples e where e.page_id = page or (e.source_id = source and e.url = page_url);
  if coalesce(cardinality(codes), 0) = 0 then
    return;
  end if;
  if exists (select 1 from unnest(embeddings) e where vector_dims(e) <> target.dimensions)
     or cardinality(embeddings) <> cardinality(codes) then
    raise exception 'The vectors do not fit the embedding space of % dimensions.', target.dimensions
      using errcode = 'data_exception';
  end if;
  with made as (
    insert into archon_code_examples (url, chunk_number, content, summary, metadata, source_id, page_id, language,
      heading_path, embedded_text, embedding_model, embedding_dimension)
    select page_url, t.n - 1, t.code, parts->(t.n::integer - 1)->>'summary',
           coalesce(parts->(t.n::integer - 1)->'metadata', '{}')
             || jsonb_build_object('page_id', page, 'chunk_index', t.n - 1, 'url', page_url, 'source_id', source),
           source, page, parts->(t.n::integer - 1)->>'language',
           array(select jsonb_array_elements_text(parts->(t.n::integer - 1)->'heading_path')),
           parts->(t.n::integer - 1)->>'embedded_text', target.model, target.dimensions
    from unnest(codes) with ordinality t (code, n)
    returning id, chunk_number
  )
  insert into archon_code_vectors (space_id, example_id, embedding)
  select space, made.id, embeddings[made.chunk_number + 1] from made;
  if described is not null then
    perform archon_code_describe_again(page, space, described, vectors);
  end if;
end $$;

create or replace function archon_code_describe_again(page uuid, space integer, described jsonb, vectors vector[])
returns void language sql as $$
  with same as (
    select n.id, d.one->>'summary' as summary, d.one->>'model' as llm_chat_model, d.one->>'embedded_text' as embedded_text,
           d.one->'metadata' as metadata, vectors[d.place] as embedding
    from jsonb_array_elements(described) with ordinality d (one, place)
    join archon_code_examples n on n.page_id = page and n.content = d.one->>'content'
  ), changed as (
    update archon_code_examples e set summary = s.summary, llm_chat_model = s.llm_chat_model,
           embedded_text = s.embedded_text, metadata = e.metadata || jsonb_build_object(
             'example_name', s.metadata->'example_name', 'title', s.metadata->'title', 'summary_by', s.metadata->'summary_by')
    from same s where e.id = s.id
  )
  update archon_code_vectors v set embedding = s.embedding from same s where v.example_id = s.id and v.space_id = space
$$;

-- A page with its chunks and its code examples, all or nothing. `page` as for archon_page_save, and {links, read_as}.
create or replace function archon_page_save_whole(
  job uuid, worker text, frontier_key text, source text, page jsonb, space integer, contents text[], details jsonb,
  embeddings vector[], codes text[], code_details jsonb, code_embeddings vector[]
) returns table (page_id uuid, chunk_count integer) language plpgsql as $$
#variable_conflict use_column
declare
  doc jsonb := archon_json(page);
  saved record;
begin
  select s.page_id, s.chunk_count into saved
  from archon_page_save(job, worker, frontier_key, source, doc, space, contents, details, embeddings) s;
  update archon_page_metadata p set read_as = doc->>'read_as',
         links = array(select jsonb_array_elements_text(coalesce(doc->'links', '[]')))
  where p.id = saved.page_id;
  perform archon_code_put(source, saved.page_id, doc->>'url', space, codes, code_details, code_embeddings);
  return query select saved.page_id, saved.chunk_count;
end $$;

-- Examples without a vector in `space`, in the order of their ids after `after`: for filling another space.
create or replace function archon_code_missing(space integer, after bigint, row_limit integer)
returns table (id bigint, embedded_text text) language sql stable as $$
  select e.id, coalesce(e.embedded_text, e.summary || E'\n\n' || e.content) from archon_code_examples e
  where e.id > after and not exists (
    select 1 from archon_code_vectors v where v.space_id = space and v.example_id = e.id)
  order by e.id limit row_limit
$$;

-- Vectors of examples in a space; examples that are gone meanwhile are passed over.
create or replace function archon_code_vectors_put(space integer, ids bigint[], embeddings vector[])
returns void language sql as $$
  insert into archon_code_vectors (space_id, example_id, embedding)
  select space, t.id, t.embedding from unnest(ids, embeddings) t (id, embedding)
  where exists (select 1 from archon_code_examples e where e.id = t.id)
  on conflict (space_id, example_id) do update set embedding = excluded.embedding
$$;

-- Examples that still want a summary, after an id.
create or replace function archon_code_unsummarised(after bigint, row_limit integer)
returns table (id bigint, content text, language text, metadata jsonb, heading_path text[], embedded_text text)
language sql stable as $$
  select e.id, e.content, e.language, e.metadata, e.heading_path, coalesce(e.embedded_text, '')
  from archon_code_examples e
  where e.id > after and not e.metadata ?| array['summary_by', 'summary_problem']
  order by e.id limit row_limit
$$;
create index if not exists archon_code_examples_unsummarised on archon_code_examples (id)
  where not metadata ?| array['summary_by', 'summary_problem'];

-- An example that the model could not describe: it keeps the words around it, and is not asked about again.
create or replace function archon_code_undescribed(example bigint, problem text) returns void language sql as $$
  update archon_code_examples e set metadata = e.metadata || jsonb_build_object('summary_problem', problem)
  where e.id = example
$$;

-- A better summary and name, with the vector of the text that they are part of now.
create or replace function archon_code_summarise(
  example bigint, summary text, name text, model text, embedded_text text, space integer, embedding vector
) returns void language plpgsql as $$
#variable_conflict use_column
begin
  update archon_code_examples e set summary = archon_code_summarise.summary, llm_chat_model = model,
         embedded_text = archon_code_summarise.embedded_text,
         metadata = e.metadata || jsonb_build_object('example_name', name, 'title', name, 'summary_by', model)
  where e.id = example;
  if found then
    perform archon_code_vectors_put(space, array[example], array[embedding]);
  end if;
end $$;

create or replace function archon_code_examples_of(source text, written_in text, row_limit integer, row_offset integer)
returns table (id bigint, source_id text, content text, summary text, metadata jsonb, url text, page_id uuid,
               language text, heading_path text[], total bigint) language sql stable as $$
  select e.id, e.source_id, e.content, e.summary, e.metadata, e.url, e.page_id,
         coalesce(e.language, e.metadata->>'language'), e.heading_path, count(*) over ()
  from archon_code_examples e
  where e.source_id = source
    and (written_in is null
         or coalesce(e.language, e.metadata->>'language') = written_in)
  order by e.id limit row_limit offset row_offset
$$;

-- ---------------------------------------------------------------- search in code

create or replace function archon_code_near(
  space integer, query_embedding vector, scope text[], written_in text, depth integer
) returns table (example_id bigint, distance double precision) language plpgsql set jit = off as $$
#variable_conflict use_column
declare
  exact_within constant integer := 5000;
  size integer := vector_dims(query_embedding);
  narrow boolean;
  cast_type text := case when size <= 2000 then format('vector(%s)', size) else format('halfvec(%s)', size) end;
  filter text := case when scope is null and written_in is null then '' else
    'and exists (select 1 from archon_code_examples c where c.id = v.example_id'
    || ' and ($2 is null or c.source_id = any ($2)) and ($4 is null or c.language = $4))' end;
begin
  perform 1 from archon_embedding_spaces s where s.id = space and s.dimensions = size;
  if not found then
    raise exception 'there is no embedding space % with % dimensions', space, size using errcode = 'no_data_found';
  end if;
  select count(*) <= exact_within into narrow from (
    select 1 from archon_code_examples c
    where (scope is null or c.source_id = any (scope)) and (written_in is null or c.language = written_in)
    limit exact_within + 1) as counted;
  if narrow or size > 4000 then
    return query execute format(
      'select v.example_id, v.embedding <=> $1 from archon_code_vectors v where v.space_id = %s %s
       order by 2, 1 limit $3', space, filter) using query_embedding, scope, depth, written_in;
    return;
  end if;
  perform set_config('hnsw.ef_search', least(1000, greatest(100, 2 * depth))::text, true);
  perform set_config('hnsw.iterative_scan', case when filter = '' then 'off' else 'relaxed_order' end, true);
  return query execute format(
    'with nearest as materialized (
       select v.example_id, v.embedding from archon_code_vectors v
       where v.space_id = %1$s %3$s order by v.embedding::%2$s <=> $1::%2$s limit $3)
     select n.example_id, n.embedding <=> $1 from nearest n order by 2, 1', space, cast_type, filter)
    using query_embedding, scope, depth, written_in;
end $$;

-- By words: any may match, a rare one counts more than a common one.
create or replace function archon_code_worded(query_text text, scope text[], written_in text, depth integer)
returns table (example_id bigint, score double precision) language plpgsql
set jit = off set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  most constant integer := 2500;
  total double precision;
begin
  select greatest(c.reltuples, 1) into total from pg_class c where c.oid = 'archon_code_examples'::regclass;
  return query
    with word as materialized (
      select row_number() over () as n, quote_literal(w.lexeme)::tsquery as word
      from unnest(archon_search_words(left(query_text, 4000))) as w (lexeme) limit 24
    ), matched as materialized (
      select w.n, c.id from word w, lateral (
        select e.id from archon_code_examples e
        where e.content_search_vector @@ w.word and (scope is null or e.source_id = any (scope))
          and (written_in is null or e.language = written_in) limit most) c
    ), weighed as materialized (
      select w.n, w.word, ln(1 + greatest(total, m.found) / m.found) as rarity
      from word w join (select x.n, count(*) as found from matched x group by x.n) m using (n)
    ), best as materialized (
      select m.id from matched m join weighed w using (n) group by m.id order by sum(w.rarity) desc, m.id limit 3 * depth
    )
    select b.id, sum(w.rarity * ts_rank('{1,1,1,1}', e.content_search_vector, w.word))::double precision
    from best b join archon_code_examples e on e.id = b.id cross join weighed w
    group by b.id order by 2 desc, 1 limit depth;
end $$;

-- Reciprocal rank fusion (k = 60) of both lists. `space` null: words only.
create or replace function archon_search_code(
  space integer, query_embedding vector, query_text text, source_ids text[], tags text[], written_in text, match_count integer
) returns table (
  id bigint, url varchar, content text, summary text, metadata jsonb, source_id text, page_id uuid, title text,
  heading_path text[], language text, similarity double precision, fused_score double precision,
  vector_rank integer, keyword_rank integer
) language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  depth integer := greatest(50, 2 * match_count);
  scope text[] := archon_search_scope(source_ids, tags);
begin
  return query
    with near as materialized (
      select v.example_id, row_number() over (order by v.distance, v.example_id)::integer as place
      from archon_code_near(space, query_embedding, scope, written_in, depth) v
      where space is not null and v.distance < 0.95
    ), worded as materialized (
      select k.example_id, row_number() over (order by k.score desc, k.example_id)::integer as place
      from archon_code_worded(query_text, scope, written_in, depth) k
    ), fused as materialized (
      select coalesce(n.example_id, w.example_id) as example_id, n.place as near_place, w.place as worded_place,
        coalesce(1.0 / (60 + n.place), 0) + coalesce(1.0 / (60 + w.place), 0) as points
      from near n full join worded w on w.example_id = n.example_id
      order by 4 desc, coalesce(n.place, 1000000), 1 limit match_count
    )
    select e.id, e.url, e.content, e.summary, e.metadata, e.source_id, e.page_id,
      coalesce(p.title, e.metadata->>'title', s.title), e.heading_path, coalesce(e.language, e.metadata->>'language'),
      1 - (v.embedding <=> query_embedding), f.points::double precision, f.near_place, f.worded_place
    from fused f
    join archon_code_examples e on e.id = f.example_id
    join archon_sources s on s.source_id = e.source_id
    left join archon_page_metadata p on p.id = e.page_id
    left join archon_code_vectors v on v.space_id = space and v.example_id = e.id
    order by f.points desc, coalesce(f.near_place, 1000000), e.id;
end $$;
$archon_file_0040$;
  insert into archon_migrations (version, migration_name, checksum) values ('0040', 'feeding', 'edeb2d953b50d7dcb87f3362272fc84a');
end $archon_step_0040$;

do $archon_step_0041$
begin
  if exists (select 1 from archon_migrations where version = '0041') then
    return;
  end if;
  execute $archon_file_0041$
-- Parts of a body that holds several (a book, an archive, llms-full.txt) are addresses of the job in the hand of the
-- worker that reads the body, so that no other one takes them for pages to be fetched. Only new ones are added.
alter table archon_job_pages
  add column if not exists owner text,
  add column if not exists ordinal integer;

create or replace function archon_parts_add(job uuid, worker text, keys text[], urls text[], labels text[])
returns table (added integer) language plpgsql as $$
declare
  known integer;
  fresh integer;
begin
  perform archon_require_lease(job, worker);
  select count(*) into known from archon_job_pages p where p.job_id = job;
  insert into archon_job_pages (job_id, url_key, url, label, depth, owner, ordinal)
  select job, t.key, t.url, t.label, 0, worker, known + t.place - 1
  from unnest(keys, urls, labels) with ordinality t (key, url, label, place)
  on conflict (job_id, url_key) do update set owner = excluded.owner where archon_job_pages.state = 'queued';
  select count(*) - known into fresh from archon_job_pages p where p.job_id = job;
  return query select fresh;
end $$;
$archon_file_0041$;
  insert into archon_migrations (version, migration_name, checksum) values ('0041', 'parts', '0e79dbf85087487d82982b8811740dd8');
end $archon_step_0041$;

do $archon_step_0050$
begin
  if exists (select 1 from archon_migrations where version = '0050') then
    return;
  end if;
  execute $archon_file_0050$
-- Vectors in parts. Inserting into an HNSW index costs ten times what inserting without one does, and an index is built
-- over many rows at once far faster than row by row. So each space is a partition of its own, and in it each part is one:
-- part 0 has its index from the start and is what grows by a few rows; the fresh part has none. A search that orders a
-- space by distance merges the indexed parts with the fresh one, which it reads exactly: Postgres does that by itself.
-- A fresh part that has grown large is closed (the next one is opened first, so that nobody waits) and indexed at once.
-- A space that is given up goes by dropping its partition.

alter table archon_embedding_spaces add column if not exists fresh_part integer not null default 1;

alter table archon_chunk_vectors rename to archon_chunk_vectors_before;

-- No foreign keys: they cost a lookup and a row lock for each vector; triggers below do what they did.
create table archon_chunk_vectors (
  space_id integer not null,
  part integer not null default 0,
  chunk_id bigint not null,
  embedding vector not null,
  primary key (chunk_id, space_id, part)
) partition by list (space_id);

-- The partition of a part, made on first use. Attached rather than created in place: that lets reading go on meanwhile.
create or replace function archon_part_ensure(space integer, part integer) returns text language plpgsql as $$
declare
  home text := 'archon_chunk_vectors_s' || space;
  name text := home || '_p' || part;
begin
  if to_regclass(home) is null then
    execute format('create table %I (like archon_chunk_vectors including defaults including constraints, '
      'primary key (chunk_id, space_id, part)) partition by list (part)', home);
    execute format('alter table archon_chunk_vectors attach partition %I for values in (%s)', home, space);
  end if;
  if to_regclass(name) is null then
    execute format('create table %I (like archon_chunk_vectors including defaults including constraints, '
      'primary key (chunk_id, space_id, part))', name);
    -- Vectors do not get smaller by compression, and a plain column is read without a detour.
    execute format('alter table %I alter column embedding set storage external', name);
    execute format('alter table %I attach partition %I for values in (%s)', home, name, part);
  end if;
  return name;
end $$;

create or replace function archon_part_index_name(space integer, part integer) returns text language sql immutable as $$
  select 'archon_vectors_space_' || space || case when part > 0 then '_p' || part else '' end
$$;

-- HNSW over a cast: `vector` to 2,000 dimensions, `halfvec` to 4,000, exact above.
create or replace function archon_part_index(space integer, part integer) returns void language plpgsql
set maintenance_work_mem = '256MB' as $$
declare
  name text := archon_part_ensure(space, part);
  size integer;
  cast_type text;
begin
  select s.dimensions into strict size from archon_embedding_spaces s where s.id = space;
  cast_type := case when size <= 2000 then 'vector' when size <= 4000 then 'halfvec' end;
  if cast_type is not null then
    execute format('create index if not exists %I on %I using hnsw ((embedding::%s(%s)) %s_cosine_ops)',
      archon_part_index_name(space, part), name, cast_type, size, cast_type);
  end if;
end $$;

-- The parts of a space that vectors may go into: indexed for a few, fresh for many.
create or replace function archon_space_index(space integer, size integer) returns void language plpgsql as $$
begin
  perform archon_part_index(space, 0);
  perform archon_part_ensure(space, s.fresh_part) from archon_embedding_spaces s where s.id = space;
end $$;

do $$
declare
  space archon_embedding_spaces;
begin
  for space in select * from archon_embedding_spaces loop
    perform archon_part_ensure(space.id, 0);
    execute format('insert into archon_chunk_vectors (space_id, part, chunk_id, embedding) '
      'select space_id, 0, chunk_id, embedding from archon_chunk_vectors_before where space_id = %s', space.id);
    perform archon_space_index(space.id, space.dimensions);
  end loop;
end $$;
drop table archon_chunk_vectors_before;

-- A chunk takes its vectors with it, those of every space.
create or replace function archon_chunk_vectors_go() returns trigger language plpgsql as $$
begin
  delete from archon_chunk_vectors v using gone g where v.chunk_id = g.id;
  return null;
end $$;
create or replace trigger archon_chunk_vectors_go after delete on archon_crawled_pages
  referencing old table as gone for each statement execute function archon_chunk_vectors_go();

-- A space takes its partition with it.
create or replace function archon_space_partition_go() returns trigger language plpgsql as $$
begin
  execute format('drop table if exists %I', 'archon_chunk_vectors_s' || old.id);
  execute format('drop index if exists %I', 'archon_code_vectors_space_' || old.id);
  return null;
end $$;
create or replace trigger archon_space_partition_go after delete on archon_embedding_spaces
  for each row execute function archon_space_partition_go();

-- Vectors of a partitioned table are counted part by part.
create or replace function archon_space_size(space integer) returns integer language sql stable as $$
  select case when counted.n < 10000 then counted.n else greatest(10000, estimated.n)::integer end
  from (select count(*)::integer as n from (
          select 1 from archon_chunk_vectors v where v.space_id = space limit 10000) as few) as counted,
       (select coalesce(sum(greatest(c.reltuples, 0)), 0) as n
        from pg_partition_tree(to_regclass('archon_chunk_vectors_s' || space)) t join pg_class c on c.oid = t.relid
        where t.isleaf) as estimated
$$;

-- ---------------------------------------------------------------- the fresh part

-- Vectors in the fresh part of a space, counted to `most`, and in all its parts, estimated.
create or replace function archon_fresh_state(space integer, most integer)
returns table (fresh integer, total integer) language plpgsql stable as $$
begin
  return query execute format(
    'select (select count(*)::integer from (select 1 from archon_chunk_vectors v where v.space_id = %1$s and v.part = %2$s limit %3$s) few),
            archon_space_size(%1$s)', space, (select s.fresh_part from archon_embedding_spaces s where s.id = space), most);
end $$;

-- Close the fresh part and open the next one; the closed one's number comes back. Whoever writes is waited for.
create or replace function archon_fresh_close(space integer) returns integer language plpgsql as $$
declare
  closed integer;
begin
  select s.fresh_part into strict closed from archon_embedding_spaces s where s.id = space;
  perform archon_part_ensure(space, closed + 1);
  perform pg_advisory_xact_lock(hashtext('archon_space_switch'));
  update archon_embedding_spaces s set fresh_part = closed + 1 where s.id = space and s.fresh_part = closed;
  return closed;
end $$;

-- Parts that are closed and have no index yet: a process that died between closing and indexing left them.
create or replace function archon_parts_unindexed(space integer) returns table (part integer) language sql stable as $$
  select p.part from archon_embedding_spaces s, lateral (
    select substring(t.relid::regclass::text from '_p([0-9]+)$')::integer as part
    from pg_partition_tree(to_regclass('archon_chunk_vectors_s' || s.id)) t where t.isleaf) p
  where s.id = space and s.dimensions <= 4000 and p.part <> s.fresh_part
    and to_regclass(archon_part_index_name(s.id, p.part)) is null
  order by p.part
$$;

-- Move some vectors from the fresh part into the indexed one; how many were moved.
create or replace function archon_fresh_move(space integer, most integer) returns integer language plpgsql as $$
declare
  moved integer;
begin
  with chosen as (
    select v.chunk_id, v.part from archon_chunk_vectors v
    join archon_embedding_spaces s on s.id = space and v.part = s.fresh_part
    where v.space_id = archon_fresh_move.space order by v.chunk_id limit most for update of v skip locked
  ), taken as (
    delete from archon_chunk_vectors v using chosen c
    where v.space_id = archon_fresh_move.space and v.part = c.part and v.chunk_id = c.chunk_id
    returning v.chunk_id, v.embedding
  ), placed as (
    insert into archon_chunk_vectors (space_id, part, chunk_id, embedding)
    select archon_fresh_move.space, 0, t.chunk_id, t.embedding from taken t returning 1
  )
  select count(*) into moved from placed;
  return moved;
end $$;

-- The planner's statistics after large work: searches rely on them.
create or replace function archon_analyze() returns void language plpgsql as $$
begin
  analyze archon_crawled_pages;
  analyze archon_page_metadata;
  analyze archon_chunk_vectors;
end $$;
$archon_file_0050$;
  insert into archon_migrations (version, migration_name, checksum) values ('0050', 'vector_parts', '21d00fe6e238a5958511c57ad8f34f26');
end $archon_step_0050$;

do $archon_step_0051$
begin
  if exists (select 1 from archon_migrations where version = '0051') then
    return;
  end if;
  execute $archon_file_0051$
-- Which embedding space answers, and how another one takes its place: filled in the background by a job, then switched
-- to in one transaction. Pages that are written meanwhile go into the space that answers and are embedded again before
-- the switch, which looks for vectors that are missing while nobody can write.

-- `way`: how the space was reached last (provider, model, its settings without secrets). `declined`: somebody stopped the
-- change to this space; it is not begun again by itself.
alter table archon_embedding_spaces
  add column if not exists way jsonb,
  add column if not exists declined boolean not null default false;

-- One change at a time.
create unique index if not exists archon_jobs_one_reembed on archon_jobs ((kind))
  where kind = 'reembed' and state in ('queued', 'running', 'paused');

-- The space that answers, without its canaries: asked for with every question.
create or replace function archon_space_answering() returns table (
  id integer, model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text, way jsonb
) language sql stable as $$
  select s.id, s.model, s.dimensions, s.normalised, s.query_prefix, s.passage_prefix, s.way
  from archon_active_space() s
$$;

-- A space that is still filled does not answer, whoever asks with its model.
create or replace function archon_search_space(
  model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text
) returns table (id integer, similarity_floor real, similarity_floor_size integer) language sql stable as $$
  select s.id, s.similarity_floor, s.similarity_floor_size from archon_embedding_spaces s
  where s.model = archon_search_space.model and s.dimensions = archon_search_space.dimensions
    and s.normalised = archon_search_space.normalised and s.query_prefix = archon_search_space.query_prefix
    and s.passage_prefix = archon_search_space.passage_prefix and s.state = 'active'
$$;

-- The space of an identity, made on first use. It answers at once where no vectors of another one would be lost by that;
-- else it is `building`. A space that was declined stays `retired` and without vectors until it is asked for with `anew`.
create or replace function archon_space_open(
  model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text, anew boolean
) returns setof archon_embedding_spaces language plpgsql as $$
#variable_conflict use_column
declare
  answering archon_embedding_spaces;
  opened archon_embedding_spaces;
begin
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  select * into answering from archon_active_space();
  select * into opened from archon_embedding_spaces s
  where s.model = archon_space_open.model and s.dimensions = archon_space_open.dimensions
    and s.normalised = archon_space_open.normalised and s.query_prefix = archon_space_open.query_prefix
    and s.passage_prefix = archon_space_open.passage_prefix;
  if opened.id is not null and (opened.id = answering.id or (opened.declined and not anew)) then
    return next opened;
    return;
  end if;
  if answering.id is null or not exists (select 1 from archon_chunk_vectors v where v.space_id = answering.id) then
    if answering.id is not null then
      delete from archon_embedding_spaces s where s.id = answering.id;
    end if;
    return query select * from archon_space_ensure(archon_space_open.model, archon_space_open.dimensions,
      archon_space_open.normalised, archon_space_open.query_prefix, archon_space_open.passage_prefix);
    return;
  end if;
  insert into archon_embedding_spaces as s (model, dimensions, normalised, query_prefix, passage_prefix, state, activated_at)
  values (archon_space_open.model, archon_space_open.dimensions, archon_space_open.normalised,
          archon_space_open.query_prefix, archon_space_open.passage_prefix, 'building', 'epoch')
  on conflict (model, dimensions, normalised, query_prefix, passage_prefix)
    do update set state = 'building', declined = false, activated_at = 'epoch'
  returning * into opened;
  perform archon_space_index(opened.id, opened.dimensions);
  return next opened;
end $$;

create or replace function archon_space_way(space integer, way jsonb) returns void language sql as $$
  update archon_embedding_spaces s set way = archon_json(archon_space_way.way)
  where s.id = space and s.way is distinct from archon_json(archon_space_way.way)
$$;

-- The text that a passage's vector is made of. `context` is kept with the chunk since it is known; before, the headings.
create or replace function archon_embedded_text(content text, heading_path text[], metadata jsonb)
returns text language sql immutable as $$
  select coalesce(nullif(coalesce(metadata->>'context', array_to_string(heading_path, ' > ')), '') || E'\n\n', '') || content
$$;

-- Texts that have no vector in the space, in the order of their ids. `kind` names whose vectors: 'chunk' or 'example'.
create or replace function archon_space_pending(space integer, kind text, after bigint, row_limit integer)
returns table (id bigint, content text, url text) language plpgsql stable as $$
#variable_conflict use_column
begin
  if kind = 'chunk' then
    return query
      select c.id, archon_embedded_text(c.content, c.heading_path, c.metadata), c.url::text from archon_crawled_pages c
      where c.id > after and not exists (
        select 1 from archon_chunk_vectors v where v.space_id = space and v.chunk_id = c.id)
      order by c.id limit row_limit;
  else
    return query select m.id, m.embedded_text, e.url::text
      from archon_code_missing(space, after, row_limit) m join archon_code_examples e using (id) order by m.id;
  end if;
end $$;

-- Texts without a vector in the space, and all texts, over all kinds.
create or replace function archon_space_gap(space integer) returns table (missing bigint, total bigint)
language plpgsql stable as $$
begin
  return query
    select (select count(*) from archon_crawled_pages c where not exists (
              select 1 from archon_chunk_vectors v where v.space_id = space and v.chunk_id = c.id))
         + (select count(*) from archon_code_examples e where not exists (
              select 1 from archon_code_vectors v where v.space_id = space and v.example_id = e.id)),
           (select count(*) from archon_crawled_pages) + (select count(*) from archon_code_examples);
end $$;

-- Vectors of texts that are stored already. A text that was replaced meanwhile is left out: its row is locked, so that
-- whoever deletes it sees the vector and takes it along. How many were written.
create or replace function archon_space_fill(
  job uuid, worker text, space integer, kind text, ids bigint[], embeddings vector[]
) returns table (written integer) language plpgsql as $$
declare
  target archon_embedding_spaces;
  done integer := 0;
begin
  perform archon_require_lease(job, worker);
  target := archon_space_to_write(space);
  if exists (select 1 from unnest(embeddings) e where vector_dims(e) <> target.dimensions) then
    raise exception 'The vectors do not fit the embedding space of % dimensions.', target.dimensions
      using errcode = 'data_exception';
  end if;
  if kind = 'chunk' then
    with there as (
      select c.id from archon_crawled_pages c where c.id = any (ids) order by c.id for key share
    ), put as (
      insert into archon_chunk_vectors (space_id, part, chunk_id, embedding)
      select target.id, target.fresh_part, t.id, t.embedding
      from unnest(ids, embeddings) t (id, embedding) join there using (id)
      where not exists (select 1 from archon_chunk_vectors v where v.space_id = target.id and v.chunk_id = t.id)
      returning 1
    ) select count(*) into done from put;
  else
    perform archon_code_vectors_put(target.id, ids, embeddings);
    done := cardinality(ids);
  end if;
  return query select done;
end $$;

-- A space that may be written into, held as it is until the end of the transaction.
create or replace function archon_space_to_write(space integer) returns archon_embedding_spaces language plpgsql as $$
declare
  target archon_embedding_spaces;
begin
  perform pg_advisory_xact_lock_shared(hashtext('archon_space_switch'));
  select * into target from archon_embedding_spaces s where s.id = space and s.state <> 'retired';
  if not found then
    raise exception 'The embedding space was replaced by another one meanwhile.' using errcode = 'lock_not_available';
  end if;
  return target;
end $$;

-- Let the space answer from now on, if every text has its vector but those that the job could not embed. How many lack
-- one comes back: 0 is the switch.
create or replace function archon_space_switch(job uuid, worker text, space integer)
returns table (missing integer) language plpgsql as $$
declare
  lacking integer;
begin
  perform archon_require_lease(job, worker);
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  perform pg_advisory_xact_lock(hashtext('archon_space_switch'));
  select count(*) into lacking
  from unnest(array['chunk', 'example']) k (kind), lateral archon_space_pending(space, k.kind, 0, 10000) p
  where not exists (select 1 from archon_job_pages f
                    where f.job_id = job and f.url_key = k.kind || ':' || p.id and f.state = 'failed');
  if lacking = 0 then
    update archon_embedding_spaces s set state = 'retired' where s.id <> space and s.state <> 'retired';
    update archon_embedding_spaces s set state = 'active', declined = false, activated_at = now() where s.id = space;
  end if;
  return query select lacking;
end $$;

-- A text of the space that cannot be embedded, with the reason.
create or replace function archon_space_fail(job uuid, worker text, kind text, text_id bigint, url text, error jsonb)
returns void language plpgsql as $$
begin
  perform archon_require_lease(job, worker);
  insert into archon_job_pages as p (job_id, url_key, url, depth, state, error, finished_at)
  values (job, kind || ':' || text_id, archon_space_fail.url, 1, 'failed', archon_json(archon_space_fail.error), now())
  on conflict (job_id, url_key) do update set state = 'failed', error = excluded.error, finished_at = now();
end $$;

-- Spaces that answer no more: their vectors go, at once. Nobody may be writing into them then, and nobody can.
create or replace function archon_spaces_clear() returns integer language plpgsql as $$
declare
  gone integer;
begin
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  perform pg_advisory_xact_lock(hashtext('archon_space_switch'));
  delete from archon_embedding_spaces s where s.state = 'retired' and not s.declined;
  get diagnostics gone = row_count;
  return gone;
end $$;

-- Stay with the space that answers: the other one loses its vectors and is not filled again by itself.
create or replace function archon_space_decline(space integer) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  perform pg_advisory_xact_lock(hashtext('archon_space_switch'));
  update archon_embedding_spaces s set state = 'retired', declined = true, canaries = '[]', fresh_part = 1
  where s.id = space and s.state = 'building';
  if found then
    execute format('drop table if exists %I', 'archon_chunk_vectors_s' || space);
    delete from archon_code_vectors v where v.space_id = space;
  end if;
end $$;

-- Spaces that were declined may be asked for again: the settings name the space that answers.
create or replace function archon_spaces_forgive(but integer) returns void language sql as $$
  delete from archon_embedding_spaces s where s.declined and s.id <> but
$$;

-- As before, and into the fresh part of a space that may still be written into.
create or replace function archon_chunks_put(
  source text, page uuid, doc jsonb, space integer, contents text[], parts jsonb, embeddings vector[]
) returns void language plpgsql as $$
declare
  target archon_embedding_spaces := archon_space_to_write(space);
begin
  if exists (select 1 from unnest(embeddings) e where vector_dims(e) <> target.dimensions)
     or cardinality(embeddings) <> cardinality(contents) then
    raise exception 'The vectors do not fit the embedding space of % dimensions.', target.dimensions
      using errcode = 'data_exception';
  end if;
  with made as (
    insert into archon_crawled_pages (url, chunk_number, content, metadata, source_id, page_id, embedding_model,
      embedding_dimension, heading_path, token_count, page_number)
    select doc->>'url', t.n - 1, t.content,
           coalesce(doc->'metadata', '{}') || coalesce(p.part->'metadata', '{}')
             || jsonb_build_object('page_id', page, 'chunk_index', t.n - 1),
           source, page, target.model, target.dimensions,
           array(select jsonb_array_elements_text(p.part->'heading_path')),
           (p.part->>'token_count')::integer, (p.part->>'page_number')::integer
    from unnest(contents) with ordinality t (content, n)
    join jsonb_array_elements(parts) with ordinality p (part, n) on p.n = t.n
    returning id, chunk_number
  )
  insert into archon_chunk_vectors (space_id, part, chunk_id, embedding)
  select target.id, target.fresh_part, made.id, e.embedding
  from made join unnest(embeddings) with ordinality e (embedding, n) on e.n = made.chunk_number + 1;
end $$;

-- All spaces with what they hold, the one that answers first.
create or replace function archon_spaces_known() returns table (
  id integer, model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text, state text,
  similarity_floor real, canaries jsonb, declined boolean, way jsonb, vector_count bigint
) language sql stable as $$
  select s.id, s.model, s.dimensions, s.normalised, s.query_prefix, s.passage_prefix, s.state, s.similarity_floor,
         '[]'::jsonb, s.declined, s.way, archon_space_size(s.id)::bigint
  from archon_embedding_spaces s order by s.activated_at desc, s.id desc
$$;

-- A change that is stopped, whoever stops it, leaves the former space answering.
create or replace function archon_reembed_stopped() returns trigger language plpgsql as $$
begin
  perform archon_space_decline((new.request->>'space_id')::integer);
  return null;
end $$;
create or replace trigger archon_reembed_stopped after update of state on archon_jobs for each row
  when (new.kind = 'reembed' and new.state = 'cancelled' and old.state <> 'cancelled')
  execute function archon_reembed_stopped();
$archon_file_0051$;
  insert into archon_migrations (version, migration_name, checksum) values ('0051', 'embedding_spaces', '77404af9d919c9584c9a34fddc67f128');
end $archon_step_0051$;

do $archon_step_0052$
begin
  if exists (select 1 from archon_migrations where version = '0052') then
    return;
  end if;
  execute $archon_file_0052$
-- Jobs that can be paused, resumed and retried; several workers at one crawl; who leads; refreshes by a schedule.

alter table archon_jobs
  add column if not exists pause_requested boolean not null default false,
  add column if not exists retries integer not null default 0,
  add column if not exists not_before timestamptz;

-- `owner`: the worker that has the address in hand, while it is queued; `claim`: the question it was the answer to, so that
-- a question that is asked again after a lost answer gets the same one. `ordinal`: its place among all of the job.
alter table archon_job_pages
  add column if not exists owner text,
  add column if not exists claim text,
  add column if not exists ordinal integer;
update archon_job_pages p set ordinal = n.place
from (select job_id, url_key, row_number() over (partition by job_id order by position) - 1 as place from archon_job_pages) n
where n.job_id = p.job_id and n.url_key = p.url_key;
create index if not exists archon_job_pages_queued on archon_job_pages (job_id, position) where state = 'queued';

-- Workers that help at somebody else's crawl.
create table if not exists archon_job_helpers (
  job_id uuid not null references archon_jobs (id) on delete cascade,
  worker text not null,
  lease_until timestamptz not null,
  primary key (job_id, worker)
);

-- Duties that one process does for all: whoever holds the lease does them.
create table if not exists archon_duties (
  duty text primary key,
  worker text not null,
  lease_until timestamptz not null
);

create or replace function archon_duty_take(duty text, worker text, lease_s double precision)
returns table (taken boolean) language sql as $$
  with tried as (
    insert into archon_duties as d (duty, worker, lease_until)
    values (archon_duty_take.duty, archon_duty_take.worker, now() + make_interval(secs => lease_s))
    on conflict (duty) do update set worker = excluded.worker, lease_until = excluded.lease_until
      where d.worker = excluded.worker or d.lease_until < now()
    returning 1
  ) select exists (select 1 from tried)
$$;

create or replace function archon_duty_leave(worker text) returns void language sql as $$
  delete from archon_duties d where d.worker = archon_duty_leave.worker
$$;

-- ---------------------------------------------------------------- pause, resume, retry

-- `helpers`: how many others work on it now. No row: the lease is lost, the worker must stop.
create or replace function archon_job_beat(job uuid, worker text, lease_s double precision, progress jsonb)
returns table (cancel_requested boolean, pause_requested boolean, helpers integer) language sql as $$
  update archon_jobs j set lease_until = now() + make_interval(secs => lease_s),
         progress = archon_json(archon_job_beat.progress)
  where j.id = job and j.lease_owner = worker and j.state = 'running'
  returning j.cancel_requested, j.pause_requested,
    (select count(*)::integer from archon_job_helpers h where h.job_id = job and h.lease_until > now())
$$;

-- No row: there is no such job. A job that nobody works on is paused at once.
create or replace function archon_job_pause(job uuid) returns setof archon_jobs language plpgsql as $$
begin
  update archon_jobs j set pause_requested = j.state = 'running',
         state = case when j.state = 'queued' then 'paused' else j.state end
  where j.id = job and j.state in ('queued', 'running');
  return query select * from archon_jobs j where j.id = job;
end $$;

-- The worker has stopped because of a pause.
create or replace function archon_job_paused(job uuid, worker text, progress jsonb) returns void language sql as $$
  update archon_jobs j set state = 'paused', pause_requested = false, lease_owner = null, lease_until = null,
         attempts = greatest(attempts - 1, 0), progress = archon_json(archon_job_paused.progress)
  where j.id = job and j.lease_owner = worker and j.state = 'running'
$$;

create or replace function archon_job_resume(job uuid) returns setof archon_jobs language plpgsql as $$
begin
  update archon_jobs j set state = case when j.state = 'paused' then 'queued' else j.state end, pause_requested = false
  where j.id = job and j.state in ('paused', 'running');
  return query select * from archon_jobs j where j.id = job;
end $$;

-- Queue an ended job once more: of its pages only those that failed, or were never reached.
create or replace function archon_job_retry(job uuid, most integer) returns setof archon_jobs language plpgsql as $$
declare
  found_job archon_jobs;
begin
  select * into found_job from archon_jobs j where j.id = job for update;
  if not found then
    return;
  end if;
  if found_job.state not in ('completed', 'failed', 'cancelled') then
    raise exception 'The job has not ended yet; there is nothing to retry.' using errcode = 'unique_violation';
  end if;
  if found_job.retries >= most then
    raise exception 'The job was retried % times already.', found_job.retries using errcode = 'unique_violation';
  end if;
  if found_job.state = 'completed'
     and not exists (select 1 from archon_job_pages p where p.job_id = job and p.state = 'failed') then
    raise exception 'Nothing of this job failed.' using errcode = 'unique_violation';
  end if;
  if exists (select 1 from archon_jobs j where j.source_id = found_job.source_id and j.id <> job
             and j.state in ('queued', 'running', 'paused')) then
    raise exception 'This source is being worked on already, by another job.' using errcode = 'unique_violation';
  end if;
  update archon_job_pages p set state = 'queued', error = null, finished_at = null, owner = null
  where p.job_id = job and p.state <> 'queued' and p.url_key in (
    -- A part is stored when its whole is read again.
    select unnest(array[f.url_key, split_part(f.url_key, '#', 1)]) from archon_job_pages f
    where f.job_id = job and f.state = 'failed');
  return query
    update archon_jobs j set state = 'queued', cancel_requested = false, pause_requested = false, error = null,
           finished_at = null, attempts = 0, retries = j.retries + 1
    where j.id = job returning *;
end $$;

-- One job for `worker`, or no row: a queued one whose time has come, one whose lease ran out, or one of a worker known
-- to be gone. Re-embedding comes last: what people wait for goes first.
create or replace function archon_job_claim(worker text, lease_s double precision, gone text[])
returns setof archon_jobs language sql as $$
  update archon_jobs set state = 'running', lease_owner = worker, lease_until = now() + make_interval(secs => lease_s),
         attempts = attempts + 1, not_before = null
  where id = (select j.id from archon_jobs j
              where (j.state = 'queued' and coalesce(j.not_before, '-infinity') <= now())
                 or (j.state = 'running' and (j.lease_until < now() or j.lease_owner = any (gone)))
              order by j.kind = 'reembed', j.created_at for update skip locked limit 1)
  returning *
$$;

-- An outage outlasts the patience of a worker: the job waits in the queue, and is taken up again by itself.
create or replace function archon_job_postpone(job uuid, worker text, progress jsonb, after_s double precision)
returns void language sql as $$
  update archon_jobs j set state = 'queued', lease_owner = null, lease_until = null, attempts = greatest(attempts - 1, 0),
         progress = archon_json(archon_job_postpone.progress), not_before = now() + make_interval(secs => after_s)
  where j.id = job and j.lease_owner = worker and j.state = 'running'
$$;

-- As before, but an upload that failed keeps its file, so that it can be retried.
create or replace function archon_job_finish(
  job uuid, worker text, state text, progress jsonb, result jsonb, error jsonb
) returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  done archon_jobs;
begin
  update archon_jobs j set state = archon_job_finish.state, progress = archon_json(archon_job_finish.progress),
         result = archon_json(archon_job_finish.result), error = archon_json(archon_job_finish.error),
         finished_at = now(), lease_owner = null, lease_until = null, pause_requested = false
  where j.id = job and j.lease_owner = worker and j.state = 'running'
  returning * into done;
  if found then
    delete from archon_job_helpers h where h.job_id = job;
    delete from archon_uploads u where u.job_id = job and done.state = 'completed';
    return next done;
  end if;
end $$;

-- What is kept of ended jobs: files of failed uploads for a week, addresses of a job for three months.
create or replace function archon_jobs_tidy() returns void language sql as $$
  delete from archon_uploads u using archon_jobs j
  where j.id = u.job_id and j.finished_at < now() - interval '7 days';
  delete from archon_job_pages p using archon_jobs j
  where j.id = p.job_id and j.finished_at < now() - interval '90 days';
  delete from archon_job_helpers h where h.lease_until < now() - interval '1 hour';
$$;

-- Jobs, newest first; null states or source: all.
create or replace function archon_jobs_list(states text[], source text, row_limit integer, row_offset integer)
returns table (id uuid, kind text, state text, source_id text, request jsonb, progress jsonb, result jsonb, error jsonb,
               cancel_requested boolean, pause_requested boolean, lease_owner text, attempts integer, retries integer,
               created_at timestamptz, updated_at timestamptz, finished_at timestamptz, total bigint)
language sql stable as $$
  select j.id, j.kind, j.state, j.source_id, j.request, j.progress, j.result, j.error, j.cancel_requested,
         j.pause_requested, j.lease_owner, j.attempts, j.retries, j.created_at, j.updated_at, j.finished_at,
         count(*) over ()
  from archon_jobs j
  where (states is null or j.state = any (states)) and (source is null or j.source_id = source)
  order by j.created_at desc, j.id limit row_limit offset row_offset
$$;

-- What became of the addresses of a job, in the order they were found; null states: all.
create or replace function archon_job_history(job uuid, states text[], row_limit integer, row_offset integer)
returns table (url_key text, url text, depth integer, label text, state text, chunks integer, words integer, error jsonb,
               ordinal integer, finished_at timestamptz, total bigint) language sql stable as $$
  select p.url_key, p.url, p.depth, p.label, p.state, p.chunks, p.words, p.error, p.ordinal, p.finished_at,
         count(*) over ()
  from archon_job_pages p where p.job_id = job and (states is null or p.state = any (states))
  order by p.position limit row_limit offset row_offset
$$;

-- How many addresses of a job are in each state.
create or replace function archon_job_counts(job uuid)
returns table (state text, pages bigint, chunks bigint, words bigint) language sql stable as $$
  select p.state, count(*), coalesce(sum(p.chunks), 0), coalesce(sum(p.words), 0)
  from archon_job_pages p where p.job_id = job group by p.state
$$;

-- ---------------------------------------------------------------- several workers at one crawl

-- Who may write for a job: the worker that leads it, and those that help.
create or replace function archon_require_lease(job uuid, worker text) returns void language plpgsql as $$
begin
  if not exists (
    select 1 from archon_jobs j where j.id = job and j.state = 'running'
      and (j.lease_owner = worker or exists (
        select 1 from archon_job_helpers h where h.job_id = job and h.worker = archon_require_lease.worker
          and h.lease_until > now()))) then
    raise exception 'The job is no longer this worker''s.' using errcode = 'lock_not_available';
  end if;
end $$;

create or replace function archon_job_workers(job uuid) returns table (worker text) language sql stable as $$
  select j.lease_owner from archon_jobs j where j.id = job and j.state = 'running' and j.lease_until > now()
  union all
  select h.worker from archon_job_helpers h where h.job_id = job and h.lease_until > now()
$$;

-- Adds addresses that the job does not know yet, up to `page_limit` in all, and returns those.
create or replace function archon_frontier_add(
  job uuid, keys text[], urls text[], labels text[], depth integer, page_limit integer
) returns table (url_key text, url text, label text) language sql as $$
  with known as (
    select count(*) as all_of_it, count(*) filter (where state <> 'skipped') as counted
    from archon_job_pages where job_id = job
  )
  insert into archon_job_pages as p (job_id, url_key, url, label, depth, ordinal)
  select job, n.key, n.url, n.label, archon_frontier_add.depth,
         (select k.all_of_it from known k) + row_number() over (order by n.place) - 1
  from (select t.key, t.url, t.label, t.place from unnest(keys, urls, labels) with ordinality t (key, url, label, place)
        where not exists (select 1 from archon_job_pages k where k.job_id = job and k.url_key = t.key)
        order by t.place
        limit greatest(page_limit - (select k.counted from known k), 0)) n
  order by n.place
  on conflict (job_id, url_key) do nothing
  returning p.url_key, p.url, p.label
$$;

-- Take some addresses in hand: none of those that another worker has, unless that one is gone.
create or replace function archon_frontier_claim(job uuid, worker text, claim text, most integer)
returns setof archon_job_pages language plpgsql as $$
begin
  perform archon_require_lease(job, worker);
  return query select * from archon_job_pages p
    where p.job_id = job and p.state = 'queued' and p.owner = worker and p.claim = archon_frontier_claim.claim;
  if found then
    return;
  end if;
  return query
    update archon_job_pages q set owner = worker, claim = archon_frontier_claim.claim
    where q.job_id = job and q.url_key in (
      select p.url_key from archon_job_pages p
      where p.job_id = job and p.state = 'queued'
        and strpos(p.url_key, '#') = 0  -- the address of a part: it is stored when the whole is read again
        and (p.owner is null or p.owner <> worker and p.owner not in (select w.worker from archon_job_workers(job) w))
      order by p.position limit most for update skip locked)
    returning q.*;
end $$;

-- Whether other workers have addresses in hand: links or failures may still come of them.
create or replace function archon_frontier_others(job uuid, worker text) returns table (others boolean)
language sql stable as $$
  select exists (select 1 from archon_job_pages p
    where p.job_id = job and p.state = 'queued' and strpos(p.url_key, '#') = 0 and p.owner <> worker)
$$;

-- A worker that begins anew has nothing in hand.
create or replace function archon_frontier_drop(job uuid, worker text) returns void language sql as $$
  update archon_job_pages p set owner = null where p.job_id = job and p.owner = worker and p.state = 'queued'
$$;

-- Join the crawl that has the most addresses waiting, or no row: `fewest` must wait, and few enough must help already.
create or replace function archon_job_join(worker text, lease_s double precision, fewest integer, most_helpers integer)
returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  chosen archon_jobs;
begin
  select j.* into chosen from archon_jobs j
  cross join lateral (
    select count(*) as n from (select 1 from archon_job_pages p
      where p.job_id = j.id and p.state = 'queued' and p.owner is null limit 1000) w) waiting
  where j.state = 'running' and j.kind in ('crawl', 'refresh') and not j.cancel_requested and not j.pause_requested
    and j.lease_until > now() and j.lease_owner <> worker and waiting.n >= fewest
    -- The leader has seen the first page: it is known what belongs to the crawl.
    and coalesce(j.progress->>'crawl_type', '') <> ''
    and (j.progress->>'crawl_type' <> 'normal' or coalesce(j.progress->>'scope_url', '') <> '')
    and not exists (select 1 from archon_job_helpers h where h.job_id = j.id and h.worker = worker and h.lease_until > now())
    and (select count(*) from archon_job_helpers h where h.job_id = j.id and h.lease_until > now()) < most_helpers
  order by waiting.n desc limit 1;
  if not found then
    return;
  end if;
  insert into archon_job_helpers as h (job_id, worker, lease_until)
  values (chosen.id, archon_job_join.worker, now() + make_interval(secs => lease_s))
  on conflict (job_id, worker) do update set lease_until = excluded.lease_until;
  return next chosen;
end $$;

-- No row: the job has ended, is paused or stopped, or its leader is gone; the helper leaves.
create or replace function archon_job_help_beat(job uuid, worker text, lease_s double precision)
returns table (job_id uuid) language sql as $$
  update archon_job_helpers h set lease_until = now() + make_interval(secs => lease_s)
  from archon_jobs j
  where h.job_id = job and h.worker = archon_job_help_beat.worker and j.id = job and j.state = 'running'
    and not j.cancel_requested and not j.pause_requested and j.lease_until > now()
    and j.lease_owner <> archon_job_help_beat.worker
  returning h.job_id
$$;

create or replace function archon_job_help_end(job uuid, worker text) returns void language sql as $$
  update archon_job_pages p set owner = null
  where p.job_id = job and p.owner = archon_job_help_end.worker and p.state = 'queued';
  delete from archon_job_helpers h where h.job_id = job and h.worker = archon_job_help_end.worker;
$$;

-- ---------------------------------------------------------------- refreshing by a schedule

alter table archon_sources
  add column if not exists refresh_every interval,
  add column if not exists next_refresh_at timestamptz;
create index if not exists archon_sources_due on archon_sources (next_refresh_at) where next_refresh_at is not null;

-- No row: there is no such source. `every_s` null: not by itself.
create or replace function archon_schedule_set(source text, every_s double precision)
returns table (every_seconds double precision, next_refresh_at timestamptz) language sql as $$
  update archon_sources s set refresh_every = make_interval(secs => every_s),
         next_refresh_at = now() + make_interval(secs => every_s)
  where s.source_id = source
  returning extract(epoch from s.refresh_every)::double precision, s.next_refresh_at
$$;

create or replace function archon_schedule_of(source text)
returns table (every_seconds double precision, next_refresh_at timestamptz) language sql stable as $$
  select extract(epoch from s.refresh_every)::double precision, s.next_refresh_at
  from archon_sources s where s.source_id = source
$$;

-- The sources whose time has come, each given out once: their next time is set in the same step.
create or replace function archon_schedule_take(most integer) returns table (source_id text) language sql as $$
  update archon_sources s set next_refresh_at = now() + s.refresh_every
  where s.source_id in (
    select d.source_id from archon_sources d where d.next_refresh_at <= now()
    order by d.next_refresh_at limit most for update skip locked)
  returning s.source_id
$$;
$archon_file_0052$;
  insert into archon_migrations (version, migration_name, checksum) values ('0052', 'jobs', '4183b0e5a545421c2fe2b1e88e3400e5');
end $archon_step_0052$;

do $archon_step_0060$
begin
  if exists (select 1 from archon_migrations where version = '0060') then
    return;
  end if;
  execute $archon_file_0060$
-- Search by source, tag, type and language that keeps its recall; bounded work whatever the words; reasons told apart.

-- A source's chunks are counted and listed from the index alone.
create index if not exists archon_crawled_pages_source_order on archon_crawled_pages (source_id, id);
drop index if exists archon_crawled_pages_source;

-- 'en-US', 'en_GB' and 'EN' are all 'en'.
create or replace function archon_base_language(language text) returns text language sql immutable parallel safe as $$
  select nullif(split_part(lower(replace(language, '_', '-')), '-', 1), '')
$$;
create index if not exists archon_page_metadata_language on archon_page_metadata (archon_base_language(language));

-- The sources a search may use: null is all of them, an empty array none. A source needs one of the tags and one
-- of the types.
create or replace function archon_search_sources(source_ids text[], tags text[], knowledge_types text[])
returns text[] language sql stable as $$
  select case
    when cardinality(tags) = 0 and cardinality(knowledge_types) = 0 then nullif(source_ids, '{}')
    else array(
      select s.source_id from archon_sources s
      where (cardinality(source_ids) = 0 or s.source_id = any (source_ids))
        and (cardinality(tags) = 0 or s.metadata->'tags' ?| tags)
        and (cardinality(knowledge_types) = 0
          or coalesce(s.metadata->>'knowledge_type', 'technical') = any (knowledge_types)))
  end
$$;

create or replace function archon_search_scope(source_ids text[], tags text[])
returns text[] language sql stable as $$ select archon_search_sources(source_ids, tags, '{}') $$;

-- What may be asked for in a filter.
create or replace function archon_search_filters()
returns table (kind text, value text, sources bigint) language sql stable as $$
  select 'tag', t.tag, count(*)
  from archon_sources s, jsonb_array_elements_text(
    case jsonb_typeof(s.metadata->'tags') when 'array' then s.metadata->'tags' else '[]' end) as t (tag)
  group by 2
  union all
  select 'knowledge_type', coalesce(s.metadata->>'knowledge_type', 'technical'), count(*) from archon_sources s group by 2
  union all
  select 'language', archon_base_language(p.language), count(distinct p.source_id)
  from archon_page_metadata p where archon_base_language(p.language) is not null group by 2
  order by 1, 3 desc, 2
$$;

-- The filter as a condition on a chunk `c`; $2 are the sources, $3 the languages.
create or replace function archon_filter_condition(scope text[], languages text[])
returns text language sql immutable as $$
  select case when scope is null then '' else ' and c.source_id = any ($2)' end
    || case when languages is null then '' else
      ' and exists (select 1 from archon_page_metadata p
         where p.id = c.page_id and archon_base_language(p.language) = any ($3))' end
$$;

-- How many chunks the filter leaves, counted no further than `most` + 1; null where nothing is filtered.
create or replace function archon_filter_size(scope text[], languages text[], most integer)
returns integer language plpgsql stable as $$
declare
  found integer;
begin
  if languages is not null then
    -- By page: a chunk's language is its page's, and pages know how many chunks they have.
    select coalesce(sum(few.chunk_count), 0) into found from (
      select p.chunk_count from archon_page_metadata p
      where archon_base_language(p.language) = any (languages) and (scope is null or p.source_id = any (scope))
      limit most + 1) as few;
    return least(found, most + 1);
  end if;
  if scope is not null then
    select count(*) into found from (
      select 1 from archon_crawled_pages c where c.source_id = any (scope) limit most + 1) as few;
  end if;
  return found;
end $$;

-- Every vector that the filter leaves, compared: exact.
create or replace function archon_vector_exact(
  space integer, query_embedding vector, scope text[], languages text[], depth integer
) returns table (chunk_id bigint, distance double precision) language plpgsql set jit = off as $$
begin
  return query execute format(
    case when scope is null and languages is null
    then 'select v.chunk_id, v.embedding <=> $1 from archon_chunk_vectors v where v.space_id = %1$s order by 2, 1 limit $4'
    else 'select v.chunk_id, v.embedding <=> $1
      from archon_crawled_pages c join archon_chunk_vectors v on v.space_id = %1$s and v.chunk_id = c.id
      where true %2$s order by 2, 1 limit $4' end,
    space, archon_filter_condition(scope, languages)) using query_embedding, scope, languages, depth;
end $$;

-- The nearest through the HNSW index of the space, which is partial and over a cast: only a literal space and the
-- same cast let the planner use it, and only this index gives that order without a sort. A chunk that the filter
-- does not want makes the scan go on; its order is relaxed, so the few that come back are ordered again by the full
-- vector. The filter is a scalar subquery: as a join, the planner could turn the order round and read everything.
create or replace function archon_vector_indexed(
  space integer, query_embedding vector, scope text[], languages text[], depth integer
) returns table (chunk_id bigint, distance double precision) language plpgsql
set jit = off set enable_sort = off set work_mem = '64MB' as $$
declare
  size integer := vector_dims(query_embedding);
begin
  perform set_config('hnsw.ef_search', least(1000, greatest(160, 2 * depth))::text, true);
  perform set_config('hnsw.iterative_scan', 'relaxed_order', true);
  return query execute format(
    'with nearest as materialized (
       select v.chunk_id, v.embedding from archon_chunk_vectors v
       where v.space_id = %1$s %3$s order by v.embedding::%2$s <=> $1::%2$s limit $4)
     select n.chunk_id, n.embedding <=> $1 from nearest n order by 2, 1',
    space, format(case when size <= 2000 then 'vector(%s)' else 'halfvec(%s)' end, size),
    case when scope is null and languages is null then '' else
      'and (select true from archon_crawled_pages c where c.id = v.chunk_id'
      || archon_filter_condition(scope, languages) || ')' end)
    using query_embedding, scope, languages, depth;
end $$;

-- The `depth` nearest chunks. Exactly where the filter leaves few; else through the index, and exactly after all
-- where the index comes back with less than was wanted: the filtered chunks lie far from the question then.
create or replace function archon_vector_nearest(
  space integer, query_embedding vector, scope text[], languages text[], depth integer, exact boolean default false
) returns table (chunk_id bigint, distance double precision) language plpgsql as $$
#variable_conflict use_column
declare
  size integer := vector_dims(query_embedding);
  total double precision;
  exact_within integer;
  left_over integer;
  came bigint;
begin
  perform 1 from archon_embedding_spaces s where s.id = space and s.dimensions = size;
  if not found then
    raise exception 'there is no embedding space % with % dimensions', space, size using errcode = 'no_data_found';
  end if;
  -- Comparing all m chunks that the filter leaves costs m; finding `depth` of them along the index of n chunks costs
  -- about 3 * depth * n / m. Both are equal at the root.
  select greatest(c.reltuples, 1) into total from pg_class c where c.oid = 'archon_crawled_pages'::regclass;
  exact_within := least(20000, greatest(2000, sqrt(3 * depth * total)));
  left_over := archon_filter_size(scope, languages, exact_within);
  if not (exact or size > 4000 or coalesce(left_over, exact_within + 1) <= exact_within) then
    return query select i.chunk_id, i.distance
      from archon_vector_indexed(space, query_embedding, scope, languages, depth) i;
    get diagnostics came = row_count;
    if came >= depth or left_over is null then
      return;
    end if;
    -- Rows cannot be taken back: those that came are left out of what the exact search adds.
    return query select e.chunk_id, e.distance
      from archon_vector_exact(space, query_embedding, scope, languages, depth) e
      where e.chunk_id not in (
        select i.chunk_id from archon_vector_indexed(space, query_embedding, scope, languages, depth) i);
    return;
  end if;
  return query select e.chunk_id, e.distance
    from archon_vector_exact(space, query_embedding, scope, languages, depth) e;
end $$;

-- The words of a question, the rarest first, with the share of chunks that have each (null: rare or never counted).
-- The shares are the planner's own statistics of the text column, kept by (auto)analyze; they are read once.
create or replace function archon_query_words(query_text text)
returns table (lexeme text, word tsquery, share real) language plpgsql stable as $$
#variable_conflict use_column
declare
  known text[];
  shares real[];
begin
  select s.most_common_elems::text::text[], s.most_common_elem_freqs into known, shares from pg_stats s
  where s.schemaname = any (current_schemas(false)) and s.tablename = 'archon_crawled_pages'
    and s.attname = 'content_search_vector';
  return query
    select w.lexeme, quote_literal(w.lexeme)::tsquery, shares[array_position(known, w.lexeme)]
    from unnest(archon_search_words(left(query_text, 4000))) as w (lexeme)
    order by 3 nulls first, 1 limit 24;
end $$;

-- The `depth` best chunks by words. Any word may match (people ask in sentences), a rare word counts more than a
-- common one, a word in title or headings counts `heading_weight` again. Rare words bring candidates from the
-- indexes alone, at most `most` in all; where they bring too few, those chunks that have all the others are added.
-- Then all words rank the best of them. ts_rank of one word is its saturated frequency: 0.6 where it stands once,
-- never above 1.
create or replace function archon_words_nearest(
  query_text text, scope text[], languages text[], depth integer, heading_weight double precision
) returns table (chunk_id bigint, score double precision) language plpgsql
set jit = off set work_mem = '32MB' as $$
#variable_conflict use_column
declare
  most constant integer := 2500;
  weights constant real[] := '{1,1,1,1}';
  condition constant text := archon_filter_condition(scope, languages);
  total double precision;
  words tsquery[];
  rarities double precision[];
  bringing integer;
  found_ids bigint[];
  found_weights double precision[];
begin
  select c.reltuples into total from pg_class c where c.oid = 'archon_crawled_pages'::regclass;
  if total <= 0 then
    select count(*) into total from archon_crawled_pages;
  end if;
  select array_agg(q.word order by q.n), array_agg(ln(1 + total / greatest(1, coalesce(q.share * total, 1))) order by q.n),
    count(*) filter (where q.summed <= most)
  into words, rarities, bringing
  from (select row_number() over rarest as n, w.word, w.share,
          sum(coalesce(w.share, 0) * total) over (rarest rows unbounded preceding) as summed
        from archon_query_words(query_text) w window rarest as (order by w.share nulls first, w.lexeme)) q;
  if words is null then
    return;
  end if;
  select array_agg(f.id), array_agg(f.weight) into found_ids, found_weights
  from archon_words_bring(words[:bringing], rarities, scope, languages, heading_weight, most, condition) f;
  if coalesce(cardinality(found_ids), 0) < depth and bringing < cardinality(words) then
    select found_ids || array_agg(f.id), found_weights || array_agg(f.weight) into found_ids, found_weights
    from archon_words_bring(array[(
      select string_agg(w::text, ' & ')::tsquery from unnest(words[bringing + 1:]) w)], rarities[bringing + 1:],
      scope, languages, heading_weight, most, condition) f;
  end if;
  return query
    with best as materialized (
      select f.id from unnest(found_ids, found_weights) as f (id, weight)
      group by f.id order by sum(f.weight) desc, f.id limit 2 * depth
    ), plain as materialized (  -- `|| ''` unpacks each stored text once instead of once a word
      select c.id, c.content_search_vector || ''::tsvector as body, c.heading_search_vector as heading
      from best b join archon_crawled_pages c on c.id = b.id
    )
    select p.id, sum(w.rarity * (ts_rank(weights, p.body, w.word)
      + case when p.heading @@ w.word then heading_weight else 0 end))
    from plain p, unnest(words, rarities) as w (word, rarity) group by p.id order by 2 desc, 1 limit depth;
end $$;

-- Chunks that have a word in their text or their headings, at most `most` a word; `weight` is what the word counts.
create or replace function archon_words_bring(
  words tsquery[], rarities double precision[], scope text[], languages text[], heading_weight double precision,
  most integer, condition text
) returns table (id bigint, weight double precision) language plpgsql as $$
begin
  for n in 1 .. coalesce(cardinality(words), 0) loop
    -- A plan of its own for each word: how common it is decides how it is looked up.
    return query execute
      'select c.id, $5 from archon_crawled_pages c where c.content_search_vector @@ $1' || condition || ' limit $4'
      using words[n], scope, languages, most, rarities[n];
    if heading_weight > 0 then
      return query execute
        'select c.id, $5 from archon_crawled_pages c where c.heading_search_vector @@ $1' || condition || ' limit $4'
        using words[n], scope, languages, most, heading_weight * rarities[n];
    end if;
  end loop;
end $$;

-- Reciprocal rank fusion of both candidate lists: 1 / (rank_constant + rank), the words' share times
-- `keyword_weight`. `space` null: words alone; `keyword_weight` 0: vectors alone. `similarity` is the cosine, also of
-- a chunk that only its words found; null where the chunk has no vector in the space.
create or replace function archon_search(
  space integer, query_embedding vector, query_text text, source_ids text[], tags text[], knowledge_types text[],
  languages text[], match_count integer, rank_constant double precision, keyword_weight double precision,
  heading_weight double precision
) returns table (
  id bigint, url varchar, chunk_number integer, content text, metadata jsonb, source_id text, page_id uuid, title text,
  heading_path text[], page_number integer, language text, similarity double precision, fused_score double precision,
  vector_rank integer, keyword_rank integer, keyword_score double precision
) language plpgsql
-- Planning the last query anew with each question costs a third of the whole; its shape never changes.
set jit = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  depth integer := greatest(50, 2 * match_count);
  scope text[] := archon_search_sources(source_ids, tags, knowledge_types);
  spoken text[] := nullif(array(select archon_base_language(l) from unnest(languages) l), '{}');
  near bigint[];
  worded bigint[];
  scores double precision[];
begin
  if space is not null then
    select array_agg(v.chunk_id order by v.distance, v.chunk_id) into near
    from archon_vector_nearest(space, query_embedding, scope, spoken, depth) v
    where v.distance < 0.95;  -- below a cosine of 0.05 nothing is alike
  end if;
  if keyword_weight > 0 or space is null then
    select array_agg(k.chunk_id order by k.score desc, k.chunk_id), array_agg(k.score order by k.score desc, k.chunk_id)
    into worded, scores
    from archon_words_nearest(query_text, scope, spoken, depth, heading_weight) k;
  end if;
  return query
    with fused as materialized (
      select coalesce(n.id, w.id) as chunk_id, n.place as near_place, w.place as worded_place, w.score,
        coalesce(1 / (rank_constant + n.place), 0)
          + coalesce(case when space is null then 1 else keyword_weight end / (rank_constant + w.place), 0) as points
      from unnest(near) with ordinality as n (id, place)
      full join unnest(worded, scores) with ordinality as w (id, score, place) on w.id = n.id
      order by points desc, coalesce(n.place, 1000000), chunk_id limit match_count
    )
    select c.id, c.url, c.chunk_number, c.content, c.metadata, c.source_id, c.page_id,
      coalesce(p.title, c.metadata->>'title', p.section_title, s.title), c.heading_path, c.page_number,
      archon_base_language(p.language), 1 - (v.embedding <=> query_embedding), f.points,
      f.near_place::integer, f.worded_place::integer, f.score
    from fused f
    join archon_crawled_pages c on c.id = f.chunk_id
    join archon_sources s on s.source_id = c.source_id
    left join archon_page_metadata p on p.id = c.page_id
    left join archon_chunk_vectors v on v.space_id = space and v.chunk_id = c.id
    order by f.points desc, coalesce(f.near_place, 1000000), c.id;
end $$;

-- Why a search that worked found nothing: nothing is stored; the filter leaves nothing; what it leaves has no vectors
-- of the model in use; or nothing is alike.
create or replace function archon_search_why_empty(
  space integer, source_ids text[], tags text[], knowledge_types text[], languages text[]
) returns text language plpgsql stable as $$
declare
  scope text[] := archon_search_sources(source_ids, tags, knowledge_types);
  spoken text[] := nullif(array(select archon_base_language(l) from unnest(languages) l), '{}');
  found_one boolean;
begin
  if not exists (select 1 from archon_crawled_pages) then
    return 'empty_store';
  end if;
  execute 'select exists (select $1 from archon_crawled_pages c where true'
    || archon_filter_condition(scope, spoken) || ')' into found_one using space, scope, spoken;
  if not found_one then
    return 'filter_excludes_all';
  end if;
  execute 'select exists (select 1 from archon_crawled_pages c join archon_chunk_vectors v on v.chunk_id = c.id
    where v.space_id = $1' || archon_filter_condition(scope, spoken) || ')' into found_one using space, scope, spoken;
  return case when found_one then 'no_match' else 'other_space' end;
end $$;

-- What the functions above take the place of.
drop function if exists archon_search_chunks(integer, vector, text, text[], text[], integer);
drop function if exists archon_vector_candidates(integer, vector, text[], integer, boolean);
drop function if exists archon_keyword_candidates(text, text[], integer);
drop function if exists archon_search_reason(integer, text[], text[]);
$archon_file_0060$;
  insert into archon_migrations (version, migration_name, checksum) values ('0060', 'search', '17f87bb73fe3f7b6aaca856f05a1e5b1');
end $archon_step_0060$;

do $archon_step_0061$
begin
  if exists (select 1 from archon_migrations where version = '0061') then
    return;
  end if;
  execute $archon_file_0061$
-- Sources as their page shows them: how large, how fresh, what went wrong; found by text, type, tag and trouble.

create or replace function archon_source_list(
  source text, knowledge_type text, search text, tag text, troubled boolean, sort text, row_limit integer,
  row_offset integer
) returns table (
  source_id text, source_url text, display_name text, title text, summary text, metadata jsonb, word_count integer,
  page_count bigint, char_count bigint, chunk_count bigint, code_examples_count bigint, languages text[],
  created_at timestamptz, updated_at timestamptz, last_read_at timestamptz, next_refresh_at timestamptz,
  last_job_id uuid, last_job_state text, last_job_finished_at timestamptz, last_job_stored integer,
  last_job_failed integer, last_job_error jsonb, total bigint
) language sql stable as $$
  with chosen as (
    select s.*, j.id as job_id, j.state as job_state, j.finished_at, j.result, j.error, count(*) over () as total,
      row_number() over (order by
        case when sort = 'title' then lower(coalesce(s.title, s.source_display_name, s.source_id)) end,
        case when sort = 'words' then s.total_word_count end desc nulls last,
        case when sort = 'refresh' then s.next_refresh_at end nulls last,
        s.updated_at desc, s.source_id) as place
    from archon_sources s
    left join lateral (
      select * from archon_jobs a where a.source_id = s.source_id order by a.created_at desc limit 1) j on true
    where (source is null or s.source_id = source)
      and (archon_source_list.knowledge_type is null
           or coalesce(s.metadata->>'knowledge_type', 'technical') = archon_source_list.knowledge_type)
      and (search is null or s.title ilike search or s.summary ilike search or s.source_id ilike search
           or s.source_url ilike search)
      and (archon_source_list.tag is null or s.metadata->'tags' ? archon_source_list.tag)
      and (not troubled or j.state = 'failed' or coalesce((j.result->>'pages_failed')::integer, 0) > 0)
    order by place limit row_limit offset row_offset
  )
  select c.source_id, coalesce(c.source_url, 'source://' || c.source_id),
    coalesce(c.source_display_name, c.title, c.source_id), coalesce(c.title, c.source_display_name, c.source_id),
    coalesce(c.summary, ''), c.metadata, c.total_word_count, pages.n, pages.characters,
    (select count(*) from archon_crawled_pages k where k.source_id = c.source_id),
    (select count(*) from archon_code_examples e where e.source_id = c.source_id),
    coalesce(pages.languages, '{}'), c.created_at, c.updated_at, pages.read_at, c.next_refresh_at,
    c.job_id, c.job_state, c.finished_at, coalesce((c.result->>'pages_stored')::integer, 0),
    coalesce((c.result->>'pages_failed')::integer, 0), c.error, c.total
  from chosen c, lateral (
    select count(*) as n, coalesce(sum(p.char_count), 0) as characters, max(p.fetched_at) as read_at,
      array_agg(distinct archon_base_language(p.language)) filter (where archon_base_language(p.language) is not null)
        as languages
    from archon_page_metadata p where p.source_id = c.source_id) as pages
  order by c.place
$$;

-- What failed in the newest job of a source, in the order of its pages.
create or replace function archon_source_problems(source text, most integer)
returns table (url text, error jsonb) language sql stable as $$
  select f.url, f.error
  from (select j.id from archon_jobs j where j.source_id = source order by j.created_at desc limit 1) last
  join archon_job_pages f on f.job_id = last.id and f.state = 'failed'
  order by f.position limit most
$$;
$archon_file_0061$;
  insert into archon_migrations (version, migration_name, checksum) values ('0061', 'sources', 'f6733754fe6dfbb289c987c91d6278d6');
end $archon_step_0061$;

do $archon_step_0070$
begin
  if exists (select 1 from archon_migrations where version = '0070') then
    return;
  end if;
  execute $archon_file_0070$
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
$archon_file_0070$;
  insert into archon_migrations (version, migration_name, checksum) values ('0070', 'connections', 'a7751e2ae72f3193794e4e027405a3e2');
end $archon_step_0070$;

do $archon_step_0075$
begin
  if exists (select 1 from archon_migrations where version = '0075') then
    return;
  end if;
  execute $archon_file_0075$
-- Conversations as trees: each message knows the one before it, so that a question can be edited and an answer
-- retried without losing what was there. `head` is the last message of the branch that is shown.

alter table archon_conversations
  add column if not exists settings jsonb not null default '{}',
  add column if not exists head uuid;
-- `writing_until`: who writes this answer promises to be heard of by then; an answer without an outcome past it was
-- interrupted. `notes` is what its reader is told beside it: {knowledge, reason, left_out}.
alter table archon_messages
  add column if not exists parent_id uuid,
  add column if not exists reasoning text not null default '',
  add column if not exists finish_reason text,
  add column if not exists connection_id text,
  add column if not exists notes jsonb not null default '{}',
  add column if not exists writing_until timestamptz;
create index if not exists archon_messages_parent on archon_messages (parent_id);
create index if not exists archon_messages_writing on archon_messages (conversation_id) where outcome is null
  and role = 'assistant';

-- What was stored before was one line.
update archon_messages m set parent_id = b.id
from archon_messages b
where m.parent_id is null and m.position > 0 and b.conversation_id = m.conversation_id and b.position = m.position - 1;
update archon_conversations c set head = (
  select m.id from archon_messages m where m.conversation_id = c.id order by m.position desc limit 1)
where c.head is null;

-- The words of titles and messages, for finding a conversation again. Not stemmed: people look for what they typed.
create or replace function archon_message_words(body text) returns tsvector language sql immutable parallel safe as $$
  select to_tsvector('simple'::regconfig, translate(left(body, 100000), './_-', '    '))
$$;
create index if not exists archon_messages_words on archon_messages using gin (archon_message_words(content));

-- Answers whose writer was not heard of in time. What had come of them is kept.
create or replace function archon_answers_expire(conversation uuid) returns void language sql as $$
  update archon_messages m
  set outcome = 'truncated', writing_until = null, error = jsonb_build_object(
    'error', 'Archon''s server was stopped in the middle of this answer.', 'code', 'interrupted', 'retryable', true,
    'next_step', 'Continue the answer, or ask again.')
  where m.conversation_id = conversation and m.role = 'assistant' and m.outcome is null
    and (m.writing_until is null or m.writing_until < now())
$$;

-- Stores a question and the still empty message of its answer. `conversation` null begins a new conversation.
-- The question follows message `after` (null: the head); or it stands beside the question `edits`; or there is no new
-- one, and the answer stands beside those of the question `answers`.
create or replace function archon_answer_begin(
  conversation uuid, after uuid, edits uuid, answers uuid, title text, question text, provider text, model text,
  connection_id text, passages jsonb, notes jsonb, settings jsonb, lease_s double precision
) returns table (conversation_id uuid, question_id uuid, answer_id uuid) language plpgsql as $$
#variable_conflict use_column
declare
  home uuid := conversation;
  parent uuid := after;
  place integer;
  asked uuid := answers;
  answer uuid;
begin
  if home is null then
    insert into archon_conversations as c (title, settings)
      values (archon_answer_begin.title, coalesce(archon_json(archon_answer_begin.settings), '{}'))
      returning c.id into home;
  else
    -- Two tabs in one conversation: the row lock puts their turns one after the other.
    select coalesce(after, c.head) into parent from archon_conversations c where c.id = home for update;
    if not found then
      raise exception 'There is no conversation %.', home using errcode = 'no_data_found';
    end if;
  end if;
  perform 1 from unnest(array[after, edits, answers]) as given (id)
    left join archon_messages m on m.id = given.id and m.conversation_id = home
    where given.id is not null and (m.id is null or m.role <> case when given.id = after then 'assistant' else 'user' end);
  if found then
    raise exception 'The message to go on from is not in this conversation.' using errcode = 'no_data_found';
  end if;
  if edits is not null then
    select m.parent_id into parent from archon_messages m where m.id = edits;
  end if;
  select coalesce(max(m.position) + 1, 0) into place from archon_messages m where m.conversation_id = home;
  if asked is null then
    insert into archon_messages as m (conversation_id, parent_id, position, role, content)
      values (home, parent, place, 'user', question) returning m.id into asked;
    place := place + 1;
  end if;
  insert into archon_messages as m (conversation_id, parent_id, position, role, content, provider, model,
      connection_id, passages, notes, writing_until)
    values (home, asked, place, 'assistant', '', archon_answer_begin.provider, archon_answer_begin.model,
      archon_answer_begin.connection_id, archon_json(archon_answer_begin.passages),
      archon_json(archon_answer_begin.notes), now() + make_interval(secs => lease_s))
    returning m.id into answer;
  update archon_conversations c set updated_at = now(), head = answer where c.id = home;
  return query select home, asked, answer;
end $$;

-- Takes an answer that was cut up again. Refused while it is being written.
create or replace function archon_answer_resume(
  answer uuid, provider text, model text, connection_id text, lease_s double precision
) returns table (conversation_id uuid, question_id uuid, answer_id uuid) language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_answers_expire(m.conversation_id) from archon_messages m where m.id = answer;
  return query
    update archon_messages m
    set outcome = null, error = null, finish_reason = null, provider = archon_answer_resume.provider,
        model = archon_answer_resume.model, connection_id = archon_answer_resume.connection_id,
        writing_until = now() + make_interval(secs => lease_s)
    where m.id = answer and m.role = 'assistant' and m.outcome is not null
    returning m.conversation_id, m.parent_id, m.id;
  if not found then
    raise exception 'This answer is being written, or is gone.' using errcode = 'unique_violation';
  end if;
end $$;

-- What has come of an answer so far, and the promise to be heard of again; false when it is gone or has ended.
create or replace function archon_answer_keep(answer uuid, content text, reasoning text, lease_s double precision)
returns boolean language plpgsql as $$
begin
  update archon_messages m
  set content = archon_answer_keep.content, reasoning = archon_answer_keep.reasoning,
      writing_until = now() + make_interval(secs => lease_s)
  where m.id = answer and m.outcome is null;
  return found;
end $$;

-- Completes an answer; false when its conversation was deleted meanwhile.
create or replace function archon_answer_end(
  answer uuid, content text, reasoning text, outcome text, finish_reason text, support jsonb, usage jsonb, error jsonb,
  provider text, model text
) returns boolean language plpgsql as $$
declare
  home uuid;
begin
  update archon_messages m
  set content = archon_answer_end.content, reasoning = archon_answer_end.reasoning,
      outcome = archon_answer_end.outcome, finish_reason = archon_answer_end.finish_reason,
      support = archon_json(archon_answer_end.support), usage = archon_json(archon_answer_end.usage),
      error = archon_json(archon_answer_end.error), provider = archon_answer_end.provider,
      model = archon_answer_end.model, writing_until = null
  where m.id = answer returning m.conversation_id into home;
  update archon_conversations c set updated_at = now() where c.id = home;
  return home is not null;
end $$;
$archon_file_0075$;
  insert into archon_migrations (version, migration_name, checksum) values ('0075', 'chat_studio', '5e2f12545c9f5377fadd909cbe5d5f17');
end $archon_step_0075$;

do $archon_step_0076$
begin
  if exists (select 1 from archon_migrations where version = '0076') then
    return;
  end if;
  execute $archon_file_0076$
-- Reading conversations: a page of the branch that is shown, one message, the list, what is pinned into the context.

drop function if exists archon_conversation(uuid);
create or replace function archon_conversation(conversation uuid)
returns table (id uuid, title text, created_at timestamptz, updated_at timestamptz, message_count bigint,
  settings jsonb, head uuid)
language sql stable as $$
  select c.id, c.title, c.created_at, c.updated_at,
    (select count(*) from archon_messages m where m.conversation_id = c.id), c.settings, c.head
  from archon_conversations c where c.id = conversation
$$;

-- The branch that ends in `last` (included), read backwards from there: its `most` last messages, oldest first.
-- `versions` are the messages in the same place of the tree, in the order they were written.
create or replace function archon_branch(conversation uuid, last uuid, most integer)
returns table (id uuid, parent_id uuid, role text, content text, reasoning text, outcome text, finish_reason text,
  passages jsonb, support jsonb, notes jsonb, provider text, model text, connection_id text, usage jsonb, error jsonb,
  created_at timestamptz, versions text[])
language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_answers_expire(conversation);
  return query
    with recursive walk as (
      select m.id, m.parent_id, 1 as depth from archon_messages m where m.id = last and m.conversation_id = conversation
      union all
      select m.id, m.parent_id, w.depth + 1 from walk w join archon_messages m on m.id = w.parent_id where w.depth < most
    )
    select m.id, m.parent_id, m.role, m.content, m.reasoning, m.outcome, m.finish_reason, m.passages, m.support,
      m.notes, m.provider, m.model, m.connection_id, m.usage, m.error, m.created_at,
      case when m.parent_id is null then
        array(select s.id::text from archon_messages s where s.conversation_id = conversation and s.parent_id is null
              order by s.position)
      else
        array(select s.id::text from archon_messages s where s.parent_id = m.parent_id order by s.position)
      end
    from walk w join archon_messages m on m.id = w.id order by w.depth desc;
end $$;

-- One message, with its conversation.
create or replace function archon_message(message uuid)
returns table (conversation_id uuid, id uuid, parent_id uuid, role text, content text, reasoning text, outcome text,
  finish_reason text, passages jsonb, support jsonb, notes jsonb, provider text, model text, connection_id text,
  usage jsonb, error jsonb, created_at timestamptz, versions text[])
language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_answers_expire(m.conversation_id) from archon_messages m
    where m.id = message and m.outcome is null and m.role = 'assistant';
  return query
    select m.conversation_id, m.id, m.parent_id, m.role, m.content, m.reasoning, m.outcome, m.finish_reason, m.passages,
      m.support, m.notes, m.provider, m.model, m.connection_id, m.usage, m.error, m.created_at, array[m.id::text]
    from archon_messages m where m.id = message;
end $$;

-- All messages of all branches in the order they were written.
create or replace function archon_conversation_tree(conversation uuid)
returns table (id uuid, parent_id uuid, role text, content text, reasoning text, outcome text, finish_reason text,
  passages jsonb, support jsonb, notes jsonb, provider text, model text, connection_id text, usage jsonb, error jsonb,
  created_at timestamptz, versions text[])
language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_answers_expire(conversation);
  return query
    select m.id, m.parent_id, m.role, m.content, m.reasoning, m.outcome, m.finish_reason, m.passages, m.support, m.notes,
      m.provider, m.model, m.connection_id, m.usage, m.error, m.created_at, array[m.id::text]
    from archon_messages m where m.conversation_id = conversation order by m.position;
end $$;

-- The last `most` messages before a new question, oldest first: of the branch that ends in `last`, or in the head.
create or replace function archon_branch_history(conversation uuid, last uuid, most integer)
returns table (id uuid, role text, content text, outcome text) language plpgsql stable as $$
#variable_conflict use_column
declare
  leaf uuid := last;
begin
  select coalesce(last, c.head) into leaf from archon_conversations c where c.id = conversation;
  if not found then
    raise exception 'There is no conversation %.', conversation using errcode = 'no_data_found';
  end if;
  return query
    with recursive walk as (
      select m.id, m.parent_id, 1 as depth from archon_messages m where m.id = leaf and m.conversation_id = conversation
      union all
      select m.id, m.parent_id, w.depth + 1 from walk w join archon_messages m on m.id = w.parent_id where w.depth < most
    )
    select m.id, m.role, m.content, m.outcome
    from walk w join archon_messages m on m.id = w.id order by w.depth desc;
end $$;

-- Shows the branch that goes through `message`, down to its newest end; false when it is not in the conversation.
create or replace function archon_conversation_show(conversation uuid, message uuid) returns boolean
language plpgsql as $$
declare
  leaf uuid;
begin
  with recursive below as (
    select m.id, 1 as depth from archon_messages m where m.id = message and m.conversation_id = conversation
    union all
    select (select n.id from archon_messages n where n.parent_id = b.id order by n.position desc limit 1), b.depth + 1
    from below b where b.id is not null
  )
  select b.id into leaf from below b where b.id is not null order by b.depth desc limit 1;
  update archon_conversations c set head = leaf where c.id = conversation and leaf is not null;
  return found;
end $$;

-- Changes what is not null; false when there is no such conversation.
create or replace function archon_conversation_change(conversation uuid, title text, settings jsonb) returns boolean
language plpgsql as $$
begin
  update archon_conversations c
  set title = coalesce(archon_conversation_change.title, c.title),
      settings = coalesce(archon_json(archon_conversation_change.settings), c.settings)
  where c.id = conversation;
  return found;
end $$;

-- The latest conversations; with `words` those in whose title or messages all of them stand, the last one perhaps
-- unfinished. `found` is a message that has them.
create or replace function archon_conversations_find(words text, most integer)
returns table (id uuid, title text, created_at timestamptz, updated_at timestamptz, message_count bigint, found text)
language plpgsql stable as $$
#variable_conflict use_column
declare
  parts text[] := array(select l.word from unnest(tsvector_to_array(archon_message_words(coalesce(words, '')))) l (word));
  wanted tsquery;
begin
  if cardinality(parts) > 0 then
    select string_agg(quote_literal(p) || ':*', ' & ')::tsquery into wanted from unnest(parts) p;
  elsif coalesce(words, '') <> '' then
    return;
  end if;
  return query
    with hits as materialized (
      select distinct on (m.conversation_id) m.conversation_id, left(m.content, 20000) as content
      from archon_messages m where wanted is not null and archon_message_words(m.content) @@ wanted
      order by m.conversation_id, m.position
    )
    select c.id, c.title, c.created_at, c.updated_at,
      (select count(*) from archon_messages m where m.conversation_id = c.id), h.content
    from archon_conversations c left join hits h on h.conversation_id = c.id
    where wanted is null or h.conversation_id is not null or archon_message_words(c.title) @@ wanted
    order by c.updated_at desc, c.id limit most;
end $$;

-- The passages of pinned pages: those with the question's words first, then in the pages' own order.
create or replace function archon_pinned_chunks(pages text[], question text, most integer)
returns table (
  id bigint, url varchar, chunk_number integer, content text, metadata jsonb, source_id text, page_id uuid, title text,
  heading_path text[], page_number integer, similarity double precision, fused_score double precision,
  vector_rank integer, keyword_rank integer
) language sql stable as $$
  with words as (
    select string_agg(quote_literal(q.lexeme), ' | ')::tsquery as any_of from archon_query_words(question) q
  )
  select c.id, c.url, c.chunk_number, c.content, c.metadata, c.source_id, c.page_id,
    coalesce(p.title, c.metadata->>'title', p.section_title, s.title), c.heading_path, c.page_number,
    null::double precision, 0::double precision, null::integer, null::integer
  from archon_crawled_pages c
  join archon_page_metadata p on p.id = c.page_id
  join archon_sources s on s.source_id = c.source_id
  cross join words w
  where c.page_id::text = any (pages)
  order by coalesce(ts_rank(c.content_search_vector, w.any_of), 0) desc, array_position(pages, c.page_id::text),
    c.chunk_number
  limit most
$$;

-- Pages to pin, by words of their title or address.
create or replace function archon_pages_named(words text, most integer)
returns table (page_id text, title text, url text, source_id text) language sql stable as $$
  select p.id::text, coalesce(p.title, p.section_title), p.url, p.source_id
  from archon_page_metadata p
  where words = '' or (coalesce(p.title, p.section_title, '') || ' ' || p.url) ilike
    '%' || replace(replace(replace(words, E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_') || '%'
  order by p.updated_at desc, p.id limit most
$$;
$archon_file_0076$;
  insert into archon_migrations (version, migration_name, checksum) values ('0076', 'chat_reading', 'ccf9014cb81b5de993643a0acaa15503');
end $archon_step_0076$;

do $archon_step_0078$
begin
  if exists (select 1 from archon_migrations where version = '0078') then
    return;
  end if;
  execute $archon_file_0078$
-- The knowledge agent: its sessions and messages, and the passages of a page that it reads.

create table if not exists archon_agent_sessions (
  id uuid primary key default gen_random_uuid(),
  agent_type text not null,
  project_id text,
  -- What was said before message `summarised`, in short; the messages themselves stay.
  summary text not null default '',
  summarised integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- `outcome` as in archon_messages; `steps` are the tool events in their order, `way` is how the answer came about.
create table if not exists archon_agent_messages (
  id uuid primary key default gen_random_uuid(),
  session_id uuid not null references archon_agent_sessions (id) on delete cascade,
  position integer not null,
  role text not null check (role in ('user', 'assistant')),
  content text not null default '',
  outcome text check (outcome in ('complete', 'truncated', 'upstream_error', 'stalled', 'cancelled')),
  way text check (way in ('tools', 'one_pass')),
  steps jsonb not null default '[]',
  passages jsonb not null default '[]',
  support jsonb not null default '[]',
  usage jsonb,
  error jsonb,
  created_at timestamptz not null default now(),
  unique (session_id, position)
);

create or replace function archon_agent_session_create(agent_type text, project_id text)
returns uuid language sql as $$
  insert into archon_agent_sessions (agent_type, project_id)
  values (archon_agent_session_create.agent_type, archon_agent_session_create.project_id) returning id
$$;

create or replace function archon_agent_session(session uuid)
returns table (id uuid, agent_type text, project_id text, summary text, summarised integer, created_at timestamptz)
language sql stable as $$
  select s.id, s.agent_type, s.project_id, s.summary, s.summarised, s.created_at
  from archon_agent_sessions s where s.id = session
$$;

create or replace function archon_agent_session_delete(session uuid) returns boolean language plpgsql as $$
begin
  delete from archon_agent_sessions s where s.id = session;
  return found;
end $$;

create or replace function archon_agent_messages_of(session uuid, from_position integer)
returns setof archon_agent_messages language sql stable as $$
  select * from archon_agent_messages m where m.session_id = session and m.position >= from_position order by m.position
$$;

-- Stores a question and the still empty message of its answer.
create or replace function archon_agent_turn_begin(session uuid, question text)
returns table (question_id uuid, answer_id uuid) language plpgsql as $$
declare
  next_position integer;
  asked uuid;
  answer uuid;
begin
  perform 1 from archon_agent_sessions s where s.id = session for update;
  if not found then
    raise exception 'There is no session %.', session using errcode = 'no_data_found';
  end if;
  select coalesce(max(m.position) + 1, 0) into next_position from archon_agent_messages m where m.session_id = session;
  insert into archon_agent_messages as m (session_id, position, role, content)
    values (session, next_position, 'user', question) returning m.id into asked;
  insert into archon_agent_messages as m (session_id, position, role)
    values (session, next_position + 1, 'assistant') returning m.id into answer;
  update archon_agent_sessions s set updated_at = now() where s.id = session;
  return query select asked, answer;
end $$;

-- Completes an answer; false when its session was deleted meanwhile.
create or replace function archon_agent_turn_end(
  answer_id uuid, content text, outcome text, way text, steps jsonb, passages jsonb, support jsonb, usage jsonb,
  error jsonb
) returns boolean language plpgsql as $$
begin
  update archon_agent_messages m
  set content = archon_agent_turn_end.content, outcome = archon_agent_turn_end.outcome,
      way = archon_agent_turn_end.way, steps = archon_json(archon_agent_turn_end.steps),
      passages = archon_json(archon_agent_turn_end.passages), support = archon_json(archon_agent_turn_end.support),
      usage = archon_json(archon_agent_turn_end.usage), error = archon_json(archon_agent_turn_end.error)
  where m.id = answer_id;
  return found;
end $$;

-- Keeps the summary of all messages before `summarised`; an older one never replaces a newer one.
create or replace function archon_agent_session_summarise(session uuid, summary text, summarised integer)
returns void language sql as $$
  update archon_agent_sessions s
  set summary = archon_agent_session_summarise.summary, summarised = archon_agent_session_summarise.summarised
  where s.id = session and s.summarised <= archon_agent_session_summarise.summarised
$$;

-- The chunks of a page from `first_chunk` on, in their order.
create or replace function archon_page_chunks(page uuid, first_chunk integer, row_limit integer)
returns table (id bigint, source_id text, content text, metadata jsonb, url text, title text, heading_path text[],
               page_id uuid, page_number integer, chunk_number integer, total bigint)
language sql stable as $$
  select c.id, c.source_id, c.content, c.metadata, c.url::text,
         coalesce(p.title, c.metadata->>'title', p.section_title, s.title), c.heading_path, c.page_id, c.page_number,
         c.chunk_number, (select count(*) from archon_crawled_pages every where every.page_id = page)
  from archon_crawled_pages c
  join archon_page_metadata p on p.id = c.page_id
  join archon_sources s on s.source_id = c.source_id
  where c.page_id = page and c.chunk_number >= first_chunk
  order by c.chunk_number, c.id
  limit row_limit
$$;
$archon_file_0078$;
  insert into archon_migrations (version, migration_name, checksum) values ('0078', 'agent_sessions', 'a4f103cc50f2fd2e2b1dcb6b130d6ece');
end $archon_step_0078$;

do $archon_step_0080$
begin
  if exists (select 1 from archon_migrations where version = '0080') then
    return;
  end if;
  execute $archon_file_0080$
-- One door for a REST face: a call by name with its arguments, its rows or its refusal as one value. One value,
-- because such a face cuts sets at 1,000 rows, gives scalars, rows and sets different shapes, and does not tell
-- every SQLSTATE. Also: what the REST face of a project must not open to everybody, and the state of the schema.

-- The expression that takes argument `name` of type `kind` out of the object $1.
create or replace function archon_call_argument(name text, kind oid) returns text language sql stable as $$
  select format('%I => ', name) || case
    when kind in ('jsonb'::regtype, 'json'::regtype) then format('nullif($1->%L, ''null'')', name)
    when t.typelem <> 0 and t.typlen = -1 and t.typname like E'\\_%' then format(
      'case when jsonb_typeof($1->%1$L) = ''array'' then array(select jsonb_array_elements_text($1->%1$L))::%2$s end',
      name, format_type(kind, null))
    else format('($1->>%L)::%s', name, format_type(kind, null))
  end
  from pg_type t where t.oid = kind
$$;

-- The call as SQL text, for a function of ours alone. Of several with that name, the one with the fewest arguments
-- that knows all of those given.
create or replace function archon_call_text(name text, given jsonb) returns text language plpgsql stable as $$
declare
  target pg_proc;
  call text;
begin
  select p.* into target from pg_proc p
  where p.proname = archon_call_text.name and p.proname like E'archon\\_%' and p.prokind = 'f'
    and pg_function_is_visible(p.oid)
    and array(select jsonb_object_keys(given)) <@ coalesce(p.proargnames, '{}')
  order by p.pronargs, p.oid limit 1;
  if target.oid is null then
    raise exception 'There is no function % with the arguments %.', archon_call_text.name,
      coalesce((select string_agg(k, ', ' order by k) from jsonb_object_keys(given) k), 'none')
      using errcode = 'undefined_function';
  end if;
  select coalesce(string_agg(archon_call_argument(a.name, a.kind), ', ' order by a.place), '') into call
  from unnest(target.proargnames[1:target.pronargs], target.proargtypes::oid[]) with ordinality a (name, kind, place)
  where given ? a.name;
  return format('%I(%s)', target.proname, call);
end $$;

-- {"rows": [...]} with the columns that `select *` would give, or {"error": {"code": SQLSTATE, "message": ...}}
-- where nothing was changed. A time-out of the statement is not caught: the face reports it itself.
create or replace function archon_call(function text, arguments jsonb) returns jsonb language plpgsql as $$
declare
  given jsonb := archon_json(arguments);
  found_rows jsonb;
begin
  execute format('select coalesce(jsonb_agg(to_jsonb(r)), ''[]'') from (select * from %s) r',
                 archon_call_text(function, given)) into found_rows using given;
  return jsonb_build_object('rows', found_rows);
exception when others then
  return jsonb_build_object('error', jsonb_build_object('code', sqlstate, 'message', sqlerrm));
end $$;

create or replace function archon_store_state() returns table (server_version text, vector_version text)
language sql stable as $$
  select current_setting('server_version'), (select e.extversion from pg_extension e where e.extname = 'vector')
$$;

-- Every migration of this schema and of Archon v1, oldest first.
create or replace function archon_migrations_applied()
returns table (version varchar, migration_name varchar, applied_at timestamptz, checksum varchar)
language sql stable as $$
  select m.version, m.migration_name, m.applied_at, m.checksum
  from archon_migrations m order by m.applied_at, m.version, m.migration_name
$$;

-- Where a REST face serves everybody with a public key (roles `anon` and `authenticated`), it must not serve this:
-- tables without row security get it, without a policy; our functions are for `service_role` alone. That role owns
-- nothing, so functions that make or drop an index or change a table run with their owner's right. To be run after
-- every migration. Elsewhere it changes nothing.
create or replace function archon_close_tables(parts_only boolean) returns void language plpgsql as $$
declare
  given record;
begin
  for given in
    select c.oid::regclass as name from pg_class c
    where c.relkind in ('r', 'p') and c.relname like E'archon\\_%' and pg_table_is_visible(c.oid)
      and not c.relrowsecurity and (c.relispartition or not parts_only)
      and exists (select 1 from pg_roles where rolname = 'anon')
  loop
    execute format('alter table %s enable row level security', given.name);
  end loop;
end $$;

-- Spaces may bring parts of their own: those are closed when the transaction that made them ends.
create or replace function archon_close_new_tables() returns trigger language plpgsql as $$
begin
  perform archon_close_tables(true);
  return null;
end $$;
drop trigger if exists archon_close_new_tables on archon_embedding_spaces;
create constraint trigger archon_close_new_tables after insert or update on archon_embedding_spaces
  deferrable initially deferred for each row execute function archon_close_new_tables();

create or replace function archon_close_to_others() returns void language plpgsql as $$
declare
  given record;
begin
  if (select count(*) from pg_roles where rolname in ('anon', 'authenticated', 'service_role')) < 3 then
    return;
  end if;
  perform archon_close_tables(false);
  for given in
    select p.oid::regprocedure as name,
           p.prosrc ~* E'\\m(create|drop|alter)\\s+(unique\\s+)?(index|table)\\M|\\manalyze\\M' as changes_the_schema
    from pg_proc p
    where p.prokind = 'f' and p.proname like E'archon\\_%' and p.proname <> 'archon_close_to_others'
      and pg_function_is_visible(p.oid)
  loop
    execute format('revoke all on function %s from public, anon, authenticated', given.name);
    execute format('grant execute on function %s to service_role', given.name);
    if given.changes_the_schema then
      execute format('alter function %s security definer', given.name);
      execute format('alter function %s set search_path from current', given.name);
    end if;
  end loop;
  revoke all on function archon_close_to_others() from public, anon, authenticated;
end $$;

select archon_close_to_others();
$archon_file_0080$;
  insert into archon_migrations (version, migration_name, checksum) values ('0080', 'one_door', '87cd6e71a59ae8ec4ef75338d2083fa8');
end $archon_step_0080$;

do $archon_step_0081$
begin
  if exists (select 1 from archon_migrations where version = '0081') then
    return;
  end if;
  execute $archon_file_0081$
-- Taking over what Archon v1 stored: its vectors go into embedding spaces as they are, nothing is embedded again.
-- v1's own columns stay, and it can go on working on this database until it is retired.

-- ---------------------------------------------------------------- what v1 left to its early levels or did otherwise

-- A page that goes takes its chunks along, and a source its pages; v1 left chunks behind.
do $$
declare
  given record;
begin
  for given in
    select c.conrelid::regclass as owner, c.conname as name, a.attname as own_column, c.confrelid::regclass as target
    from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
    where c.contype = 'f' and c.confdeltype <> 'c' and cardinality(c.conkey) = 1
      and c.conrelid in ('archon_crawled_pages'::regclass, 'archon_code_examples'::regclass, 'archon_page_metadata'::regclass)
      and c.confrelid in ('archon_sources'::regclass, 'archon_page_metadata'::regclass)
  loop
    execute format('alter table %s drop constraint %I, add constraint %I foreign key (%I) references %s on delete cascade',
                   given.owner, given.name, given.name, given.own_column, given.target);
  end loop;
  if not exists (select 1 from pg_constraint where contype = 'f' and conrelid = 'archon_crawled_pages'::regclass
                   and confrelid = 'archon_page_metadata'::regclass) then
    update archon_crawled_pages c set page_id = null
    where page_id is not null and not exists (select 1 from archon_page_metadata p where p.id = c.page_id);
    alter table archon_crawled_pages add constraint archon_crawled_pages_page_id_fkey
      foreign key (page_id) references archon_page_metadata (id) on delete cascade;
  end if;
end $$;

-- v1 writes its pages "on conflict (url)" and fails without a constraint on it. While it may still work here the
-- constraint stays, and a page of ours whose address another source has says why it cannot be stored.
create or replace function archon_v1_address() returns trigger language plpgsql as $$
declare
  owner text;
begin
  select p.source_id into owner from archon_page_metadata p where p.url = new.url and p.source_id <> new.source_id limit 1;
  if found then
    raise exception 'The address belongs to the source % already, and Archon v1, which may still use this database, allows each address once. `archon migrate --retire-v1` ends that.', owner
      using errcode = 'unique_violation';
  end if;
  return new;
end $$;

do $$
begin
  if not exists (select 1 from archon_v1 where retired_at is null)
     or exists (select 1 from archon_page_metadata group by url having count(*) > 1)
     or exists (select 1 from pg_constraint where conname = 'archon_page_metadata_v1_url') then
    return;
  end if;
  alter table archon_page_metadata add constraint archon_page_metadata_v1_url unique (url);
  create trigger archon_v1_address before insert on archon_page_metadata
    for each row when (new.url_key is not null) execute function archon_v1_address();
end $$;

-- ---------------------------------------------------------------- taking over

-- Which space took the vectors of a model and size.
create table if not exists archon_v1_spaces (
  model text not null,
  size integer not null,
  space_id integer not null references archon_embedding_spaces (id) on delete cascade,
  primary key (model, size)
);

-- The space of v1's vectors of one model and size, made without its index: filling an index row by row is ten times
-- slower than building it at the end. v1 sent texts as they are, so there are no prefixes.
create or replace function archon_v1_space(embedded_by text, dims integer, unit boolean) returns void
language plpgsql as $$
declare
  made integer;
begin
  if exists (select 1 from archon_v1_spaces m where m.model = embedded_by and m.size = dims) then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  insert into archon_embedding_spaces as s (model, dimensions, normalised, query_prefix, passage_prefix, activated_at)
  values (embedded_by, dims, unit, '', '', 'epoch')
  on conflict (model, dimensions, normalised, query_prefix, passage_prefix) do nothing returning s.id into made;
  if made is not null and to_regproc('archon_part_ensure') is not null then
    perform archon_space_index(made, dims);
  end if;
  insert into archon_v1_spaces (model, size, space_id)
  select embedded_by, dims, s.id from archon_embedding_spaces s
  where s.model = embedded_by and s.dimensions = dims and s.normalised = unit
    and s.query_prefix = '' and s.passage_prefix = '';
end $$;

-- The next rows of `kind` ('chunk' or 'example'), in the order of their ids: their vectors go into their spaces, and
-- the place reached is kept, all in one transaction. A vector that is there already stays; one without length cannot be
-- compared with anything and counts as missing. `seen` 0: the end is reached.
create or replace function archon_v1_take(kind text, row_limit integer, fallback_model text)
returns table (seen bigint, taken bigint) language plpgsql set jit = off as $$
#variable_conflict use_variable
declare
  owner text := case kind when 'chunk' then 'archon_crawled_pages' else 'archon_code_examples' end;
  target text := case kind when 'chunk' then 'archon_chunk_vectors' else 'archon_code_vectors' end;
  place text := case kind when 'chunk' then 'chunks_until' else 'examples_until' end;
  own_key text := case kind when 'chunk' then 'chunk_id' else 'example_id' end;
  in_parts boolean := exists (select 1 from pg_attribute where attrelid = to_regclass(target) and attname = 'part'
                              and not attisdropped);
  named constant text := 'coalesce(nullif(c.embedding_model, ''''), $3)';
  after bigint;
  until bigint;
  value_of record;
  given record;
begin
  execute format('select v.%I from archon_v1 v for update', place) into after;
  execute format('select max(b.id), count(*) from (select c.id from %I c where c.id > $1 order by c.id limit $2) b', owner)
    into until, seen using after, row_limit;
  taken := 0;
  select * into value_of from archon_v1_vector(owner);
  if until is null or to_regclass(target) is null or value_of.vector_sql is null then
    seen := 0;
    return next;
    return;
  end if;
  for given in execute format('select distinct %s as model, %s as size from %I c where c.id > $1 and c.id <= $2',
                              named, value_of.size_sql, owner) using after, until, fallback_model
  loop
    continue when given.size is null or exists (
      select 1 from archon_v1_spaces m where m.model = given.model and m.size = given.size);
    execute format('select archon_v1_space($4, $5, abs(vector_norm(%1$s) - 1) < 0.01) from %2$I c
                    where c.id > $1 and c.id <= $2 and %3$s = $4 and %4$s = $5 and vector_norm(%1$s) > 0 limit 1',
                   value_of.vector_sql, owner, named, value_of.size_sql)
      using after, until, fallback_model, given.model, given.size;
  end loop;
  -- A space's fresh part must not be closed between reading its number and writing into it.
  perform pg_advisory_xact_lock_shared(hashtext('archon_space_switch'));
  execute format(
    'insert into %1$I (space_id, %2$s %3$I, embedding)
     select s.id, %4$s x.id, x.embedding
     from (select c.id, %5$s as model, %6$s as size, %7$s as embedding from %8$I c where c.id > $1 and c.id <= $2) x
     join archon_v1_spaces m on m.model = x.model and m.size = x.size
     join archon_embedding_spaces s on s.id = m.space_id
     where vector_norm(x.embedding) > 0
       and not exists (select 1 from %1$I t where t.space_id = s.id and t.%3$I = x.id)',
    target, case when in_parts then 'part,' else '' end, own_key, case when in_parts then 's.fresh_part,' else '' end,
    named, value_of.size_sql, value_of.vector_sql, owner) using after, until, fallback_model;
  get diagnostics taken = row_count;
  execute format('update archon_v1 set %I = $1', place) using until;
  return next;
end $$;

-- What is left once all vectors are there: v1's pages get the key and title that refreshing and lists go by; the space
-- of the chosen model, else the fullest one, answers; each space keeps some passages with their vectors, to prove by
-- them that a server leads into it.
create or replace function archon_v1_finish() returns void language plpgsql as $$
begin
  update archon_page_metadata p set url_key = p.url,
    title = coalesce(p.title, nullif(p.metadata->>'title', ''), p.section_title)
  where p.url_key is null and not exists (
    select 1 from archon_page_metadata o where o.source_id = p.source_id and o.url_key = p.url);
  update archon_embedding_spaces s set canaries = coalesce((
    select jsonb_agg(jsonb_build_object('text', f.content, 'vector', f.embedding::text::jsonb)) from (
      select c.content, v.embedding from archon_chunk_vectors v join archon_crawled_pages c on c.id = v.chunk_id
      where v.space_id = s.id and length(c.content) between 40 and 800 order by v.chunk_id limit 4) f), '[]')
  where s.canaries = '[]' and s.id in (select m.space_id from archon_v1_spaces m);
  update archon_embedding_spaces s set activated_at = now()
  where (select v.taken_at is null from archon_v1 v) and s.id = (
    select m.space_id from archon_v1_spaces m
    order by (m.model = (select t.value from archon_settings t where t.key = 'EMBEDDING_MODEL')) desc nulls last,
      (select count(*) from archon_chunk_vectors v where v.space_id = m.space_id) desc limit 1);
  update archon_v1 set taken_at = coalesce(taken_at, now());
end $$;

-- How far it is. No row: this never was a database of v1. `pending`: rows of v1 that were not looked at yet.
create or replace function archon_v1_state() returns table (
  level text, pending bigint, taken_at timestamptz, retired_at timestamptz, indexes integer, secrets_left text[]
) language sql stable as $$
  select v.level, (select count(*) from archon_crawled_pages c where c.id > v.chunks_until and v.retired_at is null)
      + (select count(*) from archon_code_examples e where e.id > v.examples_until and v.retired_at is null
           and to_regclass('archon_code_vectors') is not null),
    v.taken_at, v.retired_at, cardinality(v.postponed_indexes),
    array(select s.key::text from archon_settings s where s.is_encrypted and s.encrypted_value <> ''
      and not exists (select 1 from archon_secrets t where t.key = s.key) order by s.key)
  from archon_v1 v
$$;

-- Rows that were looked at and have no vector in any space.
create or replace function archon_v1_missing() returns bigint language plpgsql stable as $$
declare
  chunks bigint;
  examples bigint := 0;
begin
  select count(*) into chunks from archon_v1 f join archon_crawled_pages c on c.id <= f.chunks_until
  where not exists (select 1 from archon_chunk_vectors v where v.chunk_id = c.id);
  if to_regclass('archon_code_vectors') is not null then
    execute 'select count(*) from archon_v1 f join archon_code_examples e on e.id <= f.examples_until
             where not exists (select 1 from archon_code_vectors v where v.example_id = e.id)' into examples;
  end if;
  return chunks + examples;
end $$;

-- What every space that took vectors holds, to compare with what v1 had.
create or replace function archon_v1_taken() returns table (
  model text, size integer, space_id integer, chunks bigint, examples bigint
) language plpgsql stable as $$
declare
  given record;
begin
  for given in select * from archon_v1_spaces order by 1, 2 loop
    model := given.model;
    size := given.size;
    space_id := given.space_id;
    select count(*) into chunks from archon_chunk_vectors v where v.space_id = given.space_id;
    examples := 0;
    if to_regclass('archon_code_vectors') is not null then
      execute 'select count(*) from archon_code_vectors v where v.space_id = $1' into examples using given.space_id;
    end if;
    return next;
  end loop;
end $$;

-- ---------------------------------------------------------------- indexes, apart

-- The index of one space that took vectors. Until it is there, searches of the space are exact.
create or replace function archon_v1_index_space(space integer) returns void language plpgsql
set maintenance_work_mem = '256MB' as $$
declare
  dims integer;
  filled boolean;
begin
  select s.dimensions into strict dims from archon_embedding_spaces s where s.id = space;
  if to_regproc('archon_fresh_close') is null then
    perform archon_space_index(space, dims);
  else
    execute 'select exists (select 1 from archon_chunk_vectors v where v.space_id = $1 and v.part > 0)' into filled using space;
    if filled then
      perform archon_part_index(space, archon_fresh_close(space));
    end if;
  end if;
  if to_regproc('archon_code_space_ready') is not null then
    execute 'select archon_code_space_ready($1)' using space;
  end if;
end $$;

-- One of v1's own indexes that were put off, for v1 and for searching inside words. False: there is none left.
create or replace function archon_v1_index_next() returns boolean language plpgsql
set maintenance_work_mem = '256MB' as $$
declare
  definition text;
begin
  select v.postponed_indexes[1] into definition from archon_v1 v for update;
  if definition is null then
    return false;
  end if;
  -- A `create index` as Postgres itself wrote it down.
  execute regexp_replace(definition, '^(create (unique )?index) ', '\1 if not exists ', 'i');
  update archon_v1 set postponed_indexes = postponed_indexes[2:];
  return true;
end $$;

-- ---------------------------------------------------------------- the end of v1

-- v1 does not come back: its ciphertexts go where ours stand in their place, and its rule of one address in the whole
-- store ends. Returns the keys that ours do not replace; those keep v1's text.
create or replace function archon_v1_retire() returns text[] language plpgsql as $$
begin
  update archon_settings s set encrypted_value = null
  where s.encrypted_value is not null and exists (select 1 from archon_secrets t where t.key = s.key);
  alter table archon_page_metadata drop constraint if exists archon_page_metadata_v1_url;
  drop trigger if exists archon_v1_address on archon_page_metadata;
  update archon_v1 set retired_at = now(), postponed_indexes = '{}' where retired_at is null;
  return array(select s.key::text from archon_settings s where s.encrypted_value <> '' order by s.key);
end $$;
$archon_file_0081$;
  insert into archon_migrations (version, migration_name, checksum) values ('0081', 'archon_v1', '2d56258e49b3834e473a86ede823001f');
end $archon_step_0081$;

do $archon_step_0082$
begin
  if exists (select 1 from archon_migrations where version = '0082') then
    return;
  end if;
  execute $archon_file_0082$
-- Copying the whole store elsewhere, row by row: into a backup file, out of one, or from one database to another. Which
-- tables and columns there are is read from the catalogue, so that what later migrations add is copied as well.

-- A restore that has begun and not ended: what it brought is no whole store.
create table if not exists archon_restore (
  only_one boolean primary key default true check (only_one),
  began_at timestamptz not null default now()
);

-- The tables to copy, parents before children and vectors last. Left out: what is about this database alone (its
-- migrations, what became of Archon v1, leases of living processes), tables that are v1's, and every column that is
-- computed, holds a sealed secret, or is one of v1's vector columns, whose vectors are in spaces. `vector` is the
-- column whose values travel apart.
create or replace function archon_copy_tables() returns table (name text, key_columns text[], columns text[], vector text)
language sql stable as $$
  with recursive mine as (
    select c.oid, c.relname::text as name from pg_class c
    where c.relkind in ('r', 'p') and not c.relispartition and c.relname like E'archon\\_%' and pg_table_is_visible(c.oid)
      and c.relname not in ('archon_migrations', 'archon_secrets', 'archon_restore', 'archon_v1', 'archon_v1_spaces',
        'archon_prompts', 'archon_projects', 'archon_tasks', 'archon_project_sources', 'archon_document_versions')
      and not exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'lease_until' and a.attnotnull)
  ), depth as (
    select m.oid, 0 as level from mine m
    union
    select k.conrelid, d.level + 1 from depth d
    join pg_constraint k on k.confrelid = d.oid and k.contype = 'f' and k.conrelid <> k.confrelid
    where d.level < 20 and k.conrelid in (select m.oid from mine m)
  ), parts as (
    select m.oid, m.name,
      array(select a.attname::text from pg_index i, unnest(i.indkey::smallint[]) with ordinality k (number, place)
            join pg_attribute a on a.attnum = k.number
            where i.indrelid = m.oid and i.indisprimary and a.attrelid = m.oid order by k.place) as key_columns,
      array(select a.attname::text from pg_attribute a
            where a.attrelid = m.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
              and a.attname not in ('sealed', 'encrypted_value') and a.atttypid <> to_regtype('vector')
            order by a.attnum) as columns,
      (select min(a.attname::text) from pg_attribute a
       where a.attrelid = m.oid and a.atttypid = to_regtype('vector') and not a.attisdropped
         and (m.name, a.attname::text) not in (select v.owner, v.name from archon_v1_columns() v)) as vector
    from mine m
  )
  select p.name, p.key_columns, p.columns, p.vector
  from parts p where cardinality(p.key_columns) > 0
  order by p.vector is not null, (select max(d.level) from depth d where d.oid = p.oid), p.name
$$;

-- How many rows each of them has, for progress and for the proof that all arrived.
create or replace function archon_copy_counts() returns table (name text, counted bigint) language plpgsql stable as $$
begin
  for name in select t.name from archon_copy_tables() t loop
    execute format('select count(*) from %I', name) into counted;
    return next;
  end loop;
end $$;

-- The next rows of a table after the key `after` (a JSON array; null: from the start), as the text of JSON objects.
create or replace function archon_copy_read(table_name text, after text, row_limit integer)
returns table (key text, content text, embedding vector) language plpgsql stable set jit = off as $$
#variable_conflict use_column
declare
  source record;
  order_by text;
  from_there text;
begin
  select * into strict source from archon_copy_tables() t where t.name = table_name;
  select string_agg(format('t.%I', c), ', ' order by n) into order_by from unnest(source.key_columns) with ordinality k (c, n);
  select format('(%s) > (%s)', order_by, string_agg(format('($1->>%s)::%s', n - 1, format_type(a.atttypid, a.atttypmod)), ', ' order by n))
    into from_there
    from unnest(source.key_columns) with ordinality k (c, n)
    join pg_attribute a on a.attrelid = to_regclass(table_name) and a.attname = k.c;
  return query execute format(
    'select jsonb_build_array(%s)::text, row_to_json(x)::text, %s from %I t, lateral (select %s) x where %s order by %s limit $2',
    order_by,
    case when source.vector is null then 'null::vector' else format('t.%I', source.vector) end,
    table_name,
    (select string_agg(format('t.%I', c), ', ') from unnest(source.columns) c),
    case when after is null then 'true' else from_there end,
    order_by) using after::jsonb, row_limit;
end $$;

-- Rows into their table. `rows` is the text of a JSON array, `embeddings` has one vector a row where the table has one.
-- A row that is there already stays as it is; one whose parent did not come (it was written while the copy was read) is
-- left out. How many were written.
create or replace function archon_copy_write(table_name text, rows text, embeddings vector[]) returns table (written bigint)
language plpgsql set jit = off as $$
declare
  target record;
  parsed jsonb := rows::jsonb;
  in_parts boolean := to_regproc('archon_part_ensure') is not null;
  has_parents text;
  columns text[];
  names text;
  given text;
begin
  select * into target from archon_copy_tables() t where t.name = table_name;
  if not found then
    raise exception 'There is no table % here.', table_name using errcode = 'undefined_table';
  end if;
  -- Columns that the text has and this table has: a backup may be older than the schema.
  select array_agg(k order by k) into columns from jsonb_object_keys(parsed->0) k where k = any (target.columns);
  select string_agg(format('%I', c), ', '), string_agg(case
      when in_parts and c = 'part' and target.vector is not null
        then '(select s.fresh_part from archon_embedding_spaces s where s.id = x.space_id)'
      else format('x.%I', c) end, ', ') into names, given from unnest(columns) c;
  select coalesce(string_agg(format('and (x.%1$I is null or exists (select 1 from %2$s p where p.%3$I = x.%1$I))',
      a.attname, k.confrelid::regclass, b.attname), ' '), '') into has_parents
    from pg_constraint k
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    join pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[1]
    where k.contype = 'f' and k.conrelid = to_regclass(table_name) and cardinality(k.conkey) = 1
      and k.confrelid <> k.conrelid;
  execute format(
    'insert into %1$I (%2$s %3$s) overriding system value
     select %4$s %5$s from (
       select * from jsonb_populate_recordset(null::%1$I, $1) with ordinality) x
     where true %6$s on conflict do nothing',
    table_name, names, case when target.vector is null then '' else format(', %I', target.vector) end, given,
    case when target.vector is null then '' else ', ($2)[x.ordinality]' end, has_parents) using parsed, embeddings;
  get diagnostics written = row_count;
  return next;
end $$;

-- Before the first row: the store must be empty, or `replace` empties it. Settings give way to those that come, but
-- for secrets: those are no part of a copy and stay.
create or replace function archon_copy_begin(replace boolean) returns void language plpgsql as $$
declare
  filled record;
begin
  if not replace and not exists (select 1 from archon_restore) then
    for filled in select * from archon_copy_counts() c where c.name <> 'archon_settings' and c.counted > 0 loop
      raise exception 'The store is not empty: % has % rows.', filled.name, filled.counted using errcode = 'unique_violation';
    end loop;
  end if;
  insert into archon_restore default values on conflict do nothing;
  perform archon_copy_empty();
end $$;

create or replace function archon_copy_empty() returns void language plpgsql as $$
declare
  given record;
begin
  delete from archon_v1_spaces;
  for given in select t.name from archon_copy_tables() t where t.name <> 'archon_settings' loop
    execute format('delete from %I', given.name);
  end loop;
  delete from archon_settings s where not s.is_encrypted;
end $$;

-- Once a table is whole: its numbers go on after the highest; a space gets the places for its vectors.
create or replace function archon_copy_settle(table_name text) returns void language plpgsql as $$
declare
  given record;
  highest bigint;
begin
  for given in
    select a.attname, pg_get_serial_sequence(format('%I', table_name), a.attname) as sequence
    from pg_attribute a where a.attrelid = to_regclass(table_name) and a.attnum > 0 and not a.attisdropped
  loop
    continue when given.sequence is null;
    execute format('select max(%I) from %I', given.attname, table_name) into highest;
    if highest is not null then
      perform setval(given.sequence, highest);
    end if;
  end loop;
  if table_name = 'archon_embedding_spaces' and to_regproc('archon_part_ensure') is not null then
    perform archon_space_index(s.id, s.dimensions) from archon_embedding_spaces s;
  end if;
end $$;

create or replace function archon_copy_end() returns void language sql as $$
  delete from archon_restore
$$;

-- The index of one space over vectors that came all at once. Until it is there, searches of the space are exact.
create or replace function archon_copy_index(space integer) returns void language sql as $$
  select archon_v1_index_space(space)
$$;
$archon_file_0082$;
  insert into archon_migrations (version, migration_name, checksum) values ('0082', 'copying', '1d50d111508d65acbb592073acc7d83b');
end $archon_step_0082$;

do $archon_step_0083$
begin
  if exists (select 1 from archon_migrations where version = '0083') then
    return;
  end if;
  execute $archon_file_0083$
-- The counts of `GET /api/database/metrics`: Archon v1's four names, of which the first two are v1's own tables.

create or replace function archon_database_metrics() returns table (name text, counted bigint) language plpgsql stable as $$
declare
  given record;
begin
  for given in select * from (values ('projects', 'archon_projects'), ('tasks', 'archon_tasks'),
      ('crawled_pages', 'archon_crawled_pages'), ('settings', 'archon_settings')) as t (label, home) loop
    name := given.label;
    counted := 0;
    if to_regclass(given.home) is not null then
      execute format('select count(*) from %I', given.home) into counted;
    end if;
    return next;
  end loop;
end $$;
$archon_file_0083$;
  insert into archon_migrations (version, migration_name, checksum) values ('0083', 'metrics', '752c4d5007b1d00149c28db5f57a43df');
end $archon_step_0083$;

do $archon_step_0090$
begin
  if exists (select 1 from archon_migrations where version = '0090') then
    return;
  end if;
  execute $archon_file_0090$
-- Figures of a running installation, for metrics and the status page: one row a figure, cheap enough to ask often.

create or replace function archon_operation_figures()
returns table (name text, label text, value double precision) language sql stable as $$
  select 'jobs', state, count(*)::double precision from archon_jobs
    where state in ('queued', 'running', 'paused') or finished_at > now() - interval '1 day'
    group by state
  union all
  select 'oldest_queued_s', '', coalesce(extract(epoch from now() - min(created_at)), 0)::double precision
    from archon_jobs where state = 'queued'
  union all
  select 'workers', '', count(distinct lease_owner)::double precision
    from archon_jobs where state = 'running' and lease_until > now()
  union all
  select 'rows', t.name, greatest(c.reltuples, 0)::double precision
    from (values ('sources', 'archon_sources'), ('pages', 'archon_page_metadata'),
                 ('chunks', 'archon_crawled_pages'), ('code_examples', 'archon_code_examples'),
                 ('conversations', 'archon_conversations')) t (name, relation)
    join pg_class c on c.oid = to_regclass(t.relation)
  union all
  select 'database_bytes', '', pg_database_size(current_database())::double precision
$$;
$archon_file_0090$;
  insert into archon_migrations (version, migration_name, checksum) values ('0090', 'operation', '3488830ea35b6f262888d33e59c7bafd');
end $archon_step_0090$;

do $archon_step_0092$
begin
  if exists (select 1 from archon_migrations where version = '0092') then
    return;
  end if;
  execute $archon_file_0092$
-- A scheduled visit is queued and its next time set in one step: a worker that dies in between, or a database that goes
-- away, loses none, and two workers that see the same source due begin one.

drop function if exists archon_schedule_take(integer);

-- The sources whose time has come, the longest due first.
create or replace function archon_schedule_due(most integer) returns table (source_id text) language sql stable as $$
  select s.source_id from archon_sources s where s.next_refresh_at <= now() order by s.next_refresh_at limit most
$$;

-- The job of a due visit. No row: it is not due any more, another worker begins it, or the source is being worked on; in
-- that case it is due again after `again_s` seconds.
create or replace function archon_schedule_begin(
  source text, request jsonb, progress jsonb, again_s double precision
) returns setof archon_jobs language plpgsql as $$
declare
  is_busy boolean;
begin
  perform 1 from archon_sources s where s.source_id = source and s.next_refresh_at <= now() for update skip locked;
  if not found then
    return;
  end if;
  is_busy := exists (
    select 1 from archon_jobs j where j.source_id = source and j.state in ('queued', 'running', 'paused'));
  update archon_sources s
  set next_refresh_at = now() + case when is_busy then least(s.refresh_every, make_interval(secs => again_s))
                                     else s.refresh_every end
  where s.source_id = source;
  if not is_busy then
    return query select * from archon_job_create('refresh', source, request, progress);
  end if;
end $$;
$archon_file_0092$;
  insert into archon_migrations (version, migration_name, checksum) values ('0092', 'schedules', '049f960797df4363634d2e3a2807d7b7');
end $archon_step_0092$;

do $archon_step_0093$
begin
  if exists (select 1 from archon_migrations where version = '0093') then
    return;
  end if;
  execute $archon_file_0093$
-- Several calls at once for a REST face: where each round trip costs more than the call, those that wait go together.
-- `calls` is an array of {"function", "arguments"}. Each is done or refused by itself, as `archon_call` says; the
-- answers come in the order of the calls.
create or replace function archon_call_many(calls jsonb) returns jsonb language plpgsql as $$
declare
  one jsonb;
  answers jsonb[] := '{}';
begin
  for one in select jsonb_array_elements(archon_json(calls)) loop
    answers := answers || archon_call(one->>'function', one->'arguments');
  end loop;
  return to_jsonb(answers);
end $$;

select archon_close_to_others();
$archon_file_0093$;
  insert into archon_migrations (version, migration_name, checksum) values ('0093', 'many_calls', '244c5f8775bccec84961611362e1981d');
end $archon_step_0093$;

do $archon_step_0096$
begin
  if exists (select 1 from archon_migrations where version = '0096') then
    return;
  end if;
  execute $archon_file_0096$
-- Rows of a copy need not be on the disk one batch at a time: the copy is whole only once `archon_copy_end` is, whose
-- commit brings all before it to the disk, and until then the mark of a restore that has begun says so.
create or replace function archon_copy_put(table_name text, rows text, embeddings vector[]) returns table (written bigint)
language plpgsql set jit = off as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  return query select w.written from archon_copy_write(table_name, rows, embeddings) w;
end $$;

select archon_close_to_others();
$archon_file_0096$;
  insert into archon_migrations (version, migration_name, checksum) values ('0096', 'copying_quickly', '3eff8a16d4b768440a455458b74e0ee1');
end $archon_step_0096$;

do $archon_step_0097$
begin
  if exists (select 1 from archon_migrations where version = '0097') then
    return;
  end if;
  execute $archon_file_0097$
-- Names a conversation, unless somebody named it meanwhile; false where that is so, or it is gone.
create or replace function archon_conversation_name(conversation uuid, title text, instead_of text) returns boolean
language plpgsql as $$
begin
  update archon_conversations c set title = archon_conversation_name.title
  where c.id = conversation and c.title = instead_of;
  return found;
end $$;

select archon_close_to_others();
$archon_file_0097$;
  insert into archon_migrations (version, migration_name, checksum) values ('0097', 'conversation_names', '77829fda68be92ac724f45a60252a843');
end $archon_step_0097$;

do $archon_step_0098$
begin
  if exists (select 1 from archon_migrations where version = '0098') then
    return;
  end if;
  execute $archon_file_0098$
-- Indexes over vectors that came all at once (taken over from Archon v1, restored, moved) are built in the background:
-- their part is closed, which is all that has to be noted, and whoever looks after the store builds what is missing.
-- Searches read a part without an index exactly.

-- As before; who comes second to the same index waits for the first, and then finds it there.
create or replace function archon_part_index(space integer, part integer) returns void language plpgsql
set maintenance_work_mem = '256MB' as $$
declare
  name text := archon_part_ensure(space, part);
  size integer;
  cast_type text;
begin
  perform pg_advisory_xact_lock(hashtext(archon_part_index_name(space, part)));
  select s.dimensions into strict size from archon_embedding_spaces s where s.id = space;
  cast_type := case when size <= 2000 then 'vector' when size <= 4000 then 'halfvec' end;
  if cast_type is not null then
    execute format('create index if not exists %I on %I using hnsw ((embedding::%s(%s)) %s_cosine_ops)',
      archon_part_index_name(space, part), name, cast_type, size, cast_type);
  end if;
end $$;

-- Close the fresh part of a space if it holds anything: it waits for its index now. True: it does.
create or replace function archon_index_later(space integer) returns boolean language plpgsql as $$
begin
  if exists (select 1 from archon_chunk_vectors v join archon_embedding_spaces s on s.id = space and v.part = s.fresh_part
             where v.space_id = space) then
    perform archon_fresh_close(space);
    return true;
  end if;
  return exists (select 1 from archon_indexes_waiting() w where w.space_id = space);
end $$;

-- What waits for its index, the space that answers first; `part` null: the code examples of a space.
create or replace function archon_indexes_waiting() returns table (space_id integer, part integer)
language sql stable as $$
  select w.id, w.part from (
    select s.id, s.activated_at, p.part from archon_embedding_spaces s, lateral archon_parts_unindexed(s.id) p
    union all
    select s.id, s.activated_at, null from archon_embedding_spaces s
    where s.dimensions <= 4000 and to_regclass('archon_code_vectors_space_' || s.id) is null
      and exists (select 1 from archon_code_vectors v where v.space_id = s.id)) w
  order by w.activated_at desc nulls last, w.id, w.part nulls last
$$;

-- How many wait: ours, and those of Archon v1 that were put off.
create or replace function archon_indexes_left() returns table (ours integer, of_v1 integer) language sql stable as $$
  select (select count(*)::integer from archon_indexes_waiting()),
         coalesce((select cardinality(v.postponed_indexes) from archon_v1 v), 0)
$$;

-- Build one of them. False: none is left, or another process is at it.
create or replace function archon_index_next() returns boolean language plpgsql set maintenance_work_mem = '256MB' as $$
declare
  given record;
begin
  if not pg_try_advisory_xact_lock(hashtext('archon_index_next')) then
    return false;
  end if;
  select * into given from archon_indexes_waiting() limit 1;
  if not found then
    return false;
  end if;
  if given.part is null then
    perform archon_code_space_ready(given.space_id);
  else
    perform archon_part_index(given.space_id, given.part);
  end if;
  return true;
end $$;

-- Not used any more: they built at once.
drop function if exists archon_copy_index(integer);
drop function if exists archon_v1_index_space(integer);

select archon_close_to_others();
$archon_file_0098$;
  insert into archon_migrations (version, migration_name, checksum) values ('0098', 'indexes_later', '9546ea171ecfb9664e7caee374026290');
end $archon_step_0098$;

do $archon_step_0099$
begin
  if exists (select 1 from archon_migrations where version = '0099') then
    return;
  end if;
  execute $archon_file_0099$
-- Contextual embeddings: what a chat model said about the place of a passage in its document, kept by content, so that
-- neither a restart nor a refresh nor another embedding model asks for it twice.

-- `document`: hash of the part of the document that the model saw; `passage`: hash of the passage with its headings;
-- `prompt`: version of the question.
create table if not exists archon_situations (
  document text not null,
  passage text not null,
  model text not null,
  prompt integer not null,
  situation text not null,
  used_at timestamptz not null default now(),
  primary key (document, passage, model, prompt)
);
create index if not exists archon_situations_used on archon_situations (used_at);

create or replace function archon_situations_known(documents text[], passages text[], model text, prompt integer)
returns table (document text, passage text, situation text) language plpgsql as $$
#variable_conflict use_column
begin
  update archon_situations s set used_at = now()
  from unnest(documents, passages) t (document, passage)
  where s.document = t.document and s.passage = t.passage and s.model = archon_situations_known.model
    and s.prompt = archon_situations_known.prompt and s.used_at < now() - interval '1 day';
  return query
    select s.document, s.passage, s.situation
    from unnest(documents, passages) t (document, passage) join archon_situations s using (document, passage)
    where s.model = archon_situations_known.model and s.prompt = archon_situations_known.prompt;
end $$;

create or replace function archon_situation_keep(
  document text, passage text, model text, prompt integer, situation text
) returns void language sql as $$
  insert into archon_situations (document, passage, model, prompt, situation)
  values (document, passage, model, prompt, situation)
  on conflict (document, passage, model, prompt) do update set situation = excluded.situation, used_at = now()
$$;

-- As before, and what was said of passages that nobody asked about for long: stored passages have theirs with them.
create or replace function archon_jobs_tidy() returns void language sql as $$
  delete from archon_uploads u using archon_jobs j
  where j.id = u.job_id and j.finished_at < now() - interval '7 days';
  delete from archon_job_pages p using archon_jobs j
  where j.id = p.job_id and j.finished_at < now() - interval '90 days';
  delete from archon_job_helpers h where h.lease_until < now() - interval '1 hour';
  delete from archon_situations s where s.used_at < now() - interval '30 days';
$$;

-- A passage is found by the words of its situation as by those of its headings: at half the weight of its own. Rows
-- that are stored already have none, so their computed columns stay true.
create or replace function archon_heading_words(heading_path text[], metadata jsonb)
returns tsvector language plpgsql immutable parallel safe as $$
begin
  return archon_search_words(concat_ws(' ', coalesce(metadata->>'title', ''), array_to_string(heading_path, ' '),
                                       metadata->>'situation'));
end $$;

-- As before, and what people should know of a page that was stored: `notice` of the page, as an error has it.
create or replace function archon_page_save_whole(
  job uuid, worker text, frontier_key text, source text, page jsonb, space integer, contents text[], details jsonb,
  embeddings vector[], codes text[], code_details jsonb, code_embeddings vector[]
) returns table (page_id uuid, chunk_count integer) language plpgsql as $$
#variable_conflict use_column
declare
  doc jsonb := archon_json(page);
  saved record;
begin
  select s.page_id, s.chunk_count into saved
  from archon_page_save(job, worker, frontier_key, source, doc, space, contents, details, embeddings) s;
  update archon_page_metadata p set read_as = doc->>'read_as',
         links = array(select jsonb_array_elements_text(coalesce(doc->'links', '[]')))
  where p.id = saved.page_id;
  update archon_job_pages f set error = doc->'notice'
  where f.job_id = job and f.url_key = frontier_key and jsonb_typeof(doc->'notice') = 'object';
  perform archon_code_put(source, saved.page_id, doc->>'url', space, codes, code_details, code_embeddings);
  return query select saved.page_id, saved.chunk_count;
end $$;
$archon_file_0099$;
  insert into archon_migrations (version, migration_name, checksum) values ('0099', 'situations', '9bba3dd7e9b7886a449995a7a2364b36');
end $archon_step_0099$;

do $archon_step_0101$
begin
  if exists (select 1 from archon_migrations where version = '0101') then
    return;
  end if;
  execute $archon_file_0101$
-- A long conversation is summed up: an answer's notes may hold {summary: {text, kept}}, where `text` stands for all of its
-- branch before the last `kept` messages up to that answer.

-- Notes something beside an answer; false when it is gone.
create or replace function archon_message_note(message uuid, note jsonb) returns boolean language plpgsql as $$
begin
  update archon_messages m set notes = m.notes || archon_json(note) where m.id = message;
  return found;
end $$;

-- The last `most` messages of the branch that ends in `last` (null: the head), oldest first.
drop function if exists archon_branch_history(uuid, uuid, integer);
create or replace function archon_branch_history(conversation uuid, last uuid, most integer)
returns table (id uuid, role text, content text, outcome text, summary jsonb) language plpgsql stable as $$
#variable_conflict use_column
declare
  leaf uuid := last;
begin
  select coalesce(last, c.head) into leaf from archon_conversations c where c.id = conversation;
  if not found then
    raise exception 'There is no conversation %.', conversation using errcode = 'no_data_found';
  end if;
  return query
    with recursive walk as (
      select m.id, m.parent_id, 1 as depth from archon_messages m where m.id = leaf and m.conversation_id = conversation
      union all
      select m.id, m.parent_id, w.depth + 1 from walk w join archon_messages m on m.id = w.parent_id where w.depth < most
    )
    select m.id, m.role, m.content, m.outcome, m.notes->'summary'
    from walk w join archon_messages m on m.id = w.id order by w.depth desc;
end $$;

select archon_close_to_others();
$archon_file_0101$;
  insert into archon_migrations (version, migration_name, checksum) values ('0101', 'conversation_summaries', '9341046a7fb35f48ae5dd36330c2f953');
end $archon_step_0101$;

do $archon_step_0103$
begin
  if exists (select 1 from archon_migrations where version = '0103') then
    return;
  end if;
  execute $archon_file_0103$
-- Who works: every process that holds a job, helps with one or has a duty for the whole store, while its lease lasts.
create or replace function archon_workers() returns table (worker text, jobs integer, duty text, lease_until timestamptz)
language sql stable as $$
  select l.worker, count(distinct l.job)::integer, max(l.duty), max(l.until) from (
    select j.lease_owner as worker, j.id as job, null::text as duty, j.lease_until as until
      from archon_jobs j where j.state = 'running' and j.lease_until > now()
    union all
    select h.worker, h.job_id, null, h.lease_until from archon_job_helpers h where h.lease_until > now()
    union all
    select d.worker, null, d.duty, d.lease_until from archon_duties d where d.lease_until > now()) l
  group by l.worker order by l.worker
$$;

select archon_close_to_others();
$archon_file_0103$;
  insert into archon_migrations (version, migration_name, checksum) values ('0103', 'workers', '954293c96f2409cde1bc2cdf9e91b09c');
end $archon_step_0103$;

do $archon_step_0104$
begin
  if exists (select 1 from archon_migrations where version = '0104') then
    return;
  end if;
  execute $archon_file_0104$
-- A page that changed is embedded only where its text did: what is stored of it comes with the vectors it has.

-- The vectors in `space` that a page's passages and code examples have already, by the hash (SHA-256, hexadecimal) of
-- the very text each was made of. Only texts with a hash among `hashes`; a passage whose embedded text was not kept with
-- it is left out, since headings alone do not tell it.
create or replace function archon_page_vectors(source text, page_key text, space integer, hashes text[])
returns table (hash text, embedding vector) language sql stable as $$
  select distinct on (t.hash) t.hash, t.embedding
  from (
    select encode(sha256(convert_to(archon_embedded_text(c.content, c.heading_path, c.metadata), 'UTF8')), 'hex'),
           v.embedding
    from archon_page_metadata p
      join archon_crawled_pages c on c.page_id = p.id
      join archon_chunk_vectors v on v.space_id = space and v.chunk_id = c.id
    where p.source_id = source and p.url_key = page_key and c.metadata ? 'context'
    union all
    select encode(sha256(convert_to(e.embedded_text, 'UTF8')), 'hex'), v.embedding
    from archon_page_metadata p
      join archon_code_examples e on e.page_id = p.id
      join archon_code_vectors v on v.space_id = space and v.example_id = e.id
    where p.source_id = source and p.url_key = page_key and e.embedded_text is not null
  ) t (hash, embedding)
  where t.hash = any (hashes)
  order by t.hash
$$;

select archon_close_to_others();
$archon_file_0104$;
  insert into archon_migrations (version, migration_name, checksum) values ('0104', 'vectors_again', '4e591881b2f1a580239be84abd07be97');
end $archon_step_0104$;

do $archon_step_0110$
begin
  if exists (select 1 from archon_migrations where version = '0110') then
    return;
  end if;
  execute $archon_file_0110$
-- A copy brings the search words of its passages along: counting them anew is most of what restoring one costs. So they
-- are plain columns with triggers, no longer computed ones, which nobody can write. Who gives none, as Archon v1 and
-- older backups do, gets them counted as before.

alter table archon_crawled_pages
  alter column content_search_vector drop expression if exists,
  alter column heading_search_vector drop expression if exists;
alter table archon_code_examples alter column content_search_vector drop expression if exists;

create or replace function archon_chunk_words() returns trigger language plpgsql as $$
begin
  new.content_search_vector := archon_search_words(new.content);
  new.heading_search_vector := archon_heading_words(new.heading_path, new.metadata);
  return new;
end $$;

create or replace function archon_example_words() returns trigger language plpgsql as $$
begin
  new.content_search_vector :=
    archon_search_words(new.content || ' ' || new.summary) || archon_heading_words(new.heading_path, new.metadata);
  return new;
end $$;

create or replace trigger archon_chunk_words_new before insert on archon_crawled_pages
  for each row when (new.content_search_vector is null or new.heading_search_vector is null)
  execute function archon_chunk_words();
create or replace trigger archon_chunk_words_changed before update of content, heading_path, metadata
  on archon_crawled_pages for each row execute function archon_chunk_words();
create or replace trigger archon_example_words_new before insert on archon_code_examples
  for each row when (new.content_search_vector is null) execute function archon_example_words();
create or replace trigger archon_example_words_changed before update of content, summary, heading_path, metadata
  on archon_code_examples for each row execute function archon_example_words();

-- How words are counted here: by our functions, and by a dictionary that Postgres may change with a major version.
-- Words of a copy are taken over only where both are the same.
create or replace function archon_words_kind() returns text language sql stable as $$
  select current_setting('server_version_num')::integer / 10000 || ' ' || md5(string_agg(p.prosrc, ' ' order by p.proname))
  from pg_proc p
  where p.proname in ('archon_search_words', 'archon_heading_words', 'archon_chunk_words', 'archon_example_words')
    and pg_function_is_visible(p.oid)
$$;

alter table archon_restore add column if not exists words_kind text;

-- As before; `words_kind` is that of the database the copy was read from, null where it is not known.
drop function if exists archon_copy_begin(boolean);
create or replace function archon_copy_begin(replace boolean, words_kind text default null) returns void
language plpgsql as $$
declare
  filled record;
begin
  if not replace and not exists (select 1 from archon_restore) then
    for filled in select * from archon_copy_counts() c where c.name <> 'archon_settings' and c.counted > 0 loop
      raise exception 'The store is not empty: % has % rows.', filled.name, filled.counted using errcode = 'unique_violation';
    end loop;
  end if;
  insert into archon_restore as r (words_kind) values (words_kind)
  on conflict (only_one) do update set words_kind = excluded.words_kind;
  perform archon_copy_empty();
end $$;

-- As before, without words that were counted in another way.
create or replace function archon_copy_put(table_name text, rows text, embeddings vector[]) returns table (written bigint)
language plpgsql set jit = off as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  if table_name in ('archon_crawled_pages', 'archon_code_examples')
     and not exists (select 1 from archon_restore r where r.words_kind = archon_words_kind()) then
    rows := (select coalesce(jsonb_agg(r - '{content_search_vector,heading_search_vector}'::text[] order by place), '[]')
             from jsonb_array_elements(rows::jsonb) with ordinality t (r, place));
  end if;
  return query select w.written from archon_copy_write(table_name, rows, embeddings) w;
end $$;

select archon_close_to_others();
$archon_file_0110$;
  insert into archon_migrations (version, migration_name, checksum) values ('0110', 'search_words', '1976377d51c4c3d5ef674a6a2c446a8e');
end $archon_step_0110$;

do $archon_step_0111$
begin
  if exists (select 1 from archon_migrations where version = '0111') then
    return;
  end if;
  execute $archon_file_0111$
-- Who answers in a session with the agent: a question keeps the connection and model that were chosen for it (null: the
-- default connection, its own model), an answer keeps who gave it.

alter table archon_agent_messages
  add column if not exists connection_id text,
  add column if not exists provider text,
  add column if not exists model text;

-- Stores a question and the still empty message of its answer.
drop function if exists archon_agent_turn_begin(uuid, text);
create or replace function archon_agent_turn_begin(session uuid, question text, connection_id text, model text)
returns table (question_id uuid, answer_id uuid) language plpgsql as $$
declare
  next_position integer;
  asked uuid;
  answer uuid;
begin
  perform 1 from archon_agent_sessions s where s.id = session for update;
  if not found then
    raise exception 'There is no session %.', session using errcode = 'no_data_found';
  end if;
  select coalesce(max(m.position) + 1, 0) into next_position from archon_agent_messages m where m.session_id = session;
  insert into archon_agent_messages as m (session_id, position, role, content, connection_id, model)
    values (session, next_position, 'user', question, archon_agent_turn_begin.connection_id,
      archon_agent_turn_begin.model)
    returning m.id into asked;
  insert into archon_agent_messages as m (session_id, position, role)
    values (session, next_position + 1, 'assistant') returning m.id into answer;
  update archon_agent_sessions s set updated_at = now() where s.id = session;
  return query select asked, answer;
end $$;

-- Completes an answer; false when its session was deleted meanwhile.
drop function if exists archon_agent_turn_end(uuid, text, text, text, jsonb, jsonb, jsonb, jsonb, jsonb);
create or replace function archon_agent_turn_end(
  answer_id uuid, content text, outcome text, way text, steps jsonb, passages jsonb, support jsonb, usage jsonb,
  error jsonb, connection_id text, provider text, model text
) returns boolean language plpgsql as $$
begin
  update archon_agent_messages m
  set content = archon_agent_turn_end.content, outcome = archon_agent_turn_end.outcome,
      way = archon_agent_turn_end.way, steps = archon_json(archon_agent_turn_end.steps),
      passages = archon_json(archon_agent_turn_end.passages), support = archon_json(archon_agent_turn_end.support),
      usage = archon_json(archon_agent_turn_end.usage), error = archon_json(archon_agent_turn_end.error),
      connection_id = archon_agent_turn_end.connection_id, provider = archon_agent_turn_end.provider,
      model = archon_agent_turn_end.model
  where m.id = answer_id;
  return found;
end $$;

select archon_close_to_others();
$archon_file_0111$;
  insert into archon_migrations (version, migration_name, checksum) values ('0111', 'agent_answerers', '71047fa4a3005fef5216a2ef45106b70');
end $archon_step_0111$;

do $archon_step_0112$
begin
  if exists (select 1 from archon_migrations where version = '0112') then
    return;
  end if;
  execute $archon_file_0112$
-- An index is built beside everything else: no time limit of a REST face ends it, and nobody who writes waits for it.

-- Chunks that went while an index was built over vectors: their vectors go when it is done. Until then these are of
-- nothing, and every search looks for the chunk.
create table if not exists archon_vectors_gone (chunk_id bigint primary key);

-- A chunk takes its vectors with it, those of every space. Whoever deletes holds `archon_vectors` together with others,
-- who builds holds it alone: deleting asks each part for a lock that a build does not give.
create or replace function archon_chunk_vectors_go() returns trigger language plpgsql as $$
begin
  if not exists (select 1 from gone) then
    return null;
  elsif pg_try_advisory_xact_lock_shared(hashtext('archon_vectors')) then
    delete from archon_chunk_vectors v using gone g where v.chunk_id = g.id;
  else
    insert into archon_vectors_gone select g.id from gone g on conflict do nothing;
  end if;
  return null;
end $$;

-- Take away the vectors that stayed behind; how many chunks they were of.
create or replace function archon_vectors_gone_clear() returns integer language plpgsql as $$
declare
  cleared integer := 0;
begin
  if pg_try_advisory_xact_lock_shared(hashtext('archon_vectors')) then
    with taken as (delete from archon_vectors_gone returning chunk_id),
      done as (delete from archon_chunk_vectors v using taken t where v.chunk_id = t.chunk_id)
    select count(*) into cleared from taken;
  end if;
  return cleared;
end $$;

-- As before, but for nothing while an index is built: it would wait for that.
create or replace function archon_fresh_move(space integer, most integer) returns integer language plpgsql as $$
declare
  moved integer;
begin
  if not pg_try_advisory_xact_lock_shared(hashtext('archon_vectors')) then
    return 0;
  end if;
  with chosen as (
    select v.chunk_id, v.part from archon_chunk_vectors v
    join archon_embedding_spaces s on s.id = space and v.part = s.fresh_part
    where v.space_id = archon_fresh_move.space order by v.chunk_id limit most for update of v skip locked
  ), taken as (
    delete from archon_chunk_vectors v using chosen c
    where v.space_id = archon_fresh_move.space and v.part = c.part and v.chunk_id = c.chunk_id
    returning v.chunk_id, v.embedding
  ), placed as (
    insert into archon_chunk_vectors (space_id, part, chunk_id, embedding)
    select archon_fresh_move.space, 0, t.chunk_id, t.embedding from taken t returning 1
  )
  select count(*) into moved from placed;
  return moved;
end $$;

-- Build one index that waits, of one space or of all (null); those of Archon v1 come last, where they are wanted.
-- `busy`: another process is at it; neither: none is left. Called as a function of its own and not through `archon_call`: a
-- REST face (PostgREST 12.2 and newer) gives the whole call the time limit that the called function names.
create or replace function archon_index_build(space integer, of_v1 boolean) returns table (built boolean, busy boolean)
language plpgsql set statement_timeout = '12h' set lock_timeout = '5min' set maintenance_work_mem = '256MB' as $$
#variable_conflict use_column
declare
  given record;
begin
  built := false;
  busy := not pg_try_advisory_xact_lock(hashtext('archon_index_next'));
  if not busy then
    select * into given from archon_indexes_waiting() w
    where w.space_id = coalesce(archon_index_build.space, w.space_id) limit 1;
    if found then
      perform pg_advisory_xact_lock(hashtext('archon_vectors'));
      if given.part is null then
        perform archon_code_space_ready(given.space_id);
      else
        perform archon_part_index(given.space_id, given.part);
      end if;
      built := true;
    elsif archon_index_build.of_v1 then
      built := archon_v1_index_next();
    end if;
  end if;
  return next;
end $$;

-- How many wait: ours, and those of Archon v1 that were put off; whether one is built now, by whom ever; whether
-- vectors stayed behind.
drop function if exists archon_indexes_left();
create function archon_indexes_left()
returns table (ours integer, of_v1 integer, under_way boolean, behind boolean) language sql stable as $$
  select (select count(*)::integer from archon_indexes_waiting()),
         coalesce((select cardinality(v.postponed_indexes) from archon_v1 v), 0),
         exists (select 1 from pg_locks l
                 where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
                   and l.database = (select d.oid from pg_database d where d.datname = current_database())
                   and (l.classid::bigint << 32 | l.objid::bigint) = hashtext('archon_index_next')::bigint),
         exists (select 1 from archon_vectors_gone)
$$;

-- Not used any more: `archon_index_build` does it.
drop function if exists archon_index_next();

select archon_close_to_others();
$archon_file_0112$;
  insert into archon_migrations (version, migration_name, checksum) values ('0112', 'index_builds', '555050d07a0dfd184b119cbf2085dddf');
end $archon_step_0112$;

do $archon_step_0113$
begin
  if exists (select 1 from archon_migrations where version = '0113') then
    return;
  end if;
  execute $archon_file_0113$
-- Says beside whether a page is kept whether it is stored at all: one that is not has no vectors to be asked for.
drop function if exists archon_page_keep(uuid, text, text, text, text, text, integer);

create function archon_page_keep(
  job uuid, worker text, frontier_key text, source text, page_key text, hash text, space integer
) returns table (kept boolean, stored boolean) language plpgsql as $$
#variable_conflict use_column
declare
  page uuid;
  is_same boolean;
begin
  perform archon_require_lease(job, worker);
  select p.id, p.content_hash = hash into page, is_same from archon_page_metadata p
  where p.source_id = source and p.url_key = page_key;
  is_same := coalesce(is_same, false) and exists (
    select 1 from archon_crawled_pages c join archon_chunk_vectors v on v.chunk_id = c.id
    where c.page_id = page and v.space_id = space);
  if is_same then
    update archon_page_metadata p set fetched_at = now() where p.id = page;
    update archon_job_pages f set state = 'unchanged', error = null, finished_at = now()
    where f.job_id = job and f.url_key = frontier_key;
  end if;
  return query select is_same, page is not null;
end $$;

select archon_close_to_others();
$archon_file_0113$;
  insert into archon_migrations (version, migration_name, checksum) values ('0113', 'fresh_pages', 'e2210b3be74d47a46831d64fec204570');
end $archon_step_0113$;

do $archon_step_0114$
begin
  if exists (select 1 from archon_migrations where version = '0114') then
    return;
  end if;
  execute $archon_file_0114$
-- What the status page shows of model servers outlives a restart: the last looks at each. It has no primary key, so
-- that it is no part of a copy: another installation has other servers.
create table if not exists archon_model_looks (
  id bigint generated always as identity,
  server text not null,
  at timestamptz not null,
  took_ms double precision not null,
  error jsonb
);
create index if not exists archon_model_looks_server on archon_model_looks (server, id);

-- Keep a look at a server, of each the newest `most`, and none that is older than a week.
create or replace function archon_model_look_keep(
  server text, at timestamptz, took_ms double precision, error jsonb, most integer
) returns void language plpgsql as $$
begin
  insert into archon_model_looks (server, at, took_ms, error)
  values (archon_model_look_keep.server, archon_model_look_keep.at, archon_model_look_keep.took_ms, archon_json(error));
  delete from archon_model_looks l
  where l.at < now() - interval '7 days'
    or l.server = archon_model_look_keep.server and l.id <= (
      select n.id from archon_model_looks n where n.server = archon_model_look_keep.server
      order by n.id desc offset most limit 1);
end $$;

-- The looks kept of a server, oldest first.
create or replace function archon_model_looks_of(server text)
returns table (at timestamptz, took_ms double precision, error jsonb) language sql stable as $$
  select l.at, l.took_ms, l.error from archon_model_looks l where l.server = archon_model_looks_of.server order by l.id
$$;

select archon_close_to_others();
$archon_file_0114$;
  insert into archon_migrations (version, migration_name, checksum) values ('0114', 'model_looks', '044d42023e82439db39cd2e50172b536');
end $archon_step_0114$;

do $archon_step_0115$
begin
  if exists (select 1 from archon_migrations where version = '0115') then
    return;
  end if;
  execute $archon_file_0115$
-- Where all that visit a host meet: a site's pause between two requests (robots.txt, Crawl-delay) holds for every job
-- and every worker together. It has no primary key, so that it is no part of a copy.
create table if not exists archon_host_turns (
  host text not null,
  next_at timestamptz not null
);
create unique index if not exists archon_host_turns_host on archon_host_turns (host);

-- Take the next turn at `host`, where `delay_s` seconds lie between two: milliseconds until it comes.
create or replace function archon_host_turn(host text, delay_s double precision)
returns table (wait_ms integer) language sql as $$
  insert into archon_host_turns as t (host, next_at)
  values (archon_host_turn.host, clock_timestamp() + make_interval(secs => archon_host_turn.delay_s))
  on conflict (host) do update
    set next_at = greatest(t.next_at, clock_timestamp()) + make_interval(secs => archon_host_turn.delay_s)
  returning greatest(0, ceil(1000 * (extract(epoch from t.next_at - clock_timestamp()) - archon_host_turn.delay_s)))::integer
$$;

select archon_close_to_others();
$archon_file_0115$;
  insert into archon_migrations (version, migration_name, checksum) values ('0115', 'host_turns', '7fc0f65f52a554ddba2aa03e4b773522');
end $archon_step_0115$;

do $archon_step_0116$
begin
  if exists (select 1 from archon_migrations where version = '0116') then
    return;
  end if;
  execute $archon_file_0116$
-- A REST face ends what takes longer than the caller's role may: 8 seconds, where a project was not told otherwise.
-- Deleting a large source takes longer, and so do the planner's statistics of a large store. A limit that the called
-- function names itself takes its place (PostgREST 12.2 and newer); it is a little shorter than a gateway waits, so that
-- it is the database that says what became of the call.
alter function archon_call(text, jsonb) set statement_timeout = '55s';
alter function archon_call_many(jsonb) set statement_timeout = '55s';
$archon_file_0116$;
  insert into archon_migrations (version, migration_name, checksum) values ('0116', 'time_for_calls', '33af2dd83bcecec139ae50a5f08bb9d5');
end $archon_step_0116$;

do $archon_step_0117$
begin
  if exists (select 1 from archon_migrations where version = '0117') then
    return;
  end if;
  execute $archon_file_0117$
-- As before, but never the vectors of a chunk that is there: a copy that is restored brings numbers of its own back.
create or replace function archon_vectors_gone_clear() returns integer language plpgsql as $$
declare
  cleared integer := 0;
begin
  if pg_try_advisory_xact_lock_shared(hashtext('archon_vectors')) then
    with taken as (delete from archon_vectors_gone returning chunk_id),
      done as (delete from archon_chunk_vectors v using taken t where v.chunk_id = t.chunk_id
               and not exists (select 1 from archon_crawled_pages c where c.id = t.chunk_id))
    select count(*) into cleared from taken;
  end if;
  return cleared;
end $$;
$archon_file_0117$;
  insert into archon_migrations (version, migration_name, checksum) values ('0117', 'vectors_gone', 'ea50a466d175044defc2db33003f69df');
end $archon_step_0117$;

do $archon_step_0118$
begin
  if exists (select 1 from archon_migrations where version = '0118') then
    return;
  end if;
  execute $archon_file_0118$
-- Few parts, however the vectors came: a fresh part is closed while it is still small, so that little is read exactly,
-- and closed parts of about the same size are put together, so that a search has few indexes to go through.

-- What an index may be built with, in kilobytes: 256 MB, or more where the server is set up for it.
create or replace function archon_build_memory() returns integer language sql stable as $$
  select greatest(262144, (select s.setting::integer from pg_settings s where s.name = 'maintenance_work_mem'))
$$;

-- Vectors in one part at most: 100,000, since as many candidates miss more in a larger graph (160 of them: recall@10 0.99 in
-- 100,000 vectors of 384, 0.9 in a million in two parts), and no more than those whose graph is built in that memory, since
-- beyond it a build takes many times as long. A node is its vector and up to 800 bytes: pgvector 0.8 (m = 16) had room in
-- 16 MB for 7,446 vectors of 384 and for 2,438 of 1,536, which is 720 and 740.
create or replace function archon_part_capacity(dimensions integer) returns integer language sql stable as $$
  select least(100000, archon_build_memory() * 1024.0
    / (800 + case when dimensions <= 2000 then 4 else 2 end * dimensions))::integer
$$;

-- As before, in the memory there is.
create or replace function archon_part_index(space integer, part integer) returns void language plpgsql as $$
declare
  name text := archon_part_ensure(space, part);
begin
  perform pg_advisory_xact_lock(hashtext(archon_part_index_name(space, part)));
  perform archon_vector_index(name, archon_part_index_name(space, part), s.dimensions)
  from archon_embedding_spaces s where s.id = space;
end $$;

-- HNSW over a cast: `vector` to 2,000 dimensions, `halfvec` to 4,000, exact above.
create or replace function archon_vector_index(table_name text, index_name text, dimensions integer) returns void
language plpgsql as $$
declare
  cast_type text := case when dimensions <= 2000 then 'vector' when dimensions <= 4000 then 'halfvec' end;
begin
  if cast_type is not null then
    perform set_config('maintenance_work_mem', archon_build_memory() || 'kB', true);
    execute format('create index if not exists %I on %I using hnsw ((embedding::%s(%s)) %s_cosine_ops)',
      index_name, table_name, cast_type, dimensions, cast_type);
  end if;
end $$;

alter function archon_index_build(integer, boolean) reset maintenance_work_mem;

-- Vectors in the fresh part of each space that is in use, counted to `most`.
create or replace function archon_fresh_parts(most integer) returns table (space_id integer, fresh integer)
language plpgsql stable as $$
declare
  space record;
begin
  for space in select s.id, s.fresh_part from archon_embedding_spaces s where s.state <> 'retired' order by s.id loop
    space_id := space.id;
    execute format('select count(*) from (select 1 from archon_chunk_vectors v where v.space_id = %s and v.part = %s
      limit %s) few', space.id, space.fresh_part, most) into fresh;
    return next;
  end loop;
end $$;

-- Which parts of a space to put together, the smallest first: the most of them of which each is at most twice as large
-- as those before it together. So each vector is moved a few times at most, and what is left differs in size. Null
-- where there are no two. Part 0 stays: it is where vectors of a space of former versions are.
create or replace function archon_parts_alike(space integer) returns integer[] language sql stable as $$
  with closed as (
    select substring(c.relname from '_p([0-9]+)$')::integer as part, greatest(c.reltuples, 1) as size
    from pg_partition_tree(to_regclass('archon_chunk_vectors_s' || space)) t join pg_class c on c.oid = t.relid
    where t.isleaf
  ), running as (
    select c.part, c.size, sum(c.size) over (order by c.size, c.part) as together,
      row_number() over (order by c.size, c.part) as place
    from closed c join archon_embedding_spaces s on s.id = space
    where c.part not in (0, s.fresh_part) and to_regclass(archon_part_index_name(space, c.part)) is not null
  ), last as (
    select max(r.place) as place from running r join archon_embedding_spaces s on s.id = space
    where r.place > 1 and 3 * r.size <= 2 * r.together and r.together <= archon_part_capacity(s.dimensions)
  )
  select array_agg(r.part order by r.place) from running r, last l where r.place <= l.place
$$;

-- Closed parts of the spaces in use that could be put together, most first.
create or replace function archon_parts_mergeable() returns table (space_id integer, parts integer)
language sql stable as $$
  select s.id, cardinality(a.alike) from archon_embedding_spaces s, lateral (select archon_parts_alike(s.id) as alike) a
  where s.state <> 'retired' and a.alike is not null order by 2 desc, 1
$$;

-- Put parts of a space together, if there are any to be; as `archon_index_build`. The new part is made aside; it takes the
-- place of the others in one step, so that every search sees each vector once.
create or replace function archon_parts_merge(space integer) returns table (built boolean, busy boolean)
language plpgsql set statement_timeout = '12h' as $$
#variable_conflict use_column
declare
  home constant text := 'archon_chunk_vectors_s' || archon_parts_merge.space;
  draft constant text := home || '_draft';
  draft_index constant text := archon_part_index_name(archon_parts_merge.space, 0) || '_draft';
  alike integer[];
  target integer;
begin
  built := false;
  busy := not pg_try_advisory_xact_lock(hashtext('archon_index_next'));
  if not busy then
    alike := archon_parts_alike(archon_parts_merge.space);
  end if;
  if alike is not null then
    -- From here on nobody takes vectors away: they stay behind, as while an index is built.
    perform pg_advisory_xact_lock(hashtext('archon_vectors'));
    target := alike[1];
    execute format('create table %I (like archon_chunk_vectors including defaults including constraints,
      primary key (chunk_id, space_id, part))', draft);
    execute format('alter table %I alter column embedding set storage external', draft);
    for n in 1 .. cardinality(alike) loop
      execute format('insert into %I (space_id, part, chunk_id, embedding) select space_id, %s, chunk_id, embedding from %I',
        draft, target, home || '_p' || alike[n]);
    end loop;
    perform archon_vector_index(draft, draft_index, s.dimensions)
    from archon_embedding_spaces s where s.id = archon_parts_merge.space;
    execute format('alter table %I add check (space_id = %s and part = %s)', draft, archon_parts_merge.space, target);
    perform archon_lock_briefly(array[home] || array(select home || '_p' || a.part from unnest(alike) a (part)));
    for n in 1 .. cardinality(alike) loop
      execute format('drop table %I', home || '_p' || alike[n]);
    end loop;
    execute format('alter table %I rename to %I', draft, home || '_p' || target);
    execute format('alter index %I rename to %I', draft_index, archon_part_index_name(archon_parts_merge.space, target));
    execute format('alter table %I attach partition %I for values in (%s)', home, home || '_p' || target, target);
    built := true;
  end if;
  return next;
end $$;

-- Have tables alone without making others wait: who uses them is waited for a fifth of a second, then everybody goes on for
-- half a second. Raises lock_not_available after a minute of this.
create or replace function archon_lock_briefly(tables text[]) returns void language plpgsql as $$
declare
  wanted constant text := (select string_agg(format('only %I', t), ', ') from unnest(tables) t);
begin
  perform set_config('lock_timeout', '200ms', true);
  for attempt in 1 .. 85 loop
    begin
      execute 'lock table ' || wanted || ' in access exclusive mode';
      return;
    exception when lock_not_available then
      perform pg_sleep(0.5);
    end;
  end loop;
  raise exception 'in use all the time: %', tables using errcode = 'lock_not_available';
end $$;

-- As before, with a few more candidates: 200 for the 50 nearest.
create or replace function archon_vector_indexed(
  space integer, query_embedding vector, scope text[], languages text[], depth integer
) returns table (chunk_id bigint, distance double precision) language plpgsql
set jit = off set enable_sort = off set work_mem = '64MB' as $$
declare
  size integer := vector_dims(query_embedding);
begin
  perform set_config('hnsw.ef_search', least(1000, greatest(200, 4 * depth))::text, true);
  perform set_config('hnsw.iterative_scan', 'relaxed_order', true);
  return query execute format(
    'with nearest as materialized (
       select v.chunk_id, v.embedding from archon_chunk_vectors v
       where v.space_id = %1$s %3$s order by v.embedding::%2$s <=> $1::%2$s limit $4)
     select n.chunk_id, n.embedding <=> $1 from nearest n order by 2, 1',
    space, format(case when size <= 2000 then 'vector(%s)' else 'halfvec(%s)' end, size),
    case when scope is null and languages is null then '' else
      'and (select true from archon_crawled_pages c where c.id = v.chunk_id'
      || archon_filter_condition(scope, languages) || ')' end)
    using query_embedding, scope, languages, depth;
end $$;

-- Words that are not in their index yet are read one by one by every search: at most 256 kB of them rather than 4 MB.
alter index archon_crawled_pages_text set (gin_pending_list_limit = 256);
alter index archon_crawled_pages_headings set (gin_pending_list_limit = 256);

-- As before, once no index is built: dropping a space's table would wait for that, and every search would wait behind it.
create or replace function archon_spaces_clear() returns integer language plpgsql as $$
declare
  gone integer;
begin
  perform pg_advisory_xact_lock(hashtext('archon_index_next'));
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  perform pg_advisory_xact_lock(hashtext('archon_space_switch'));
  delete from archon_embedding_spaces s where s.state = 'retired' and not s.declined;
  get diagnostics gone = row_count;
  return gone;
end $$;

-- Not used any more.
drop function if exists archon_fresh_state(integer, integer);
drop function if exists archon_fresh_move(integer, integer);

select archon_close_to_others();
$archon_file_0118$;
  insert into archon_migrations (version, migration_name, checksum) values ('0118', 'few_parts', '3af8b382654d22074b97ac828054c75b');
end $archon_step_0118$;

do $archon_step_0130$
begin
  if exists (select 1 from archon_migrations where version = '0130') then
    return;
  end if;
  execute $archon_file_0130$
-- A conversation's messages of all branches in the order they were written, a part at a time: the `most` after place
-- `beyond`. So that a whole conversation can be written into a file without being held at once.
create or replace function archon_conversation_part(conversation uuid, beyond integer, most integer)
returns table (id uuid, parent_id uuid, role text, content text, reasoning text, outcome text, finish_reason text,
  passages jsonb, support jsonb, notes jsonb, provider text, model text, connection_id text, usage jsonb, error jsonb,
  created_at timestamptz, versions text[], place integer)
language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_answers_expire(conversation);
  return query
    select m.id, m.parent_id, m.role, m.content, m.reasoning, m.outcome, m.finish_reason, m.passages, m.support, m.notes,
      m.provider, m.model, m.connection_id, m.usage, m.error, m.created_at, array[m.id::text], m.position
    from archon_messages m where m.conversation_id = conversation and m.position > beyond
    order by m.position limit most;
end $$;

drop function archon_conversation_tree(uuid);
select archon_close_to_others();
$archon_file_0130$;
  insert into archon_migrations (version, migration_name, checksum) values ('0130', 'conversation_parts', '4f44302fd4a4aec5b2dec126336a4bbc');
end $archon_step_0130$;

do $archon_step_0131$
begin
  if exists (select 1 from archon_migrations where version = '0131') then
    return;
  end if;
  execute $archon_file_0131$
-- What is attached to a conversation: read by ids, so that a question in a large store does not look at every passage.

-- Those of `given` that can be ids of ours.
create or replace function archon_ids(given text[]) returns uuid[] language sql immutable as $$
  select coalesce(array_agg(one::uuid), '{}') from unnest(given) one
  where one ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
$$;

-- As before: passages of these pages, those with the question's words first.
create or replace function archon_pinned_chunks(pages text[], question text, most integer)
returns table (
  id bigint, url varchar, chunk_number integer, content text, metadata jsonb, source_id text, page_id uuid, title text,
  heading_path text[], page_number integer, similarity double precision, fused_score double precision,
  vector_rank integer, keyword_rank integer
) language sql stable as $$
  with words as (
    select string_agg(quote_literal(q.lexeme), ' | ')::tsquery as any_of from archon_query_words(question) q
  )
  select c.id, c.url, c.chunk_number, c.content, c.metadata, c.source_id, c.page_id,
    coalesce(p.title, c.metadata->>'title', p.section_title, s.title), c.heading_path, c.page_number,
    null::double precision, 0::double precision, null::integer, null::integer
  from archon_crawled_pages c
  join archon_page_metadata p on p.id = c.page_id
  join archon_sources s on s.source_id = c.source_id
  cross join words w
  where c.page_id = any (archon_ids(pages))
  order by coalesce(ts_rank(c.content_search_vector, w.any_of), 0) desc, array_position(pages, c.page_id::text),
    c.chunk_number
  limit most
$$;

-- Those of the attached pages and sources that are stored (still), in the order given; `passages` of a page alone.
create or replace function archon_attached(pages text[], pinned_sources text[])
returns table (kind text, id text, title text, url text, source_id text, passages bigint) language sql stable as $$
  (select 'page', p.id::text, coalesce(p.title, p.section_title), p.url, p.source_id,
    (select count(*) from archon_crawled_pages c where c.page_id = p.id)
  from archon_page_metadata p where p.id = any (archon_ids(pages)) order by array_position(pages, p.id::text))
  union all
  (select 'source', s.source_id, s.title, s.source_url, s.source_id, null
  from archon_sources s where s.source_id = any (pinned_sources) order by array_position(pinned_sources, s.source_id))
$$;
select archon_close_to_others();
$archon_file_0131$;
  insert into archon_migrations (version, migration_name, checksum) values ('0131', 'attachments', 'c07be46a9cd1727cdd1006fcdc112b21');
end $archon_step_0131$;

do $archon_step_0140$
begin
  if exists (select 1 from archon_migrations where version = '0140') then
    return;
  end if;
  execute $archon_file_0140$
-- Why a search in code that worked found nothing, in the words of `archon_search_why_empty`.
create function archon_code_why_empty(space integer, source_ids text[], tags text[], written_in text) returns text
language plpgsql stable as $$
declare
  scope text[] := archon_search_scope(source_ids, tags);
begin
  if not exists (select 1 from archon_code_examples) then
    return 'empty_store';
  end if;
  if not exists (select 1 from archon_code_examples e
                 where (scope is null or e.source_id = any (scope))
                   and (written_in is null or e.language = written_in)) then
    return 'filter_excludes_all';
  end if;
  if not exists (select 1 from archon_code_examples e
                 join archon_code_vectors v on v.example_id = e.id and v.space_id = space
                 where (scope is null or e.source_id = any (scope))
                   and (written_in is null or e.language = written_in)) then
    return 'other_space';
  end if;
  return 'no_match';
end $$;

select archon_close_to_others();
$archon_file_0140$;
  insert into archon_migrations (version, migration_name, checksum) values ('0140', 'code_why_empty', '7c5b915d2e2d237633a354f577c1d800');
end $archon_step_0140$;

do $archon_step_0141$
begin
  if exists (select 1 from archon_migrations where version = '0141') then
    return;
  end if;
  execute $archon_file_0141$
-- Several workers at one change of the embedding model: the texts without a vector are handed out in the order of their
-- ids, some at a time, each to one worker. What one of them took and did not write is still without a vector when the
-- next round begins at the first id again, which it does until none is left.
create table archon_reembed_rounds (
  job_id uuid not null references archon_jobs (id) on delete cascade,
  kind text not null,
  after bigint not null default 0,
  is_open boolean not null default true,
  helped integer not null default 0,
  primary key (job_id, kind)
);

-- A new round, led by `worker`; whoever helped in the last one helps no more.
create function archon_reembed_begin(job uuid, worker text) returns void language plpgsql as $$
begin
  perform archon_require_lease(job, worker);
  delete from archon_job_helpers h where h.job_id = job;
  insert into archon_reembed_rounds as r (job_id, kind) select job, unnest(array['chunk', 'example'])
  on conflict (job_id, kind) do update set after = 0, is_open = true;
end $$;

-- The next texts of a round; none: all were handed out.
create function archon_reembed_take(job uuid, worker text, space integer, kind text, row_limit integer)
returns table (id bigint, content text, url text) language plpgsql as $$
#variable_conflict use_column
declare
  begun bigint;
  last bigint;
begin
  perform archon_require_lease(job, worker);
  select r.after into begun from archon_reembed_rounds r
  where r.job_id = job and r.kind = archon_reembed_take.kind for update;
  for id, content, url in
    select p.id, p.content, p.url from archon_space_pending(space, archon_reembed_take.kind, begun, row_limit) p
    order by p.id
  loop
    last := id;
    return next;
  end loop;
  update archon_reembed_rounds r set after = coalesce(last, r.after), is_open = last is not null
  where r.job_id = job and r.kind = archon_reembed_take.kind;
end $$;

-- Join the change that is under way, or no row: there is none, or enough help already.
create function archon_reembed_join(worker text, lease_s double precision, most_helpers integer)
returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  chosen archon_jobs;
begin
  select j.* into chosen from archon_jobs j
  where j.state = 'running' and j.kind = 'reembed' and not j.cancel_requested and not j.pause_requested
    and j.lease_until > now() and j.lease_owner <> archon_reembed_join.worker
    and exists (select 1 from archon_reembed_rounds r where r.job_id = j.id and r.is_open)
    and not exists (select 1 from archon_job_helpers h
                    where h.job_id = j.id and h.worker = archon_reembed_join.worker and h.lease_until > now())
    and (select count(*) from archon_job_helpers h where h.job_id = j.id and h.lease_until > now()) < most_helpers;
  if not found then
    return;
  end if;
  insert into archon_job_helpers as h (job_id, worker, lease_until)
  values (chosen.id, archon_reembed_join.worker, now() + make_interval(secs => lease_s))
  on conflict (job_id, worker) do update set lease_until = excluded.lease_until;
  return next chosen;
end $$;

-- A helper wrote so many vectors.
create function archon_reembed_tell(job uuid, kind text, written integer) returns void language sql as $$
  update archon_reembed_rounds r set helped = r.helped + written
  where r.job_id = job and r.kind = archon_reembed_tell.kind
$$;

-- What helpers wrote since this was asked last, and whether one still works.
create function archon_reembed_helped(job uuid) returns table (written integer, busy boolean) language sql as $$
  with told as (select r.kind, r.helped from archon_reembed_rounds r where r.job_id = job and r.helped > 0 for update),
  taken as (
    update archon_reembed_rounds r set helped = 0 from told where r.job_id = job and r.kind = told.kind
    returning told.helped)
  select coalesce((select sum(t.helped) from taken t), 0)::integer,
    exists (select 1 from archon_job_helpers h where h.job_id = job and h.lease_until > now())
$$;

select archon_close_to_others();
$archon_file_0141$;
  insert into archon_migrations (version, migration_name, checksum) values ('0141', 'shared_reembedding', 'f30581076d295590f91dc42eaa8bcff0');
end $archon_step_0141$;

do $archon_step_0142$
begin
  if exists (select 1 from archon_migrations where version = '0142') then
    return;
  end if;
  execute $archon_file_0142$
-- A new round of a change of the embedding model tries what failed once more, so that what is noted of it is forgotten
-- first: else a text that has its vector by now would be told as failed, or as waiting after a retry.
create or replace function archon_reembed_begin(job uuid, worker text) returns void language plpgsql as $$
begin
  perform archon_require_lease(job, worker);
  delete from archon_job_helpers h where h.job_id = job;
  delete from archon_job_pages p where p.job_id = job;
  insert into archon_reembed_rounds as r (job_id, kind) select job, unnest(array['chunk', 'example'])
  on conflict (job_id, kind) do update set after = 0, is_open = true;
end $$;
$archon_file_0142$;
  insert into archon_migrations (version, migration_name, checksum) values ('0142', 'reembedding_again', 'a085b0636ed4462cf274bb36682681b3');
end $archon_step_0142$;

do $archon_step_0150$
begin
  if exists (select 1 from archon_migrations where version = '0150') then
    return;
  end if;
  execute $archon_file_0150$
-- The connection that answers where none is named, asked for before each answer: its id alone.
create or replace function archon_connection_chosen() returns table (id text) language sql stable as $$
  select c.id from archon_connections c where c.is_default limit 1
$$;

select archon_close_to_others();
$archon_file_0150$;
  insert into archon_migrations (version, migration_name, checksum) values ('0150', 'chosen_connection', '7213dc26bdbf6769b037ba31a3b5a698');
end $archon_step_0150$;

do $archon_step_0151$
begin
  if exists (select 1 from archon_migrations where version = '0151') then
    return;
  end if;
  execute $archon_file_0151$
-- A filtered search that compares all that the filter leaves looks for each chunk in the one part that can have it: chunks get
-- their numbers in the order they come, and so does each part its vectors. Asking every part costs as often as there are parts.
create or replace function archon_vector_exact(
  space integer, query_embedding vector, scope text[], languages text[], depth integer
) returns table (chunk_id bigint, distance double precision) language plpgsql set jit = off as $$
declare
  condition constant text := archon_filter_condition(scope, languages);
  part record;
  first bigint;
  last bigint;
  searches text[] := '{}';
begin
  if scope is null and languages is null then
    return query execute format(
      'select v.chunk_id, v.embedding <=> $1 from archon_chunk_vectors v where v.space_id = %1$s order by 2, 1 limit $4',
      space) using query_embedding, scope, languages, depth;
    return;
  end if;
  for part in
    select t.relid::regclass as home from pg_partition_tree(to_regclass('archon_chunk_vectors_s' || space)) t where t.isleaf
  loop
    execute format('select min(v.chunk_id), max(v.chunk_id) from %s v', part.home) into first, last;
    if first is not null then
      searches := searches || format(
        '(select v.chunk_id, v.embedding <=> $1 from archon_crawled_pages c join %s v on v.chunk_id = c.id
          where c.id between %s and %s %s order by 2, 1 limit $4)', part.home, first, last, condition);
    end if;
  end loop;
  if searches <> '{}' then
    return query execute format('select * from (%s) e order by 2, 1 limit $4', array_to_string(searches, ' union all '))
      using query_embedding, scope, languages, depth;
  end if;
end $$;

select archon_close_to_others();
$archon_file_0151$;
  insert into archon_migrations (version, migration_name, checksum) values ('0151', 'filtered_parts', '3c2994e6dd05ec356e8a81fff1a727f8');
end $archon_step_0151$;

do $archon_step_0152$
begin
  if exists (select 1 from archon_migrations where version = '0152') then
    return;
  end if;
  execute $archon_file_0152$
-- Why an agent's answer came about the way it did (null: the model decided itself, or it was not kept yet).
alter table archon_agent_messages add column if not exists way_reason text;

-- Completes an answer; false when its session was deleted meanwhile.
drop function if exists archon_agent_turn_end(
  uuid, text, text, text, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, text);
create or replace function archon_agent_turn_end(
  answer_id uuid, content text, outcome text, way text, way_reason text, steps jsonb, passages jsonb, support jsonb,
  usage jsonb, error jsonb, connection_id text, provider text, model text
) returns boolean language plpgsql as $$
begin
  update archon_agent_messages m
  set content = archon_agent_turn_end.content, outcome = archon_agent_turn_end.outcome,
      way = archon_agent_turn_end.way, way_reason = archon_agent_turn_end.way_reason,
      steps = archon_json(archon_agent_turn_end.steps), passages = archon_json(archon_agent_turn_end.passages),
      support = archon_json(archon_agent_turn_end.support), usage = archon_json(archon_agent_turn_end.usage),
      error = archon_json(archon_agent_turn_end.error), connection_id = archon_agent_turn_end.connection_id,
      provider = archon_agent_turn_end.provider, model = archon_agent_turn_end.model
  where m.id = answer_id;
  return found;
end $$;

select archon_close_to_others();
$archon_file_0152$;
  insert into archon_migrations (version, migration_name, checksum) values ('0152', 'agent_reasons', 'ba65faece7100ae2786d1773a38476cb');
end $archon_step_0152$;

do $archon_step_0153$
begin
  if exists (select 1 from archon_migrations where version = '0153') then
    return;
  end if;
  execute $archon_file_0153$
-- What has come so far of all answers that a server writes, and the promise to be heard of again, in one call. Returns those
-- that are gone or have ended. A row that somebody else is about to end or delete is left to the next time: waiting for it
-- with others in hand could end in a deadlock.
create or replace function archon_answers_keep(
  answers uuid[], contents text[], reasonings text[], lease_s double precision
) returns table (id uuid) language sql as $$
  with so_far as (
    select * from unnest(answers, contents, reasonings) as s(answer, content, reasoning)
  ), free as (
    select m.id from archon_messages m where m.id = any (answers) and m.outcome is null for update skip locked
  ), kept as (
    update archon_messages m
    set content = s.content, reasoning = s.reasoning, writing_until = now() + make_interval(secs => lease_s)
    from so_far s join free f on f.id = s.answer
    where m.id = s.answer
  )
  select s.answer from so_far s
  where not exists (select 1 from archon_messages m where m.id = s.answer and m.outcome is null)
$$;
drop function if exists archon_answer_keep(uuid, text, text, double precision);

select archon_close_to_others();
$archon_file_0153$;
  insert into archon_migrations (version, migration_name, checksum) values ('0153', 'answers_kept_together', 'c5ba12d81c1930d806653408565f0eb2');
end $archon_step_0153$;

select archon_close_to_others();
