-- What ingest writes and what the knowledge pages read: spaces, sources, pages, jobs.

-- ---------------------------------------------------------------- embedding spaces

-- The space of an identity, made on first use with its index; it becomes the newest active one.
create or replace function archon_space_ensure(
  model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text
) returns setof archon_embedding_spaces language plpgsql as $$
#variable_conflict use_column
declare
  space archon_embedding_spaces;
begin
  -- Two jobs that start at once must not both build the index.
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  insert into archon_embedding_spaces as s (model, dimensions, normalised, query_prefix, passage_prefix)
  values (archon_space_ensure.model, archon_space_ensure.dimensions, archon_space_ensure.normalised,
          archon_space_ensure.query_prefix, archon_space_ensure.passage_prefix)
  on conflict (model, dimensions, normalised, query_prefix, passage_prefix)
    do update set state = 'active', activated_at = now()
  returning * into space;
  perform archon_space_index(space.id, space.dimensions);
  return next space;
end $$;

-- HNSW over a cast, for this space's rows alone: `vector` to 2,000 dimensions, `halfvec` to 4,000, exact above.
create or replace function archon_space_index(space integer, size integer) returns void language plpgsql as $$
declare
  cast_type text := case when size <= 2000 then 'vector' when size <= 4000 then 'halfvec' end;
begin
  if cast_type is not null then
    execute format(
      'create index if not exists %I on archon_chunk_vectors using hnsw ((embedding::%s(%s)) %s_cosine_ops) where space_id = %s',
      'archon_vectors_space_' || space, cast_type, size, cast_type, space);
  end if;
end $$;

create or replace function archon_space_set_canaries(space integer, canaries jsonb) returns void language sql as $$
  update archon_embedding_spaces s set canaries = archon_json(archon_space_set_canaries.canaries) where s.id = space
$$;

create or replace function archon_active_space() returns setof archon_embedding_spaces language sql stable as $$
  select * from archon_embedding_spaces where state = 'active' order by activated_at desc, id desc limit 1
$$;

create or replace function archon_spaces() returns table (
  id integer, model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text,
  state text, similarity_floor real, canaries jsonb, activated_at timestamptz, vector_count bigint
) language sql stable as $$
  select s.id, s.model, s.dimensions, s.normalised, s.query_prefix, s.passage_prefix, s.state, s.similarity_floor,
         s.canaries, s.activated_at, (select count(*) from archon_chunk_vectors v where v.space_id = s.id)
  from archon_embedding_spaces s order by s.activated_at desc, s.id desc
$$;

-- ---------------------------------------------------------------- jobs

create or replace function archon_job_create(kind text, source text, request jsonb, progress jsonb)
returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  running archon_jobs;
  made archon_jobs;
begin
  select * into running from archon_jobs j
  where j.source_id = source and j.state in ('queued', 'running', 'paused') limit 1;
  if found then
    raise exception 'This source is being worked on already, by job %.', running.id using errcode = 'unique_violation';
  end if;
  insert into archon_jobs (kind, source_id, request, progress)
  values (archon_job_create.kind, source, archon_json(archon_job_create.request), archon_json(archon_job_create.progress))
  returning * into made;
  return next made;
end $$;

-- An upload's job and its bytes come into being together; `content` is base64.
create or replace function archon_job_create_upload(source text, request jsonb, progress jsonb, content text)
returns setof archon_jobs language plpgsql as $$
declare
  made archon_jobs;
begin
  select * into made from archon_job_create('upload', source, request, progress);
  insert into archon_uploads (job_id, content)
  values (made.id, decode(archon_job_create_upload.content, 'base64'));
  return next made;
end $$;

create or replace function archon_upload_content(job uuid) returns table (content text) language sql stable as $$
  select encode(u.content, 'base64') from archon_uploads u where u.job_id = job
$$;

-- One job for `worker`, or no row: a queued one, one whose lease ran out, or one of a worker known to be gone.
create or replace function archon_job_claim(worker text, lease_s double precision, gone text[])
returns setof archon_jobs language sql as $$
  update archon_jobs set state = 'running', lease_owner = worker, lease_until = now() + make_interval(secs => lease_s),
         attempts = attempts + 1
  where id = (select j.id from archon_jobs j
              where j.state = 'queued'
                 or (j.state = 'running' and (j.lease_until < now() or j.lease_owner = any (gone)))
              order by j.created_at for update skip locked limit 1)
  returning *
$$;

-- No row: the lease is lost, the worker must stop.
create or replace function archon_job_heartbeat(job uuid, worker text, lease_s double precision, progress jsonb)
returns table (cancel_requested boolean) language sql as $$
  update archon_jobs j set lease_until = now() + make_interval(secs => lease_s),
         progress = archon_json(archon_job_heartbeat.progress)
  where j.id = job and j.lease_owner = worker and j.state = 'running'
  returning j.cancel_requested
$$;

create or replace function archon_job_finish(
  job uuid, worker text, state text, progress jsonb, result jsonb, error jsonb
) returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  done archon_jobs;
begin
  update archon_jobs j set state = archon_job_finish.state, progress = archon_json(archon_job_finish.progress),
         result = archon_json(archon_job_finish.result), error = archon_json(archon_job_finish.error),
         finished_at = now(), lease_owner = null, lease_until = null
  where j.id = job and j.lease_owner = worker and j.state = 'running'
  returning * into done;
  if found then
    delete from archon_uploads u where u.job_id = job;
    return next done;
  end if;
end $$;

-- A worker that shuts down gives its job back; that does not count as an attempt.
create or replace function archon_job_release(job uuid, worker text, progress jsonb) returns void language sql as $$
  update archon_jobs j set state = 'queued', lease_owner = null, lease_until = null, attempts = greatest(attempts - 1, 0),
         progress = archon_json(archon_job_release.progress)
  where j.id = job and j.lease_owner = worker and j.state = 'running'
$$;

-- No row: there is no such job. A job that nobody works on yet ends at once.
create or replace function archon_job_stop(job uuid) returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  found_job archon_jobs;
begin
  update archon_jobs j set cancel_requested = true,
         state = case when j.state in ('queued', 'paused') then 'cancelled' else j.state end,
         finished_at = case when j.state in ('queued', 'paused') then now() else j.finished_at end
  where j.id = job and j.state in ('queued', 'running', 'paused');
  select * into found_job from archon_jobs j where j.id = job;
  if found then
    return next found_job;
  end if;
end $$;

create or replace function archon_job(job uuid) returns setof archon_jobs language sql stable as $$
  select * from archon_jobs where id = job
$$;

create or replace function archon_jobs_open() returns setof archon_jobs language sql stable as $$
  select * from archon_jobs where state in ('queued', 'running', 'paused') order by created_at
$$;

create or replace function archon_jobs_of(source text, row_limit integer) returns setof archon_jobs language sql stable as $$
  select * from archon_jobs where source_id = source order by created_at desc limit row_limit
$$;

-- ---------------------------------------------------------------- the frontier of a job

-- Adds addresses that the job does not know yet, up to `page_limit` in all, and returns those.
create or replace function archon_frontier_add(
  job uuid, keys text[], urls text[], labels text[], depth integer, page_limit integer
) returns table (url_key text, url text, label text) language sql as $$
  insert into archon_job_pages as p (job_id, url_key, url, label, depth)
  select job, n.key, n.url, n.label, archon_frontier_add.depth
  from (select t.key, t.url, t.label, t.place from unnest(keys, urls, labels) with ordinality t (key, url, label, place)
        where not exists (select 1 from archon_job_pages k where k.job_id = job and k.url_key = t.key)
        order by t.place
        limit greatest(page_limit - (select count(*) from archon_job_pages c where c.job_id = job and c.state <> 'skipped'), 0)) n
  order by n.place
  on conflict (job_id, url_key) do nothing
  returning p.url_key, p.url, p.label
$$;

create or replace function archon_frontier(job uuid) returns setof archon_job_pages language sql stable as $$
  select * from archon_job_pages where job_id = job order by position
$$;

-- What became of one address, where nothing was stored for it.
create or replace function archon_frontier_settle(job uuid, worker text, page text, state text, error jsonb)
returns void language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_require_lease(job, worker);
  update archon_job_pages p set state = archon_frontier_settle.state, error = archon_json(archon_frontier_settle.error),
         finished_at = now()
  where p.job_id = job and p.url_key = page;
end $$;

-- A worker that lost its lease must not write: another one has the job.
create or replace function archon_require_lease(job uuid, worker text) returns void language plpgsql as $$
begin
  if not exists (select 1 from archon_jobs j where j.id = job and j.lease_owner = worker and j.state = 'running') then
    raise exception 'The job is no longer this worker''s.' using errcode = 'lock_not_available';
  end if;
end $$;

-- ---------------------------------------------------------------- sources

-- An existing title stays: a person may have changed it.
create or replace function archon_source_ensure(
  source text, source_url text, display_name text, title text, metadata jsonb
) returns void language sql as $$
  insert into archon_sources as s (source_id, source_url, source_display_name, title, summary, metadata)
  values (source, archon_source_ensure.source_url, display_name, archon_source_ensure.title,
          'Content from ' || display_name, archon_json(archon_source_ensure.metadata))
  on conflict (source_id) do update set
    source_url = excluded.source_url, source_display_name = excluded.source_display_name,
    title = coalesce(nullif(s.title, ''), excluded.title), metadata = s.metadata || excluded.metadata, updated_at = now()
$$;

-- Sums up the pages; a title that was only the address gives way to the start page's. A source that never got a
-- page goes again, so that a failed first crawl leaves nothing behind.
create or replace function archon_source_settle(source text, better_title text) returns void language plpgsql as $$
begin
  delete from archon_sources s where s.source_id = source
    and not exists (select 1 from archon_page_metadata p where p.source_id = source)
    and not exists (select 1 from archon_crawled_pages c where c.source_id = source);
  update archon_sources s set
    total_word_count = (select coalesce(sum(p.word_count), 0) from archon_page_metadata p where p.source_id = source),
    title = case when better_title <> '' and s.title = s.source_display_name then better_title else s.title end,
    updated_at = now()
  where s.source_id = source;
end $$;

create or replace function archon_source_summaries(
  source text, knowledge_type text, search text, row_limit integer, row_offset integer
) returns table (
  source_id text, source_url text, display_name text, title text, summary text, metadata jsonb, word_count integer,
  page_count bigint, chunk_count bigint, code_examples_count bigint, created_at timestamptz, updated_at timestamptz,
  last_job_id uuid, last_job_state text, last_job_finished_at timestamptz, last_job_stored integer,
  last_job_failed integer, total bigint
) language sql stable as $$
  with chosen as (
    select s.*, count(*) over () as total from archon_sources s
    where (source is null or s.source_id = source)
      and (archon_source_summaries.knowledge_type is null
           or s.metadata->>'knowledge_type' = archon_source_summaries.knowledge_type)
      and (search is null or s.title ilike search or s.summary ilike search or s.source_id ilike search)
    order by s.updated_at desc, s.source_id
    limit row_limit offset row_offset
  )
  select c.source_id, coalesce(c.source_url, 'source://' || c.source_id), coalesce(c.source_display_name, c.title, c.source_id),
         coalesce(c.title, c.source_display_name, c.source_id), coalesce(c.summary, ''), c.metadata, c.total_word_count,
         (select count(*) from archon_page_metadata p where p.source_id = c.source_id),
         (select count(*) from archon_crawled_pages k where k.source_id = c.source_id),
         (select count(*) from archon_code_examples e where e.source_id = c.source_id),
         c.created_at, c.updated_at, j.id, j.state, j.finished_at,
         coalesce((j.result->>'pages_stored')::integer, 0), coalesce((j.result->>'pages_failed')::integer, 0), c.total
  from chosen c
  left join lateral (select * from archon_jobs a where a.source_id = c.source_id order by a.created_at desc limit 1) j on true
  order by c.updated_at desc, c.source_id
$$;

create or replace function archon_source_update(source text, title text, metadata jsonb)
returns table (source_id text) language sql as $$
  update archon_sources s set title = coalesce(archon_source_update.title, s.title),
         metadata = s.metadata || coalesce(archon_json(archon_source_update.metadata), '{}'), updated_at = now()
  where s.source_id = source returning s.source_id
$$;

-- Takes the source with everything below it and stops the work on it.
create or replace function archon_source_delete(source text)
returns table (source_id text) language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_job_stop(j.id) from archon_jobs j
  where j.source_id = source and j.state in ('queued', 'running', 'paused');
  return query delete from archon_sources s where s.source_id = source returning s.source_id;
end $$;

-- ---------------------------------------------------------------- pages and chunks

-- True when the page is stored with this very content and has vectors in `space`: then nothing is embedded.
create or replace function archon_page_keep(
  job uuid, worker text, frontier_key text, source text, page_key text, hash text, space integer
) returns table (kept boolean) language plpgsql as $$
#variable_conflict use_column
declare
  page uuid;
begin
  perform archon_require_lease(job, worker);
  select p.id into page from archon_page_metadata p
  where p.source_id = source and p.url_key = page_key and p.content_hash = hash
    and exists (select 1 from archon_crawled_pages c join archon_chunk_vectors v on v.chunk_id = c.id
                where c.page_id = p.id and v.space_id = space);
  if page is not null then
    update archon_page_metadata p set fetched_at = now() where p.id = page;
    update archon_job_pages f set state = 'unchanged', error = null, finished_at = now()
    where f.job_id = job and f.url_key = frontier_key;
  end if;
  return query select page is not null;
end $$;

-- Writes a page, its chunks and their vectors, and takes away what the page had before: all or nothing.
-- `page`: {url, url_key, title, content, content_hash, language, word_count, section_order, metadata, etag, last_modified};
-- `details`: one {heading_path, token_count, page_number, metadata} per chunk, in the order of `contents`.
create or replace function archon_page_save(
  job uuid, worker text, frontier_key text, source text, page jsonb, space integer,
  contents text[], details jsonb, embeddings vector[]
) returns table (page_id uuid, chunk_count integer) language plpgsql as $$
#variable_conflict use_column
declare
  doc jsonb := archon_json(page);
  parts jsonb := archon_json(details);
  saved uuid;
begin
  perform archon_require_lease(job, worker);
  saved := archon_page_put(source, doc, coalesce(cardinality(contents), 0));
  delete from archon_crawled_pages c where c.page_id = saved;
  perform archon_chunks_put(source, saved, doc, space, contents, parts, embeddings);
  update archon_job_pages f set state = 'stored', error = null, chunks = cardinality(contents),
         words = (doc->>'word_count')::integer, finished_at = now()
  where f.job_id = job and f.url_key = frontier_key;
  return query select saved, cardinality(contents);
end $$;

create or replace function archon_page_put(source text, doc jsonb, chunk_total integer) returns uuid
language plpgsql as $$
declare
  saved uuid;
begin
  if not exists (select 1 from archon_sources s where s.source_id = source for key share) then
    raise exception 'The source was deleted.' using errcode = 'no_data_found';
  end if;
  -- A page that Archon v1 stored has no key; its first new copy takes its place.
  delete from archon_page_metadata p where p.source_id = source and p.url = doc->>'url' and p.url_key is null;
  delete from archon_crawled_pages c where c.source_id = source and c.url = doc->>'url' and c.page_id is null;
  insert into archon_page_metadata as p (source_id, url, url_key, title, full_content, content_hash, language, section_title,
    section_order, word_count, char_count, chunk_count, metadata, etag, last_modified, fetched_at)
  values (source, doc->>'url', doc->>'url_key', doc->>'title', doc->>'content', doc->>'content_hash', doc->>'language',
    doc->>'section_title', coalesce((doc->>'section_order')::integer, 0), (doc->>'word_count')::integer,
    length(doc->>'content'), chunk_total, coalesce(doc->'metadata', '{}'), doc->>'etag', doc->>'last_modified', now())
  on conflict (source_id, url_key) do update set
    url = excluded.url, title = excluded.title, full_content = excluded.full_content, content_hash = excluded.content_hash,
    language = excluded.language, section_title = excluded.section_title, section_order = excluded.section_order,
    word_count = excluded.word_count, char_count = excluded.char_count, chunk_count = excluded.chunk_count,
    metadata = excluded.metadata, etag = excluded.etag, last_modified = excluded.last_modified,
    fetched_at = excluded.fetched_at, updated_at = now()
  returning p.id into saved;
  return saved;
end $$;

create or replace function archon_chunks_put(
  source text, page uuid, doc jsonb, space integer, contents text[], parts jsonb, embeddings vector[]
) returns void language plpgsql as $$
declare
  target archon_embedding_spaces;
begin
  select * into strict target from archon_embedding_spaces s where s.id = space;
  if exists (select 1 from unnest(embeddings) e where vector_dims(e) <> target.dimensions)
     or cardinality(embeddings) <> cardinality(contents) then
    raise exception 'The vectors do not fit the embedding space of % dimensions.', target.dimensions
      using errcode = 'data_exception';
  end if;
  with made as (
    insert into archon_crawled_pages (url, chunk_number, content, metadata, source_id, page_id, embedding_model,
      embedding_dimension, heading_path, token_count, page_number)
    select doc->>'url', t.n - 1, t.content,
           coalesce(doc->'metadata', '{}') || coalesce(parts->(t.n::integer - 1)->'metadata', '{}')
             || jsonb_build_object('page_id', page, 'chunk_index', t.n - 1),
           source, page, target.model, target.dimensions,
           array(select jsonb_array_elements_text(parts->(t.n::integer - 1)->'heading_path')),
           (parts->(t.n::integer - 1)->>'token_count')::integer, (parts->(t.n::integer - 1)->>'page_number')::integer
    from unnest(contents) with ordinality t (content, n)
    returning id, chunk_number
  )
  insert into archon_chunk_vectors (space_id, chunk_id, embedding)
  select space, made.id, embeddings[made.chunk_number + 1] from made;
end $$;

-- A page that its site no longer has.
create or replace function archon_page_remove(job uuid, worker text, frontier_key text, source text, page_key text, error jsonb)
returns table (removed boolean) language plpgsql as $$
#variable_conflict use_column
declare
  gone integer;
begin
  perform archon_require_lease(job, worker);
  delete from archon_page_metadata p where p.source_id = source and p.url_key = page_key;
  get diagnostics gone = row_count;
  update archon_job_pages f set state = case when gone > 0 then 'removed' else 'failed' end,
         error = archon_json(archon_page_remove.error), finished_at = now()
  where f.job_id = job and f.url_key = frontier_key;
  return query select gone > 0;
end $$;

create or replace function archon_page_urls(source text)
returns table (url text, url_key text) language sql stable as $$
  select p.url, coalesce(p.url_key, p.url) from archon_page_metadata p where p.source_id = source order by p.section_order, p.url
$$;

create or replace function archon_page_list(source text, section text)
returns table (id uuid, url text, title text, section_title text, section_order integer, word_count integer,
               char_count integer, chunk_count integer, fetched_at timestamptz) language sql stable as $$
  select p.id, p.url, coalesce(p.title, p.url), p.section_title, p.section_order, p.word_count, p.char_count, p.chunk_count,
         p.fetched_at
  from archon_page_metadata p
  where p.source_id = source and (section is null or p.section_title = section)
  order by p.section_order, p.created_at, p.url
$$;

create or replace function archon_page(page uuid) returns setof archon_page_metadata language sql stable as $$
  select * from archon_page_metadata where id = page
$$;

create or replace function archon_page_by_url(page_url text, page_key text)
returns setof archon_page_metadata language sql stable as $$
  (select * from archon_page_metadata where url = page_url order by updated_at desc limit 1)
  union all
  (select * from archon_page_metadata where url_key = page_key and url <> page_url order by updated_at desc limit 1)
  limit 1
$$;

create or replace function archon_chunk_list(source text, address text, row_limit integer, row_offset integer)
returns table (id bigint, source_id text, content text, metadata jsonb, url text, title text, heading_path text[],
               page_id uuid, page_number integer, chunk_number integer, token_count integer, total bigint)
language sql stable as $$
  select c.id, c.source_id, c.content, c.metadata, c.url, coalesce(p.title, c.metadata->>'title', c.url), c.heading_path,
         c.page_id, c.page_number, c.chunk_number, c.token_count, count(*) over ()
  from archon_crawled_pages c left join archon_page_metadata p on p.id = c.page_id
  where c.source_id = source and (address is null or c.url ilike address)
  order by c.url, c.id
  limit row_limit offset row_offset
$$;

create or replace function archon_code_example_list(source text, row_limit integer, row_offset integer)
returns table (id bigint, source_id text, content text, summary text, metadata jsonb, url text, total bigint)
language sql stable as $$
  select e.id, e.source_id, e.content, e.summary, e.metadata, e.url, count(*) over ()
  from archon_code_examples e where e.source_id = source order by e.id limit row_limit offset row_offset
$$;
