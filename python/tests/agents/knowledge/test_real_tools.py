"""Tools on a real vLLM: one that calls them, and a model that plans where one is configured; the likeliest words."""

from __future__ import annotations

import pytest

from src.agents.events import CitationEvent
from src.agents.knowledge.asked import AgentQuestion
from tests.fixtures.vllm import STRICT_KEY, Planner

from .conftest import AgentAt, done, told, tools, ways

BOTH = "How long is bread baked with steam, and which call reads a JSON document from a string?"
pytestmark = [pytest.mark.real_vllm, pytest.mark.slow, pytest.mark.timeout(600)]


async def test_a_forced_search_of_a_real_model_brings_passages_it_is_then_shown(
    strict_vllm_url: str, agent_at: AgentAt
) -> None:
    agent = agent_at(strict_vllm_url, VLLM_API_KEY=STRICT_KEY)
    asked = AgentQuestion("What does asyncio.gather do?", match_count=2, max_tokens=24, temperature=0.0)
    events = await told(agent, asked)
    searched = tools(events)[0]
    assert (searched.tool, searched.state, searched.asked_by) == ("search_knowledge", "answered", "model")
    assert ways(events)[0] == ("tools", None)
    assert searched.passages
    assert done(events).answer


async def test_a_model_that_plans_searches_for_both_halves_of_a_question(agent_at: AgentAt, planner: Planner) -> None:
    agent = agent_at(planner.url, VLLM_API_KEY=planner.key)
    events = await told(agent, AgentQuestion(BOTH, temperature=0.0))
    searches = [tool.arguments for tool in tools(events) if tool.tool == "search_knowledge"]
    cited = {number for event in events if isinstance(event, CitationEvent) for number in event.numbers}
    urls = {passage.url for tool in tools(events) for passage in tool.passages if passage.number in cited}
    assert ways(events) == [("tools", None)]
    assert len(searches) >= 2
    assert {"https://kitchen.test/bread", "https://docs.test/json"} <= urls
