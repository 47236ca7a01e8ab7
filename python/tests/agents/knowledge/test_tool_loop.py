"""The tool loop on the recorded wire: what a model may do, and what it may do wrong."""

from __future__ import annotations

import pytest

from src.agents.events import CitationEvent, TokenEvent
from src.agents.knowledge.asked import AgentQuestion
from src.agents.knowledge.loop import MOST_STEPS
from tests.fakes.model_server import ModelServer

from .conftest import AgentAt, done, told, tools, ways
from .planned import NO_TOOLS, Plan, calls, says, search

GATHER = "Which call runs awaitables at once, and which one reads JSON?"


async def test_two_searches_make_one_answer_with_passages_of_both(server: ModelServer, agent_at: AgentAt) -> None:
    plan = Plan(
        server,
        search("run awaitables concurrently"),
        search("read JSON document"),
        says("asyncio.gather does [1]. ", "json.loads does [6]. ", "A third does [99]."),
    )
    events = await told(agent_at(server.url), GATHER)
    assert ways(events) == [("tools", None)]
    assert [tool.state for tool in tools(events)] == ["answered", "answered"]
    numbers = [passage.number for tool in tools(events) for passage in tool.passages]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 6
    assert "[99]" not in done(events).answer
    assert [event.numbers for event in events if isinstance(event, CitationEvent)][:2] == [(1,), (6,)]
    assert len(plan.bodies) == 3


async def test_the_first_step_is_a_named_strict_search_and_later_ones_are_free(
    server: ModelServer, agent_at: AgentAt
) -> None:
    plan = Plan(server, search("gather"), says("Done [1]."))
    await told(agent_at(server.url), GATHER)
    first, second = plan.bodies
    assert first["tool_choice"] == {"type": "function", "function": {"name": "search_knowledge"}}
    strict = {tool["function"]["name"]: tool["function"]["strict"] for tool in first["tools"]}
    assert strict == dict.fromkeys(("search_knowledge", "search_code", "read_page", "list_sources"), True)
    query = first["tools"][0]["function"]["parameters"]["properties"]["query"]
    assert (first["max_tokens"], query["maxLength"]) == (1024, 60)
    assert second["tool_choice"] == "auto"
    assert second["messages"][-1]["role"] == "tool"
    assert "asyncio.gather runs" in second["messages"][-1]["content"]


async def test_a_short_answer_leaves_the_search_its_room(server: ModelServer, agent_at: AgentAt) -> None:
    plan = Plan(server, search("gather"), says("Done [1]."))
    await told(agent_at(server.url), AgentQuestion(GATHER, max_tokens=16))
    assert [body["max_tokens"] for body in plan.bodies] == [200, 16]


async def test_the_tokens_are_the_answer(server: ModelServer, agent_at: AgentAt) -> None:
    Plan(server, search("gather"), says("gather ", "runs ", "them [1", "]."))
    events = await told(agent_at(server.url), GATHER)
    assert "".join(event.text for event in events if isinstance(event, TokenEvent)) == done(events).answer
    assert done(events).answer == "gather runs them [1]."
    assert (done(events).outcome, done(events).supported, done(events).way) == ("complete", True, "tools")


async def test_a_bare_string_for_arguments_is_refused_and_the_model_told(
    server: ModelServer, agent_at: AgentAt
) -> None:
    plan = Plan(server, calls(("search_knowledge", '"Paris"')), search("gather"), says("It runs them [1]."))
    events = await told(agent_at(server.url), GATHER)
    assert [tool.state for tool in tools(events)] == ["refused", "answered"]
    assert done(events).answer == "It runs them [1]."
    assert "object" in str(plan.bodies[1]["messages"][-1]["content"])


async def test_arguments_that_stay_wrong_end_in_one_pass(server: ModelServer, agent_at: AgentAt) -> None:
    wrong = calls(("search_knowledge", '"Paris"'))
    plan = Plan(server, wrong, wrong, wrong, says("It runs them [1]."))
    events = await told(agent_at(server.url), GATHER)
    assert ways(events) == [("tools", None), ("one_pass", "invalid_calls")]
    assert done(events).answer == "It runs them [1]."
    assert "tools" not in plan.bodies[-1]


async def test_an_unknown_tool_is_refused_and_the_run_goes_on(server: ModelServer, agent_at: AgentAt) -> None:
    Plan(server, calls(("delete_everything", "{}")), search("gather"), says("It runs them [1]."))
    events = await told(agent_at(server.url), GATHER)
    assert [(tool.tool, tool.state) for tool in tools(events)] == [
        ("delete_everything", "refused"),
        ("search_knowledge", "answered"),
    ]
    assert done(events).supported


async def test_markup_of_a_call_never_reaches_the_reader(server: ModelServer, agent_at: AgentAt) -> None:
    leak = says("<tool", '_call>\n{"name": "search_knowledge", "arg', 'uments": {"query": "x"}}\n</tool_call>')
    Plan(server, search("gather"), leak, says("It runs them [1]."))
    events = await told(agent_at(server.url), GATHER)
    assert ways(events) == [("tools", None), ("one_pass", "tool_markup")]
    assert done(events).answer == "It runs them [1]."


async def test_markup_that_was_cut_in_its_first_word_is_noticed(server: ModelServer, agent_at: AgentAt) -> None:
    Plan(server, says("<tool_c", finish_reason="length"), says("It runs them [1]."))
    events = await told(agent_at(server.url), GATHER)
    assert ways(events)[-1] == ("one_pass", "tool_markup")
    assert done(events).answer == "It runs them [1]."


async def test_a_loop_is_stopped_at_its_limit_and_still_answered(server: ModelServer, agent_at: AgentAt) -> None:
    steps = [search(f"gather {number}") for number in range(MOST_STEPS)]
    plan = Plan(server, *steps, says("It runs them [1]."))
    events = await told(agent_at(server.url), GATHER)
    assert ways(events) == [("tools", None), ("one_pass", "step_limit")]
    assert len(plan.bodies) == MOST_STEPS + 1
    assert (done(events).answer, done(events).supported) == ("It runs them [1].", True)


async def test_the_same_search_again_brings_nothing(server: ModelServer, agent_at: AgentAt) -> None:
    plan = Plan(server, search("gather"), search("Gather "), says("It runs them [1]."))
    await told(agent_at(server.url), GATHER)
    assert "exactly this before" in plan.bodies[2]["messages"][-1]["content"]


async def test_a_stream_that_breaks_off_keeps_what_came_and_says_so(server: ModelServer, agent_at: AgentAt) -> None:
    whole = says("It runs ", "them.")
    Plan(server, search("gather"), type(whole)(whole.parts[:2], end="done"))
    events = await told(agent_at(server.url), GATHER)
    assert (done(events).answer, done(events).outcome) == ("It runs ", "truncated")
    assert [event.name for event in events][-2:] == ["error", "done"]


@pytest.mark.parametrize("way", ["tools", "one_pass"])
async def test_a_model_that_repeats_itself_is_stopped_and_it_is_said(
    server: ModelServer, agent_at: AgentAt, way: str
) -> None:
    over_and_over = says(*["The same again. "] * 500)
    Plan(server, search("gather") if way == "tools" else NO_TOOLS, over_and_over)
    events = await told(agent_at(server.url), GATHER)
    end = done(events)
    assert (end.way, end.outcome, end.finish_reason) == (way, "truncated", "loop")
    assert [event.to_dict()["code"] for event in events if event.name == "error"] == ["model_loops"]
    assert 1000 < len(end.answer) < 2500


async def test_a_page_is_read_from_the_number_of_its_passage(server: ModelServer, agent_at: AgentAt) -> None:
    read = calls(("read_page", '{"passage": 1}'))
    plan = Plan(server, search("asyncio.gather awaitable"), read, says("It runs them [1]."))
    await told(agent_at(server.url), GATHER)
    assert "Passages of the page: 3." in plan.bodies[2]["messages"][-1]["content"]
