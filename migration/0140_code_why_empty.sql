-- Why a search in code that worked found nothing, in the words of `archon_search_why_empty`.
create function archon_code_why_empty(space integer, source_ids text[], tags text[], written_in text) returns text
language plpgsql stable as $$
declare
  scope text[] := archon_search_scope(source_ids, tags);
begin
  if not exists (select 1 from archon_code_examples) then
    return 'empty_store';
  end if;
  if not exists (select 1 from archon_code_examples e
                 where (scope is null or e.source_id = any (scope))
                   and (written_in is null or e.language = written_in)) then
    return 'filter_excludes_all';
  end if;
  if not exists (select 1 from archon_code_examples e
                 join archon_code_vectors v on v.example_id = e.id and v.space_id = space
                 where (scope is null or e.source_id = any (scope))
                   and (written_in is null or e.language = written_in)) then
    return 'other_space';
  end if;
  return 'no_match';
end $$;

select archon_close_to_others();
