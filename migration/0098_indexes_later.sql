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
