-- Jobs that can be paused, resumed and retried; several workers at one crawl; who leads; refreshes by a schedule.

alter table archon_jobs
  add column if not exists pause_requested boolean not null default false,
  add column if not exists retries integer not null default 0,
  add column if not exists not_before timestamptz;

-- `owner`: the worker that has the address in hand, while it is queued; `claim`: the question it was the answer to, so that
-- a question that is asked again after a lost answer gets the same one. `ordinal`: its place among all of the job.
alter table archon_job_pages
  add column if not exists owner text,
  add column if not exists claim text,
  add column if not exists ordinal integer;
update archon_job_pages p set ordinal = n.place
from (select job_id, url_key, row_number() over (partition by job_id order by position) - 1 as place from archon_job_pages) n
where n.job_id = p.job_id and n.url_key = p.url_key;
create index if not exists archon_job_pages_queued on archon_job_pages (job_id, position) where state = 'queued';

-- Workers that help at somebody else's crawl.
create table if not exists archon_job_helpers (
  job_id uuid not null references archon_jobs (id) on delete cascade,
  worker text not null,
  lease_until timestamptz not null,
  primary key (job_id, worker)
);

-- Duties that one process does for all: whoever holds the lease does them.
create table if not exists archon_duties (
  duty text primary key,
  worker text not null,
  lease_until timestamptz not null
);

create or replace function archon_duty_take(duty text, worker text, lease_s double precision)
returns table (taken boolean) language sql as $$
  with tried as (
    insert into archon_duties as d (duty, worker, lease_until)
    values (archon_duty_take.duty, archon_duty_take.worker, now() + make_interval(secs => lease_s))
    on conflict (duty) do update set worker = excluded.worker, lease_until = excluded.lease_until
      where d.worker = excluded.worker or d.lease_until < now()
    returning 1
  ) select exists (select 1 from tried)
$$;

create or replace function archon_duty_leave(worker text) returns void language sql as $$
  delete from archon_duties d where d.worker = archon_duty_leave.worker
$$;

-- ---------------------------------------------------------------- pause, resume, retry

-- `helpers`: how many others work on it now. No row: the lease is lost, the worker must stop.
create or replace function archon_job_beat(job uuid, worker text, lease_s double precision, progress jsonb)
returns table (cancel_requested boolean, pause_requested boolean, helpers integer) language sql as $$
  update archon_jobs j set lease_until = now() + make_interval(secs => lease_s),
         progress = archon_json(archon_job_beat.progress)
  where j.id = job and j.lease_owner = worker and j.state = 'running'
  returning j.cancel_requested, j.pause_requested,
    (select count(*)::integer from archon_job_helpers h where h.job_id = job and h.lease_until > now())
$$;

-- No row: there is no such job. A job that nobody works on is paused at once.
create or replace function archon_job_pause(job uuid) returns setof archon_jobs language plpgsql as $$
begin
  update archon_jobs j set pause_requested = j.state = 'running',
         state = case when j.state = 'queued' then 'paused' else j.state end
  where j.id = job and j.state in ('queued', 'running');
  return query select * from archon_jobs j where j.id = job;
end $$;

-- The worker has stopped because of a pause.
create or replace function archon_job_paused(job uuid, worker text, progress jsonb) returns void language sql as $$
  update archon_jobs j set state = 'paused', pause_requested = false, lease_owner = null, lease_until = null,
         attempts = greatest(attempts - 1, 0), progress = archon_json(archon_job_paused.progress)
  where j.id = job and j.lease_owner = worker and j.state = 'running'
$$;

create or replace function archon_job_resume(job uuid) returns setof archon_jobs language plpgsql as $$
begin
  update archon_jobs j set state = case when j.state = 'paused' then 'queued' else j.state end, pause_requested = false
  where j.id = job and j.state in ('paused', 'running');
  return query select * from archon_jobs j where j.id = job;
end $$;

-- Queue an ended job once more: of its pages only those that failed, or were never reached.
create or replace function archon_job_retry(job uuid, most integer) returns setof archon_jobs language plpgsql as $$
declare
  found_job archon_jobs;
begin
  select * into found_job from archon_jobs j where j.id = job for update;
  if not found then
    return;
  end if;
  if found_job.state not in ('completed', 'failed', 'cancelled') then
    raise exception 'The job has not ended yet; there is nothing to retry.' using errcode = 'unique_violation';
  end if;
  if found_job.retries >= most then
    raise exception 'The job was retried % times already.', found_job.retries using errcode = 'unique_violation';
  end if;
  if found_job.state = 'completed'
     and not exists (select 1 from archon_job_pages p where p.job_id = job and p.state = 'failed') then
    raise exception 'Nothing of this job failed.' using errcode = 'unique_violation';
  end if;
  if exists (select 1 from archon_jobs j where j.source_id = found_job.source_id and j.id <> job
             and j.state in ('queued', 'running', 'paused')) then
    raise exception 'This source is being worked on already, by another job.' using errcode = 'unique_violation';
  end if;
  update archon_job_pages p set state = 'queued', error = null, finished_at = null, owner = null
  where p.job_id = job and p.state <> 'queued' and p.url_key in (
    -- A part is stored when its whole is read again.
    select unnest(array[f.url_key, split_part(f.url_key, '#', 1)]) from archon_job_pages f
    where f.job_id = job and f.state = 'failed');
  return query
    update archon_jobs j set state = 'queued', cancel_requested = false, pause_requested = false, error = null,
           finished_at = null, attempts = 0, retries = j.retries + 1
    where j.id = job returning *;
end $$;

-- One job for `worker`, or no row: a queued one whose time has come, one whose lease ran out, or one of a worker known
-- to be gone. Re-embedding comes last: what people wait for goes first.
create or replace function archon_job_claim(worker text, lease_s double precision, gone text[])
returns setof archon_jobs language sql as $$
  update archon_jobs set state = 'running', lease_owner = worker, lease_until = now() + make_interval(secs => lease_s),
         attempts = attempts + 1, not_before = null
  where id = (select j.id from archon_jobs j
              where (j.state = 'queued' and coalesce(j.not_before, '-infinity') <= now())
                 or (j.state = 'running' and (j.lease_until < now() or j.lease_owner = any (gone)))
              order by j.kind = 'reembed', j.created_at for update skip locked limit 1)
  returning *
$$;

-- An outage outlasts the patience of a worker: the job waits in the queue, and is taken up again by itself.
create or replace function archon_job_postpone(job uuid, worker text, progress jsonb, after_s double precision)
returns void language sql as $$
  update archon_jobs j set state = 'queued', lease_owner = null, lease_until = null, attempts = greatest(attempts - 1, 0),
         progress = archon_json(archon_job_postpone.progress), not_before = now() + make_interval(secs => after_s)
  where j.id = job and j.lease_owner = worker and j.state = 'running'
$$;

-- As before, but an upload that failed keeps its file, so that it can be retried.
create or replace function archon_job_finish(
  job uuid, worker text, state text, progress jsonb, result jsonb, error jsonb
) returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  done archon_jobs;
begin
  update archon_jobs j set state = archon_job_finish.state, progress = archon_json(archon_job_finish.progress),
         result = archon_json(archon_job_finish.result), error = archon_json(archon_job_finish.error),
         finished_at = now(), lease_owner = null, lease_until = null, pause_requested = false
  where j.id = job and j.lease_owner = worker and j.state = 'running'
  returning * into done;
  if found then
    delete from archon_job_helpers h where h.job_id = job;
    delete from archon_uploads u where u.job_id = job and done.state = 'completed';
    return next done;
  end if;
end $$;

-- What is kept of ended jobs: files of failed uploads for a week, addresses of a job for three months.
create or replace function archon_jobs_tidy() returns void language sql as $$
  delete from archon_uploads u using archon_jobs j
  where j.id = u.job_id and j.finished_at < now() - interval '7 days';
  delete from archon_job_pages p using archon_jobs j
  where j.id = p.job_id and j.finished_at < now() - interval '90 days';
  delete from archon_job_helpers h where h.lease_until < now() - interval '1 hour';
$$;

-- Jobs, newest first; null states or source: all.
create or replace function archon_jobs_list(states text[], source text, row_limit integer, row_offset integer)
returns table (id uuid, kind text, state text, source_id text, request jsonb, progress jsonb, result jsonb, error jsonb,
               cancel_requested boolean, pause_requested boolean, lease_owner text, attempts integer, retries integer,
               created_at timestamptz, updated_at timestamptz, finished_at timestamptz, total bigint)
language sql stable as $$
  select j.id, j.kind, j.state, j.source_id, j.request, j.progress, j.result, j.error, j.cancel_requested,
         j.pause_requested, j.lease_owner, j.attempts, j.retries, j.created_at, j.updated_at, j.finished_at,
         count(*) over ()
  from archon_jobs j
  where (states is null or j.state = any (states)) and (source is null or j.source_id = source)
  order by j.created_at desc, j.id limit row_limit offset row_offset
$$;

-- What became of the addresses of a job, in the order they were found; null states: all.
create or replace function archon_job_history(job uuid, states text[], row_limit integer, row_offset integer)
returns table (url_key text, url text, depth integer, label text, state text, chunks integer, words integer, error jsonb,
               ordinal integer, finished_at timestamptz, total bigint) language sql stable as $$
  select p.url_key, p.url, p.depth, p.label, p.state, p.chunks, p.words, p.error, p.ordinal, p.finished_at,
         count(*) over ()
  from archon_job_pages p where p.job_id = job and (states is null or p.state = any (states))
  order by p.position limit row_limit offset row_offset
$$;

-- How many addresses of a job are in each state.
create or replace function archon_job_counts(job uuid)
returns table (state text, pages bigint, chunks bigint, words bigint) language sql stable as $$
  select p.state, count(*), coalesce(sum(p.chunks), 0), coalesce(sum(p.words), 0)
  from archon_job_pages p where p.job_id = job group by p.state
$$;

-- ---------------------------------------------------------------- several workers at one crawl

-- Who may write for a job: the worker that leads it, and those that help.
create or replace function archon_require_lease(job uuid, worker text) returns void language plpgsql as $$
begin
  if not exists (
    select 1 from archon_jobs j where j.id = job and j.state = 'running'
      and (j.lease_owner = worker or exists (
        select 1 from archon_job_helpers h where h.job_id = job and h.worker = archon_require_lease.worker
          and h.lease_until > now()))) then
    raise exception 'The job is no longer this worker''s.' using errcode = 'lock_not_available';
  end if;
end $$;

create or replace function archon_job_workers(job uuid) returns table (worker text) language sql stable as $$
  select j.lease_owner from archon_jobs j where j.id = job and j.state = 'running' and j.lease_until > now()
  union all
  select h.worker from archon_job_helpers h where h.job_id = job and h.lease_until > now()
$$;

-- Adds addresses that the job does not know yet, up to `page_limit` in all, and returns those.
create or replace function archon_frontier_add(
  job uuid, keys text[], urls text[], labels text[], depth integer, page_limit integer
) returns table (url_key text, url text, label text) language sql as $$
  with known as (
    select count(*) as all_of_it, count(*) filter (where state <> 'skipped') as counted
    from archon_job_pages where job_id = job
  )
  insert into archon_job_pages as p (job_id, url_key, url, label, depth, ordinal)
  select job, n.key, n.url, n.label, archon_frontier_add.depth,
         (select k.all_of_it from known k) + row_number() over (order by n.place) - 1
  from (select t.key, t.url, t.label, t.place from unnest(keys, urls, labels) with ordinality t (key, url, label, place)
        where not exists (select 1 from archon_job_pages k where k.job_id = job and k.url_key = t.key)
        order by t.place
        limit greatest(page_limit - (select k.counted from known k), 0)) n
  order by n.place
  on conflict (job_id, url_key) do nothing
  returning p.url_key, p.url, p.label
$$;

-- Take some addresses in hand: none of those that another worker has, unless that one is gone.
create or replace function archon_frontier_claim(job uuid, worker text, claim text, most integer)
returns setof archon_job_pages language plpgsql as $$
begin
  perform archon_require_lease(job, worker);
  return query select * from archon_job_pages p
    where p.job_id = job and p.state = 'queued' and p.owner = worker and p.claim = archon_frontier_claim.claim;
  if found then
    return;
  end if;
  return query
    update archon_job_pages q set owner = worker, claim = archon_frontier_claim.claim
    where q.job_id = job and q.url_key in (
      select p.url_key from archon_job_pages p
      where p.job_id = job and p.state = 'queued'
        and strpos(p.url_key, '#') = 0  -- the address of a part: it is stored when the whole is read again
        and (p.owner is null or p.owner <> worker and p.owner not in (select w.worker from archon_job_workers(job) w))
      order by p.position limit most for update skip locked)
    returning q.*;
end $$;

-- Whether other workers have addresses in hand: links or failures may still come of them.
create or replace function archon_frontier_others(job uuid, worker text) returns table (others boolean)
language sql stable as $$
  select exists (select 1 from archon_job_pages p
    where p.job_id = job and p.state = 'queued' and strpos(p.url_key, '#') = 0 and p.owner <> worker)
$$;

-- A worker that begins anew has nothing in hand.
create or replace function archon_frontier_drop(job uuid, worker text) returns void language sql as $$
  update archon_job_pages p set owner = null where p.job_id = job and p.owner = worker and p.state = 'queued'
$$;

-- Join the crawl that has the most addresses waiting, or no row: `fewest` must wait, and few enough must help already.
create or replace function archon_job_join(worker text, lease_s double precision, fewest integer, most_helpers integer)
returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  chosen archon_jobs;
begin
  select j.* into chosen from archon_jobs j
  cross join lateral (
    select count(*) as n from (select 1 from archon_job_pages p
      where p.job_id = j.id and p.state = 'queued' and p.owner is null limit 1000) w) waiting
  where j.state = 'running' and j.kind in ('crawl', 'refresh') and not j.cancel_requested and not j.pause_requested
    and j.lease_until > now() and j.lease_owner <> worker and waiting.n >= fewest
    -- The leader has seen the first page: it is known what belongs to the crawl.
    and coalesce(j.progress->>'crawl_type', '') <> ''
    and (j.progress->>'crawl_type' <> 'normal' or coalesce(j.progress->>'scope_url', '') <> '')
    and not exists (select 1 from archon_job_helpers h where h.job_id = j.id and h.worker = worker and h.lease_until > now())
    and (select count(*) from archon_job_helpers h where h.job_id = j.id and h.lease_until > now()) < most_helpers
  order by waiting.n desc limit 1;
  if not found then
    return;
  end if;
  insert into archon_job_helpers as h (job_id, worker, lease_until)
  values (chosen.id, archon_job_join.worker, now() + make_interval(secs => lease_s))
  on conflict (job_id, worker) do update set lease_until = excluded.lease_until;
  return next chosen;
end $$;

-- No row: the job has ended, is paused or stopped, or its leader is gone; the helper leaves.
create or replace function archon_job_help_beat(job uuid, worker text, lease_s double precision)
returns table (job_id uuid) language sql as $$
  update archon_job_helpers h set lease_until = now() + make_interval(secs => lease_s)
  from archon_jobs j
  where h.job_id = job and h.worker = archon_job_help_beat.worker and j.id = job and j.state = 'running'
    and not j.cancel_requested and not j.pause_requested and j.lease_until > now()
    and j.lease_owner <> archon_job_help_beat.worker
  returning h.job_id
$$;

create or replace function archon_job_help_end(job uuid, worker text) returns void language sql as $$
  update archon_job_pages p set owner = null
  where p.job_id = job and p.owner = archon_job_help_end.worker and p.state = 'queued';
  delete from archon_job_helpers h where h.job_id = job and h.worker = archon_job_help_end.worker;
$$;

-- ---------------------------------------------------------------- refreshing by a schedule

alter table archon_sources
  add column if not exists refresh_every interval,
  add column if not exists next_refresh_at timestamptz;
create index if not exists archon_sources_due on archon_sources (next_refresh_at) where next_refresh_at is not null;

-- No row: there is no such source. `every_s` null: not by itself.
create or replace function archon_schedule_set(source text, every_s double precision)
returns table (every_seconds double precision, next_refresh_at timestamptz) language sql as $$
  update archon_sources s set refresh_every = make_interval(secs => every_s),
         next_refresh_at = now() + make_interval(secs => every_s)
  where s.source_id = source
  returning extract(epoch from s.refresh_every)::double precision, s.next_refresh_at
$$;

create or replace function archon_schedule_of(source text)
returns table (every_seconds double precision, next_refresh_at timestamptz) language sql stable as $$
  select extract(epoch from s.refresh_every)::double precision, s.next_refresh_at
  from archon_sources s where s.source_id = source
$$;

-- The sources whose time has come, each given out once: their next time is set in the same step.
create or replace function archon_schedule_take(most integer) returns table (source_id text) language sql as $$
  update archon_sources s set next_refresh_at = now() + s.refresh_every
  where s.source_id in (
    select d.source_id from archon_sources d where d.next_refresh_at <= now()
    order by d.next_refresh_at limit most for update skip locked)
  returning s.source_id
$$;
