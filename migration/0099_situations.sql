-- Contextual embeddings: what a chat model said about the place of a passage in its document, kept by content, so that
-- neither a restart nor a refresh nor another embedding model asks for it twice.

-- `document`: hash of the part of the document that the model saw; `passage`: hash of the passage with its headings;
-- `prompt`: version of the question.
create table if not exists archon_situations (
  document text not null,
  passage text not null,
  model text not null,
  prompt integer not null,
  situation text not null,
  used_at timestamptz not null default now(),
  primary key (document, passage, model, prompt)
);
create index if not exists archon_situations_used on archon_situations (used_at);

create or replace function archon_situations_known(documents text[], passages text[], model text, prompt integer)
returns table (document text, passage text, situation text) language plpgsql as $$
#variable_conflict use_column
begin
  update archon_situations s set used_at = now()
  from unnest(documents, passages) t (document, passage)
  where s.document = t.document and s.passage = t.passage and s.model = archon_situations_known.model
    and s.prompt = archon_situations_known.prompt and s.used_at < now() - interval '1 day';
  return query
    select s.document, s.passage, s.situation
    from unnest(documents, passages) t (document, passage) join archon_situations s using (document, passage)
    where s.model = archon_situations_known.model and s.prompt = archon_situations_known.prompt;
end $$;

create or replace function archon_situation_keep(
  document text, passage text, model text, prompt integer, situation text
) returns void language sql as $$
  insert into archon_situations (document, passage, model, prompt, situation)
  values (document, passage, model, prompt, situation)
  on conflict (document, passage, model, prompt) do update set situation = excluded.situation, used_at = now()
$$;

-- As before, and what was said of passages that nobody asked about for long: stored passages have theirs with them.
create or replace function archon_jobs_tidy() returns void language sql as $$
  delete from archon_uploads u using archon_jobs j
  where j.id = u.job_id and j.finished_at < now() - interval '7 days';
  delete from archon_job_pages p using archon_jobs j
  where j.id = p.job_id and j.finished_at < now() - interval '90 days';
  delete from archon_job_helpers h where h.lease_until < now() - interval '1 hour';
  delete from archon_situations s where s.used_at < now() - interval '30 days';
$$;

-- A passage is found by the words of its situation as by those of its headings: at half the weight of its own. Rows
-- that are stored already have none, so their computed columns stay true.
create or replace function archon_heading_words(heading_path text[], metadata jsonb)
returns tsvector language plpgsql immutable parallel safe as $$
begin
  return archon_search_words(concat_ws(' ', coalesce(metadata->>'title', ''), array_to_string(heading_path, ' '),
                                       metadata->>'situation'));
end $$;

-- As before, and what people should know of a page that was stored: `notice` of the page, as an error has it.
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
  update archon_job_pages f set error = doc->'notice'
  where f.job_id = job and f.url_key = frontier_key and jsonb_typeof(doc->'notice') = 'object';
  perform archon_code_put(source, saved.page_id, doc->>'url', space, codes, code_details, code_embeddings);
  return query select saved.page_id, saved.chunk_count;
end $$;
