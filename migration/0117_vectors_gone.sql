-- As before, but never the vectors of a chunk that is there: a copy that is restored brings numbers of its own back.
create or replace function archon_vectors_gone_clear() returns integer language plpgsql as $$
declare
  cleared integer := 0;
begin
  if pg_try_advisory_xact_lock_shared(hashtext('archon_vectors')) then
    with taken as (delete from archon_vectors_gone returning chunk_id),
      done as (delete from archon_chunk_vectors v using taken t where v.chunk_id = t.chunk_id
               and not exists (select 1 from archon_crawled_pages c where c.id = t.chunk_id))
    select count(*) into cleared from taken;
  end if;
  return cleared;
end $$;
