"""Answers on their way into the store: kept together while they are written, each by itself."""

from __future__ import annotations

import psycopg

from src.store.answers import AnswerRepository, FinishedAnswer, NewTurn, SoFar
from src.store.conversations import ConversationRepository
from src.store.database import Database
from tests.fixtures.database import as_admin

DONE = FinishedAnswer("The end.", "", "complete", "stop", [], None, None, "vllm", "m")


async def begun(answers: AnswerRepository) -> tuple[str, str]:
    """Ids of a new conversation and of its answer."""
    turn = await answers.begin(NewTurn(None, "T", "Why?", "vllm", "m", []))
    return turn.conversation_id, turn.answer_id


async def content(database: Database, answer_id: str) -> str:
    _, message = await ConversationRepository(database).message(answer_id)
    return message.content


async def test_what_came_of_several_is_kept_by_one_call(database: Database) -> None:
    answers = AnswerRepository(database)
    ids = [(await begun(answers))[1] for _ in range(3)]
    assert await answers.keep([SoFar(one, f"So far {n}", "") for n, one in enumerate(ids)]) == frozenset()
    assert [await content(database, one) for one in ids] == ["So far 0", "So far 1", "So far 2"]


async def test_one_that_ended_or_was_deleted_is_told_and_the_others_are_kept(database: Database) -> None:
    answers = AnswerRepository(database)
    (_, ended), (home, deleted), (_, open_one) = [await begun(answers) for _ in range(3)]
    await answers.end(ended, DONE)
    await ConversationRepository(database).delete(home)
    gone = await answers.keep([SoFar(one, "So far", "") for one in (ended, deleted, open_one)])
    assert gone == {ended, deleted}
    assert (await content(database, ended), await content(database, open_one)) == ("The end.", "So far")


async def test_one_that_is_in_somebody_elses_hands_holds_nobody_up(database: Database, admin_url: str) -> None:
    answers = AnswerRepository(database)
    (_, held), (_, free) = [await begun(answers) for _ in range(2)]
    async with as_admin(admin_url) as other, other.transaction():
        await _hold(other, held)
        assert await answers.keep([SoFar(held, "So far", ""), SoFar(free, "So far", "")]) == frozenset()
    assert (await content(database, held), await content(database, free)) == ("", "So far")


async def _hold(other: psycopg.AsyncConnection, answer_id: str) -> None:
    await other.execute("select 1 from archon_messages where id = %s for update", (answer_id,))
