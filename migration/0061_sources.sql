-- Sources as their page shows them: how large, how fresh, what went wrong; found by text, type, tag and trouble.

create or replace function archon_source_list(
  source text, knowledge_type text, search text, tag text, troubled boolean, sort text, row_limit integer,
  row_offset integer
) returns table (
  source_id text, source_url text, display_name text, title text, summary text, metadata jsonb, word_count integer,
  page_count bigint, char_count bigint, chunk_count bigint, code_examples_count bigint, languages text[],
  created_at timestamptz, updated_at timestamptz, last_read_at timestamptz, next_refresh_at timestamptz,
  last_job_id uuid, last_job_state text, last_job_finished_at timestamptz, last_job_stored integer,
  last_job_failed integer, last_job_error jsonb, total bigint
) language sql stable as $$
  with chosen as (
    select s.*, j.id as job_id, j.state as job_state, j.finished_at, j.result, j.error, count(*) over () as total,
      row_number() over (order by
        case when sort = 'title' then lower(coalesce(s.title, s.source_display_name, s.source_id)) end,
        case when sort = 'words' then s.total_word_count end desc nulls last,
        case when sort = 'refresh' then s.next_refresh_at end nulls last,
        s.updated_at desc, s.source_id) as place
    from archon_sources s
    left join lateral (
      select * from archon_jobs a where a.source_id = s.source_id order by a.created_at desc limit 1) j on true
    where (source is null or s.source_id = source)
      and (archon_source_list.knowledge_type is null
           or coalesce(s.metadata->>'knowledge_type', 'technical') = archon_source_list.knowledge_type)
      and (search is null or s.title ilike search or s.summary ilike search or s.source_id ilike search
           or s.source_url ilike search)
      and (archon_source_list.tag is null or s.metadata->'tags' ? archon_source_list.tag)
      and (not troubled or j.state = 'failed' or coalesce((j.result->>'pages_failed')::integer, 0) > 0)
    order by place limit row_limit offset row_offset
  )
  select c.source_id, coalesce(c.source_url, 'source://' || c.source_id),
    coalesce(c.source_display_name, c.title, c.source_id), coalesce(c.title, c.source_display_name, c.source_id),
    coalesce(c.summary, ''), c.metadata, c.total_word_count, pages.n, pages.characters,
    (select count(*) from archon_crawled_pages k where k.source_id = c.source_id),
    (select count(*) from archon_code_examples e where e.source_id = c.source_id),
    coalesce(pages.languages, '{}'), c.created_at, c.updated_at, pages.read_at, c.next_refresh_at,
    c.job_id, c.job_state, c.finished_at, coalesce((c.result->>'pages_stored')::integer, 0),
    coalesce((c.result->>'pages_failed')::integer, 0), c.error, c.total
  from chosen c, lateral (
    select count(*) as n, coalesce(sum(p.char_count), 0) as characters, max(p.fetched_at) as read_at,
      array_agg(distinct archon_base_language(p.language)) filter (where archon_base_language(p.language) is not null)
        as languages
    from archon_page_metadata p where p.source_id = c.source_id) as pages
  order by c.place
$$;

-- What failed in the newest job of a source, in the order of its pages.
create or replace function archon_source_problems(source text, most integer)
returns table (url text, error jsonb) language sql stable as $$
  select f.url, f.error
  from (select j.id from archon_jobs j where j.source_id = source order by j.created_at desc limit 1) last
  join archon_job_pages f on f.job_id = last.id and f.state = 'failed'
  order by f.position limit most
$$;
