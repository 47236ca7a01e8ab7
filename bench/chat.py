"""What the chat endpoint adds to a chat: time to the first token, time of many at once, cost of a token, memory.

    python bench/chat.py [--quick]

Archon runs as a program of its own and is asked over HTTP, with knowledge off: retrieval is excluded because there is
none. The same messages go straight to the model server; both ways alternate, after a warm-up of both. The first two
figures are of a real vLLM; the cost of a token and the memory are over a server that gives tokens as fast as they are
taken. The conversation of 2,000 messages has six passages of 1,200 characters with each answer, and is asked for as the
page that opens it does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import httpx
import psycopg
from _archon import Archon, archon
from _measure import PAIRS, circumstances, percentile, spread, verdict
from _parts import database_url, model_servers
from _token_server import token_server

from src.cli.local_vllm.roles import CHAT

FIRST_TOKEN_MS, TOTAL_RATIO, TOKEN_MS, OPENS_S = 15.0, 1.05, 0.2, 1.0
QUESTION = "Name three colours, and say one sentence about each."
_SETTINGS = {"knowledge": False, "temperature": 0.0}


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    first_tokens: int
    at_once: int
    rounds: int
    tokens: int
    chats: int
    messages: int
    answers: tuple[int, ...]
    """Tokens of the answers of chats at once."""


FULL = Sizes(first_tokens=60, at_once=50, rounds=PAIRS, tokens=4000, chats=5000, messages=2000, answers=(32, 128))
QUICK = Sizes(first_tokens=4, at_once=4, rounds=1, tokens=400, chats=40, messages=200, answers=(32,))


@dataclass(frozen=True)
class Heard:
    """A stream from its request to its end, in seconds."""

    first_s: float
    total_s: float


class Asker:
    """Asks the same question straight and through Archon."""

    def __init__(self, client: httpx.AsyncClient, server: str, model_url: str) -> None:
        self._client = client
        self._server = server
        self._model_url = model_url

    async def through(self, max_tokens: int) -> Heard:
        """Through the chat endpoint."""
        body = {"message": QUESTION, "settings": {**_SETTINGS, "max_tokens": max_tokens}}
        return await self._hear(f"{self._server}/api/chat", body, b"event: token\n")

    async def straight(self, max_tokens: int) -> Heard:
        """The request that Archon makes of it."""
        body = {
            "messages": [{"role": "user", "content": QUESTION}],
            "max_tokens": max_tokens,
            "temperature": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return await self._hear(f"{self._model_url}/v1/chat/completions", body, b'"content":')

    async def _hear(self, url: str, body: dict[str, object], mark: bytes) -> Heard:
        """Looks for the first `mark`; nothing is parsed, so that the client costs both ways the same."""
        began = time.perf_counter()
        first: float | None = None
        head = b""
        async with self._client.stream("POST", url, json=body) as answer:
            async for part in answer.aiter_raw():
                if first is None:
                    head += part
                    first = time.perf_counter() - began if mark in head else None
            if answer.status_code != httpx.codes.OK or first is None:
                raise SystemExit(f"{url} answered {answer.status_code} without a token")
        return Heard(first, time.perf_counter() - began)


def main() -> int:
    """Measure and print; 0 when it ran."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    sizes = QUICK if parser.parse_args().quick else FULL
    print(circumstances())
    with database_url() as database:
        with model_servers(CHAT) as urls, archon(database, urls[CHAT.name]) as server:
            asyncio.run(_asking(_real, server, urls[CHAT.name], sizes))
        with token_server() as fast, archon(database, fast) as server:
            asyncio.run(_asking(_fast, server, fast, sizes))
            asyncio.run(_opening(server, database, sizes))
    return 0


Measure = Callable[[Asker, Archon, Sizes], Awaitable[None]]


async def _asking(measure: Measure, server: Archon, model_url: str, sizes: Sizes) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:
        asker = Asker(client, server.url, model_url)
        for _ in range(2):
            await asker.through(4)
            await asker.straight(4)
        await measure(asker, server, sizes)


async def _real(asker: Asker, server: Archon, sizes: Sizes) -> None:
    """First token, and many chats at once, over a real vLLM."""
    worked = server.worked_s
    added = []
    for number in range(sizes.first_tokens):
        room, straight = await _both(asker, 4, room_first=bool(number % 2))
        added.append((room.first_s - straight.first_s) * 1000)
    cpu = f"{(server.worked_s - worked) / sizes.first_tokens * 1000:.1f} ms of the server's processor time a chat"
    print(f"added to the first token  {spread(added, 'ms')}")
    print(verdict("  over HTTP", added, FIRST_TOKEN_MS, at_most=True, cpu=cpu, unit=" ms"))
    for tokens in sizes.answers:
        await _at_once(asker, server, sizes, tokens)


async def _at_once(asker: Asker, server: Archon, sizes: Sizes, tokens: int) -> None:
    """Many chats at once, with answers of so many tokens."""
    ratios = []
    worked = server.worked_s
    for number in range(sizes.rounds + 1):
        ways = [asker.through, asker.straight]
        took: dict[str, float] = {}
        for way in ways if number % 2 else reversed(ways):
            began = time.perf_counter()
            await asyncio.gather(*(way(tokens) for _ in range(sizes.at_once)))
            took[way.__name__] = time.perf_counter() - began
        if number:  # the first round warms both up
            ratios.append(took["through"] / took["straight"])
    each_ms = (server.worked_s - worked) / (sizes.rounds + 1) / sizes.at_once * 1000
    what = f"{sizes.at_once} chats of {tokens} tokens at once, total over straight"
    cpu = f"{each_ms:.1f} ms of the server's processor time a chat"
    print(verdict(what, ratios, TOTAL_RATIO, at_most=True, cpu=cpu))
    print(f"  {cpu}")


async def _fast(asker: Asker, server: Archon, sizes: Sizes) -> None:
    """Cost of a token, and memory over many chats, over a server that costs nothing."""
    added = []
    began = server.worked_s
    tokens = 0
    for number in range(max(sizes.rounds, 3)):
        room, straight = await _both(asker, sizes.tokens, room_first=bool(number % 2))
        tokens += sizes.tokens
        added.append((room.total_s - straight.total_s) / sizes.tokens * 1000)
    cpu = f"{(server.worked_s - began) / tokens * 1000:.3f} ms of the server's processor time a token"
    print(verdict("added cost of a token", added, TOKEN_MS, at_most=True, cpu=cpu, unit=" ms"))
    print(f"  {cpu}")
    await _memory(asker, server, sizes)


async def _memory(asker: Asker, server: Archon, sizes: Sizes) -> None:
    """Resident memory after each fifth of the chats: flat where the last fifths add nothing."""
    seen = []
    for _ in range(5):
        for _ in range(sizes.chats // 5 // 10):
            await asyncio.gather(*(asker.through(16) for _ in range(10)))
        seen.append(server.resident_mb)
    shown = " · ".join(f"{value:.0f}" for value in seen)
    print(f"memory over {sizes.chats:,} chats: {shown} MB; the last three fifths add {seen[-1] - seen[1]:+.1f} MB")


async def _both(asker: Asker, max_tokens: int, *, room_first: bool) -> tuple[Heard, Heard]:
    if room_first:
        return await asker.through(max_tokens), await asker.straight(max_tokens)
    straight = await asker.straight(max_tokens)
    return await asker.through(max_tokens), straight


_PASSAGE = {
    "source_id": "s",
    "page_id": None,
    "url": "https://docs.example.org/page",
    "title": "Page",
    "heading_path": [],
    "similarity": 0.5,
    "page_number": None,
}
_FILL = """
with made as (
  insert into archon_messages (id, conversation_id, parent_id, position, role, content, outcome, passages)
  select ids.id, %(home)s, case when n > 0 then (%(ids)s::uuid[])[n] end, n,
    case when n %% 2 = 0 then 'user' else 'assistant' end, 'What is said here, number ' || n || '.',
    case when n %% 2 = 1 then 'complete' end, case when n %% 2 = 1 then %(passages)s::jsonb else '[]' end
  from generate_series(0, %(count)s - 1) n, lateral (select (%(ids)s::uuid[])[n + 1] as id) ids
  returning id, position)
update archon_conversations set head = (select id from made order by position desc limit 1) where id = %(home)s
"""


async def _opening(server: Archon, database: str, sizes: Sizes) -> None:
    """A long conversation, opened as the page opens it: its settings and the last messages of its branch."""
    passages = [{**_PASSAGE, "number": n, "chunk_id": n, "text": "word " * 240} for n in range(1, 7)]
    async with await psycopg.AsyncConnection.connect(database) as connection:
        row = await (
            await connection.execute("insert into archon_conversations (title) values ('Long') returning id")
        ).fetchone()
        assert row is not None
        home = row[0]
        ids = await (
            await connection.execute(
                "select array_agg(gen_random_uuid()) from generate_series(1, %s)", [sizes.messages]
            )
        ).fetchone()
        assert ids is not None
        values = {"home": home, "ids": ids[0], "passages": json.dumps(passages), "count": sizes.messages}
        await connection.execute(_FILL, values)
        await connection.commit()
    times = []
    async with httpx.AsyncClient(timeout=60) as client:
        for _ in range(PAIRS + 1):
            began = time.perf_counter()
            answer = await client.get(f"{server.url}/api/chat/conversations/{home}")
            times.append(time.perf_counter() - began)
            assert len(answer.json()["messages"]) == min(60, sizes.messages), answer.text[:300]
    print(f"a conversation of {sizes.messages:,} messages opens in {percentile(times[1:], 0.5) * 1000:.0f} ms")
    print(verdict("  over HTTP", times[1:], OPENS_S, at_most=True, unit=" s"))


if __name__ == "__main__":
    sys.exit(main())
