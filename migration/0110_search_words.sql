-- A copy brings the search words of its passages along: counting them anew is most of what restoring one costs. So they
-- are plain columns with triggers, no longer computed ones, which nobody can write. Who gives none, as Archon v1 and
-- older backups do, gets them counted as before.

alter table archon_crawled_pages
  alter column content_search_vector drop expression if exists,
  alter column heading_search_vector drop expression if exists;
alter table archon_code_examples alter column content_search_vector drop expression if exists;

create or replace function archon_chunk_words() returns trigger language plpgsql as $$
begin
  new.content_search_vector := archon_search_words(new.content);
  new.heading_search_vector := archon_heading_words(new.heading_path, new.metadata);
  return new;
end $$;

create or replace function archon_example_words() returns trigger language plpgsql as $$
begin
  new.content_search_vector :=
    archon_search_words(new.content || ' ' || new.summary) || archon_heading_words(new.heading_path, new.metadata);
  return new;
end $$;

create or replace trigger archon_chunk_words_new before insert on archon_crawled_pages
  for each row when (new.content_search_vector is null or new.heading_search_vector is null)
  execute function archon_chunk_words();
create or replace trigger archon_chunk_words_changed before update of content, heading_path, metadata
  on archon_crawled_pages for each row execute function archon_chunk_words();
create or replace trigger archon_example_words_new before insert on archon_code_examples
  for each row when (new.content_search_vector is null) execute function archon_example_words();
create or replace trigger archon_example_words_changed before update of content, summary, heading_path, metadata
  on archon_code_examples for each row execute function archon_example_words();

-- How words are counted here: by our functions, and by a dictionary that Postgres may change with a major version.
-- Words of a copy are taken over only where both are the same.
create or replace function archon_words_kind() returns text language sql stable as $$
  select current_setting('server_version_num')::integer / 10000 || ' ' || md5(string_agg(p.prosrc, ' ' order by p.proname))
  from pg_proc p
  where p.proname in ('archon_search_words', 'archon_heading_words', 'archon_chunk_words', 'archon_example_words')
    and pg_function_is_visible(p.oid)
$$;

alter table archon_restore add column if not exists words_kind text;

-- As before; `words_kind` is that of the database the copy was read from, null where it is not known.
drop function if exists archon_copy_begin(boolean);
create or replace function archon_copy_begin(replace boolean, words_kind text default null) returns void
language plpgsql as $$
declare
  filled record;
begin
  if not replace and not exists (select 1 from archon_restore) then
    for filled in select * from archon_copy_counts() c where c.name <> 'archon_settings' and c.counted > 0 loop
      raise exception 'The store is not empty: % has % rows.', filled.name, filled.counted using errcode = 'unique_violation';
    end loop;
  end if;
  insert into archon_restore as r (words_kind) values (words_kind)
  on conflict (only_one) do update set words_kind = excluded.words_kind;
  perform archon_copy_empty();
end $$;

-- As before, without words that were counted in another way.
create or replace function archon_copy_put(table_name text, rows text, embeddings vector[]) returns table (written bigint)
language plpgsql set jit = off as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  if table_name in ('archon_crawled_pages', 'archon_code_examples')
     and not exists (select 1 from archon_restore r where r.words_kind = archon_words_kind()) then
    rows := (select coalesce(jsonb_agg(r - '{content_search_vector,heading_search_vector}'::text[] order by place), '[]')
             from jsonb_array_elements(rows::jsonb) with ordinality t (r, place));
  end if;
  return query select w.written from archon_copy_write(table_name, rows, embeddings) w;
end $$;

select archon_close_to_others();
