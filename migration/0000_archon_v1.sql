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
