-- Says beside whether a page is kept whether it is stored at all: one that is not has no vectors to be asked for.
drop function if exists archon_page_keep(uuid, text, text, text, text, text, integer);

create function archon_page_keep(
  job uuid, worker text, frontier_key text, source text, page_key text, hash text, space integer
) returns table (kept boolean, stored boolean) language plpgsql as $$
#variable_conflict use_column
declare
  page uuid;
  is_same boolean;
begin
  perform archon_require_lease(job, worker);
  select p.id, p.content_hash = hash into page, is_same from archon_page_metadata p
  where p.source_id = source and p.url_key = page_key;
  is_same := coalesce(is_same, false) and exists (
    select 1 from archon_crawled_pages c join archon_chunk_vectors v on v.chunk_id = c.id
    where c.page_id = page and v.space_id = space);
  if is_same then
    update archon_page_metadata p set fetched_at = now() where p.id = page;
    update archon_job_pages f set state = 'unchanged', error = null, finished_at = now()
    where f.job_id = job and f.url_key = frontier_key;
  end if;
  return query select is_same, page is not null;
end $$;

select archon_close_to_others();
