-- A long conversation is summed up: an answer's notes may hold {summary: {text, kept}}, where `text` stands for all of its
-- branch before the last `kept` messages up to that answer.

-- Notes something beside an answer; false when it is gone.
create or replace function archon_message_note(message uuid, note jsonb) returns boolean language plpgsql as $$
begin
  update archon_messages m set notes = m.notes || archon_json(note) where m.id = message;
  return found;
end $$;

-- The last `most` messages of the branch that ends in `last` (null: the head), oldest first.
drop function if exists archon_branch_history(uuid, uuid, integer);
create or replace function archon_branch_history(conversation uuid, last uuid, most integer)
returns table (id uuid, role text, content text, outcome text, summary jsonb) language plpgsql stable as $$
#variable_conflict use_column
declare
  leaf uuid := last;
begin
  select coalesce(last, c.head) into leaf from archon_conversations c where c.id = conversation;
  if not found then
    raise exception 'There is no conversation %.', conversation using errcode = 'no_data_found';
  end if;
  return query
    with recursive walk as (
      select m.id, m.parent_id, 1 as depth from archon_messages m where m.id = leaf and m.conversation_id = conversation
      union all
      select m.id, m.parent_id, w.depth + 1 from walk w join archon_messages m on m.id = w.parent_id where w.depth < most
    )
    select m.id, m.role, m.content, m.outcome, m.notes->'summary'
    from walk w join archon_messages m on m.id = w.id order by w.depth desc;
end $$;

select archon_close_to_others();
