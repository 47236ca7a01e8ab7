-- Who works: every process that holds a job, helps with one or has a duty for the whole store, while its lease lasts.
create or replace function archon_workers() returns table (worker text, jobs integer, duty text, lease_until timestamptz)
language sql stable as $$
  select l.worker, count(distinct l.job)::integer, max(l.duty), max(l.until) from (
    select j.lease_owner as worker, j.id as job, null::text as duty, j.lease_until as until
      from archon_jobs j where j.state = 'running' and j.lease_until > now()
    union all
    select h.worker, h.job_id, null, h.lease_until from archon_job_helpers h where h.lease_until > now()
    union all
    select d.worker, null, d.duty, d.lease_until from archon_duties d where d.lease_until > now()) l
  group by l.worker order by l.worker
$$;

select archon_close_to_others();
