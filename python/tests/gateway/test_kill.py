"""Two real vLLM servers, one of which hangs, is killed and comes back. In this order, because a start takes long.

The other one is that of all tests: it must only be well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import openai
import pytest

from src.gateway.figures import scrape
from src.gateway.server import Server

from .door import Door, open_door, until
from .killable import KillableVllm

pytestmark = [pytest.mark.real_vllm, pytest.mark.slow, pytest.mark.timeout(1200)]

PATIENT = {
    "timeouts": {"first_byte_s": 400, "between_bytes_s": 120, "answer_s": 400},
    "discovery": {"probe_timeout_s": 30},
}
PROMPTS = [
    f"Tell me a long story about a {animal}."
    for animal in ("fox", "owl", "bear", "crow", "deer", "wolf", "toad", "swan")
]


@pytest.fixture(scope="module")
def mortal() -> Iterator[KillableVllm]:
    """The one that is killed."""
    server = KillableVllm()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
async def whole(mortal: KillableVllm) -> KillableVllm:
    """It runs, whatever the test before did."""
    mortal.start()
    await mortal.ready()
    return mortal


async def _door(*urls: str, **tables: object) -> Door:
    door = await open_door(list(urls), **(PATIENT | tables))  # type: ignore[arg-type]
    await door.gateway.fleet.first_look(30)
    return door


def _client(door: Door) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{door.port}/v1", api_key="none", max_retries=0, timeout=600)


async def _tell(client: openai.AsyncOpenAI, prompt: str, tokens: int, begun: list[str]) -> tuple[str, str]:
    """The text of a streamed answer and how it ended: its finish_reason, or `error`."""
    text, reason = "", ""
    try:
        stream = await client.chat.completions.create(
            model=KillableVllm.model, messages=[{"role": "user", "content": prompt}], max_tokens=tokens,
            temperature=0, stream=True, extra_body={"ignore_eos": True},
        )  # fmt: skip
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            reason = chunk.choices[0].finish_reason or reason
            if text and prompt not in begun:
                begun.append(prompt)
    except openai.APIError:
        return text, "error"
    return text, reason


async def test_a_hung_engine_is_found_and_passed_over(whole: KillableVllm, vllm_chat_url: str) -> None:
    soon = {"timeouts": {"first_byte_s": 5, "between_bytes_s": 5}, "discovery": {"probe_timeout_s": 5}}
    door = await _door(whole.url, vllm_chat_url, **soon)
    whole.freeze()
    async with _client(door) as client:
        ends = await asyncio.gather(*(_tell(client, prompt, 4, []) for prompt in PROMPTS[:4]))
    whole.thaw()
    await until(lambda: all(upstream.ready for upstream in door.gateway.fleet.servers), 60)
    await door.close()
    assert [reason for _, reason in ends] == ["length"] * 4


async def test_a_plain_call_whose_client_leaves_frees_the_engine(whole: KillableVllm) -> None:
    door = await _door(whole.url)
    servers = list(door.gateway.fleet.servers.values())
    async with _client(door) as client:
        call = asyncio.create_task(
            client.chat.completions.create(
                model=KillableVllm.model, messages=[{"role": "user", "content": PROMPTS[0]}], max_tokens=1800,
                extra_body={"ignore_eos": True},
            )
        )  # fmt: skip
        while not await _running(servers):
            assert not call.done()
        call.cancel()
        left = time.monotonic()
        while await _running(servers):
            assert time.monotonic() - left < 1
    await door.close()


async def _running(servers: list[Server]) -> float:
    """How many requests the engines themselves say that they work on."""
    return sum([(await scrape(server)).get("running", 0.0) for server in servers])


async def test_kill_9_of_one_of_two_servers_under_32_chats(whole: KillableVllm, vllm_chat_url: str) -> None:
    door = await _door(whole.url, vllm_chat_url)
    async with _client(door) as client:
        begun: list[str] = []
        prompts = [f"{number} {PROMPTS[number % 8]}" for number in range(32)]
        tasks = [asyncio.create_task(_tell(client, prompt, 32, begun)) for prompt in prompts]
        await until(lambda: len(begun) >= 20, 300)
        at_the_kill = set(begun)
        whole.kill()
        ends = dict(zip(prompts, await asyncio.gather(*tasks), strict=True))
        broken = {prompt for prompt, (_, reason) in ends.items() if reason == "error"}
        assert broken <= at_the_kill | {prompt for prompt, (text, _) in ends.items() if text}
        assert all(ends[prompt][0] for prompt in broken)
        assert {reason for _, reason in ends.values()} == {"error", "length"}
    await door.close()


async def test_service_is_whole_within_two_seconds_of_the_servers_return(
    mortal: KillableVllm, vllm_chat_url: str
) -> None:
    mortal.kill()
    door = await _door(mortal.url, vllm_chat_url)
    first = next(iter(door.gateway.fleet.servers))
    assert not first.ready
    mortal.start()
    await mortal.ready()
    began = time.monotonic()
    await until(lambda: first.ready, 20)
    await door.close()
    assert time.monotonic() - began < 2


async def test_16_plain_chats_heal_when_one_of_two_servers_is_killed(
    whole: KillableVllm, vllm_chat_url: str, record_property: pytest.RecordProperty
) -> None:
    door = await _door(whole.url, vllm_chat_url, pool={"heal": True})
    async with _client(door) as client:
        prompts = [f"{number} {PROMPTS[number % 8]}" for number in range(16)]
        wanted = await asyncio.gather(*(_tell(client, prompt, 32, []) for prompt in prompts))
        begun: list[str] = []
        tasks = [asyncio.create_task(_tell(client, prompt, 32, begun)) for prompt in prompts]
        await until(lambda: len(begun) >= 12, 300)
        whole.kill()
        healed = await asyncio.gather(*tasks)
    heals = sum(int(str(line.get("heals", 0))) for line in door.log)
    same = sum(1 for one, other in zip(wanted, healed, strict=True) if one[0] == other[0])
    await door.close()
    record_property("healed", f"{heals} streams healed, {same} of 16 texts identical")
    assert ([reason for _, reason in healed], heals > 0) == (["length"] * 16, True)
    assert all(len(text) > 20 for text, _ in healed)


@pytest.fixture(autouse=True)
async def _settled() -> AsyncIterator[None]:
    """Connections of a killed server end before the next test begins."""
    yield
    await asyncio.sleep(0)
