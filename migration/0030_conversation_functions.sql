-- Conversations and their messages.

-- Stores a question and the still empty message of its answer. `conversation` null begins a new conversation.
create or replace function archon_turn_begin(
  conversation text, title text, question text, provider text, model text, passages jsonb
) returns table (conversation_id uuid, question_id uuid, answer_id uuid) language plpgsql as $$
declare
  home uuid := conversation::uuid;
  next_position integer;
  asked uuid;
  answer uuid;
begin
  if home is null then
    insert into archon_conversations as c (title) values (archon_turn_begin.title) returning c.id into home;
  else
    -- Two tabs in one conversation: the row lock puts their turns one after the other.
    perform 1 from archon_conversations c where c.id = home for update;
    if not found then
      raise exception 'There is no conversation %.', home using errcode = 'no_data_found';
    end if;
  end if;
  select coalesce(max(m.position) + 1, 0) into next_position from archon_messages m where m.conversation_id = home;
  insert into archon_messages as m (conversation_id, position, role, content)
    values (home, next_position, 'user', question) returning m.id into asked;
  insert into archon_messages as m (conversation_id, position, role, content, provider, model, passages)
    values (home, next_position + 1, 'assistant', '', archon_turn_begin.provider, archon_turn_begin.model,
            archon_json(archon_turn_begin.passages))
    returning m.id into answer;
  update archon_conversations c set updated_at = now() where c.id = home;
  return query select home, asked, answer;
end $$;

-- Completes an answer; false when its conversation was deleted meanwhile.
create or replace function archon_turn_end(
  answer_id uuid, content text, outcome text, support jsonb, usage jsonb, error jsonb
) returns boolean language plpgsql as $$
declare
  home uuid;
begin
  update archon_messages m
  set content = archon_turn_end.content, outcome = archon_turn_end.outcome,
      support = archon_json(archon_turn_end.support), usage = archon_json(archon_turn_end.usage),
      error = archon_json(archon_turn_end.error)
  where m.id = answer_id returning m.conversation_id into home;
  update archon_conversations c set updated_at = now() where c.id = home;
  return home is not null;
end $$;

create or replace function archon_conversations_list(most integer)
returns table (id uuid, title text, created_at timestamptz, updated_at timestamptz, message_count bigint)
language sql stable as $$
  select c.id, c.title, c.created_at, c.updated_at,
    (select count(*) from archon_messages m where m.conversation_id = c.id)
  from archon_conversations c order by c.updated_at desc, c.id limit most
$$;

create or replace function archon_conversation(conversation uuid)
returns table (id uuid, title text, created_at timestamptz, updated_at timestamptz, message_count bigint)
language sql stable as $$
  select c.id, c.title, c.created_at, c.updated_at,
    (select count(*) from archon_messages m where m.conversation_id = c.id)
  from archon_conversations c where c.id = conversation
$$;

create or replace function archon_conversation_messages(conversation uuid)
returns setof archon_messages language sql stable as $$
  select * from archon_messages m where m.conversation_id = conversation order by m.position
$$;

-- The last `most` messages, oldest first. Raises when there is no such conversation.
create or replace function archon_conversation_tail(conversation uuid, most integer)
returns table (role text, content text, outcome text) language plpgsql stable as $$
begin
  perform 1 from archon_conversations c where c.id = conversation;
  if not found then
    raise exception 'There is no conversation %.', conversation using errcode = 'no_data_found';
  end if;
  return query
    select t.role, t.content, t.outcome from (
      select m.role, m.content, m.outcome, m.position from archon_messages m
      where m.conversation_id = conversation order by m.position desc limit most) as t
    order by t.position;
end $$;

create or replace function archon_conversation_delete(conversation uuid) returns boolean language plpgsql as $$
begin
  delete from archon_conversations c where c.id = conversation;
  return found;
end $$;
