-- Feeding: what is kept of a page to ask its site only whether it changed, and code examples with vectors of their own.

-- `links`: addresses in scope that the page led to, for a refresh that does not get the page again.
-- `read_as`: the way it was read and cut; a page that would be read another way now is fetched whole.
alter table archon_page_metadata
  add column if not exists links text[] not null default '{}',
  add column if not exists read_as text;

-- ---------------------------------------------------------------- code examples

-- Archon v1 allowed an address once in the whole store.
do $$
declare
  found record;
begin
  for found in
    select c.conname from pg_constraint c
    where c.contype = 'u' and c.conrelid = 'archon_code_examples'::regclass
      and (select array_agg(a.attname::text order by a.attname) from pg_attribute a
           where a.attrelid = c.conrelid and a.attnum = any (c.conkey)) = array['chunk_number', 'url']
  loop
    execute format('alter table archon_code_examples drop constraint %I', found.conname);
  end loop;
end $$;

-- `embedded_text` is what the vector is made of; null for examples of Archon v1.
alter table archon_code_examples drop column if exists content_search_vector;
alter table archon_code_examples
  add column if not exists page_id uuid references archon_page_metadata (id) on delete cascade,
  add column if not exists language text,
  add column if not exists heading_path text[] not null default '{}',
  add column if not exists embedded_text text,
  add column content_search_vector tsvector
    generated always as (archon_search_words(content || ' ' || summary) || archon_heading_words(heading_path, metadata)) stored;
create unique index if not exists archon_code_examples_place on archon_code_examples (source_id, url, chunk_number);
create index if not exists archon_code_examples_page on archon_code_examples (page_id);
create index if not exists archon_code_examples_text on archon_code_examples using gin (content_search_vector);

create table if not exists archon_code_vectors (
  space_id integer not null references archon_embedding_spaces (id) on delete cascade,
  example_id bigint not null references archon_code_examples (id) on delete cascade,
  embedding vector not null,
  primary key (space_id, example_id)
);
create index if not exists archon_code_vectors_example on archon_code_vectors (example_id);

-- What a refresh may ask a site about: the page as it is stored, if it has all its vectors in `space` and would be
-- read the same way. No row: fetch it whole.
create or replace function archon_page_known(source text, page_key text, space integer, read_as text)
returns table (etag text, last_modified text, content_hash text, links text[]) language sql stable as $$
  select p.etag, p.last_modified, p.content_hash, p.links
  from archon_page_metadata p
  where p.source_id = source and p.url_key = page_key and p.read_as = archon_page_known.read_as
    and (p.etag is not null or p.last_modified is not null)
    and exists (select 1 from archon_crawled_pages c join archon_chunk_vectors v on v.chunk_id = c.id
                where c.page_id = p.id and v.space_id = space)
    and not exists (select 1 from archon_code_examples e where e.page_id = p.id
                    and not exists (select 1 from archon_code_vectors v where v.example_id = e.id and v.space_id = space))
$$;

-- The space's own HNSW index over its examples, as for chunks. Asked for once a job, before its first write: making
-- it waits for writers, so nobody may do that who has written already.
create or replace function archon_code_space_ready(space integer) returns void language plpgsql as $$
declare
  size integer;
  cast_type text;
  name text := 'archon_code_vectors_space_' || space;
begin
  perform pg_advisory_xact_lock(hashtext('archon_code_space_ready'));
  select s.dimensions into size from archon_embedding_spaces s where s.id = space;
  cast_type := case when size <= 2000 then 'vector' when size <= 4000 then 'halfvec' end;
  if cast_type is not null and to_regclass(name) is null then
    execute format(
      'create index if not exists %I on archon_code_vectors using hnsw ((embedding::%s(%s)) %s_cosine_ops) where space_id = %s',
      name, cast_type, size, cast_type, space);
  end if;
end $$;

-- The examples of a page, in place of those it had. `details`: one {summary, language, heading_path, embedded_text,
-- metadata} per example, in the order of `codes`.
create or replace function archon_code_put(
  source text, page uuid, page_url text, space integer, codes text[], details jsonb, embeddings vector[]
) returns void language plpgsql as $$
declare
  parts jsonb := archon_json(details);
  target archon_embedding_spaces;
  described jsonb;
  vectors vector[];
begin
  select * into strict target from archon_embedding_spaces s where s.id = space;
  -- What a model said of code that the page still has holds on, with its vector.
  select jsonb_agg(jsonb_build_object('content', e.content, 'summary', e.summary, 'model', e.llm_chat_model,
           'embedded_text', e.embedded_text, 'metadata', e.metadata) order by e.id), array_agg(v.embedding order by e.id)
  into described, vectors
  from archon_code_examples e join archon_code_vectors v on v.example_id = e.id and v.space_id = space
  where e.page_id = page and e.metadata ? 'summary_by' and e.content = any (codes);
  delete from archon_code_examples e where e.page_id = page or (e.source_id = source and e.url = page_url);
  if coalesce(cardinality(codes), 0) = 0 then
    return;
  end if;
  if exists (select 1 from unnest(embeddings) e where vector_dims(e) <> target.dimensions)
     or cardinality(embeddings) <> cardinality(codes) then
    raise exception 'The vectors do not fit the embedding space of % dimensions.', target.dimensions
      using errcode = 'data_exception';
  end if;
  with made as (
    insert into archon_code_examples (url, chunk_number, content, summary, metadata, source_id, page_id, language,
      heading_path, embedded_text, embedding_model, embedding_dimension)
    select page_url, t.n - 1, t.code, parts->(t.n::integer - 1)->>'summary',
           coalesce(parts->(t.n::integer - 1)->'metadata', '{}')
             || jsonb_build_object('page_id', page, 'chunk_index', t.n - 1, 'url', page_url, 'source_id', source),
           source, page, parts->(t.n::integer - 1)->>'language',
           array(select jsonb_array_elements_text(parts->(t.n::integer - 1)->'heading_path')),
           parts->(t.n::integer - 1)->>'embedded_text', target.model, target.dimensions
    from unnest(codes) with ordinality t (code, n)
    returning id, chunk_number
  )
  insert into archon_code_vectors (space_id, example_id, embedding)
  select space, made.id, embeddings[made.chunk_number + 1] from made;
  if described is not null then
    perform archon_code_describe_again(page, space, described, vectors);
  end if;
end $$;

create or replace function archon_code_describe_again(page uuid, space integer, described jsonb, vectors vector[])
returns void language sql as $$
  with same as (
    select n.id, d.one->>'summary' as summary, d.one->>'model' as llm_chat_model, d.one->>'embedded_text' as embedded_text,
           d.one->'metadata' as metadata, vectors[d.place] as embedding
    from jsonb_array_elements(described) with ordinality d (one, place)
    join archon_code_examples n on n.page_id = page and n.content = d.one->>'content'
  ), changed as (
    update archon_code_examples e set summary = s.summary, llm_chat_model = s.llm_chat_model,
           embedded_text = s.embedded_text, metadata = e.metadata || jsonb_build_object(
             'example_name', s.metadata->'example_name', 'title', s.metadata->'title', 'summary_by', s.metadata->'summary_by')
    from same s where e.id = s.id
  )
  update archon_code_vectors v set embedding = s.embedding from same s where v.example_id = s.id and v.space_id = space
$$;

-- A page with its chunks and its code examples, all or nothing. `page` as for archon_page_save, and {links, read_as}.
create or replace function archon_page_save_whole(
  job uuid, worker text, frontier_key text, source text, page jsonb, space integer, contents text[], details jsonb,
  embeddings vector[], codes text[], code_details jsonb, code_embeddings vector[]
) returns table (page_id uuid, chunk_count integer) language plpgsql as $$
#variable_conflict use_column
declare
  doc jsonb := archon_json(page);
  saved record;
begin
  select s.page_id, s.chunk_count into saved
  from archon_page_save(job, worker, frontier_key, source, doc, space, contents, details, embeddings) s;
  update archon_page_metadata p set read_as = doc->>'read_as',
         links = array(select jsonb_array_elements_text(coalesce(doc->'links', '[]')))
  where p.id = saved.page_id;
  perform archon_code_put(source, saved.page_id, doc->>'url', space, codes, code_details, code_embeddings);
  return query select saved.page_id, saved.chunk_count;
end $$;

-- Examples without a vector in `space`, in the order of their ids after `after`: for filling another space.
create or replace function archon_code_missing(space integer, after bigint, row_limit integer)
returns table (id bigint, embedded_text text) language sql stable as $$
  select e.id, coalesce(e.embedded_text, e.summary || E'\n\n' || e.content) from archon_code_examples e
  where e.id > after and not exists (
    select 1 from archon_code_vectors v where v.space_id = space and v.example_id = e.id)
  order by e.id limit row_limit
$$;

-- Vectors of examples in a space; examples that are gone meanwhile are passed over.
create or replace function archon_code_vectors_put(space integer, ids bigint[], embeddings vector[])
returns void language sql as $$
  insert into archon_code_vectors (space_id, example_id, embedding)
  select space, t.id, t.embedding from unnest(ids, embeddings) t (id, embedding)
  where exists (select 1 from archon_code_examples e where e.id = t.id)
  on conflict (space_id, example_id) do update set embedding = excluded.embedding
$$;

-- Examples that still want a summary, after an id.
create or replace function archon_code_unsummarised(after bigint, row_limit integer)
returns table (id bigint, content text, language text, metadata jsonb, heading_path text[], embedded_text text)
language sql stable as $$
  select e.id, e.content, e.language, e.metadata, e.heading_path, coalesce(e.embedded_text, '')
  from archon_code_examples e
  where e.id > after and not e.metadata ?| array['summary_by', 'summary_problem']
  order by e.id limit row_limit
$$;
create index if not exists archon_code_examples_unsummarised on archon_code_examples (id)
  where not metadata ?| array['summary_by', 'summary_problem'];

-- An example that the model could not describe: it keeps the words around it, and is not asked about again.
create or replace function archon_code_undescribed(example bigint, problem text) returns void language sql as $$
  update archon_code_examples e set metadata = e.metadata || jsonb_build_object('summary_problem', problem)
  where e.id = example
$$;

-- A better summary and name, with the vector of the text that they are part of now.
create or replace function archon_code_summarise(
  example bigint, summary text, name text, model text, embedded_text text, space integer, embedding vector
) returns void language plpgsql as $$
#variable_conflict use_column
begin
  update archon_code_examples e set summary = archon_code_summarise.summary, llm_chat_model = model,
         embedded_text = archon_code_summarise.embedded_text,
         metadata = e.metadata || jsonb_build_object('example_name', name, 'title', name, 'summary_by', model)
  where e.id = example;
  if found then
    perform archon_code_vectors_put(space, array[example], array[embedding]);
  end if;
end $$;

create or replace function archon_code_examples_of(source text, written_in text, row_limit integer, row_offset integer)
returns table (id bigint, source_id text, content text, summary text, metadata jsonb, url text, page_id uuid,
               language text, heading_path text[], total bigint) language sql stable as $$
  select e.id, e.source_id, e.content, e.summary, e.metadata, e.url, e.page_id,
         coalesce(e.language, e.metadata->>'language'), e.heading_path, count(*) over ()
  from archon_code_examples e
  where e.source_id = source
    and (written_in is null
         or coalesce(e.language, e.metadata->>'language') = written_in)
  order by e.id limit row_limit offset row_offset
$$;

-- ---------------------------------------------------------------- search in code

create or replace function archon_code_near(
  space integer, query_embedding vector, scope text[], written_in text, depth integer
) returns table (example_id bigint, distance double precision) language plpgsql set jit = off as $$
#variable_conflict use_column
declare
  exact_within constant integer := 5000;
  size integer := vector_dims(query_embedding);
  narrow boolean;
  cast_type text := case when size <= 2000 then format('vector(%s)', size) else format('halfvec(%s)', size) end;
  filter text := case when scope is null and written_in is null then '' else
    'and exists (select 1 from archon_code_examples c where c.id = v.example_id'
    || ' and ($2 is null or c.source_id = any ($2)) and ($4 is null or c.language = $4))' end;
begin
  perform 1 from archon_embedding_spaces s where s.id = space and s.dimensions = size;
  if not found then
    raise exception 'there is no embedding space % with % dimensions', space, size using errcode = 'no_data_found';
  end if;
  select count(*) <= exact_within into narrow from (
    select 1 from archon_code_examples c
    where (scope is null or c.source_id = any (scope)) and (written_in is null or c.language = written_in)
    limit exact_within + 1) as counted;
  if narrow or size > 4000 then
    return query execute format(
      'select v.example_id, v.embedding <=> $1 from archon_code_vectors v where v.space_id = %s %s
       order by 2, 1 limit $3', space, filter) using query_embedding, scope, depth, written_in;
    return;
  end if;
  perform set_config('hnsw.ef_search', least(1000, greatest(100, 2 * depth))::text, true);
  perform set_config('hnsw.iterative_scan', case when filter = '' then 'off' else 'relaxed_order' end, true);
  return query execute format(
    'with nearest as materialized (
       select v.example_id, v.embedding from archon_code_vectors v
       where v.space_id = %1$s %3$s order by v.embedding::%2$s <=> $1::%2$s limit $3)
     select n.example_id, n.embedding <=> $1 from nearest n order by 2, 1', space, cast_type, filter)
    using query_embedding, scope, depth, written_in;
end $$;

-- By words: any may match, a rare one counts more than a common one.
create or replace function archon_code_worded(query_text text, scope text[], written_in text, depth integer)
returns table (example_id bigint, score double precision) language plpgsql
set jit = off set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  most constant integer := 2500;
  total double precision;
begin
  select greatest(c.reltuples, 1) into total from pg_class c where c.oid = 'archon_code_examples'::regclass;
  return query
    with word as materialized (
      select row_number() over () as n, quote_literal(w.lexeme)::tsquery as word
      from unnest(archon_search_words(left(query_text, 4000))) as w (lexeme) limit 24
    ), matched as materialized (
      select w.n, c.id from word w, lateral (
        select e.id from archon_code_examples e
        where e.content_search_vector @@ w.word and (scope is null or e.source_id = any (scope))
          and (written_in is null or e.language = written_in) limit most) c
    ), weighed as materialized (
      select w.n, w.word, ln(1 + greatest(total, m.found) / m.found) as rarity
      from word w join (select x.n, count(*) as found from matched x group by x.n) m using (n)
    ), best as materialized (
      select m.id from matched m join weighed w using (n) group by m.id order by sum(w.rarity) desc, m.id limit 3 * depth
    )
    select b.id, sum(w.rarity * ts_rank('{1,1,1,1}', e.content_search_vector, w.word))::double precision
    from best b join archon_code_examples e on e.id = b.id cross join weighed w
    group by b.id order by 2 desc, 1 limit depth;
end $$;

-- Reciprocal rank fusion (k = 60) of both lists. `space` null: words only.
create or replace function archon_search_code(
  space integer, query_embedding vector, query_text text, source_ids text[], tags text[], written_in text, match_count integer
) returns table (
  id bigint, url varchar, content text, summary text, metadata jsonb, source_id text, page_id uuid, title text,
  heading_path text[], language text, similarity double precision, fused_score double precision,
  vector_rank integer, keyword_rank integer
) language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  depth integer := greatest(50, 2 * match_count);
  scope text[] := archon_search_scope(source_ids, tags);
begin
  return query
    with near as materialized (
      select v.example_id, row_number() over (order by v.distance, v.example_id)::integer as place
      from archon_code_near(space, query_embedding, scope, written_in, depth) v
      where space is not null and v.distance < 0.95
    ), worded as materialized (
      select k.example_id, row_number() over (order by k.score desc, k.example_id)::integer as place
      from archon_code_worded(query_text, scope, written_in, depth) k
    ), fused as materialized (
      select coalesce(n.example_id, w.example_id) as example_id, n.place as near_place, w.place as worded_place,
        coalesce(1.0 / (60 + n.place), 0) + coalesce(1.0 / (60 + w.place), 0) as points
      from near n full join worded w on w.example_id = n.example_id
      order by 4 desc, coalesce(n.place, 1000000), 1 limit match_count
    )
    select e.id, e.url, e.content, e.summary, e.metadata, e.source_id, e.page_id,
      coalesce(p.title, e.metadata->>'title', s.title), e.heading_path, coalesce(e.language, e.metadata->>'language'),
      1 - (v.embedding <=> query_embedding), f.points::double precision, f.near_place, f.worded_place
    from fused f
    join archon_code_examples e on e.id = f.example_id
    join archon_sources s on s.source_id = e.source_id
    left join archon_page_metadata p on p.id = e.page_id
    left join archon_code_vectors v on v.space_id = space and v.example_id = e.id
    order by f.points desc, coalesce(f.near_place, 1000000), e.id;
end $$;
