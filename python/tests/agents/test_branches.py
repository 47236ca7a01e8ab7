"""Conversations as trees over a real store: retried, edited, opened page by page, found, exported."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from src.agents.answer import AnswerService
from src.agents.chat_settings import ChatSettings
from src.agents.conversations import ConversationService, Exported
from src.agents.events import DoneEvent, StartEvent
from src.agents.request import AskRequest
from src.errors import InvalidInput, JsonValue, NotFound
from src.store.postgres import PostgresDatabase

from .conftest import Answering
from .models import WHOLE, ScriptedModel


async def start(service: AnswerService, request: AskRequest) -> StartEvent:
    """The first event of a whole answer."""
    events = [event async for event in service.ask(request)]
    assert isinstance(events[0], StartEvent)
    return events[0]


def contents(conversation: dict[str, JsonValue]) -> list[JsonValue]:
    messages = conversation["messages"]
    assert isinstance(messages, list)
    return [message["content"] for message in messages if isinstance(message, dict)]


async def whole(file: Exported) -> str:
    """The text of an exported file."""
    return "".join([piece async for piece in file.pieces])


@pytest.fixture
def kept(database: PostgresDatabase) -> ConversationService:
    return ConversationService(database)


async def test_another_answer_stands_beside_the_first_and_either_can_be_shown(
    answering: Answering, kept: ConversationService
) -> None:
    first = await start(answering(ScriptedModel("One.", WHOLE)), AskRequest("Why?"))
    home = first.conversation_id
    again = AskRequest("", home, answers=first.question_id)
    second = await start(answering(ScriptedModel("Two.", WHOLE)), again)
    shown = await kept.get(home)
    assert contents(shown) == ["Why?", "Two."]
    assert shown["messages"][1]["versions"] == [first.message_id, second.message_id]  # type: ignore[index, call-overload]
    assert contents(await kept.show(home, first.message_id)) == ["Why?", "One."]


async def test_an_edited_question_begins_a_branch_that_knows_only_what_came_before_it(
    answering: Answering, kept: ConversationService
) -> None:
    model = ScriptedModel("Yes.", WHOLE)
    first = await start(answering(model), AskRequest("Why?"))
    home = first.conversation_id
    second = await start(answering(model), AskRequest("And then?", home))
    await start(answering(model), AskRequest("And before?", home, edits=second.question_id))
    assert contents(await kept.get(home)) == ["Why?", "Yes.", "And before?", "Yes."]
    assert [message.content for message in model.asked[-1][1:]] == ["Why?", "Yes.", "And before?"]


async def test_two_tabs_that_ask_after_the_same_answer_get_a_branch_each(
    answering: Answering, kept: ConversationService
) -> None:
    model = ScriptedModel("Yes.", WHOLE)
    first = await start(answering(model), AskRequest("Why?"))
    home, seen = first.conversation_id, first.message_id
    left = await start(answering(model), AskRequest("Left?", home, after=seen))
    await start(answering(model), AskRequest("Right?", home, after=seen))
    assert contents(await kept.get(home)) == ["Why?", "Yes.", "Right?", "Yes."]
    assert contents(await kept.show(home, str(left.question_id))) == ["Why?", "Yes.", "Left?", "Yes."]


async def test_a_message_of_another_conversation_is_not_gone_on_from(answering: Answering) -> None:
    model = ScriptedModel("Yes.", WHOLE)
    first = await start(answering(model), AskRequest("Why?"))
    other = await start(answering(model), AskRequest("Who?"))
    for wrong in ({"after": first.message_id}, {"edits": first.question_id}, {"answers": first.question_id}):
        with pytest.raises(NotFound):
            await start(answering(model), AskRequest("x", other.conversation_id, **wrong))


async def test_a_conversation_is_answered_by_its_own_settings(answering: Answering, kept: ConversationService) -> None:
    model = ScriptedModel("Yes.", WHOLE)
    settings = ChatSettings(knowledge=False, system_prompt="Be brief.", temperature=1.5, top_p=0.9, seed=7, stop=("X",))
    first = await start(answering(model), AskRequest("Why?", settings=settings))
    await kept.change(first.conversation_id, None, replace(settings, seed=8))
    second = await start(answering(model), AskRequest("And?", first.conversation_id))
    said = model.options[-1]
    assert (said.temperature, said.top_p, said.seed, said.stop) == (1.5, 0.9, 8, ("X",))
    assert (model.asked[-1][0].content, second.knowledge) == ("Be brief.", False)


@pytest.mark.unit
def test_the_temperature_is_the_conversations_else_the_connections_else_the_tasks() -> None:
    found = [ChatSettings(temperature=1.0).sampled_at(0.7), ChatSettings().sampled_at(0.7)]
    found += [ChatSettings().sampled_at(None), ChatSettings(knowledge=False).sampled_at(None)]
    assert found == [1.0, 0.7, 0.2, None]


async def test_without_knowledge_nothing_is_said_of_support(space: int, answering: Answering) -> None:
    service = answering(ScriptedModel("Use gather [1].", WHOLE))
    request = AskRequest("How do I run coroutines?", settings=ChatSettings(knowledge=False))
    events = [event async for event in service.ask(request)]
    assert [event.name for event in events] == ["start", "token", "usage", "done"]
    assert isinstance(events[-1], DoneEvent)
    assert (events[-1].supported, events[-1].answer) == (None, "Use gather.")


async def test_attached_pages_come_first_whatever_is_asked(
    space: int, answering: Answering, kept: ConversationService
) -> None:
    page = (await kept.store.pages_named("sourdough", 5))[0]
    settings = ChatSettings(pages=(page.page_id,))
    model = ScriptedModel("Yes [1].", WHOLE)
    found = await start(answering(model), AskRequest("How do I run several coroutines?", settings=settings))
    assert found.passages[0].page_id == page.page_id
    assert {passage.page_id for passage in found.passages} > {page.page_id}
    assert [passage.number for passage in found.passages] == list(range(1, len(found.passages) + 1))


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (ChatSettings(temperature=2.1), "temperature"),
        (ChatSettings(top_p=0), "top_p"),
        (ChatSettings(max_tokens=2049), "max_tokens"),
        (ChatSettings(seed=-1), "seed"),
        (ChatSettings(stop=("a", "b", "c", "d", "e")), "stop"),
        (ChatSettings(stop=("",)), "stop"),
        (ChatSettings(system_prompt="x" * 20_001), "system_prompt"),
        (ChatSettings(match_count=51), "match_count"),
    ],
)
async def test_a_setting_past_the_models_limits_is_named(
    answering: Answering, settings: ChatSettings, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await start(answering(ScriptedModel(WHOLE)), AskRequest("Why?", settings=settings))
    assert refused.value.context.field == field


async def test_conversations_are_found_by_all_of_the_words_the_last_unfinished(
    answering: Answering, kept: ConversationService
) -> None:
    for question in ("How does asyncio.gather wait?", "How is bread baked?"):
        await start(answering(ScriptedModel("It waits for the oven.", WHOLE)), AskRequest(question))
    for words, titles in (
        ("gath", ["How does asyncio.gather wait?"]),
        ("oven brea", []),
        ("bread bak", ["How is bread baked?"]),
        ("'; drop -- %", []),
    ):
        found = (await kept.list(words))["conversations"]
        assert [one["title"] for one in found] == titles  # type: ignore[union-attr, index, call-overload]


async def test_a_conversation_is_renamed_and_exported(answering: Answering, kept: ConversationService) -> None:
    first = await start(answering(ScriptedModel("It waits.", WHOLE)), AskRequest("How does it wait?"))
    await kept.change(first.conversation_id, "On waiting", None)
    await start(
        answering(ScriptedModel("It does not.", WHOLE)),
        AskRequest("", first.conversation_id, answers=first.question_id),
    )
    markdown = await kept.export(first.conversation_id, "markdown")
    assert markdown.name == "on-waiting.md"
    text = await whole(markdown)
    assert text.startswith("# On waiting\n\n## How does it wait?\n\nIt does not.\n\n*")
    assert text.endswith(" UTC, version 2 of 2*\n")
    value = json.loads(await whole(await kept.export(first.conversation_id, "json")))
    assert contents(value) == ["How does it wait?", "It waits.", "It does not."]
