-- What the status page shows of model servers outlives a restart: the last looks at each. It has no primary key, so
-- that it is no part of a copy: another installation has other servers.
create table if not exists archon_model_looks (
  id bigint generated always as identity,
  server text not null,
  at timestamptz not null,
  took_ms double precision not null,
  error jsonb
);
create index if not exists archon_model_looks_server on archon_model_looks (server, id);

-- Keep a look at a server, of each the newest `most`, and none that is older than a week.
create or replace function archon_model_look_keep(
  server text, at timestamptz, took_ms double precision, error jsonb, most integer
) returns void language plpgsql as $$
begin
  insert into archon_model_looks (server, at, took_ms, error)
  values (archon_model_look_keep.server, archon_model_look_keep.at, archon_model_look_keep.took_ms, archon_json(error));
  delete from archon_model_looks l
  where l.at < now() - interval '7 days'
    or l.server = archon_model_look_keep.server and l.id <= (
      select n.id from archon_model_looks n where n.server = archon_model_look_keep.server
      order by n.id desc offset most limit 1);
end $$;

-- The looks kept of a server, oldest first.
create or replace function archon_model_looks_of(server text)
returns table (at timestamptz, took_ms double precision, error jsonb) language sql stable as $$
  select l.at, l.took_ms, l.error from archon_model_looks l where l.server = archon_model_looks_of.server order by l.id
$$;

select archon_close_to_others();
