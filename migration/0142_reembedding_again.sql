-- A new round of a change of the embedding model tries what failed once more, so that what is noted of it is forgotten
-- first: else a text that has its vector by now would be told as failed, or as waiting after a retry.
create or replace function archon_reembed_begin(job uuid, worker text) returns void language plpgsql as $$
begin
  perform archon_require_lease(job, worker);
  delete from archon_job_helpers h where h.job_id = job;
  delete from archon_job_pages p where p.job_id = job;
  insert into archon_reembed_rounds as r (job_id, kind) select job, unnest(array['chunk', 'example'])
  on conflict (job_id, kind) do update set after = 0, is_open = true;
end $$;
