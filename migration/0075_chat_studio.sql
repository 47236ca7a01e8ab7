-- Conversations as trees: each message knows the one before it, so that a question can be edited and an answer
-- retried without losing what was there. `head` is the last message of the branch that is shown.

alter table archon_conversations
  add column if not exists settings jsonb not null default '{}',
  add column if not exists head uuid;
-- `writing_until`: who writes this answer promises to be heard of by then; an answer without an outcome past it was
-- interrupted. `notes` is what its reader is told beside it: {knowledge, reason, left_out}.
alter table archon_messages
  add column if not exists parent_id uuid,
  add column if not exists reasoning text not null default '',
  add column if not exists finish_reason text,
  add column if not exists connection_id text,
  add column if not exists notes jsonb not null default '{}',
  add column if not exists writing_until timestamptz;
create index if not exists archon_messages_parent on archon_messages (parent_id);
create index if not exists archon_messages_writing on archon_messages (conversation_id) where outcome is null
  and role = 'assistant';

-- What was stored before was one line.
update archon_messages m set parent_id = b.id
from archon_messages b
where m.parent_id is null and m.position > 0 and b.conversation_id = m.conversation_id and b.position = m.position - 1;
update archon_conversations c set head = (
  select m.id from archon_messages m where m.conversation_id = c.id order by m.position desc limit 1)
where c.head is null;

-- The words of titles and messages, for finding a conversation again. Not stemmed: people look for what they typed.
create or replace function archon_message_words(body text) returns tsvector language sql immutable parallel safe as $$
  select to_tsvector('simple'::regconfig, translate(left(body, 100000), './_-', '    '))
$$;
create index if not exists archon_messages_words on archon_messages using gin (archon_message_words(content));

-- Answers whose writer was not heard of in time. What had come of them is kept.
create or replace function archon_answers_expire(conversation uuid) returns void language sql as $$
  update archon_messages m
  set outcome = 'truncated', writing_until = null, error = jsonb_build_object(
    'error', 'Archon''s server was stopped in the middle of this answer.', 'code', 'interrupted', 'retryable', true,
    'next_step', 'Continue the answer, or ask again.')
  where m.conversation_id = conversation and m.role = 'assistant' and m.outcome is null
    and (m.writing_until is null or m.writing_until < now())
$$;

-- Stores a question and the still empty message of its answer. `conversation` null begins a new conversation.
-- The question follows message `after` (null: the head); or it stands beside the question `edits`; or there is no new
-- one, and the answer stands beside those of the question `answers`.
create or replace function archon_answer_begin(
  conversation uuid, after uuid, edits uuid, answers uuid, title text, question text, provider text, model text,
  connection_id text, passages jsonb, notes jsonb, settings jsonb, lease_s double precision
) returns table (conversation_id uuid, question_id uuid, answer_id uuid) language plpgsql as $$
#variable_conflict use_column
declare
  home uuid := conversation;
  parent uuid := after;
  place integer;
  asked uuid := answers;
  answer uuid;
begin
  if home is null then
    insert into archon_conversations as c (title, settings)
      values (archon_answer_begin.title, coalesce(archon_json(archon_answer_begin.settings), '{}'))
      returning c.id into home;
  else
    -- Two tabs in one conversation: the row lock puts their turns one after the other.
    select coalesce(after, c.head) into parent from archon_conversations c where c.id = home for update;
    if not found then
      raise exception 'There is no conversation %.', home using errcode = 'no_data_found';
    end if;
  end if;
  perform 1 from unnest(array[after, edits, answers]) as given (id)
    left join archon_messages m on m.id = given.id and m.conversation_id = home
    where given.id is not null and (m.id is null or m.role <> case when given.id = after then 'assistant' else 'user' end);
  if found then
    raise exception 'The message to go on from is not in this conversation.' using errcode = 'no_data_found';
  end if;
  if edits is not null then
    select m.parent_id into parent from archon_messages m where m.id = edits;
  end if;
  select coalesce(max(m.position) + 1, 0) into place from archon_messages m where m.conversation_id = home;
  if asked is null then
    insert into archon_messages as m (conversation_id, parent_id, position, role, content)
      values (home, parent, place, 'user', question) returning m.id into asked;
    place := place + 1;
  end if;
  insert into archon_messages as m (conversation_id, parent_id, position, role, content, provider, model,
      connection_id, passages, notes, writing_until)
    values (home, asked, place, 'assistant', '', archon_answer_begin.provider, archon_answer_begin.model,
      archon_answer_begin.connection_id, archon_json(archon_answer_begin.passages),
      archon_json(archon_answer_begin.notes), now() + make_interval(secs => lease_s))
    returning m.id into answer;
  update archon_conversations c set updated_at = now(), head = answer where c.id = home;
  return query select home, asked, answer;
end $$;

-- Takes an answer that was cut up again. Refused while it is being written.
create or replace function archon_answer_resume(
  answer uuid, provider text, model text, connection_id text, lease_s double precision
) returns table (conversation_id uuid, question_id uuid, answer_id uuid) language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_answers_expire(m.conversation_id) from archon_messages m where m.id = answer;
  return query
    update archon_messages m
    set outcome = null, error = null, finish_reason = null, provider = archon_answer_resume.provider,
        model = archon_answer_resume.model, connection_id = archon_answer_resume.connection_id,
        writing_until = now() + make_interval(secs => lease_s)
    where m.id = answer and m.role = 'assistant' and m.outcome is not null
    returning m.conversation_id, m.parent_id, m.id;
  if not found then
    raise exception 'This answer is being written, or is gone.' using errcode = 'unique_violation';
  end if;
end $$;

-- What has come of an answer so far, and the promise to be heard of again; false when it is gone or has ended.
create or replace function archon_answer_keep(answer uuid, content text, reasoning text, lease_s double precision)
returns boolean language plpgsql as $$
begin
  update archon_messages m
  set content = archon_answer_keep.content, reasoning = archon_answer_keep.reasoning,
      writing_until = now() + make_interval(secs => lease_s)
  where m.id = answer and m.outcome is null;
  return found;
end $$;

-- Completes an answer; false when its conversation was deleted meanwhile.
create or replace function archon_answer_end(
  answer uuid, content text, reasoning text, outcome text, finish_reason text, support jsonb, usage jsonb, error jsonb,
  provider text, model text
) returns boolean language plpgsql as $$
declare
  home uuid;
begin
  update archon_messages m
  set content = archon_answer_end.content, reasoning = archon_answer_end.reasoning,
      outcome = archon_answer_end.outcome, finish_reason = archon_answer_end.finish_reason,
      support = archon_json(archon_answer_end.support), usage = archon_json(archon_answer_end.usage),
      error = archon_json(archon_answer_end.error), provider = archon_answer_end.provider,
      model = archon_answer_end.model, writing_until = null
  where m.id = answer returning m.conversation_id into home;
  update archon_conversations c set updated_at = now() where c.id = home;
  return home is not null;
end $$;
