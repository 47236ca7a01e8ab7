"""A broken plain-text stream goes on at another server of the same model."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import pytest

from .conftest import Stage
from .door import SOON, Answer, Door, until
from .faulty import DONE, Line, Seen, event, stream

WORDS = ["Once", " upon", " a", " time", " there", " was", " a", " fox"]
STORY = "".join(WORDS)


@dataclass
class Teller:
    """Two servers in one: a chat breaks after `words`, and /v1/completions tells the rest from any token on.

    `held`: how many tokens at the end are sent without their text, as vLLM does with the beginning of a stop string.
    `chatters`: the rest never comes, only comments do.
    """

    words: int = 4
    ending: str = "reset"
    held: int = 0
    tells: list[str] = field(default_factory=lambda: list(WORDS))
    asked: list[dict[str, object]] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    chatters: bool = False

    async def __call__(self, line: Line, seen: Seen) -> None:
        if seen.path == "/detokenize":
            text = "".join(WORDS[token - 100] for token in seen.fields["tokens"])  # type: ignore[attr-defined]
            await line.answer(200, json.dumps({"prompt": text}).encode())
        elif seen.path == "/v1/completions":
            self.asked.append(seen.fields)
            await self._go_on(line, len(seen.fields["prompt"]) - 3)  # type: ignore[arg-type]
        else:
            first = event().replace(b"}]}", b'}],"prompt_token_ids":[1,2,3],"prompt_text":null}')
            told = [event(WORDS[number], token_ids=[100 + number]) for number in range(self.words)]
            held = [event("", token_ids=[100 + self.words + number]) for number in range(self.held)]
            if self.ending == "wait":
                await line.begin_stream()
                await line.chunk(first + b"".join(told))
                await self.go.wait()
                line.reset()
            else:
                await stream(first, *told, *held, ending=self.ending)(line, seen)

    async def _go_on(self, line: Line, start: int) -> None:
        await line.begin_stream()
        while self.chatters:
            await line.chunk(b": keep-alive\n\n")
            await asyncio.sleep(0.05)
        for number in range(start, len(WORDS)):
            reason = "stop" if number == len(WORDS) - 1 else None
            choice = {"index": 0, "text": self.tells[number], "finish_reason": reason, "token_ids": [100 + number]}
            await line.chunk(b"data: " + json.dumps({"id": "cmpl-9", "choices": [choice]}).encode() + b"\n\n")
        usage = {"prompt_tokens": start + 3, "completion_tokens": len(WORDS) - start}
        await line.chunk(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n" + DONE)
        await line.end()


async def _door(stage: Stage, teller: Teller, *, heal: bool = True, timeouts: dict[str, float] | None = None) -> Door:
    one, two = await stage.server(), await stage.server()
    one.behaves = two.behaves = teller
    return await stage.door(one, two, pool={"heal": heal}, timeouts=timeouts or {})


def text_of(answer: Answer) -> str:
    choices = [event["choices"][0] for event in answer.events if event.get("choices")]  # type: ignore[index]
    return "".join(choice["delta"]["content"] for choice in choices)


@pytest.mark.parametrize("words", [1, 4, 7])
@pytest.mark.parametrize("ending", ["reset", "hang", "end"])
async def test_the_client_sees_one_unbroken_text(stage: Stage, words: int, ending: str) -> None:
    door = await _door(stage, Teller(words, ending), timeouts=SOON if ending == "hang" else None)
    answer = await door.stream(max_tokens=8, temperature=0)
    assert (text_of(answer), answer.ended, answer.body.endswith(DONE)) == (STORY, True, True)
    assert {event["id"] for event in answer.events} == {"chatcmpl-1"}
    assert answer.events[-1]["archon"] == {"healed": 1, "promise": "the same text up to numeric ties"}
    assert (door.log[0]["outcome"], door.log[0]["heals"]) == ("complete", 1)


async def test_comments_do_not_hide_the_stall_of_a_continuation(stage: Stage) -> None:
    door = await _door(stage, Teller(chatters=True), timeouts=SOON)
    answer = await door.stream(max_tokens=8, temperature=0)
    assert ("error" in answer.events[-1], door.log[0]["outcome"]) == (True, "truncated")
    assert door.count("heals_total", result="failed") == 1


async def test_a_client_that_leaves_stops_the_continuation(stage: Stage) -> None:
    teller = Teller(chatters=True)
    door = await _door(stage, teller)
    asking = asyncio.create_task(door.stream(max_tokens=8, temperature=0))
    await until(lambda: len(teller.asked) == 1)
    asking.cancel()
    await until(lambda: len(door.log) == 1)
    assert door.log[0]["outcome"] == "cancelled"
    assert not any(one.outstanding for one in door.gateway.fleet.servers)


async def test_what_the_server_held_back_is_told_again(stage: Stage) -> None:
    teller = Teller(words=3, held=2)
    answer = await (await _door(stage, teller)).stream(max_tokens=8, temperature=0, stop=["xy"])
    assert (text_of(answer), teller.asked[0]["prompt"]) == (STORY, [1, 2, 3, 100, 101, 102])


async def test_stop_seed_and_the_rest_of_max_tokens_go_along(stage: Stage) -> None:
    teller = Teller(words=4)
    await (await _door(stage, teller)).stream(max_tokens=8, temperature=0.7, seed=5, stop=["END"], top_p=0.9)
    wanted = {"max_tokens": 4, "temperature": 0.7, "seed": 5, "stop": ["END"], "top_p": 0.9}
    assert {name: teller.asked[0][name] for name in wanted} == wanted


async def test_above_temperature_zero_a_continuation_is_promised(stage: Stage) -> None:
    answer = await (await _door(stage, Teller())).stream(max_tokens=8, temperature=0.7)
    assert answer.events[-1]["archon"] == {"healed": 1, "promise": "a continuation, not the same text"}


async def test_usage_is_that_of_the_whole_stream(stage: Stage) -> None:
    door = await _door(stage, Teller())
    answer = await door.stream(max_tokens=8, temperature=0, stream_options={"include_usage": True})
    assert answer.events[-1]["usage"] == {"prompt_tokens": 3, "total_tokens": 11, "completion_tokens": 8}


async def test_what_the_gateway_asked_for_is_removed_again(stage: Stage) -> None:
    door = await _door(stage, Teller())
    body = (await door.stream(max_tokens=8, temperature=0)).body
    assert (b"[100]" in body, b'"token_ids":null' in body, b'"prompt_token_ids":null' in body) == (False, True, True)


async def test_a_stream_with_tools_is_not_healed(stage: Stage) -> None:
    door = await _door(stage, Teller())
    await door.stream(tools=[{"type": "function", "function": {"name": "f"}}])
    assert (door.log[0]["outcome"], "heals" in door.log[0]) == ("truncated", False)


@pytest.mark.parametrize(
    "piece",
    [
        event("", token_ids=[100]).replace(b'"content":""', b'"reasoning":"hm"'),
        event("", token_ids=[100]).replace(b'"content":""', b'"tool_calls":[{"index":0}]'),
        event("Once"),
    ],
    ids=["a reasoning parser", "a tool call", "a server without token ids"],
)
async def test_what_is_not_plain_text_is_not_healed(stage: Stage, piece: bytes) -> None:
    one, two = await stage.server(), await stage.server()
    one.behaves = two.behaves = stream(piece, event(" upon", token_ids=[101]), ending="reset")
    door = await stage.door(one, two, pool={"heal": True})
    answer = await door.stream(max_tokens=8, temperature=0)
    assert (door.log[0]["outcome"], "error" in answer.events[-1]) == ("truncated", True)
    assert {seen.path for seen in one.seen + two.seen} == {"/v1/chat/completions"}


async def test_without_healing_nothing_is_asked_for(stage: Stage) -> None:
    teller = Teller()
    door = await _door(stage, teller, heal=False)
    await door.stream()
    assert (door.log[0]["outcome"], teller.asked) == ("truncated", [])


async def test_nothing_is_invented_when_all_tokens_were_told(stage: Stage) -> None:
    door = await _door(stage, Teller(words=3))
    answer = await door.stream(max_tokens=3, temperature=0)
    assert ("error" in answer.events[-1], b"[DONE]" in answer.body) == (True, False)


async def test_with_no_other_server_the_stream_ends_with_its_error(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = Teller()
    door = await stage.door(server, pool={"heal": True})
    answer = await door.stream(max_tokens=8, temperature=0)
    assert (door.log[0]["outcome"], "error" in answer.events[-1]) == ("truncated", True)
    assert await door.metric("heals_total", result="failed") == 1
