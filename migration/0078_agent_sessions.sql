-- The knowledge agent: its sessions and messages, and the passages of a page that it reads.

create table if not exists archon_agent_sessions (
  id uuid primary key default gen_random_uuid(),
  agent_type text not null,
  project_id text,
  -- What was said before message `summarised`, in short; the messages themselves stay.
  summary text not null default '',
  summarised integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- `outcome` as in archon_messages; `steps` are the tool events in their order, `way` is how the answer came about.
create table if not exists archon_agent_messages (
  id uuid primary key default gen_random_uuid(),
  session_id uuid not null references archon_agent_sessions (id) on delete cascade,
  position integer not null,
  role text not null check (role in ('user', 'assistant')),
  content text not null default '',
  outcome text check (outcome in ('complete', 'truncated', 'upstream_error', 'stalled', 'cancelled')),
  way text check (way in ('tools', 'one_pass')),
  steps jsonb not null default '[]',
  passages jsonb not null default '[]',
  support jsonb not null default '[]',
  usage jsonb,
  error jsonb,
  created_at timestamptz not null default now(),
  unique (session_id, position)
);

create or replace function archon_agent_session_create(agent_type text, project_id text)
returns uuid language sql as $$
  insert into archon_agent_sessions (agent_type, project_id)
  values (archon_agent_session_create.agent_type, archon_agent_session_create.project_id) returning id
$$;

create or replace function archon_agent_session(session uuid)
returns table (id uuid, agent_type text, project_id text, summary text, summarised integer, created_at timestamptz)
language sql stable as $$
  select s.id, s.agent_type, s.project_id, s.summary, s.summarised, s.created_at
  from archon_agent_sessions s where s.id = session
$$;

create or replace function archon_agent_session_delete(session uuid) returns boolean language plpgsql as $$
begin
  delete from archon_agent_sessions s where s.id = session;
  return found;
end $$;

create or replace function archon_agent_messages_of(session uuid, from_position integer)
returns setof archon_agent_messages language sql stable as $$
  select * from archon_agent_messages m where m.session_id = session and m.position >= from_position order by m.position
$$;

-- Stores a question and the still empty message of its answer.
create or replace function archon_agent_turn_begin(session uuid, question text)
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
  insert into archon_agent_messages as m (session_id, position, role, content)
    values (session, next_position, 'user', question) returning m.id into asked;
  insert into archon_agent_messages as m (session_id, position, role)
    values (session, next_position + 1, 'assistant') returning m.id into answer;
  update archon_agent_sessions s set updated_at = now() where s.id = session;
  return query select asked, answer;
end $$;

-- Completes an answer; false when its session was deleted meanwhile.
create or replace function archon_agent_turn_end(
  answer_id uuid, content text, outcome text, way text, steps jsonb, passages jsonb, support jsonb, usage jsonb,
  error jsonb
) returns boolean language plpgsql as $$
begin
  update archon_agent_messages m
  set content = archon_agent_turn_end.content, outcome = archon_agent_turn_end.outcome,
      way = archon_agent_turn_end.way, steps = archon_json(archon_agent_turn_end.steps),
      passages = archon_json(archon_agent_turn_end.passages), support = archon_json(archon_agent_turn_end.support),
      usage = archon_json(archon_agent_turn_end.usage), error = archon_json(archon_agent_turn_end.error)
  where m.id = answer_id;
  return found;
end $$;

-- Keeps the summary of all messages before `summarised`; an older one never replaces a newer one.
create or replace function archon_agent_session_summarise(session uuid, summary text, summarised integer)
returns void language sql as $$
  update archon_agent_sessions s
  set summary = archon_agent_session_summarise.summary, summarised = archon_agent_session_summarise.summarised
  where s.id = session and s.summarised <= archon_agent_session_summarise.summarised
$$;

-- The chunks of a page from `first_chunk` on, in their order.
create or replace function archon_page_chunks(page uuid, first_chunk integer, row_limit integer)
returns table (id bigint, source_id text, content text, metadata jsonb, url text, title text, heading_path text[],
               page_id uuid, page_number integer, chunk_number integer, total bigint)
language sql stable as $$
  select c.id, c.source_id, c.content, c.metadata, c.url::text,
         coalesce(p.title, c.metadata->>'title', p.section_title, s.title), c.heading_path, c.page_id, c.page_number,
         c.chunk_number, (select count(*) from archon_crawled_pages every where every.page_id = page)
  from archon_crawled_pages c
  join archon_page_metadata p on p.id = c.page_id
  join archon_sources s on s.source_id = c.source_id
  where c.page_id = page and c.chunk_number >= first_chunk
  order by c.chunk_number, c.id
  limit row_limit
$$;
