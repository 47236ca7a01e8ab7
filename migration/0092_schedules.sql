-- A scheduled visit is queued and its next time set in one step: a worker that dies in between, or a database that goes
-- away, loses none, and two workers that see the same source due begin one.

drop function if exists archon_schedule_take(integer);

-- The sources whose time has come, the longest due first.
create or replace function archon_schedule_due(most integer) returns table (source_id text) language sql stable as $$
  select s.source_id from archon_sources s where s.next_refresh_at <= now() order by s.next_refresh_at limit most
$$;

-- The job of a due visit. No row: it is not due any more, another worker begins it, or the source is being worked on; in
-- that case it is due again after `again_s` seconds.
create or replace function archon_schedule_begin(
  source text, request jsonb, progress jsonb, again_s double precision
) returns setof archon_jobs language plpgsql as $$
declare
  is_busy boolean;
begin
  perform 1 from archon_sources s where s.source_id = source and s.next_refresh_at <= now() for update skip locked;
  if not found then
    return;
  end if;
  is_busy := exists (
    select 1 from archon_jobs j where j.source_id = source and j.state in ('queued', 'running', 'paused'));
  update archon_sources s
  set next_refresh_at = now() + case when is_busy then least(s.refresh_every, make_interval(secs => again_s))
                                     else s.refresh_every end
  where s.source_id = source;
  if not is_busy then
    return query select * from archon_job_create('refresh', source, request, progress);
  end if;
end $$;
