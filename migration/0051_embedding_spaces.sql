-- Which embedding space answers, and how another one takes its place: filled in the background by a job, then switched
-- to in one transaction. Pages that are written meanwhile go into the space that answers and are embedded again before
-- the switch, which looks for vectors that are missing while nobody can write.

-- `way`: how the space was reached last (provider, model, its settings without secrets). `declined`: somebody stopped the
-- change to this space; it is not begun again by itself.
alter table archon_embedding_spaces
  add column if not exists way jsonb,
  add column if not exists declined boolean not null default false;

-- One change at a time.
create unique index if not exists archon_jobs_one_reembed on archon_jobs ((kind))
  where kind = 'reembed' and state in ('queued', 'running', 'paused');

-- The space that answers, without its canaries: asked for with every question.
create or replace function archon_space_answering() returns table (
  id integer, model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text, way jsonb
) language sql stable as $$
  select s.id, s.model, s.dimensions, s.normalised, s.query_prefix, s.passage_prefix, s.way
  from archon_active_space() s
$$;

-- A space that is still filled does not answer, whoever asks with its model.
create or replace function archon_search_space(
  model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text
) returns table (id integer, similarity_floor real, similarity_floor_size integer) language sql stable as $$
  select s.id, s.similarity_floor, s.similarity_floor_size from archon_embedding_spaces s
  where s.model = archon_search_space.model and s.dimensions = archon_search_space.dimensions
    and s.normalised = archon_search_space.normalised and s.query_prefix = archon_search_space.query_prefix
    and s.passage_prefix = archon_search_space.passage_prefix and s.state = 'active'
$$;

-- The space of an identity, made on first use. It answers at once where no vectors of another one would be lost by that;
-- else it is `building`. A space that was declined stays `retired` and without vectors until it is asked for with `anew`.
create or replace function archon_space_open(
  model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text, anew boolean
) returns setof archon_embedding_spaces language plpgsql as $$
#variable_conflict use_column
declare
  answering archon_embedding_spaces;
  opened archon_embedding_spaces;
begin
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  select * into answering from archon_active_space();
  select * into opened from archon_embedding_spaces s
  where s.model = archon_space_open.model and s.dimensions = archon_space_open.dimensions
    and s.normalised = archon_space_open.normalised and s.query_prefix = archon_space_open.query_prefix
    and s.passage_prefix = archon_space_open.passage_prefix;
  if opened.id is not null and (opened.id = answering.id or (opened.declined and not anew)) then
    return next opened;
    return;
  end if;
  if answering.id is null or not exists (select 1 from archon_chunk_vectors v where v.space_id = answering.id) then
    if answering.id is not null then
      delete from archon_embedding_spaces s where s.id = answering.id;
    end if;
    return query select * from archon_space_ensure(archon_space_open.model, archon_space_open.dimensions,
      archon_space_open.normalised, archon_space_open.query_prefix, archon_space_open.passage_prefix);
    return;
  end if;
  insert into archon_embedding_spaces as s (model, dimensions, normalised, query_prefix, passage_prefix, state, activated_at)
  values (archon_space_open.model, archon_space_open.dimensions, archon_space_open.normalised,
          archon_space_open.query_prefix, archon_space_open.passage_prefix, 'building', 'epoch')
  on conflict (model, dimensions, normalised, query_prefix, passage_prefix)
    do update set state = 'building', declined = false, activated_at = 'epoch'
  returning * into opened;
  perform archon_space_index(opened.id, opened.dimensions);
  return next opened;
end $$;

create or replace function archon_space_way(space integer, way jsonb) returns void language sql as $$
  update archon_embedding_spaces s set way = archon_json(archon_space_way.way)
  where s.id = space and s.way is distinct from archon_json(archon_space_way.way)
$$;

-- The text that a passage's vector is made of. `context` is kept with the chunk since it is known; before, the headings.
create or replace function archon_embedded_text(content text, heading_path text[], metadata jsonb)
returns text language sql immutable as $$
  select coalesce(nullif(coalesce(metadata->>'context', array_to_string(heading_path, ' > ')), '') || E'\n\n', '') || content
$$;

-- Texts that have no vector in the space, in the order of their ids. `kind` names whose vectors: 'chunk' or 'example'.
create or replace function archon_space_pending(space integer, kind text, after bigint, row_limit integer)
returns table (id bigint, content text, url text) language plpgsql stable as $$
#variable_conflict use_column
begin
  if kind = 'chunk' then
    return query
      select c.id, archon_embedded_text(c.content, c.heading_path, c.metadata), c.url::text from archon_crawled_pages c
      where c.id > after and not exists (
        select 1 from archon_chunk_vectors v where v.space_id = space and v.chunk_id = c.id)
      order by c.id limit row_limit;
  else
    return query select m.id, m.embedded_text, e.url::text
      from archon_code_missing(space, after, row_limit) m join archon_code_examples e using (id) order by m.id;
  end if;
end $$;

-- Texts without a vector in the space, and all texts, over all kinds.
create or replace function archon_space_gap(space integer) returns table (missing bigint, total bigint)
language plpgsql stable as $$
begin
  return query
    select (select count(*) from archon_crawled_pages c where not exists (
              select 1 from archon_chunk_vectors v where v.space_id = space and v.chunk_id = c.id))
         + (select count(*) from archon_code_examples e where not exists (
              select 1 from archon_code_vectors v where v.space_id = space and v.example_id = e.id)),
           (select count(*) from archon_crawled_pages) + (select count(*) from archon_code_examples);
end $$;

-- Vectors of texts that are stored already. A text that was replaced meanwhile is left out: its row is locked, so that
-- whoever deletes it sees the vector and takes it along. How many were written.
create or replace function archon_space_fill(
  job uuid, worker text, space integer, kind text, ids bigint[], embeddings vector[]
) returns table (written integer) language plpgsql as $$
declare
  target archon_embedding_spaces;
  done integer := 0;
begin
  perform archon_require_lease(job, worker);
  target := archon_space_to_write(space);
  if exists (select 1 from unnest(embeddings) e where vector_dims(e) <> target.dimensions) then
    raise exception 'The vectors do not fit the embedding space of % dimensions.', target.dimensions
      using errcode = 'data_exception';
  end if;
  if kind = 'chunk' then
    with there as (
      select c.id from archon_crawled_pages c where c.id = any (ids) order by c.id for key share
    ), put as (
      insert into archon_chunk_vectors (space_id, part, chunk_id, embedding)
      select target.id, target.fresh_part, t.id, t.embedding
      from unnest(ids, embeddings) t (id, embedding) join there using (id)
      where not exists (select 1 from archon_chunk_vectors v where v.space_id = target.id and v.chunk_id = t.id)
      returning 1
    ) select count(*) into done from put;
  else
    perform archon_code_vectors_put(target.id, ids, embeddings);
    done := cardinality(ids);
  end if;
  return query select done;
end $$;

-- A space that may be written into, held as it is until the end of the transaction.
create or replace function archon_space_to_write(space integer) returns archon_embedding_spaces language plpgsql as $$
declare
  target archon_embedding_spaces;
begin
  perform pg_advisory_xact_lock_shared(hashtext('archon_space_switch'));
  select * into target from archon_embedding_spaces s where s.id = space and s.state <> 'retired';
  if not found then
    raise exception 'The embedding space was replaced by another one meanwhile.' using errcode = 'lock_not_available';
  end if;
  return target;
end $$;

-- Let the space answer from now on, if every text has its vector but those that the job could not embed. How many lack
-- one comes back: 0 is the switch.
create or replace function archon_space_switch(job uuid, worker text, space integer)
returns table (missing integer) language plpgsql as $$
declare
  lacking integer;
begin
  perform archon_require_lease(job, worker);
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  perform pg_advisory_xact_lock(hashtext('archon_space_switch'));
  select count(*) into lacking
  from unnest(array['chunk', 'example']) k (kind), lateral archon_space_pending(space, k.kind, 0, 10000) p
  where not exists (select 1 from archon_job_pages f
                    where f.job_id = job and f.url_key = k.kind || ':' || p.id and f.state = 'failed');
  if lacking = 0 then
    update archon_embedding_spaces s set state = 'retired' where s.id <> space and s.state <> 'retired';
    update archon_embedding_spaces s set state = 'active', declined = false, activated_at = now() where s.id = space;
  end if;
  return query select lacking;
end $$;

-- A text of the space that cannot be embedded, with the reason.
create or replace function archon_space_fail(job uuid, worker text, kind text, text_id bigint, url text, error jsonb)
returns void language plpgsql as $$
begin
  perform archon_require_lease(job, worker);
  insert into archon_job_pages as p (job_id, url_key, url, depth, state, error, finished_at)
  values (job, kind || ':' || text_id, archon_space_fail.url, 1, 'failed', archon_json(archon_space_fail.error), now())
  on conflict (job_id, url_key) do update set state = 'failed', error = excluded.error, finished_at = now();
end $$;

-- Spaces that answer no more: their vectors go, at once. Nobody may be writing into them then, and nobody can.
create or replace function archon_spaces_clear() returns integer language plpgsql as $$
declare
  gone integer;
begin
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  perform pg_advisory_xact_lock(hashtext('archon_space_switch'));
  delete from archon_embedding_spaces s where s.state = 'retired' and not s.declined;
  get diagnostics gone = row_count;
  return gone;
end $$;

-- Stay with the space that answers: the other one loses its vectors and is not filled again by itself.
create or replace function archon_space_decline(space integer) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtext('archon_space_ensure'));
  perform pg_advisory_xact_lock(hashtext('archon_space_switch'));
  update archon_embedding_spaces s set state = 'retired', declined = true, canaries = '[]', fresh_part = 1
  where s.id = space and s.state = 'building';
  if found then
    execute format('drop table if exists %I', 'archon_chunk_vectors_s' || space);
    delete from archon_code_vectors v where v.space_id = space;
  end if;
end $$;

-- Spaces that were declined may be asked for again: the settings name the space that answers.
create or replace function archon_spaces_forgive(but integer) returns void language sql as $$
  delete from archon_embedding_spaces s where s.declined and s.id <> but
$$;

-- As before, and into the fresh part of a space that may still be written into.
create or replace function archon_chunks_put(
  source text, page uuid, doc jsonb, space integer, contents text[], parts jsonb, embeddings vector[]
) returns void language plpgsql as $$
declare
  target archon_embedding_spaces := archon_space_to_write(space);
begin
  if exists (select 1 from unnest(embeddings) e where vector_dims(e) <> target.dimensions)
     or cardinality(embeddings) <> cardinality(contents) then
    raise exception 'The vectors do not fit the embedding space of % dimensions.', target.dimensions
      using errcode = 'data_exception';
  end if;
  with made as (
    insert into archon_crawled_pages (url, chunk_number, content, metadata, source_id, page_id, embedding_model,
      embedding_dimension, heading_path, token_count, page_number)
    select doc->>'url', t.n - 1, t.content,
           coalesce(doc->'metadata', '{}') || coalesce(p.part->'metadata', '{}')
             || jsonb_build_object('page_id', page, 'chunk_index', t.n - 1),
           source, page, target.model, target.dimensions,
           array(select jsonb_array_elements_text(p.part->'heading_path')),
           (p.part->>'token_count')::integer, (p.part->>'page_number')::integer
    from unnest(contents) with ordinality t (content, n)
    join jsonb_array_elements(parts) with ordinality p (part, n) on p.n = t.n
    returning id, chunk_number
  )
  insert into archon_chunk_vectors (space_id, part, chunk_id, embedding)
  select target.id, target.fresh_part, made.id, e.embedding
  from made join unnest(embeddings) with ordinality e (embedding, n) on e.n = made.chunk_number + 1;
end $$;

-- All spaces with what they hold, the one that answers first.
create or replace function archon_spaces_known() returns table (
  id integer, model text, dimensions integer, normalised boolean, query_prefix text, passage_prefix text, state text,
  similarity_floor real, canaries jsonb, declined boolean, way jsonb, vector_count bigint
) language sql stable as $$
  select s.id, s.model, s.dimensions, s.normalised, s.query_prefix, s.passage_prefix, s.state, s.similarity_floor,
         '[]'::jsonb, s.declined, s.way, archon_space_size(s.id)::bigint
  from archon_embedding_spaces s order by s.activated_at desc, s.id desc
$$;

-- A change that is stopped, whoever stops it, leaves the former space answering.
create or replace function archon_reembed_stopped() returns trigger language plpgsql as $$
begin
  perform archon_space_decline((new.request->>'space_id')::integer);
  return null;
end $$;
create or replace trigger archon_reembed_stopped after update of state on archon_jobs for each row
  when (new.kind = 'reembed' and new.state = 'cancelled' and old.state <> 'cancelled')
  execute function archon_reembed_stopped();
