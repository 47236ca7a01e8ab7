-- One door for a REST face: a call by name with its arguments, its rows or its refusal as one value. One value,
-- because such a face cuts sets at 1,000 rows, gives scalars, rows and sets different shapes, and does not tell
-- every SQLSTATE. Also: what the REST face of a project must not open to everybody, and the state of the schema.

-- The expression that takes argument `name` of type `kind` out of the object $1.
create or replace function archon_call_argument(name text, kind oid) returns text language sql stable as $$
  select format('%I => ', name) || case
    when kind in ('jsonb'::regtype, 'json'::regtype) then format('nullif($1->%L, ''null'')', name)
    when t.typelem <> 0 and t.typlen = -1 and t.typname like E'\\_%' then format(
      'case when jsonb_typeof($1->%1$L) = ''array'' then array(select jsonb_array_elements_text($1->%1$L))::%2$s end',
      name, format_type(kind, null))
    else format('($1->>%L)::%s', name, format_type(kind, null))
  end
  from pg_type t where t.oid = kind
$$;

-- The call as SQL text, for a function of ours alone. Of several with that name, the one with the fewest arguments
-- that knows all of those given.
create or replace function archon_call_text(name text, given jsonb) returns text language plpgsql stable as $$
declare
  target pg_proc;
  call text;
begin
  select p.* into target from pg_proc p
  where p.proname = archon_call_text.name and p.proname like E'archon\\_%' and p.prokind = 'f'
    and pg_function_is_visible(p.oid)
    and array(select jsonb_object_keys(given)) <@ coalesce(p.proargnames, '{}')
  order by p.pronargs, p.oid limit 1;
  if target.oid is null then
    raise exception 'There is no function % with the arguments %.', archon_call_text.name,
      coalesce((select string_agg(k, ', ' order by k) from jsonb_object_keys(given) k), 'none')
      using errcode = 'undefined_function';
  end if;
  select coalesce(string_agg(archon_call_argument(a.name, a.kind), ', ' order by a.place), '') into call
  from unnest(target.proargnames[1:target.pronargs], target.proargtypes::oid[]) with ordinality a (name, kind, place)
  where given ? a.name;
  return format('%I(%s)', target.proname, call);
end $$;

-- {"rows": [...]} with the columns that `select *` would give, or {"error": {"code": SQLSTATE, "message": ...}}
-- where nothing was changed. A time-out of the statement is not caught: the face reports it itself.
create or replace function archon_call(function text, arguments jsonb) returns jsonb language plpgsql as $$
declare
  given jsonb := archon_json(arguments);
  found_rows jsonb;
begin
  execute format('select coalesce(jsonb_agg(to_jsonb(r)), ''[]'') from (select * from %s) r',
                 archon_call_text(function, given)) into found_rows using given;
  return jsonb_build_object('rows', found_rows);
exception when others then
  return jsonb_build_object('error', jsonb_build_object('code', sqlstate, 'message', sqlerrm));
end $$;

create or replace function archon_store_state() returns table (server_version text, vector_version text)
language sql stable as $$
  select current_setting('server_version'), (select e.extversion from pg_extension e where e.extname = 'vector')
$$;

-- Every migration of this schema and of Archon v1, oldest first.
create or replace function archon_migrations_applied()
returns table (version varchar, migration_name varchar, applied_at timestamptz, checksum varchar)
language sql stable as $$
  select m.version, m.migration_name, m.applied_at, m.checksum
  from archon_migrations m order by m.applied_at, m.version, m.migration_name
$$;

-- Where a REST face serves everybody with a public key (roles `anon` and `authenticated`), it must not serve this:
-- tables without row security get it, without a policy; our functions are for `service_role` alone. That role owns
-- nothing, so functions that make or drop an index or change a table run with their owner's right. To be run after
-- every migration. Elsewhere it changes nothing.
create or replace function archon_close_tables(parts_only boolean) returns void language plpgsql as $$
declare
  given record;
begin
  for given in
    select c.oid::regclass as name from pg_class c
    where c.relkind in ('r', 'p') and c.relname like E'archon\\_%' and pg_table_is_visible(c.oid)
      and not c.relrowsecurity and (c.relispartition or not parts_only)
      and exists (select 1 from pg_roles where rolname = 'anon')
  loop
    execute format('alter table %s enable row level security', given.name);
  end loop;
end $$;

-- Spaces may bring parts of their own: those are closed when the transaction that made them ends.
create or replace function archon_close_new_tables() returns trigger language plpgsql as $$
begin
  perform archon_close_tables(true);
  return null;
end $$;
drop trigger if exists archon_close_new_tables on archon_embedding_spaces;
create constraint trigger archon_close_new_tables after insert or update on archon_embedding_spaces
  deferrable initially deferred for each row execute function archon_close_new_tables();

create or replace function archon_close_to_others() returns void language plpgsql as $$
declare
  given record;
begin
  if (select count(*) from pg_roles where rolname in ('anon', 'authenticated', 'service_role')) < 3 then
    return;
  end if;
  perform archon_close_tables(false);
  for given in
    select p.oid::regprocedure as name,
           p.prosrc ~* E'\\m(create|drop|alter)\\s+(unique\\s+)?(index|table)\\M|\\manalyze\\M' as changes_the_schema
    from pg_proc p
    where p.prokind = 'f' and p.proname like E'archon\\_%' and p.proname <> 'archon_close_to_others'
      and pg_function_is_visible(p.oid)
  loop
    execute format('revoke all on function %s from public, anon, authenticated', given.name);
    execute format('grant execute on function %s to service_role', given.name);
    if given.changes_the_schema then
      execute format('alter function %s security definer', given.name);
      execute format('alter function %s set search_path from current', given.name);
    end if;
  end loop;
  revoke all on function archon_close_to_others() from public, anon, authenticated;
end $$;

select archon_close_to_others();
