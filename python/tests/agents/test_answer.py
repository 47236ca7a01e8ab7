"""Answers over a real store with real embeddings; the chat model plays what a test needs."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from src.agents.answer import AnswerService
from src.agents.conversations import ConversationService
from src.agents.events import ChatEvent, CitationEvent, DoneEvent, ErrorEvent, StartEvent, TokenEvent, UsageEvent
from src.agents.request import AskRequest
from src.errors import (
    ConfigurationError,
    ConnectionRefused,
    FirstByteTimeout,
    InvalidInput,
    NotFound,
    ProviderError,
    ServerFailure,
    StreamCut,
)
from src.inference.models import Embedded, Outcome, StreamEnd, TextDelta
from src.search.query import SearchService
from src.store.postgres import PostgresDatabase
from tests.search.shelf import WireEmbedder

from .conftest import Answering, giving
from .models import WHOLE, ScriptedModel, WireModel

ASK = AskRequest("How do I run several coroutines at once and wait for all of them?")


async def asked(service: AnswerService, request: AskRequest = ASK) -> list[ChatEvent]:
    """All events of an answer."""
    return [event async for event in service.ask(request)]


def done(events: list[ChatEvent]) -> DoneEvent:
    """The last event, which must be `done` and the only one of its kind."""
    assert [event.name for event in events].count("done") == 1
    assert isinstance(events[-1], DoneEvent)
    return events[-1]


async def stored(database: PostgresDatabase, conversation_id: str) -> list[dict[str, object]]:
    """The messages of a conversation."""
    return (await ConversationService(database).get(conversation_id))["messages"]  # type: ignore[return-value]


async def test_events_come_in_their_order(space: int, answering: Answering) -> None:
    events = await asked(answering(ScriptedModel("Use gather", " [1].", WHOLE)))
    assert [event.name for event in events] == ["start", "token", "token", "citation", "usage", "done"]
    assert done(events).to_dict() == {
        "outcome": "complete",
        "finish_reason": "stop",
        "supported": True,
        "answer": "Use gather [1].",
        "message_id": events[0].to_dict()["message_id"],
        "provider": "test",
        "model": "scripted",
    }


async def test_the_passages_come_before_the_first_token(space: int, answering: Answering) -> None:
    start = (await asked(answering(ScriptedModel("x", WHOLE))))[0].to_dict()
    first = start["passages"][0]  # type: ignore[index, call-overload]
    assert (first["number"], first["url"], first["title"]) == (
        1,
        "https://docs.test/asyncio-task",
        "Coroutines and Tasks",
    )
    assert set(first) == {
        *("number", "chunk_id", "source_id", "page_id", "url", "title"),
        *("heading_path", "text", "similarity", "page_number"),
    }


async def test_markers_of_passages_that_do_not_exist_never_reach_the_reader(space: int, answering: Answering) -> None:
    events = await asked(answering(ScriptedModel("Use gather [", "4", "2].", " Or a group [9] [2].", WHOLE)))
    text = "".join(event.text for event in events if isinstance(event, TokenEvent))
    assert text == done(events).answer == "Use gather. Or a group [2]."


async def test_a_made_up_answer_is_said_to_have_no_support(space: int, answering: Answering) -> None:
    events = await asked(answering(ScriptedModel("Penguins elect a king [77].", " The moon is a cheese.", WHOLE)))
    assert [event.kind for event in events if isinstance(event, CitationEvent)] == ["none", "none"]
    assert done(events).supported is False


async def test_a_sentence_without_a_marker_shows_its_similar_passage(space: int, answering: Answering) -> None:
    model = ScriptedModel("asyncio.gather runs awaitables concurrently and waits for all of them.", WHOLE)
    events = await asked(answering(model))
    assert [(e.kind, e.numbers) for e in events if isinstance(e, CitationEvent)] == [("similar", (1,))]
    assert done(events).supported is True


async def test_question_and_answer_are_stored(space: int, answering: Answering, database: PostgresDatabase) -> None:
    events = await asked(answering(ScriptedModel("Use gather [1].", WHOLE)))
    start = events[0].to_dict()
    question, answer = await stored(database, str(start["conversation_id"]))
    assert (question["role"], question["content"]) == ("user", ASK.message)
    assert (answer["content"], answer["outcome"], answer["model"]) == ("Use gather [1].", "complete", "scripted")
    assert answer["passages"] == start["passages"]
    assert answer["support"] == [event.to_dict() for event in events if isinstance(event, CitationEvent)]


async def test_the_question_is_stored_before_the_answer_is_there(
    space: int, answering: Answering, database: PostgresDatabase
) -> None:
    async with aclosing(answering(ScriptedModel("x", WHOLE)).ask(ASK)) as events:
        start = await anext(events)
        messages = await stored(database, str(start.to_dict()["conversation_id"]))
    assert [(message["role"], message["outcome"]) for message in messages] == [("user", None), ("assistant", None)]


async def test_a_reader_who_leaves_stops_the_model_and_keeps_what_came(
    space: int, answering: Answering, database: PostgresDatabase
) -> None:
    model = ScriptedModel("Use gather", " and more", WHOLE)
    events = answering(model).ask(ASK)
    start = await anext(events)
    await anext(events)
    await events.aclose()
    answer = (await stored(database, str(start.to_dict()["conversation_id"])))[1]
    assert (model.closed.is_set(), answer["outcome"], answer["content"]) == (True, "cancelled", "Use gather")


async def test_a_task_that_is_cancelled_while_the_model_thinks_stops_it_too(
    space: int, answering: Answering, database: PostgresDatabase
) -> None:
    silent = asyncio.Event()
    model = ScriptedModel("Use gather [", silent)
    task = asyncio.create_task(asked(answering(model)))
    await silent.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    listed = (await ConversationService(database).list())["conversations"]
    answer = (await stored(database, listed[0]["id"]))[1]  # type: ignore[index, call-overload, arg-type]
    assert (model.closed.is_set(), answer["outcome"], answer["content"]) == (True, "cancelled", "Use gather [")


@pytest.mark.parametrize(
    ("script", "outcome", "answer"),
    [
        ((ConnectionRefused("Nothing listens."),), "upstream_error", ""),
        (("Use", FirstByteTimeout("Silent.")), "stalled", "Use"),
        (("Use", StreamEnd(Outcome.TRUNCATED, None, error=StreamCut("Cut."))), "truncated", "Use"),
        (("Use", StreamEnd(Outcome.UPSTREAM_ERROR, None, error=ServerFailure("Dead."))), "upstream_error", "Use"),
        (("Use",), "upstream_error", "Use"),
    ],
)
async def test_what_goes_wrong_in_mid_answer_is_told_and_what_came_is_kept(
    space: int, answering: Answering, database: PostgresDatabase, script: tuple[str], outcome: str, answer: str
) -> None:
    events = await asked(answering(ScriptedModel(*script)))
    kept = (await stored(database, str(events[0].to_dict()["conversation_id"])))[1]
    assert (done(events).outcome, kept["outcome"], kept["content"]) == (outcome, outcome, answer)
    errors = [event.to_dict() for event in events if isinstance(event, ErrorEvent)]
    assert errors == [kept["error"]]


async def test_what_fails_before_the_start_is_raised_and_leaves_nothing_behind(
    space: int, database: PostgresDatabase, service: SearchService, embedder: WireEmbedder
) -> None:
    async def none_chosen(_connection_id: str | None, _model: str | None) -> ScriptedModel:
        raise ConfigurationError("No chat model is chosen.")

    with pytest.raises(ConfigurationError):
        await asked(AnswerService(database, service, none_chosen, giving(embedder)))
    assert await ConversationService(database).list() == {"conversations": []}


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (AskRequest(" "), "message"),
        (AskRequest("x", match_count=0), "match_count"),
        (AskRequest("x", max_tokens=0), "max_tokens"),
        (AskRequest("x", temperature=3), "temperature"),
        (AskRequest("x", conversation_id="7"), "conversation_id"),
    ],
)
async def test_a_value_that_cannot_be_used_is_named(answering: Answering, request_: AskRequest, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await asked(answering(ScriptedModel()), request_)
    assert refused.value.to_dict()["field"] == field


async def test_an_unknown_conversation_is_not_found(answering: Answering) -> None:
    with pytest.raises(NotFound):
        await asked(answering(ScriptedModel()), AskRequest("x", "00000000-0000-4000-8000-000000000000"))


async def test_a_follow_up_knows_what_was_said_and_finds_its_subject(space: int, answering: Answering) -> None:
    model = ScriptedModel("Feed the starter [1].", WHOLE)
    first = await asked(answering(model), AskRequest("How is sourdough bread made?"))
    again = await asked(answering(model), AskRequest("And how hot?", str(first[0].to_dict()["conversation_id"])))
    said = [(message.role, message.content) for message in model.asked[1][1:3]]
    assert said == [("user", "How is sourdough bread made?"), ("assistant", "Feed the starter.")]
    assert isinstance(again[0], StartEvent)
    assert again[0].passages[0].source_id == "kitchen"


async def test_an_empty_store_is_answered_without_passages_and_without_support(answering: Answering) -> None:
    model = ScriptedModel("I know nothing [1].", WHOLE)
    events = await asked(answering(model))
    assert (events[0].to_dict()["passages"], events[0].to_dict()["reason"]) == ([], "empty_store")
    assert (done(events).answer, done(events).supported) == ("I know nothing.", False)


async def test_reasoning_is_no_part_of_the_answer(space: int, answering: Answering) -> None:
    events = await asked(answering(ScriptedModel(TextDelta("Hm [1]", reasoning=True), "Gather.", WHOLE)))
    assert [event.to_dict() for event in events if event.name == "reasoning"] == [{"text": "Hm [1]"}]
    assert done(events).answer == "Gather."


async def test_usage_is_told_in_milliseconds_and_tokens_per_second(space: int, answering: Answering) -> None:
    events = await asked(answering(ScriptedModel("x", WHOLE)))
    assert [event for event in events if isinstance(event, UsageEvent)] == [UsageEvent(10, 3, 100, 300, 10.0)]


async def test_an_embedding_server_that_dies_in_mid_answer_leaves_the_answer_whole(
    space: int, database: PostgresDatabase, service: SearchService
) -> None:
    model = ScriptedModel("Use gather [1]. Or not.", WHOLE)
    events = await asked(AnswerService(database, service, giving(model), giving(_Dying(""))))
    assert [event.kind for event in events if isinstance(event, CitationEvent)] == ["cited", "none"]
    assert [event.to_dict()["code"] for event in events if isinstance(event, ErrorEvent)] == ["provider"]
    assert done(events).outcome == "complete"


async def test_a_real_model_answers_with_numbers_that_resolve(
    space: int, answering: Answering, vllm_chat_url: str
) -> None:
    events = await asked(answering(WireModel(vllm_chat_url)), AskRequest(ASK.message, max_tokens=40))
    known = {passage.number for passage in events[0].passages} if isinstance(events[0], StartEvent) else set()
    assert {number for e in events if isinstance(e, CitationEvent) for number in e.numbers} <= known
    assert done(events).outcome == "complete"
    assert done(events).answer


async def test_a_deleted_conversation_is_gone(space: int, answering: Answering, database: PostgresDatabase) -> None:
    conversation_id = str((await asked(answering(ScriptedModel("x", WHOLE))))[0].to_dict()["conversation_id"])
    await ConversationService(database).delete(conversation_id)
    with pytest.raises(NotFound):
        await ConversationService(database).get(conversation_id)
    with pytest.raises(NotFound):
        await ConversationService(database).delete(conversation_id)


class _Dying(WireEmbedder):
    async def embed_passages(self, texts: object, *, somebody_waits: bool = False) -> list[Embedded]:
        return [Embedded(None, ProviderError("The embedding server is gone."))]
