"""Fixtures of the knowledge agent: the filled store of search, and an agent over a model server's address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import ClassVar

import pytest

from src.agents.knowledge.agent import KnowledgeAgent
from src.agents.knowledge.asked import AgentModel, AgentModelFactory, AgentQuestion
from src.agents.knowledge.events import AgentDone, AgentEvent, ToolEvent, WayEvent
from src.inference.chat import build_chat_model
from src.inference.discovery import forget_discoveries
from src.inference.models import Vector
from src.inference.pool import close_pool
from src.search.query import SearchService
from src.store.postgres import PostgresDatabase
from src.store.search import SearchRepository
from tests.agents.conftest import giving
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, running
from tests.search.shelf import WireEmbedder

AgentAt = Callable[..., KnowledgeAgent]


def model_at(url: str, **values: str) -> AgentModel:
    """The chat model of a vLLM at `url`."""
    active = chosen("llm", VLLM_BASE_URL=url, **values)
    return AgentModel(build_chat_model(active), active)


def offering(model: AgentModel) -> AgentModelFactory:
    """A factory that gives `model` whatever connection is named."""

    async def give(_connection_id: str | None, _model: str | None) -> AgentModel:
        return model

    return give


class RememberingEmbedder(WireEmbedder):
    """The real embedding model, asked once for each text of the whole run."""

    known: ClassVar[dict[str, Vector]] = {}

    async def _embed(self, texts: Sequence[str]) -> list[Vector]:
        fresh = [text for text in dict.fromkeys(texts) if text not in self.known]
        if fresh:
            self.known.update(zip(fresh, await super()._embed(fresh), strict=True))
        return [self.known[text] for text in texts]


@pytest.fixture
def embedder(vllm_embedding_url: str) -> WireEmbedder:
    """A real embedding model with a memory."""
    return RememberingEmbedder(vllm_embedding_url)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model server that plays a plan."""
    forget_discoveries()
    async with running() as one:
        yield one
        await close_pool()


@pytest.fixture
async def agent_at(database: PostgresDatabase, service: SearchService, embedder: WireEmbedder, space: int) -> AgentAt:
    """The agent over the filled store, with the model at a URL."""
    # Measured in tests of its own; here it would cost fifty vectors a test.
    await SearchRepository(database).save_floor(space, 0.5, 1_000_000)

    def make(url: str, **values: str) -> KnowledgeAgent:
        return KnowledgeAgent(database, service, offering(model_at(url, **values)), giving(embedder))

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
