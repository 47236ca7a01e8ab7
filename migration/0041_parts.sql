-- Parts of a body that holds several (a book, an archive, llms-full.txt) are addresses of the job in the hand of the
-- worker that reads the body, so that no other one takes them for pages to be fetched. Only new ones are added.
alter table archon_job_pages
  add column if not exists owner text,
  add column if not exists ordinal integer;

create or replace function archon_parts_add(job uuid, worker text, keys text[], urls text[], labels text[])
returns table (added integer) language plpgsql as $$
declare
  known integer;
  fresh integer;
begin
  perform archon_require_lease(job, worker);
  select count(*) into known from archon_job_pages p where p.job_id = job;
  insert into archon_job_pages (job_id, url_key, url, label, depth, owner, ordinal)
  select job, t.key, t.url, t.label, 0, worker, known + t.place - 1
  from unnest(keys, urls, labels) with ordinality t (key, url, label, place)
  on conflict (job_id, url_key) do update set owner = excluded.owner where archon_job_pages.state = 'queued';
  select count(*) - known into fresh from archon_job_pages p where p.job_id = job;
  return query select fresh;
end $$;
