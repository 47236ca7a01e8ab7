-- Figures of a running installation, for metrics and the status page: one row a figure, cheap enough to ask often.

create or replace function archon_operation_figures()
returns table (name text, label text, value double precision) language sql stable as $$
  select 'jobs', state, count(*)::double precision from archon_jobs
    where state in ('queued', 'running', 'paused') or finished_at > now() - interval '1 day'
    group by state
  union all
  select 'oldest_queued_s', '', coalesce(extract(epoch from now() - min(created_at)), 0)::double precision
    from archon_jobs where state = 'queued'
  union all
  select 'workers', '', count(distinct lease_owner)::double precision
    from archon_jobs where state = 'running' and lease_until > now()
  union all
  select 'rows', t.name, greatest(c.reltuples, 0)::double precision
    from (values ('sources', 'archon_sources'), ('pages', 'archon_page_metadata'),
                 ('chunks', 'archon_crawled_pages'), ('code_examples', 'archon_code_examples'),
                 ('conversations', 'archon_conversations')) t (name, relation)
    join pg_class c on c.oid = to_regclass(t.relation)
  union all
  select 'database_bytes', '', pg_database_size(current_database())::double precision
$$;
