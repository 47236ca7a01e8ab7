-- The counts of `GET /api/database/metrics`: Archon v1's four names, of which the first two are v1's own tables.

create or replace function archon_database_metrics() returns table (name text, counted bigint) language plpgsql stable as $$
declare
  given record;
begin
  for given in select * from (values ('projects', 'archon_projects'), ('tasks', 'archon_tasks'),
      ('crawled_pages', 'archon_crawled_pages'), ('settings', 'archon_settings')) as t (label, home) loop
    name := given.label;
    counted := 0;
    if to_regclass(given.home) is not null then
      execute format('select count(*) from %I', given.home) into counted;
    end if;
    return next;
  end loop;
end $$;
