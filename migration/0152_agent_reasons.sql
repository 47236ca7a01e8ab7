-- Why an agent's answer came about the way it did (null: the model decided itself, or it was not kept yet).
alter table archon_agent_messages add column if not exists way_reason text;

-- Completes an answer; false when its session was deleted meanwhile.
drop function if exists archon_agent_turn_end(
  uuid, text, text, text, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, text);
create or replace function archon_agent_turn_end(
  answer_id uuid, content text, outcome text, way text, way_reason text, steps jsonb, passages jsonb, support jsonb,
  usage jsonb, error jsonb, connection_id text, provider text, model text
) returns boolean language plpgsql as $$
begin
  update archon_agent_messages m
  set content = archon_agent_turn_end.content, outcome = archon_agent_turn_end.outcome,
      way = archon_agent_turn_end.way, way_reason = archon_agent_turn_end.way_reason,
      steps = archon_json(archon_agent_turn_end.steps), passages = archon_json(archon_agent_turn_end.passages),
      support = archon_json(archon_agent_turn_end.support), usage = archon_json(archon_agent_turn_end.usage),
      error = archon_json(archon_agent_turn_end.error), connection_id = archon_agent_turn_end.connection_id,
      provider = archon_agent_turn_end.provider, model = archon_agent_turn_end.model
  where m.id = answer_id;
  return found;
end $$;

select archon_close_to_others();
