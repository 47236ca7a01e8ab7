-- Several calls at once for a REST face: where each round trip costs more than the call, those that wait go together.
-- `calls` is an array of {"function", "arguments"}. Each is done or refused by itself, as `archon_call` says; the
-- answers come in the order of the calls.
create or replace function archon_call_many(calls jsonb) returns jsonb language plpgsql as $$
declare
  one jsonb;
  answers jsonb[] := '{}';
begin
  for one in select jsonb_array_elements(archon_json(calls)) loop
    answers := answers || archon_call(one->>'function', one->'arguments');
  end loop;
  return to_jsonb(answers);
end $$;

select archon_close_to_others();
