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
