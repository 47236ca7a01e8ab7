"""Sessions with the agent, kept in the database: what was asked, what it did, what it answered."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import structlog

from src.agents.events import TokenEvent
from src.agents.memory import Memory, Turn, recall
from src.errors import ArchonError, ErrorContext, InvalidInput, JsonValue
from src.inference.models import ChatMessage, ChatModel, Outcome
from src.store.agent_sessions import AgentAnswer, AgentMessage, AgentSession, AgentSessionRepository, AgentTurn
from src.store.database import Database

from .agent import KnowledgeAgent
from .asked import AgentModelFactory, AgentQuestion
from .events import EXPLANATIONS, AgentDone, AgentEvent, StartEvent, ToolEvent, WayEvent

AGENT_TYPES = {"rag": "Answers questions from the knowledge base; searches and reads with tools, and cites."}
"""The agents there are: type and description."""

_log = structlog.get_logger("archon.agents.knowledge.sessions")


@dataclass(slots=True)
class _Kept:
    """An answer as it is stored, while it comes into being."""

    turn: AgentTurn
    text: list[str] = field(default_factory=list)
    steps: list[JsonValue] = field(default_factory=list)
    passages: list[JsonValue] = field(default_factory=list)
    support: list[JsonValue] = field(default_factory=list)
    usage: dict[str, JsonValue] | None = None
    error: dict[str, JsonValue] | None = None
    start: StartEvent | None = None
    way: WayEvent | None = None
    done: AgentDone | None = None
    stored: bool = False

    def note(self, event: AgentEvent) -> None:
        """Remember what `event` tells."""
        if isinstance(event, TokenEvent):
            self.text.append(event.text)
        elif isinstance(event, StartEvent):
            self.start = event
        elif event.name == "citation":
            self.support.append(event.to_dict())
        elif event.name == "usage":
            self.usage = event.to_dict()
        elif event.name == "error":
            self.error = event.to_dict()
        elif isinstance(event, WayEvent):
            self.way = event
        elif isinstance(event, ToolEvent) and event.state != "called":
            self._note_step(event)
        elif isinstance(event, AgentDone):
            self.done = event

    def _note_step(self, event: ToolEvent) -> None:
        self.passages += [passage.to_dict() for passage in event.passages]
        self.steps.append(event.to_dict() | {"passages": [passage.number for passage in event.passages]})

    def answer(self) -> AgentAnswer:
        """As it is stored; without an end its reader left, or it never began."""
        ended = self.done.outcome if self.done else Outcome.UPSTREAM_ERROR if self.error else Outcome.CANCELLED
        return AgentAnswer(
            content="".join(self.text),
            outcome=ended.value,
            way=self.way.way if self.way else None,
            way_reason=self.way.reason if self.way else None,
            steps=self.steps,
            passages=self.passages,
            support=self.support,
            usage=self.usage,
            error=self.error,
            connection_id=self.start.connection_id if self.start else None,
            provider=self.start.provider if self.start else None,
            model=self.start.model if self.start else None,
        )


class AgentChat:
    """Sessions with the agent. Every method raises StoreError where the database fails."""

    def __init__(self, database: Database, agent: KnowledgeAgent, model_factory: AgentModelFactory) -> None:
        self._store = AgentSessionRepository(database)
        self._agent = agent
        self._model_factory = model_factory
        self._answering: set[asyncio.Task[None]] = set()

    async def create(self, agent_type: str, project_id: str | None) -> str:
        """Begin a session; its id. Raises InvalidInput for an agent that does not exist."""
        if agent_type not in AGENT_TYPES:
            raise InvalidInput(
                f"There is no agent '{agent_type[:80]}'.",
                next_step=f"Use one of: {', '.join(AGENT_TYPES)}.",
                context=ErrorContext(field="agent_type"),
            )
        return await self._store.create(agent_type, project_id)

    async def get(self, session_id: str) -> dict[str, JsonValue]:
        """The body of `GET /api/agent-chat/sessions/{id}`. Raises NotFound, InvalidInput."""
        session = await self._store.get(session_id)
        messages: list[JsonValue] = [_message(one) for one in await self._store.messages(session_id)]
        return _session(session) | {"messages": messages}

    async def messages(self, session_id: str) -> list[JsonValue]:
        """The messages of a session, oldest first. Raises NotFound, InvalidInput."""
        await self._store.get(session_id)
        return [_message(one) for one in await self._store.messages(session_id)]

    async def delete(self, session_id: str) -> None:
        """Delete a session. Raises NotFound, InvalidInput."""
        await self._store.delete(session_id)

    async def ask(self, session_id: str, asked: AgentQuestion) -> AsyncGenerator[AgentEvent, None]:
        """The events of an answer in a session; what came of it is stored however it ends.

        Raises:
            NotFound, InvalidInput: there is no such session or connection; a value of `asked` cannot be used.
            ConfigurationError, ProviderError: the model is not chosen, or its server cannot be asked.
        """
        asked.check()
        session = await self._store.get(session_id)
        model = await self._model_factory(asked.connection_id, asked.model)
        memory = await self._remembered(session, model.chat)
        kept = _Kept(await self._store.begin(session_id, asked.message, asked.connection_id, asked.model))
        try:
            async with aclosing(self._agent.answer(replace(asked, history=memory.messages), model)) as events:
                async for event in events:
                    await self._note(kept, event)
                    yield _with_ids(event, session_id, kept.turn.answer_id)
        except ArchonError as error:
            kept.error = error.to_dict()
            raise
        finally:
            # The reader left, or nothing was begun: what came is kept, also while we are being torn down.
            if not kept.stored:
                await asyncio.shield(asyncio.ensure_future(self._store_or_log(kept)))

    async def ask_once(self, asked: AgentQuestion) -> AsyncGenerator[AgentEvent, None]:
        """The events of an answer that is not kept; its history is summed up where it is long. Raises as `ask` does."""
        asked.check()
        model = await self._model_factory(asked.connection_id, asked.model)
        memory = await recall(_pairs(asked.history), "", 0, model.chat)
        async with aclosing(self._agent.answer(replace(asked, history=memory.messages), model)) as events:
            async for event in events:
                yield event

    async def send(self, session_id: str, asked: AgentQuestion) -> None:
        """Answer in the background; the answer appears among the messages. Raises as `ask` does before its start."""
        events = self.ask(session_id, asked)
        first = await anext(events)
        task = asyncio.create_task(_listen(events))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        _log.debug("answering", session_id=session_id, first=first.name)

    async def close(self) -> None:
        """Stop what is being answered in the background; what came is kept."""
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    async def _remembered(self, session: AgentSession, chat: ChatModel) -> Memory:
        stored = await self._store.messages(session.id, session.summarised)
        memory = await recall(_turns(stored), session.summary, session.summarised, chat)
        if memory.summarised > session.summarised:
            await self._store.summarise(session.id, memory.summary, memory.summarised)
        return memory

    async def _note(self, kept: _Kept, event: AgentEvent) -> None:
        """Remember what `event` tells; the end is stored before anybody hears of it."""
        kept.note(event)
        if event.name == "done":
            await self._store.end(kept.turn.answer_id, kept.answer())
            kept.stored = True

    async def _store_or_log(self, kept: _Kept) -> None:
        try:
            await self._store.end(kept.turn.answer_id, kept.answer())
        except ArchonError as error:
            _log.warning("answer_not_stored", **error.to_dict())


async def _listen(events: AsyncGenerator[AgentEvent, None]) -> None:
    """Nobody reads along: the events are stored as they pass."""
    async with aclosing(events):
        async for _event in events:
            pass


def _with_ids(event: AgentEvent, session_id: str, answer_id: str) -> AgentEvent:
    if isinstance(event, StartEvent):
        return replace(event, session_id=session_id, message_id=answer_id)
    return replace(event, message_id=answer_id) if isinstance(event, AgentDone) else event


def _turns(messages: Sequence[AgentMessage]) -> list[Turn]:
    """The questions that got an answer."""
    pairs = zip(messages[::2], messages[1::2], strict=False)
    return [Turn(asked.position, asked.content, said.content) for asked, said in pairs if said.content.strip()]


def _pairs(history: Sequence[ChatMessage]) -> list[Turn]:
    """The questions in `history` that are followed by an answer."""
    return [
        Turn(place, asked.content, said.content)
        for place, (asked, said) in enumerate(itertools.pairwise(history))
        if (asked.role, said.role) == ("user", "assistant")
    ]


def _session(session: AgentSession) -> dict[str, JsonValue]:
    return {
        "id": session.id,
        "session_id": session.id,
        "project_id": session.project_id,
        "agent_type": session.agent_type,
        "summary": session.summary,
        "created_at": session.created_at.isoformat(),
    }


def _message(message: AgentMessage) -> dict[str, JsonValue]:
    body: dict[str, JsonValue] = {
        "id": message.id,
        "content": message.content,
        "sender": "user" if message.role == "user" else "agent",
        "timestamp": message.created_at.isoformat(),
        "connection_id": message.connection_id,
        "model": message.model,
    }
    if message.role == "user":
        return body
    return body | {
        "outcome": message.outcome,
        "provider": message.provider,
        "way": message.way,
        "reason": message.way_reason,
        "explanation": EXPLANATIONS.get(message.way_reason) if message.way_reason else None,
        "steps": message.steps,
        "passages": message.passages,
        "support": message.support,
        "usage": message.usage,
        "error": message.error,
    }
