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
