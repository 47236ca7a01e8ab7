"""Tools on a real vLLM: one that calls them, one that does not, and a model that plans where one is configured."""

from __future__ import annotations

import pytest

from src.agents.knowledge.asked import AgentQuestion
from tests.fixtures.vllm import STRICT_KEY

from .conftest import AgentAt, done, told, tools, ways

pytestmark = pytest.mark.real_vllm


async def test_a_forced_search_of_a_real_model_brings_passages_it_is_then_shown(
    strict_vllm_url: str, agent_at: AgentAt
) -> None:
    agent = agent_at(strict_vllm_url, VLLM_API_KEY=STRICT_KEY)
    events = await told(agent, AgentQuestion("What does asyncio.gather do?", match_count=2, max_tokens=120))
    searched = tools(events)[0]
    assert (searched.tool, searched.state, searched.asked_by) == ("search_knowledge", "answered", "model")
    assert ways(events)[0] == ("tools", None)
    assert searched.passages
    assert done(events).answer
