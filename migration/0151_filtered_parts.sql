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
