"""A reader that leaves stops the model's work, and what came is kept."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from src.agents.events import TokenEvent
from src.agents.knowledge.agent import KnowledgeAgent
from src.agents.knowledge.asked import AgentQuestion
from src.agents.knowledge.sessions import AgentChat
from src.search.query import SearchService
from src.store.postgres import PostgresDatabase
from tests.agents.conftest import giving
from tests.fakes.model_server import ModelServer, Stream
from tests.search.shelf import WireEmbedder

from .conftest import AgentAt, model_at, offering
from .planned import Plan, says, search

HALF = Stream(says("It runs ", "them.").parts[:2], end="silent")


async def test_leaving_in_mid_answer_closes_the_models_stream(server: ModelServer, agent_at: AgentAt) -> None:
    Plan(server, search("gather"), HALF)
    async with aclosing(agent_at(server.url).answer(AgentQuestion("What runs them?"))) as events:
        async for event in events:
            if isinstance(event, TokenEvent):
                break
    async with asyncio.timeout(10):
        await server.gone.wait()


async def test_what_came_before_the_reader_left_is_kept_with_its_steps(
    server: ModelServer,
    database: PostgresDatabase,
    service: SearchService,
    embedder: WireEmbedder,
    space: int,
) -> None:
    Plan(server, search("gather"), HALF)
    model = offering(model_at(server.url))
    chat = AgentChat(database, KnowledgeAgent(database, service, model, giving(embedder)), model)
    session = await chat.create("rag", None)
    async with aclosing(chat.ask(session, AgentQuestion("What runs them?"))) as events:
        async for event in events:
            if isinstance(event, TokenEvent):
                break
    said = (await chat.messages(session))[1]
    assert isinstance(said, dict)
    assert (said["content"], said["outcome"], said["way"]) == ("It runs", "cancelled", "tools")
    assert said["steps"]


async def test_a_server_that_stops_ends_what_is_answered_in_the_background(
    server: ModelServer,
    database: PostgresDatabase,
    service: SearchService,
    embedder: WireEmbedder,
    space: int,
) -> None:
    Plan(server, search("gather"), HALF)
    model = offering(model_at(server.url))
    chat = AgentChat(database, KnowledgeAgent(database, service, model, giving(embedder)), model)
    session = await chat.create("rag", None)
    await chat.send(session, AgentQuestion("What runs them?"))
    async with asyncio.timeout(60):
        await server.busy.wait()
    await chat.close()
    said = (await chat.messages(session))[1]
    assert isinstance(said, dict)
    assert (said["outcome"], said["steps"] == []) == ("cancelled", False)
