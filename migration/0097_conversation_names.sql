-- Names a conversation, unless somebody named it meanwhile; false where that is so, or it is gone.
create or replace function archon_conversation_name(conversation uuid, title text, instead_of text) returns boolean
language plpgsql as $$
begin
  update archon_conversations c set title = archon_conversation_name.title
  where c.id = conversation and c.title = instead_of;
  return found;
end $$;

select archon_close_to_others();
