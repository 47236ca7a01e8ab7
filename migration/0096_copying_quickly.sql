-- Rows of a copy need not be on the disk one batch at a time: the copy is whole only once `archon_copy_end` is, whose
-- commit brings all before it to the disk, and until then the mark of a restore that has begun says so.
create or replace function archon_copy_put(table_name text, rows text, embeddings vector[]) returns table (written bigint)
language plpgsql set jit = off as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  return query select w.written from archon_copy_write(table_name, rows, embeddings) w;
end $$;

select archon_close_to_others();
