"""Chat models of tests: one that plays a script, and one over a real vLLM with nothing between."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from typing import TypeAlias

import httpx

from src.inference.models import ChatMessage, ChatOptions, Outcome, StreamEnd, TextDelta, Usage

WHOLE = StreamEnd(Outcome.COMPLETE, "stop", Usage(10, 3, 0.1, 0.3))


Step: TypeAlias = str | TextDelta | StreamEnd | Exception | asyncio.Event


class ScriptedModel:
    """Plays `script`: deltas and its end, an error to raise, or an event that is set before it falls silent."""

    provider = "test"
    model = "scripted"

    def __init__(self, *script: Step, length: int | None = 2048) -> None:
        self.script = script
        self.length = length
        self.asked: list[tuple[ChatMessage, ...]] = []
        self.options: list[ChatOptions] = []
        self.closed = asyncio.Event()

    async def max_model_len(self) -> int | None:
        return self.length

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        return sum(len(message.content) // 4 + 5 for message in messages)

    async def stream(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[TextDelta | StreamEnd, None]:
        self.asked.append(tuple(messages))
        self.options.append(options)
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    step.set()
                    await asyncio.Event().wait()
                else:
                    yield TextDelta(step) if isinstance(step, str) else step  # type: ignore[misc]
        finally:
            self.closed.set()


class WireModel:
    """The chat model's protocol over one vLLM server."""

    provider = "test"
    model = "smollm2-135m-instruct"

    def __init__(self, url: str) -> None:
        self._url = url

    async def max_model_len(self) -> int | None:
        async with httpx.AsyncClient(timeout=60) as client:
            listed = (await client.get(f"{self._url}/v1/models")).json()
        return int(listed["data"][0]["max_model_len"])

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        return len(await self.tokens(messages))

    async def tokens(self, messages: Sequence[ChatMessage]) -> list[int]:
        """The prompt's token ids, by the server's own template."""
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.post(f"{self._url}/tokenize", json={"messages": _wire(messages)})
        return list(answer.json()["tokens"])

    async def stream(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[TextDelta | StreamEnd, None]:
        body = {"model": self.model, "messages": _wire(messages), "stream": True, "temperature": 0}
        body |= {"max_tokens": options.max_tokens, "stream_options": {"include_usage": True}}
        began, first, reason, usage = time.perf_counter(), None, None, {}
        async with (
            httpx.AsyncClient(timeout=120) as client,
            client.stream("POST", f"{self._url}/v1/chat/completions", json=body) as answer,
        ):
            async for line in answer.aiter_lines():
                event = json.loads(line[6:]) if line.startswith("data: {") else {}
                usage = event.get("usage") or usage
                for choice in event.get("choices", []):
                    first = first or time.perf_counter() - began
                    reason = choice["finish_reason"] or reason
                    yield TextDelta(choice["delta"].get("content") or "")
        counted = Usage(usage.get("prompt_tokens"), usage.get("completion_tokens"), first, time.perf_counter() - began)
        yield StreamEnd(Outcome.COMPLETE, reason, counted)


def _wire(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]
