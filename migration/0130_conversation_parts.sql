-- A conversation's messages of all branches in the order they were written, a part at a time: the `most` after place
-- `beyond`. So that a whole conversation can be written into a file without being held at once.
create or replace function archon_conversation_part(conversation uuid, beyond integer, most integer)
returns table (id uuid, parent_id uuid, role text, content text, reasoning text, outcome text, finish_reason text,
  passages jsonb, support jsonb, notes jsonb, provider text, model text, connection_id text, usage jsonb, error jsonb,
  created_at timestamptz, versions text[], place integer)
language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_answers_expire(conversation);
  return query
    select m.id, m.parent_id, m.role, m.content, m.reasoning, m.outcome, m.finish_reason, m.passages, m.support, m.notes,
      m.provider, m.model, m.connection_id, m.usage, m.error, m.created_at, array[m.id::text], m.position
    from archon_messages m where m.conversation_id = conversation and m.position > beyond
    order by m.position limit most;
end $$;

drop function archon_conversation_tree(uuid);
select archon_close_to_others();
