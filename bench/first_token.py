"""Added time to first token: a chat with retrieval over the same request sent straight to vLLM, retrieval excluded.

    python bench/first_token.py [--quick] [--server http://127.0.0.1:8181]

Each question is asked both ways, after one warming request so that both find the same prompt in the server's
prefix cache, and in alternating order. Without `--server` the answer service is called in this process, over a
small store of its own, and retrieval is taken off as measured inside it. With `--server` a running Archon is asked
over HTTP, and retrieval is taken off as the time of the same search (`POST /api/rag/query`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import httpx
from _measure import circumstances, spread, verdict
from _parts import active, database_url, model_servers
from search import docstrings, fill, first_sentence

from src.agents.answer import AnswerService
from src.agents.request import AskRequest
from src.cli.local_vllm.roles import CHAT, EMBEDDINGS
from src.inference.chat import build_chat_model
from src.inference.embed import build_embedder
from src.inference.models import ChatMessage, ChatModel, ChatOptions, Embedder, StreamEnd, TextDelta
from src.search.query import SearchService
from src.search.results import SearchResult
from src.store.postgres import PostgresDatabase

LIMIT_MS = 20.0
ANSWER_TOKENS = 4
PASSAGES = 80


@dataclass(frozen=True)
class Way:
    """Milliseconds to the first token; `retrieval` is the part of it that was spent on finding passages."""

    first_token: float
    retrieval: float


def main() -> int:
    """Measure and print; 0 when it ran."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--server")
    chosen = parser.parse_args()
    questions = [first_sentence(text) for text in docstrings()[:: 40 if not chosen.quick else 200]]
    with model_servers(CHAT, EMBEDDINGS) as urls:
        if chosen.server:
            return asyncio.run(_over_http(chosen.server, urls[CHAT.name], questions))
        with database_url() as url:
            return asyncio.run(_in_process(url, urls[CHAT.name], urls[EMBEDDINGS.name], questions))


class Watched:
    """A chat model that keeps what it was asked."""

    def __init__(self, inner: ChatModel) -> None:
        self._inner = inner
        self.messages: Sequence[ChatMessage] = ()

    @property
    def model(self) -> str:
        """As the inner one."""
        return self._inner.model

    @property
    def provider(self) -> str:
        """As the inner one."""
        return self._inner.provider

    async def max_model_len(self) -> int | None:
        """As the inner one."""
        return await self._inner.max_model_len()

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """As the inner one."""
        return await self._inner.count_tokens(messages)

    def stream(self, messages: Sequence[ChatMessage], options: ChatOptions) -> AsyncIterator[TextDelta | StreamEnd]:
        """As the inner one; keeps `messages`."""
        self.messages = messages
        return self._inner.stream(messages, options)


class TimedSearch(SearchService):
    """A search that keeps how many milliseconds its last call took."""

    spent_ms = 0.0

    async def search(self, query: str, **options: object) -> SearchResult:  # type: ignore[override]
        """As the search of the product."""
        began = time.perf_counter()
        try:
            return await super().search(query, **options)  # type: ignore[arg-type]
        finally:
            self.spent_ms = (time.perf_counter() - began) * 1000


async def _in_process(url: str, chat_url: str, embedding_url: str, questions: Sequence[str]) -> int:
    embedder = build_embedder(active(embedding_url, "embedding"))
    model = Watched(build_chat_model(active(chat_url, "llm")))
    database = await PostgresDatabase.connect(url)

    async def give_embedder() -> Embedder:
        return embedder

    async def give_model(_connection_id: str | None, _model: str | None) -> ChatModel:
        return model

    search = TimedSearch(database, give_embedder)
    service = AnswerService(database, search, give_model, give_embedder)
    texts = docstrings()[1::20][:PASSAGES]
    try:
        vectors = [outcome.vector for outcome in await embedder.embed_passages(texts) if outcome.vector is not None]
        await fill(url, database, embedder, texts[: len(vectors)], vectors, len(vectors))
        return await _compare(service, search, model, chat_url, questions)
    finally:
        await database.close()


async def _compare(
    service: AnswerService, search: TimedSearch, model: Watched, chat_url: str, questions: Sequence[str]
) -> int:
    added, retrievals = [], []
    async with httpx.AsyncClient(timeout=120) as client:
        for number, question in enumerate(questions):
            await _through_room(service, search, question)
            if number % 2:
                direct = await _direct(client, chat_url, model.messages)
                room = await _through_room(service, search, question)
            else:
                room = await _through_room(service, search, question)
                direct = await _direct(client, chat_url, model.messages)
            added.append(room.first_token - room.retrieval - direct.first_token)
            retrievals.append(room.retrieval)
    return report("in process", added, retrievals)


async def _through_room(service: AnswerService, search: TimedSearch, question: str) -> Way:
    began = time.perf_counter()
    async with aclosing(service.ask(AskRequest(question, match_count=3, max_tokens=ANSWER_TOKENS))) as events:
        async for event in events:
            if event.name in ("token", "done"):
                return Way((time.perf_counter() - began) * 1000, search.spent_ms)
    raise SystemExit("the answer ended without an event")


async def _direct(client: httpx.AsyncClient, chat_url: str, messages: Sequence[ChatMessage]) -> Way:
    body = {
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "max_tokens": ANSWER_TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began = time.perf_counter()
    async with client.stream("POST", f"{chat_url}/v1/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            choices = json.loads(line[6:]).get("choices") if line.startswith("data: {") else None
            if choices and choices[0]["delta"].get("content"):
                return Way((time.perf_counter() - began) * 1000, 0.0)
    raise SystemExit(f"vLLM answered {answer.status_code} without a token")


async def _over_http(server: str, chat_url: str, questions: Sequence[str]) -> int:
    added, retrievals = [], []
    async with httpx.AsyncClient(timeout=120) as client:
        for question in questions:
            await _through_server(client, server, question)
            room = await _through_server(client, server, question)
            # What the server sent to the model is not visible from outside: the same passages, plainly joined.
            direct = await _direct(client, chat_url, (ChatMessage("user", await _prompt(client, server, question)),))
            added.append(room.first_token - room.retrieval - direct.first_token)
            retrievals.append(room.retrieval)
    return report(f"over HTTP at {server}", added, retrievals)


async def _through_server(client: httpx.AsyncClient, server: str, question: str) -> Way:
    began = time.perf_counter()
    await client.post(f"{server}/api/rag/query", json={"query": question, "match_count": 3})
    retrieval = (time.perf_counter() - began) * 1000
    body = {"message": question, "match_count": 3, "max_tokens": ANSWER_TOKENS}
    began = time.perf_counter()
    async with client.stream("POST", f"{server}/api/chat", json=body) as answer:
        async for line in answer.aiter_lines():
            if line in ("event: token", "event: done"):
                return Way((time.perf_counter() - began) * 1000, retrieval)
    raise SystemExit(f"the server answered {answer.status_code} without a token")


async def _prompt(client: httpx.AsyncClient, server: str, question: str) -> str:
    found = await client.post(f"{server}/api/rag/query", json={"query": question, "match_count": 3})
    return "\n\n".join([*(result["content"] for result in found.json()["results"]), question])


def report(where: str, added: Sequence[float], retrievals: Sequence[float]) -> int:
    """Print the figures. A figure past its limit is said, never a failure: what else ran decides it too."""
    print(f"  added to the first token, {where}: {spread(added, 'ms')}")
    print(f"  retrieval, not counted:      {spread(retrievals, 'ms')}")
    print(f"  {verdict('median', added, LIMIT_MS, at_most=True, unit=' ms')}")
    print(f"  {circumstances()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
