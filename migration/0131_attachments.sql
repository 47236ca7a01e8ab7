-- What is attached to a conversation: read by ids, so that a question in a large store does not look at every passage.

-- Those of `given` that can be ids of ours.
create or replace function archon_ids(given text[]) returns uuid[] language sql immutable as $$
  select coalesce(array_agg(one::uuid), '{}') from unnest(given) one
  where one ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
$$;

-- As before: passages of these pages, those with the question's words first.
create or replace function archon_pinned_chunks(pages text[], question text, most integer)
returns table (
  id bigint, url varchar, chunk_number integer, content text, metadata jsonb, source_id text, page_id uuid, title text,
  heading_path text[], page_number integer, similarity double precision, fused_score double precision,
  vector_rank integer, keyword_rank integer
) language sql stable as $$
  with words as (
    select string_agg(quote_literal(q.lexeme), ' | ')::tsquery as any_of from archon_query_words(question) q
  )
  select c.id, c.url, c.chunk_number, c.content, c.metadata, c.source_id, c.page_id,
    coalesce(p.title, c.metadata->>'title', p.section_title, s.title), c.heading_path, c.page_number,
    null::double precision, 0::double precision, null::integer, null::integer
  from archon_crawled_pages c
  join archon_page_metadata p on p.id = c.page_id
  join archon_sources s on s.source_id = c.source_id
  cross join words w
  where c.page_id = any (archon_ids(pages))
  order by coalesce(ts_rank(c.content_search_vector, w.any_of), 0) desc, array_position(pages, c.page_id::text),
    c.chunk_number
  limit most
$$;

-- Those of the attached pages and sources that are stored (still), in the order given; `passages` of a page alone.
create or replace function archon_attached(pages text[], pinned_sources text[])
returns table (kind text, id text, title text, url text, source_id text, passages bigint) language sql stable as $$
  (select 'page', p.id::text, coalesce(p.title, p.section_title), p.url, p.source_id,
    (select count(*) from archon_crawled_pages c where c.page_id = p.id)
  from archon_page_metadata p where p.id = any (archon_ids(pages)) order by array_position(pages, p.id::text))
  union all
  (select 'source', s.source_id, s.title, s.source_url, s.source_id, null
  from archon_sources s where s.source_id = any (pinned_sources) order by array_position(pinned_sources, s.source_id))
$$;
select archon_close_to_others();
