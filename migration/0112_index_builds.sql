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
