-- Sources, pages, chunks and code examples: the columns of Archon v1, with what Archon adds beside them.

create table if not exists archon_sources (
  source_id text primary key,
  source_url text,
  source_display_name text,
  title text,
  summary text,
  total_word_count integer not null default 0,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index if not exists archon_sources_metadata on archon_sources using gin (metadata);

create table if not exists archon_page_metadata (
  id uuid primary key default gen_random_uuid(),
  source_id text not null references archon_sources (source_id) on delete cascade,
  url text not null,
  full_content text not null,
  section_title text,
  section_order integer not null default 0,
  word_count integer not null,
  char_count integer not null,
  chunk_count integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  metadata jsonb not null default '{}'
);
alter table archon_page_metadata
  add column if not exists title text,
  add column if not exists url_key text,
  add column if not exists content_hash text,
  add column if not exists language text,
  add column if not exists etag text,
  add column if not exists last_modified text,
  add column if not exists fetched_at timestamptz;
create index if not exists archon_page_metadata_source on archon_page_metadata (source_id, section_order);
create index if not exists archon_page_metadata_url on archon_page_metadata (url);
-- `url_key` is the canonical form of `url` (scheme and host in lower case, no fragment, no tracking parameters).
create unique index if not exists archon_page_metadata_key on archon_page_metadata (source_id, url_key);

create table if not exists archon_crawled_pages (
  id bigserial primary key,
  url varchar not null,
  chunk_number integer not null,
  content text not null,
  metadata jsonb not null default '{}',
  source_id text not null references archon_sources (source_id) on delete cascade,
  llm_chat_model text,
  embedding_model text,
  embedding_dimension integer,
  content_search_vector tsvector generated always as (to_tsvector('english', content)) stored,
  created_at timestamptz not null default now(),
  page_id uuid references archon_page_metadata (id) on delete cascade,
  unique (source_id, url, chunk_number)
);
alter table archon_crawled_pages
  add column if not exists heading_path text[] not null default '{}',
  add column if not exists token_count integer,
  add column if not exists page_number integer;
create index if not exists archon_crawled_pages_source on archon_crawled_pages (source_id);
create index if not exists archon_crawled_pages_page on archon_crawled_pages (page_id);
create index if not exists archon_crawled_pages_text on archon_crawled_pages using gin (content_search_vector);

create table if not exists archon_code_examples (
  id bigserial primary key,
  url varchar not null,
  chunk_number integer not null,
  content text not null,
  summary text not null,
  metadata jsonb not null default '{}',
  source_id text not null references archon_sources (source_id) on delete cascade,
  llm_chat_model text,
  embedding_model text,
  embedding_dimension integer,
  content_search_vector tsvector
    generated always as (to_tsvector('english', content || ' ' || summary)) stored,
  created_at timestamptz not null default now(),
  unique (url, chunk_number)
);
create index if not exists archon_code_examples_source on archon_code_examples (source_id);
create index if not exists archon_code_examples_text on archon_code_examples using gin (content_search_vector);

-- Archon v1 allowed an address once in the whole store, so that a second source took pages away from the first.
do $$
declare
  found record;
begin
  for found in
    select c.conrelid::regclass as owner, c.conname
    from pg_constraint c
    where c.contype = 'u' and c.conrelid in ('archon_page_metadata'::regclass, 'archon_crawled_pages'::regclass)
      and (select array_agg(a.attname::text order by a.attname) from pg_attribute a
           where a.attrelid = c.conrelid and a.attnum = any (c.conkey)) in (array['url'], array['chunk_number', 'url'])
  loop
    execute format('alter table %s drop constraint %I', found.owner, found.conname);
  end loop;
end $$;

-- An embedding space: vectors of different spaces are never compared. `similarity_floor` is the 95th
-- percentile of the cosine between unrelated sentences and passages of the store, null until measured.
create table if not exists archon_embedding_spaces (
  id integer generated always as identity primary key,
  model text not null,
  dimensions integer not null check (dimensions between 1 and 16000),
  normalised boolean not null default true,
  query_prefix text not null default '',
  passage_prefix text not null default '',
  state text not null default 'active' check (state in ('building', 'active', 'retired')),
  similarity_floor real,
  canaries jsonb not null default '[]',
  activated_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  unique (model, dimensions, normalised, query_prefix, passage_prefix)
);

-- Any vector size: the column has none, each space has a partial HNSW index over a cast.
create table if not exists archon_chunk_vectors (
  space_id integer not null references archon_embedding_spaces (id) on delete cascade,
  chunk_id bigint not null references archon_crawled_pages (id) on delete cascade,
  embedding vector not null,
  primary key (space_id, chunk_id)
);
create index if not exists archon_chunk_vectors_chunk on archon_chunk_vectors (chunk_id);
