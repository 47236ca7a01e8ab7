"""Summaries of code examples by the chat model, in the background: what waits for one stands in the store.

A crawl never waits for them. They are made where the stored setting ENABLE_CODE_SUMMARIES wants them, some at once
(CODE_SUMMARY_MAX_WORKERS), and go on after a restart where they stopped.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from src.errors import ArchonError, BadRequest, ContextTooLong, JsonValue, ProtocolError, UnsupportedFeature
from src.inference.models import ChatMessage, ChatModel, ChatOptions, Embedder, Outcome, StreamEnd, TextDelta
from src.store import code_examples
from src.store.code_examples import Unsummarised
from src.store.database import Database
from src.store.search import SearchRepository

from .code_settings import SummarySettings, summary_settings
from .examples import embedded
from .tokens import DEFAULT_RATIO

_log = structlog.get_logger("archon.ingest.summaries")

ChatFactory = Callable[[], Awaitable[ChatModel]]
EmbedderFactory = Callable[[], Awaitable[Embedder]]

SCHEMA: Mapping[str, JsonValue] = {
    "type": "object",
    "properties": {
        "example_name": {"type": "string", "minLength": 1, "maxLength": 80},
        "summary": {"type": "string", "minLength": 1, "maxLength": 600},
    },
    "required": ["example_name", "summary"],
    "additionalProperties": False,
}
_ASK = (
    "You describe code examples of a documentation, so that people find them. Answer with a JSON object: "
    "example_name (1 to 4 words) and summary (one or two sentences: what the code shows, and when one needs it)."
)
_CODE_CHARS = 1500
_MAX_TOKENS = 300
_ROOMY_TOKENS = 1200
"""For the second try: a model that thinks before it answers needs more than the answer."""
_DEFAULT_TOKENS = 512
_LOOK_S = 15.0
_OUTAGE_S = 30.0
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Summary:
    """What a model said of an example."""

    name: str
    text: str


class Summaries:
    """Writes summaries: some at a time, or in the background."""

    def __init__(
        self,
        database: Database,
        chat_factory: ChatFactory,
        embedder_factory: EmbedderFactory,
        *,
        look_s: float = _LOOK_S,
    ) -> None:
        self._database = database
        self._chat_factory = chat_factory
        self._embedder_factory = embedder_factory
        self._look_s = look_s

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Summaries are written while the block runs; what is under way at its end is begun again next time."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def write_some(self) -> int:
        """Describe the next examples; how many were looked at. Raises ArchonError where a server is away."""
        settings = await summary_settings(self._database)
        waiting = await code_examples.unsummarised(self._database, limit=_BATCH) if settings.wanted else []
        if not waiting:
            return 0
        embedder = await self._embedder_factory()
        space_id = await self._space(embedder)
        if space_id is None:
            return 0
        await self._write(waiting, settings, embedder, space_id)
        return len(waiting)

    async def _run(self) -> None:
        while True:
            pause_s = self._look_s
            try:
                pause_s = 0.0 if await self.write_some() else self._look_s
            except ArchonError as error:
                _log.warning("summaries_wait", reason=error.message)
                pause_s = max(_OUTAGE_S, self._look_s)
            await asyncio.sleep(pause_s)

    async def _write(
        self, waiting: list[Unsummarised], settings: SummarySettings, embedder: Embedder, space_id: int
    ) -> None:
        chat = await self._chat_factory()
        slots = asyncio.Semaphore(settings.at_once)

        async def in_turn(example: Unsummarised) -> None:
            async with slots:
                await self._one(example, chat, embedder, space_id)

        outcomes = await asyncio.gather(*(in_turn(example) for example in waiting), return_exceptions=True)
        failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failed:
            raise failed[0]

    async def _one(self, example: Unsummarised, chat: ChatModel, embedder: Embedder, space_id: int) -> None:
        try:
            summary = await describe(chat, example)
            limit = await embedder.max_tokens() or _DEFAULT_TOKENS
            words = "\n".join([" > ".join(example.heading_path), f"{summary.name}. {summary.text}"]).strip()
            text = embedded(words, example.code, int(limit / DEFAULT_RATIO))
            outcome = (await embedder.embed_passages([text]))[0]
            if outcome.vector is None:
                raise outcome.error or ProtocolError("The model server gave neither a vector nor an error.")
        except (BadRequest, ContextTooLong, ProtocolError) as error:
            await code_examples.undescribed(self._database, example.id, problem=error.message)
            return
        await code_examples.summarise(
            self._database,
            example.id,
            summary=summary.text,
            name=summary.name,
            model=chat.model,
            embedded_text=text,
            space_id=space_id,
            vector=outcome.vector,
        )

    async def _space(self, embedder: Embedder) -> int | None:
        identity = await embedder.identity()
        space = await SearchRepository(self._database).space(
            model=identity.model,
            dimensions=identity.dimensions,
            normalised=identity.normalised,
            query_prefix=identity.query_prefix,
            passage_prefix=identity.passage_prefix,
        )
        return None if space is None else space.id


async def describe(chat: ChatModel, example: Unsummarised) -> Summary:
    """What a model says of an example, held to a JSON schema where its server can.

    Raises:
        ProtocolError: the answer is not what was asked for, twice.
        ConfigurationError, ProviderError: the model cannot be asked.
    """
    messages = [ChatMessage("system", _ASK), ChatMessage("user", _question(example))]
    options = ChatOptions(max_tokens=_MAX_TOKENS, temperature=0.3, schema=SCHEMA, nobody_waits=True)
    for asked in (options, replace(options, max_tokens=_ROOMY_TOKENS, temperature=0.0)):
        try:
            return summary_in(await _answer(chat, messages, asked))
        except ValueError as error:
            problem = error
    raise ProtocolError(f"The chat model did not describe the code as JSON: {problem}") from problem


def summary_in(text: str) -> Summary:
    """The summary in a model's answer, whatever stands around the JSON. Raises ValueError where there is none."""
    start, end = text.find("{"), text.rfind("}")
    found = json.loads(text[start : end + 1]) if 0 <= start < end else None
    if not isinstance(found, dict):
        raise ValueError("there is no JSON object in it")  # noqa: TRY004 - a wrong answer, not a wrong argument
    name, summary = (" ".join(str(found.get(key) or "").split()) for key in ("example_name", "summary"))
    if not name or not summary:
        raise ValueError("name or summary is missing")
    return Summary(name[:100], summary[:1000])


def _question(example: Unsummarised) -> str:
    said = " ".join(str(example.metadata.get(name) or "") for name in ("context_before", "context_after")).strip()
    return (
        f"From: {' > '.join(example.heading_path)}\nAround it: {said[:500]}\n"
        f"```{example.language or ''}\n{example.code[:_CODE_CHARS]}\n```"
    )


async def _answer(chat: ChatModel, messages: list[ChatMessage], options: ChatOptions) -> str:
    try:
        return await _said(chat, messages, options)
    except UnsupportedFeature:
        if options.schema is None:
            raise
        return await _said(chat, messages, replace(options, schema=None))


async def _said(chat: ChatModel, messages: list[ChatMessage], options: ChatOptions) -> str:
    words: list[str] = []
    async for item in chat.stream(messages, options):
        if isinstance(item, TextDelta) and not item.reasoning:
            words.append(item.text)
        elif isinstance(item, StreamEnd) and item.outcome is not Outcome.COMPLETE:
            raise item.error or ProtocolError("The chat model's answer broke off.")
    return "".join(words)
