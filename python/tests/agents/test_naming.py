"""Conversations are named by the model after their first answer, and by their question where it writes no title."""

from __future__ import annotations

import asyncio

import pytest

from src.agents.afterwards import Afterwards
from src.agents.answer import AnswerService
from src.agents.conversations import ConversationService
from src.agents.naming import Namer, usable
from src.agents.request import AskRequest, title
from src.errors import ServerFailure
from src.inference.models import Outcome, StreamEnd
from src.search.query import SearchService
from src.store.answers import AnswerRepository, NewTurn
from src.store.conversations import ConversationRepository
from src.store.postgres import PostgresDatabase
from tests.search.shelf import WireEmbedder

from .conftest import giving
from .models import WHOLE, ScriptedModel, Step

LONG = "How do I run several coroutines at once and wait until every one of them has come to its end?"
BEGINNING = "How do I run several coroutines at once and wait until…"


@pytest.fixture
def afterwards() -> Afterwards:
    return Afterwards()


@pytest.fixture
def namer(database: PostgresDatabase, afterwards: Afterwards) -> Namer:
    return Namer(ConversationRepository(database), afterwards)


async def begun(database: PostgresDatabase) -> str:
    """A conversation that begins with `LONG`; its id."""
    turn = NewTurn(None, title(LONG), LONG, provider="test", model="scripted", passages=[])
    return (await AnswerRepository(database).begin(turn)).conversation_id


async def settled(conversation_id: str) -> None:
    """Wait until nobody looks for its title any more."""
    naming = [task for task in asyncio.all_tasks() if task.get_name() == f"name {conversation_id}"]
    await asyncio.wait_for(asyncio.gather(*naming, return_exceptions=True), 10)


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        (("Running ", "coroutines together", WHOLE), "Running coroutines together"),
        (("**Title: Waiting for coroutines.**", WHOLE), "Waiting for coroutines"),
        (("A cat\nand a dog", WHOLE), BEGINNING),
        (("Sure! Here is a title for your conversation, which is long enough:", WHOLE), BEGINNING),
        (("Running coroutines", StreamEnd(Outcome.COMPLETE, "length")), BEGINNING),
        ((ServerFailure("It failed."),), BEGINNING),
    ],
)
async def test_a_title_of_the_model_is_taken_only_where_it_is_one(
    namer: Namer, database: PostgresDatabase, script: tuple[Step, ...], wanted: str
) -> None:
    home, model = await begun(database), ScriptedModel(*script)
    namer.name(home, LONG, "Use gather.", model)
    await settled(home)
    assert (await ConversationRepository(database).get(home)).title == wanted
    assert model.options[0].max_tokens == 24


@pytest.mark.unit
@pytest.mark.parametrize(
    ("written", "about", "wanted"),
    [
        ("Zebras in the rain", "How are the coroutines run?", None),
        ("The answer to this question is:", "How are the coroutines run?", None),
        ("![](https://evil.test/x.png) coroutines", "coroutines", None),
        ("“Coroutinen starten”", "Wie starte ich Coroutinen?", "Coroutinen starten"),
        ("并发任务", "如何并发运行多个任务？", "并发任务"),
        ("", "coroutines", None),
        ("x" * 61, "x" * 61, None),
    ],
)
def test_what_is_no_title_is_known(written: str, about: str, wanted: str | None) -> None:
    assert usable(written, about) == wanted


async def test_a_short_question_is_its_own_title(namer: Namer, database: PostgresDatabase) -> None:
    model = ScriptedModel("Never asked", WHOLE)
    namer.name("8d1e3d0a-5d3c-4d6e-9d55-0d5c6f6f0f0f", "What is gather?", "A call.", model)
    assert not namer.is_naming("8d1e3d0a-5d3c-4d6e-9d55-0d5c6f6f0f0f")
    assert title("What is gather?") == "What is gather?"


async def test_a_name_that_somebody_gave_meanwhile_stays(namer: Namer, database: PostgresDatabase) -> None:
    kept, home = ConversationService(database, namer), await begun(database)
    await kept.change(home, "Mine", None)
    namer.name(home, LONG, "Use gather.", ScriptedModel("Running coroutines", WHOLE))
    await settled(home)
    assert (await kept.store.get(home)).title == "Mine"


async def test_the_list_says_what_is_being_named_and_a_stop_leaves_its_beginning(
    namer: Namer, afterwards: Afterwards, database: PostgresDatabase
) -> None:
    kept, home, silent = ConversationService(database, namer), await begun(database), asyncio.Event()
    namer.name(home, LONG, "Use gather.", ScriptedModel(silent))
    await silent.wait()
    [listed] = (await kept.list())["conversations"]  # type: ignore[misc]
    assert (listed["naming"], listed["title"]) == (True, BEGINNING)  # type: ignore[index, call-overload]
    await afterwards.close()
    assert (await kept.get(home))["naming"] is False


async def test_a_new_conversation_is_named_after_its_answer_and_an_older_one_is_not_again(
    namer: Namer, database: PostgresDatabase, service: SearchService, embedder: WireEmbedder, space: int
) -> None:
    model = ScriptedModel("Use gather.", WHOLE)
    answers = AnswerService(database, service, giving(model), giving(embedder), namer=namer)
    events = [event async for event in answers.ask(AskRequest(LONG))]
    home = getattr(events[0], "conversation_id")  # noqa: B009 - the first event is the start
    await settled(home)
    assert (events[-1].name, (await ConversationRepository(database).get(home)).title) == ("done", "Use gather")
    [_ async for _ in answers.ask(AskRequest(LONG, conversation_id=home))]
    await settled(home)
    assert len(model.asked) == 3
