-- Where all that visit a host meet: a site's pause between two requests (robots.txt, Crawl-delay) holds for every job
-- and every worker together. It has no primary key, so that it is no part of a copy.
create table if not exists archon_host_turns (
  host text not null,
  next_at timestamptz not null
);
create unique index if not exists archon_host_turns_host on archon_host_turns (host);

-- Take the next turn at `host`, where `delay_s` seconds lie between two: milliseconds until it comes.
create or replace function archon_host_turn(host text, delay_s double precision)
returns table (wait_ms integer) language sql as $$
  insert into archon_host_turns as t (host, next_at)
  values (archon_host_turn.host, clock_timestamp() + make_interval(secs => archon_host_turn.delay_s))
  on conflict (host) do update
    set next_at = greatest(t.next_at, clock_timestamp()) + make_interval(secs => archon_host_turn.delay_s)
  returning greatest(0, ceil(1000 * (extract(epoch from t.next_at - clock_timestamp()) - archon_host_turn.delay_s)))::integer
$$;

select archon_close_to_others();
