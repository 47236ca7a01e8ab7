"""A long conversation of the studio is summed up after an answer, branch by branch, and the next question sees it."""

from __future__ import annotations

import asyncio

import pytest

from src.agents.afterwards import Afterwards
from src.agents.answer import AnswerService
from src.agents.chat_settings import ChatSettings
from src.agents.events import StartEvent
from src.agents.history import MESSAGES, since_summary
from src.agents.request import AskRequest
from src.agents.summing import Summariser
from src.search.query import SearchService
from src.store.conversations import ConversationRepository, PastMessage
from src.store.postgres import PostgresDatabase
from tests.search.shelf import WireEmbedder

from .conftest import giving
from .models import WHOLE, ScriptedModel

PLAIN = ChatSettings(knowledge=False)
LONG = "word " * 150
"""A quarter of the context of the model below is 256 of its tokens."""


class Studio:
    """Conversations with one model; `ask` waits until what follows an answer is done."""

    def __init__(self, answers: AnswerService) -> None:
        self.answers = answers
        self.home: str | None = None

    async def ask(self, question: str, edits: str | None = None) -> StartEvent:
        request = AskRequest(question, self.home, settings=PLAIN, edits=edits)
        events = [event async for event in self.answers.ask(request)]
        start = events[0]
        assert isinstance(start, StartEvent)
        self.home = start.conversation_id
        working = [task for task in asyncio.all_tasks() if task.get_name().startswith("sum up")]
        await asyncio.gather(*working)
        return start


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel("They spoke of words.", WHOLE, length=1024)


@pytest.fixture
def studio(database: PostgresDatabase, service: SearchService, embedder: WireEmbedder, model: ScriptedModel) -> Studio:
    summariser = Summariser(ConversationRepository(database), Afterwards())
    return Studio(AnswerService(database, service, giving(model), giving(embedder), summariser=summariser))


def system_of(model: ScriptedModel) -> str:
    """What the model was told beside the conversation by the last question."""
    first = model.asked[-1][0]
    return first.content if first.role == "system" else ""


async def test_a_question_sees_the_summary_of_what_is_too_long(studio: Studio, model: ScriptedModel) -> None:
    await studio.ask(f"First: {LONG}")
    await studio.ask(f"Second: {LONG}")
    assert "Sum up" in model.asked[-1][0].content
    assert "First:" in model.asked[2][1].content
    await studio.ask("Third?")
    assert system_of(model).endswith("They spoke of words.")
    assert not any("First:" in message.content for message in model.asked[-1])


async def test_a_branch_from_before_the_summary_does_not_know_it(studio: Studio, model: ScriptedModel) -> None:
    first = await studio.ask(f"First: {LONG}")
    await studio.ask(f"Second: {LONG}")
    await studio.ask("Another first?", edits=first.question_id)
    assert system_of(model) == ""


async def test_a_short_conversation_is_not_summed_up(studio: Studio, model: ScriptedModel) -> None:
    await studio.ask("First?")
    await studio.ask("Second?")
    assert len(model.asked) == 2


@pytest.mark.unit
def test_the_latest_summary_counts_with_what_it_does_not_stand_for() -> None:
    past = [PastMessage("user", "1", None), PastMessage("assistant", "2", "complete", {"text": "One.", "kept": 0})]
    past += [PastMessage("user", "3", None), PastMessage("assistant", "4", "complete", {"text": "Two.", "kept": 2})]
    past += [PastMessage("user", "5", None)]
    text, rest = since_summary(past)
    assert (text, [message.content for message in rest]) == ("Two.", ["3", "4", "5"])
    assert since_summary(past[:1]) == ("", past[:1])


async def test_many_short_messages_are_summed_up_before_the_first_ones_fall_out_of_sight(
    studio: Studio, model: ScriptedModel, database: PostgresDatabase
) -> None:
    model.length = 1_000_000
    for number in range(MESSAGES // 2):
        await studio.ask(f"Question {number}?")
    await studio.ask("And now?")
    assert system_of(model).endswith("They spoke of words.")
    assert len(model.asked[-1]) < MESSAGES
