-- What has come so far of all answers that a server writes, and the promise to be heard of again, in one call. Returns those
-- that are gone or have ended. A row that somebody else is about to end or delete is left to the next time: waiting for it
-- with others in hand could end in a deadlock.
create or replace function archon_answers_keep(
  answers uuid[], contents text[], reasonings text[], lease_s double precision
) returns table (id uuid) language sql as $$
  with so_far as (
    select * from unnest(answers, contents, reasonings) as s(answer, content, reasoning)
  ), free as (
    select m.id from archon_messages m where m.id = any (answers) and m.outcome is null for update skip locked
  ), kept as (
    update archon_messages m
    set content = s.content, reasoning = s.reasoning, writing_until = now() + make_interval(secs => lease_s)
    from so_far s join free f on f.id = s.answer
    where m.id = s.answer
  )
  select s.answer from so_far s
  where not exists (select 1 from archon_messages m where m.id = s.answer and m.outcome is null)
$$;
drop function if exists archon_answer_keep(uuid, text, text, double precision);

select archon_close_to_others();
