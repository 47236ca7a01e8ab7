"""Fixtures of the knowledge agent: the filled store of search, and an agent over a model server's address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from src.agents.knowledge.agent import KnowledgeAgent
from src.agents.knowledge.asked import AgentModel, AgentQuestion
from src.agents.knowledge.events import AgentDone, AgentEvent, ToolEvent, WayEvent
from src.inference.chat import build_chat_model
from src.inference.discovery import forget_discoveries
from src.inference.pool import close_pool
from src.search.query import SearchService
from src.store.postgres import PostgresDatabase
from tests.agents.conftest import giving
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, running
from tests.search.shelf import WireEmbedder

AgentAt = Callable[..., KnowledgeAgent]


def model_at(url: str, **values: str) -> AgentModel:
    """The chat model of a vLLM at `url`."""
    active = chosen("llm", VLLM_BASE_URL=url, **values)
    return AgentModel(build_chat_model(active), active)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model server that plays a plan."""
    forget_discoveries()
    async with running() as one:
        yield one
        await close_pool()


@pytest.fixture
def agent_at(database: PostgresDatabase, service: SearchService, embedder: WireEmbedder, space: int) -> AgentAt:
    """The agent over the filled store, with the model at a URL."""

    def make(url: str, **values: str) -> KnowledgeAgent:
        return KnowledgeAgent(database, service, giving(model_at(url, **values)), giving(embedder))

    return make


async def told(agent: KnowledgeAgent, question: str | AgentQuestion) -> list[AgentEvent]:
    """All events of an answer."""
    asked = question if isinstance(question, AgentQuestion) else AgentQuestion(question)
    return [event async for event in agent.answer(asked)]


def ways(events: list[AgentEvent]) -> list[tuple[str, str | None]]:
    """The ways it went, each with its reason."""
    return [(event.way, event.reason) for event in events if isinstance(event, WayEvent)]


def tools(events: list[AgentEvent]) -> list[ToolEvent]:
    """What tools brought, in order."""
    return [event for event in events if isinstance(event, ToolEvent) and event.state != "called"]


def done(events: list[AgentEvent]) -> AgentDone:
    """The last event, which there is once."""
    [end] = [event for event in events if isinstance(event, AgentDone)]
    assert events[-1] is end
    return end
