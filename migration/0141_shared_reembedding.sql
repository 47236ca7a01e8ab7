-- Several workers at one change of the embedding model: the texts without a vector are handed out in the order of their
-- ids, some at a time, each to one worker. What one of them took and did not write is still without a vector when the
-- next round begins at the first id again, which it does until none is left.
create table archon_reembed_rounds (
  job_id uuid not null references archon_jobs (id) on delete cascade,
  kind text not null,
  after bigint not null default 0,
  is_open boolean not null default true,
  helped integer not null default 0,
  primary key (job_id, kind)
);

-- A new round, led by `worker`; whoever helped in the last one helps no more.
create function archon_reembed_begin(job uuid, worker text) returns void language plpgsql as $$
begin
  perform archon_require_lease(job, worker);
  delete from archon_job_helpers h where h.job_id = job;
  insert into archon_reembed_rounds as r (job_id, kind) select job, unnest(array['chunk', 'example'])
  on conflict (job_id, kind) do update set after = 0, is_open = true;
end $$;

-- The next texts of a round; none: all were handed out.
create function archon_reembed_take(job uuid, worker text, space integer, kind text, row_limit integer)
returns table (id bigint, content text, url text) language plpgsql as $$
#variable_conflict use_column
declare
  begun bigint;
  last bigint;
begin
  perform archon_require_lease(job, worker);
  select r.after into begun from archon_reembed_rounds r
  where r.job_id = job and r.kind = archon_reembed_take.kind for update;
  for id, content, url in
    select p.id, p.content, p.url from archon_space_pending(space, archon_reembed_take.kind, begun, row_limit) p
    order by p.id
  loop
    last := id;
    return next;
  end loop;
  update archon_reembed_rounds r set after = coalesce(last, r.after), is_open = last is not null
  where r.job_id = job and r.kind = archon_reembed_take.kind;
end $$;

-- Join the change that is under way, or no row: there is none, or enough help already.
create function archon_reembed_join(worker text, lease_s double precision, most_helpers integer)
returns setof archon_jobs language plpgsql as $$
#variable_conflict use_column
declare
  chosen archon_jobs;
begin
  select j.* into chosen from archon_jobs j
  where j.state = 'running' and j.kind = 'reembed' and not j.cancel_requested and not j.pause_requested
    and j.lease_until > now() and j.lease_owner <> archon_reembed_join.worker
    and exists (select 1 from archon_reembed_rounds r where r.job_id = j.id and r.is_open)
    and not exists (select 1 from archon_job_helpers h
                    where h.job_id = j.id and h.worker = archon_reembed_join.worker and h.lease_until > now())
    and (select count(*) from archon_job_helpers h where h.job_id = j.id and h.lease_until > now()) < most_helpers;
  if not found then
    return;
  end if;
  insert into archon_job_helpers as h (job_id, worker, lease_until)
  values (chosen.id, archon_reembed_join.worker, now() + make_interval(secs => lease_s))
  on conflict (job_id, worker) do update set lease_until = excluded.lease_until;
  return next chosen;
end $$;

-- A helper wrote so many vectors.
create function archon_reembed_tell(job uuid, kind text, written integer) returns void language sql as $$
  update archon_reembed_rounds r set helped = r.helped + written
  where r.job_id = job and r.kind = archon_reembed_tell.kind
$$;

-- What helpers wrote since this was asked last, and whether one still works.
create function archon_reembed_helped(job uuid) returns table (written integer, busy boolean) language sql as $$
  with told as (select r.kind, r.helped from archon_reembed_rounds r where r.job_id = job and r.helped > 0 for update),
  taken as (
    update archon_reembed_rounds r set helped = 0 from told where r.job_id = job and r.kind = told.kind
    returning told.helped)
  select coalesce((select sum(t.helped) from taken t), 0)::integer,
    exists (select 1 from archon_job_helpers h where h.job_id = job and h.lease_until > now())
$$;

select archon_close_to_others();
