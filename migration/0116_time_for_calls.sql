-- A REST face ends what takes longer than the caller's role may: 8 seconds, where a project was not told otherwise.
-- Deleting a large source takes longer, and so do the planner's statistics of a large store. A limit that the called
-- function names itself takes its place (PostgREST 12.2 and newer); it is a little shorter than a gateway waits, so that
-- it is the database that says what became of the call.
alter function archon_call(text, jsonb) set statement_timeout = '55s';
alter function archon_call_many(jsonb) set statement_timeout = '55s';
