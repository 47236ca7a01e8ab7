-- Jobs and conversations.

create table if not exists archon_jobs (
  id uuid primary key default gen_random_uuid(),
  kind text not null check (kind in ('crawl', 'upload', 'refresh', 'reembed')),
  state text not null default 'queued'
    check (state in ('queued', 'running', 'paused', 'completed', 'failed', 'cancelled')),
  source_id text,
  request jsonb not null,
  progress jsonb not null default '{}',
  result jsonb,
  error jsonb,
  cancel_requested boolean not null default false,
  lease_owner text,
  lease_until timestamptz,
  attempts integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  finished_at timestamptz
);
create index if not exists archon_jobs_open on archon_jobs (created_at) where state in ('queued', 'running', 'paused');
create unique index if not exists archon_jobs_one_per_source on archon_jobs (source_id)
  where state in ('queued', 'running', 'paused');
create index if not exists archon_jobs_source on archon_jobs (source_id, created_at desc);
create or replace trigger archon_jobs_touch before update on archon_jobs
  for each row execute function archon_touch();

-- The frontier of a crawl and its history in one: every address a job knows, and what became of it.
create table if not exists archon_job_pages (
  job_id uuid not null references archon_jobs (id) on delete cascade,
  url_key text not null,
  url text not null,
  depth integer not null,
  label text not null default '',
  position bigint generated always as identity,
  state text not null default 'queued'
    check (state in ('queued', 'stored', 'unchanged', 'failed', 'removed', 'skipped')),
  chunks integer not null default 0,
  words integer not null default 0,
  error jsonb,
  finished_at timestamptz,
  primary key (job_id, url_key)
);

-- The bytes of an uploaded file, kept until its job has ended.
create table if not exists archon_uploads (
  job_id uuid primary key references archon_jobs (id) on delete cascade,
  content bytea not null
);

create table if not exists archon_conversations (
  id uuid primary key default gen_random_uuid(),
  title text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- `outcome` of an answer: complete, truncated, upstream_error, stalled or cancelled; null while it is written.
create table if not exists archon_messages (
  id uuid primary key default gen_random_uuid(),
  conversation_id uuid not null references archon_conversations (id) on delete cascade,
  position integer not null,
  role text not null check (role in ('user', 'assistant')),
  content text not null,
  outcome text check (outcome in ('complete', 'truncated', 'upstream_error', 'stalled', 'cancelled')),
  provider text,
  model text,
  passages jsonb not null default '[]',
  support jsonb not null default '[]',
  usage jsonb,
  error jsonb,
  created_at timestamptz not null default now(),
  unique (conversation_id, position)
);
