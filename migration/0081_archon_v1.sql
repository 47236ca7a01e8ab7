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
