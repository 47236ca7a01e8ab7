-- A page that changed is embedded only where its text did: what is stored of it comes with the vectors it has.

-- The vectors in `space` that a page's passages and code examples have already, by the hash (SHA-256, hexadecimal) of
-- the very text each was made of. Only texts with a hash among `hashes`; a passage whose embedded text was not kept with
-- it is left out, since headings alone do not tell it.
create or replace function archon_page_vectors(source text, page_key text, space integer, hashes text[])
returns table (hash text, embedding vector) language sql stable as $$
  select distinct on (t.hash) t.hash, t.embedding
  from (
    select encode(sha256(convert_to(archon_embedded_text(c.content, c.heading_path, c.metadata), 'UTF8')), 'hex'),
           v.embedding
    from archon_page_metadata p
      join archon_crawled_pages c on c.page_id = p.id
      join archon_chunk_vectors v on v.space_id = space and v.chunk_id = c.id
    where p.source_id = source and p.url_key = page_key and c.metadata ? 'context'
    union all
    select encode(sha256(convert_to(e.embedded_text, 'UTF8')), 'hex'), v.embedding
    from archon_page_metadata p
      join archon_code_examples e on e.page_id = p.id
      join archon_code_vectors v on v.space_id = space and v.example_id = e.id
    where p.source_id = source and p.url_key = page_key and e.embedded_text is not null
  ) t (hash, embedding)
  where t.hash = any (hashes)
  order by t.hash
$$;

select archon_close_to_others();
