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
