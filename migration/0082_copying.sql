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
