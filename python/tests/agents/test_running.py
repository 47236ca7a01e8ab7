"""Answers as things of the server: watched again, by several, left alone, stopped; all over a real store."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from src.agents.conversations import ConversationService
from src.agents.events import ChatEvent, TokenEvent
from src.agents.replay import replay
from src.agents.request import AskRequest
from src.agents.running import RunningAnswer, RunningAnswers
from src.errors import Conflict, ContextTooLong
from src.inference.models import Outcome, StreamEnd
from src.store.postgres import PostgresDatabase

from .conftest import Answering
from .models import WHOLE, ScriptedModel

ASK = AskRequest("How do I run several coroutines at once?")
Told = list[tuple[int, ChatEvent]]


async def read(run: RunningAnswer, after: int = 0) -> Told:
    """What a watcher sees from `after` on, to the end."""
    return [told async for told in run.watch(after)]


async def one_token(run: RunningAnswer) -> None:
    """Watch until there is text, then leave."""
    async with aclosing(run.watch()) as events:
        async for _, event in events:
            if isinstance(event, TokenEvent):
                return


def text(told: Told) -> str:
    return "".join(event.text for _, event in told if isinstance(event, TokenEvent))


@pytest.fixture
def silent() -> asyncio.Event:
    """Set when a scripted model falls silent."""
    return asyncio.Event()


async def test_two_who_watch_see_the_same_events(space: int, answering: Answering) -> None:
    run = await RunningAnswers(answering(ScriptedModel("Use ", "gather.", WHOLE)).ask).begin(ASK, 0)
    first, second = await asyncio.gather(read(run), read(run))
    assert [event for _, event in first] == [event for _, event in second]
    assert [event.name for _, event in first].count("done") == 1


async def test_one_who_comes_late_gets_what_was_said_as_one_piece(
    space: int, answering: Answering, silent: asyncio.Event
) -> None:
    running = RunningAnswers(answering(ScriptedModel("Use ", "gather ", "now", silent)).ask)
    run = await running.begin(ASK, 60)
    await silent.wait()
    async with aclosing(run.watch()) as events:
        told = [await anext(events), await anext(events)]
    assert [(number, event.name) for number, event in told] == [(1, "start"), (4, "token")]
    assert text(told) == "Use gather now"
    await running.close()


async def test_who_knows_where_it_was_goes_on_from_there(space: int, answering: Answering) -> None:
    run = await RunningAnswers(answering(ScriptedModel("Use ", "gather.", WHOLE)).ask).begin(ASK, 0)
    whole = await read(run)
    assert text(await read(run, after=2)) == text(whole).removeprefix("Use")
    assert await read(run, after=whole[-1][0]) == []


async def test_an_answer_that_nobody_may_leave_is_stopped_at_once(
    space: int, answering: Answering, silent: asyncio.Event
) -> None:
    model = ScriptedModel("Use ", silent)
    run = await RunningAnswers(answering(model).ask).begin(ASK, 0)
    await one_token(run)
    await asyncio.wait_for(model.closed.wait(), 5)
    assert model.closed.is_set()


async def test_an_answer_that_is_kept_waits_for_its_reader_to_come_back(
    space: int, answering: Answering, silent: asyncio.Event
) -> None:
    model = ScriptedModel("Use ", silent)
    running = RunningAnswers(answering(model).ask)
    run = await running.begin(ASK, 60)
    await one_token(run)
    assert running.get(run.started.result().message_id) is run
    await one_token(run)
    assert not model.closed.is_set()
    await running.close()


async def test_an_answer_that_is_kept_is_given_up_when_nobody_comes(
    space: int, answering: Answering, silent: asyncio.Event
) -> None:
    model = ScriptedModel("Use ", silent)
    run = await RunningAnswers(answering(model).ask).begin(ASK, 0.05)
    await one_token(run)
    await asyncio.wait_for(model.closed.wait(), 5)
    assert model.closed.is_set()


async def test_stopping_ends_the_stream_with_what_is_stored(
    space: int, answering: Answering, database: PostgresDatabase, silent: asyncio.Event
) -> None:
    running = RunningAnswers(answering(ScriptedModel("Use gather [1", silent)).ask)
    run = await running.begin(ASK, 60)
    await silent.wait()
    watching = asyncio.ensure_future(read(run))
    message_id = run.started.result().message_id
    assert await running.stop(message_id)
    done = (await watching)[-1][1].to_dict()
    _, stored = await ConversationService(database).store.message(message_id)
    assert (done["outcome"], done["answer"]) == (stored.outcome, stored.content) == ("cancelled", "Use gather [1")
    assert running.get(message_id) is None


async def test_a_server_that_stops_leaves_an_answer_that_can_be_continued(
    space: int, answering: Answering, database: PostgresDatabase, silent: asyncio.Event
) -> None:
    running = RunningAnswers(answering(ScriptedModel("Use gather ", silent)).ask)
    run = await running.begin(ASK, 60)
    await silent.wait()
    await running.close()
    _, stored = await ConversationService(database).store.message(run.started.result().message_id)
    assert (stored.outcome, (stored.error or {})["code"], stored.content) == ("truncated", "interrupted", "Use gather ")


async def test_what_fails_before_the_start_is_raised_to_who_asked(answering: Answering) -> None:
    running = RunningAnswers(answering(ScriptedModel(WHOLE, length=64)).ask)
    with pytest.raises(ContextTooLong):
        await running.begin(AskRequest("word " * 500), 0)


async def test_an_ended_answer_is_told_whole_from_the_store(
    space: int, answering: Answering, database: PostgresDatabase
) -> None:
    run = await RunningAnswers(answering(ScriptedModel("Use gather [1].", WHOLE)).ask).begin(ASK, 0)
    live = await read(run)
    store = ConversationService(database).store
    told = [one async for one in replay(store, run.started.result().message_id)]
    assert [name for name, _ in told] == [event.name for _, event in live]
    assert dict(told)["token"] == {"text": "Use gather [1]."}
    assert dict(told)["done"].items() <= live[-1][1].to_dict().items()


async def test_a_cut_answer_is_continued_in_its_place(
    space: int, answering: Answering, database: PostgresDatabase
) -> None:
    cut = StreamEnd(Outcome.COMPLETE, "length")
    run = await RunningAnswers(answering(ScriptedModel("Use gather [1] ", cut)).ask).begin(ASK, 0)
    await read(run)
    message_id = run.started.result().message_id
    model = ScriptedModel(" and wait [1] [7].", WHOLE)
    again = AskRequest("", continues=message_id)
    told = await read(await RunningAnswers(answering(model).ask).begin(again, 0))
    _, stored = await ConversationService(database).store.message(message_id)
    assert stored.content == text(told) == "Use gather [1] and wait [1]."
    assert (model.asked[0][-1].role, model.asked[0][-1].content) == ("assistant", "Use gather [1]")
    assert model.options[0].continues


async def test_an_answer_that_is_being_written_is_not_continued(
    space: int, answering: Answering, silent: asyncio.Event
) -> None:
    running = RunningAnswers(answering(ScriptedModel("Use ", silent)).ask)
    run = await running.begin(ASK, 60)
    with pytest.raises(Conflict):
        await running.begin(AskRequest("", continues=run.started.result().message_id), 0)
    await running.close()
