-- Reading conversations: a page of the branch that is shown, one message, the list, what is pinned into the context.

drop function if exists archon_conversation(uuid);
create or replace function archon_conversation(conversation uuid)
returns table (id uuid, title text, created_at timestamptz, updated_at timestamptz, message_count bigint,
  settings jsonb, head uuid)
language sql stable as $$
  select c.id, c.title, c.created_at, c.updated_at,
    (select count(*) from archon_messages m where m.conversation_id = c.id), c.settings, c.head
  from archon_conversations c where c.id = conversation
$$;

-- The branch that ends in `last` (included), read backwards from there: its `most` last messages, oldest first.
-- `versions` are the messages in the same place of the tree, in the order they were written.
create or replace function archon_branch(conversation uuid, last uuid, most integer)
returns table (id uuid, parent_id uuid, role text, content text, reasoning text, outcome text, finish_reason text,
  passages jsonb, support jsonb, notes jsonb, provider text, model text, connection_id text, usage jsonb, error jsonb,
  created_at timestamptz, versions text[])
language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_answers_expire(conversation);
  return query
    with recursive walk as (
      select m.id, m.parent_id, 1 as depth from archon_messages m where m.id = last and m.conversation_id = conversation
      union all
      select m.id, m.parent_id, w.depth + 1 from walk w join archon_messages m on m.id = w.parent_id where w.depth < most
    )
    select m.id, m.parent_id, m.role, m.content, m.reasoning, m.outcome, m.finish_reason, m.passages, m.support,
      m.notes, m.provider, m.model, m.connection_id, m.usage, m.error, m.created_at,
      case when m.parent_id is null then
        array(select s.id::text from archon_messages s where s.conversation_id = conversation and s.parent_id is null
              order by s.position)
      else
        array(select s.id::text from archon_messages s where s.parent_id = m.parent_id order by s.position)
      end
    from walk w join archon_messages m on m.id = w.id order by w.depth desc;
end $$;

-- One message, with its conversation.
create or replace function archon_message(message uuid)
returns table (conversation_id uuid, id uuid, parent_id uuid, role text, content text, reasoning text, outcome text,
  finish_reason text, passages jsonb, support jsonb, notes jsonb, provider text, model text, connection_id text,
  usage jsonb, error jsonb, created_at timestamptz, versions text[])
language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_answers_expire(m.conversation_id) from archon_messages m
    where m.id = message and m.outcome is null and m.role = 'assistant';
  return query
    select m.conversation_id, m.id, m.parent_id, m.role, m.content, m.reasoning, m.outcome, m.finish_reason, m.passages,
      m.support, m.notes, m.provider, m.model, m.connection_id, m.usage, m.error, m.created_at, array[m.id::text]
    from archon_messages m where m.id = message;
end $$;

-- All messages of all branches in the order they were written.
create or replace function archon_conversation_tree(conversation uuid)
returns table (id uuid, parent_id uuid, role text, content text, reasoning text, outcome text, finish_reason text,
  passages jsonb, support jsonb, notes jsonb, provider text, model text, connection_id text, usage jsonb, error jsonb,
  created_at timestamptz, versions text[])
language plpgsql as $$
#variable_conflict use_column
begin
  perform archon_answers_expire(conversation);
  return query
    select m.id, m.parent_id, m.role, m.content, m.reasoning, m.outcome, m.finish_reason, m.passages, m.support, m.notes,
      m.provider, m.model, m.connection_id, m.usage, m.error, m.created_at, array[m.id::text]
    from archon_messages m where m.conversation_id = conversation order by m.position;
end $$;

-- The last `most` messages before a new question, oldest first: of the branch that ends in `last`, or in the head.
create or replace function archon_branch_history(conversation uuid, last uuid, most integer)
returns table (id uuid, role text, content text, outcome text) language plpgsql stable as $$
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
    select m.id, m.role, m.content, m.outcome
    from walk w join archon_messages m on m.id = w.id order by w.depth desc;
end $$;

-- Shows the branch that goes through `message`, down to its newest end; false when it is not in the conversation.
create or replace function archon_conversation_show(conversation uuid, message uuid) returns boolean
language plpgsql as $$
declare
  leaf uuid;
begin
  with recursive below as (
    select m.id, 1 as depth from archon_messages m where m.id = message and m.conversation_id = conversation
    union all
    select (select n.id from archon_messages n where n.parent_id = b.id order by n.position desc limit 1), b.depth + 1
    from below b where b.id is not null
  )
  select b.id into leaf from below b where b.id is not null order by b.depth desc limit 1;
  update archon_conversations c set head = leaf where c.id = conversation and leaf is not null;
  return found;
end $$;

-- Changes what is not null; false when there is no such conversation.
create or replace function archon_conversation_change(conversation uuid, title text, settings jsonb) returns boolean
language plpgsql as $$
begin
  update archon_conversations c
  set title = coalesce(archon_conversation_change.title, c.title),
      settings = coalesce(archon_json(archon_conversation_change.settings), c.settings)
  where c.id = conversation;
  return found;
end $$;

-- The latest conversations; with `words` those in whose title or messages all of them stand, the last one perhaps
-- unfinished. `found` is a message that has them.
create or replace function archon_conversations_find(words text, most integer)
returns table (id uuid, title text, created_at timestamptz, updated_at timestamptz, message_count bigint, found text)
language plpgsql stable as $$
#variable_conflict use_column
declare
  parts text[] := array(select l.word from unnest(tsvector_to_array(archon_message_words(coalesce(words, '')))) l (word));
  wanted tsquery;
begin
  if cardinality(parts) > 0 then
    select string_agg(quote_literal(p) || ':*', ' & ')::tsquery into wanted from unnest(parts) p;
  elsif coalesce(words, '') <> '' then
    return;
  end if;
  return query
    with hits as materialized (
      select distinct on (m.conversation_id) m.conversation_id, left(m.content, 20000) as content
      from archon_messages m where wanted is not null and archon_message_words(m.content) @@ wanted
      order by m.conversation_id, m.position
    )
    select c.id, c.title, c.created_at, c.updated_at,
      (select count(*) from archon_messages m where m.conversation_id = c.id), h.content
    from archon_conversations c left join hits h on h.conversation_id = c.id
    where wanted is null or h.conversation_id is not null or archon_message_words(c.title) @@ wanted
    order by c.updated_at desc, c.id limit most;
end $$;

-- The passages of pinned pages: those with the question's words first, then in the pages' own order.
create or replace function archon_pinned_chunks(pages text[], question text, most integer)
returns table (
  id bigint, url varchar, chunk_number integer, content text, metadata jsonb, source_id text, page_id uuid, title text,
  heading_path text[], page_number integer, similarity double precision, fused_score double precision,
  vector_rank integer, keyword_rank integer
) language sql stable as $$
  with words as (
    select string_agg(quote_literal(q.lexeme), ' | ')::tsquery as any_of from archon_query_words(question) q
  )
  select c.id, c.url, c.chunk_number, c.content, c.metadata, c.source_id, c.page_id,
    coalesce(p.title, c.metadata->>'title', p.section_title, s.title), c.heading_path, c.page_number,
    null::double precision, 0::double precision, null::integer, null::integer
  from archon_crawled_pages c
  join archon_page_metadata p on p.id = c.page_id
  join archon_sources s on s.source_id = c.source_id
  cross join words w
  where c.page_id::text = any (pages)
  order by coalesce(ts_rank(c.content_search_vector, w.any_of), 0) desc, array_position(pages, c.page_id::text),
    c.chunk_number
  limit most
$$;

-- Pages to pin, by words of their title or address.
create or replace function archon_pages_named(words text, most integer)
returns table (page_id text, title text, url text, source_id text) language sql stable as $$
  select p.id::text, coalesce(p.title, p.section_title), p.url, p.source_id
  from archon_page_metadata p
  where words = '' or (coalesce(p.title, p.section_title, '') || ' ' || p.url) ilike
    '%' || replace(replace(replace(words, E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_') || '%'
  order by p.updated_at desc, p.id limit most
$$;
