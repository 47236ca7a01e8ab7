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
