"""A model server that plays a plan: one answer a request, framed as vLLM 0.32.0 frames tool calls (seen 2026-11-21)."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.model_server import DONE, ModelServer, Reply, Request, Stream, event, model_row

MODEL = "fake-model"
NO_TOOLS = Reply(
    400,
    {
        "error": {
            "message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        }
    },
)


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    """One event with one choice."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason, "token_ids": None}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}
    return event(body)


def usage(prompt: int, completion: int) -> bytes:
    """The last event before [DONE]."""
    counted = {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}
    return event(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [], "usage": counted}
    )


def calls(*called: tuple[str, str], finish_reason: str = "tool_calls", prompt: int = 200) -> Stream:
    """A response that calls tools: name first, then its arguments in pieces, `content` null."""
    parts = [chunk({"role": "assistant", "content": ""})]
    for at, (name, arguments) in enumerate(called):
        head = {"id": f"chatcmpl-tool-{at}{abs(hash((name, arguments))):x}", "type": "function", "index": at}
        parts.append(chunk({"content": None, "tool_calls": [{**head, "function": {"name": name}}]}))
        for start in range(0, len(arguments), 7):
            piece = {"index": at, "function": {"arguments": arguments[start : start + 7]}}
            parts.append(chunk({"content": None, "tool_calls": [piece]}))
    return Stream((*parts, chunk({}, finish_reason), usage(prompt, 20), DONE))


def search(query: str) -> Stream:
    """A search as a named choice gives it: it ends with `stop`."""
    return calls(("search_knowledge", json.dumps({"query": query})))


def says(*pieces: str, finish_reason: str = "stop") -> Stream:
    """A response in words."""
    parts = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": piece}) for piece in pieces)]
    return Stream((*parts, chunk({"content": ""}, finish_reason), usage(300, 12), DONE))


class Plan:
    """Answers the n-th chat request with the n-th of `answers`, and every one after with the last."""

    def __init__(self, server: ModelServer, *answers: Reply | Stream, length: int = 8192) -> None:
        self.server = server
        self._answers = answers
        server.on("/v1/models", Reply(body={"object": "list", "data": [model_row(MODEL, length)]}))
        server.on("/tokenize", _count)
        server.on("/v1/chat/completions", self._next)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was asked, request by request."""
        return [request.json() for request in self.server.asked("/v1/chat/completions")]

    def _next(self, _request: Request) -> Reply | Stream:
        asked = len(self.server.asked("/v1/chat/completions"))
        return self._answers[min(asked, len(self._answers)) - 1]


def _count(request: Request) -> Reply:
    body = request.json()
    texts = [str(message["content"]) for message in body.get("messages", [])] or [str(body.get("prompt", ""))]
    return Reply(body={"count": sum(len(text) // 4 + 4 for text in texts), "max_model_len": 8192})
