-- The connection that answers where none is named, asked for before each answer: its id alone.
create or replace function archon_connection_chosen() returns table (id text) language sql stable as $$
  select c.id from archon_connections c where c.is_default limit 1
$$;

select archon_close_to_others();
