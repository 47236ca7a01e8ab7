-- Who answers in a session with the agent: a question keeps the connection and model that were chosen for it (null: the
-- default connection, its own model), an answer keeps who gave it.

alter table archon_agent_messages
  add column if not exists connection_id text,
  add column if not exists provider text,
  add column if not exists model text;

-- Stores a question and the still empty message of its answer.
drop function if exists archon_agent_turn_begin(uuid, text);
create or replace function archon_agent_turn_begin(session uuid, question text, connection_id text, model text)
returns table (question_id uuid, answer_id uuid) language plpgsql as $$
declare
  next_position integer;
  asked uuid;
  answer uuid;
begin
  perform 1 from archon_agent_sessions s where s.id = session for update;
  if not found then
    raise exception 'There is no session %.', session using errcode = 'no_data_found';
  end if;
  select coalesce(max(m.position) + 1, 0) into next_position from archon_agent_messages m where m.session_id = session;
  insert into archon_agent_messages as m (session_id, position, role, content, connection_id, model)
    values (session, next_position, 'user', question, archon_agent_turn_begin.connection_id,
      archon_agent_turn_begin.model)
    returning m.id into asked;
  insert into archon_agent_messages as m (session_id, position, role)
    values (session, next_position + 1, 'assistant') returning m.id into answer;
  update archon_agent_sessions s set updated_at = now() where s.id = session;
  return query select asked, answer;
end $$;

-- Completes an answer; false when its session was deleted meanwhile.
drop function if exists archon_agent_turn_end(uuid, text, text, text, jsonb, jsonb, jsonb, jsonb, jsonb);
create or replace function archon_agent_turn_end(
  answer_id uuid, content text, outcome text, way text, steps jsonb, passages jsonb, support jsonb, usage jsonb,
  error jsonb, connection_id text, provider text, model text
) returns boolean language plpgsql as $$
begin
  update archon_agent_messages m
  set content = archon_agent_turn_end.content, outcome = archon_agent_turn_end.outcome,
      way = archon_agent_turn_end.way, steps = archon_json(archon_agent_turn_end.steps),
      passages = archon_json(archon_agent_turn_end.passages), support = archon_json(archon_agent_turn_end.support),
      usage = archon_json(archon_agent_turn_end.usage), error = archon_json(archon_agent_turn_end.error),
      connection_id = archon_agent_turn_end.connection_id, provider = archon_agent_turn_end.provider,
      model = archon_agent_turn_end.model
  where m.id = answer_id;
  return found;
end $$;

select archon_close_to_others();
