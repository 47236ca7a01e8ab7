"""Sessions of the knowledge agent and their messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from src.errors import ErrorContext, InvalidInput, JsonValue, NotFound

from .columns import maybe, moment, need, need_id
from .database import Database, Json, Row


@dataclass(frozen=True, slots=True)
class AgentSession:
    """A session without its messages. `summary` stands for all messages before position `summarised`."""

    id: str
    agent_type: str
    project_id: str | None
    summary: str
    summarised: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AgentMessage:
    """A stored message. `outcome` is null for a question, and for an answer while it is written.

    `connection_id` and `model` are what was chosen for a question (None: the default one, its own), and who gave an
    answer, with its `provider`.
    """

    id: str
    position: int
    role: str
    content: str
    outcome: str | None
    way: str | None
    way_reason: str | None
    steps: list[JsonValue]
    passages: list[JsonValue]
    support: list[JsonValue]
    usage: dict[str, JsonValue] | None
    error: dict[str, JsonValue] | None
    connection_id: str | None
    provider: str | None
    model: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """Ids of a stored question and of the message that its answer fills."""

    question_id: str
    answer_id: str


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What is known of an answer at its end; `outcome` says how it ended, `way` how it came about and `way_reason` why.

    `connection_id`, `provider` and `model` say who gave it; None where nobody was asked.
    """

    content: str
    outcome: str
    way: str | None
    way_reason: str | None
    steps: list[JsonValue]
    passages: list[JsonValue]
    support: list[JsonValue]
    usage: dict[str, JsonValue] | None
    error: dict[str, JsonValue] | None
    connection_id: str | None
    provider: str | None
    model: str | None


class AgentSessionRepository:
    """The SQL functions of agent sessions, typed. Every method raises StoreError or a subclass of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, agent_type: str, project_id: str | None) -> str:
        """Begin a session; its id."""
        rows = await self._database.call("archon_agent_session_create", agent_type=agent_type, project_id=project_id)
        return need_id(rows[0], "archon_agent_session_create")

    async def get(self, session_id: str) -> AgentSession:
        """A session. Raises NotFound, InvalidInput."""
        rows = await self._database.call("archon_agent_session", session=_uuid(session_id))
        if not rows:
            raise _missing(session_id)
        return _session(rows[0])

    async def delete(self, session_id: str) -> None:
        """Delete a session with its messages. Raises NotFound, InvalidInput."""
        rows = await self._database.call("archon_agent_session_delete", session=_uuid(session_id))
        if not need(rows[0], "archon_agent_session_delete", bool):
            raise _missing(session_id)

    async def messages(self, session_id: str, from_position: int = 0) -> list[AgentMessage]:
        """The messages from a position on, oldest first. Raises InvalidInput."""
        rows = await self._database.call(
            "archon_agent_messages_of", session=_uuid(session_id), from_position=from_position
        )
        return [_message(row) for row in rows]

    async def begin(self, session_id: str, question: str, connection_id: str | None, model: str | None) -> AgentTurn:
        """Store a question with what was chosen for it, and the empty message of its answer.

        Raises NotFound, InvalidInput.
        """
        rows = await self._database.call(
            "archon_agent_turn_begin",
            session=_uuid(session_id),
            question=question,
            connection_id=connection_id,
            model=model,
        )
        return AgentTurn(need_id(rows[0], "question_id"), need_id(rows[0], "answer_id"))

    async def end(self, answer_id: str, answer: AgentAnswer) -> bool:
        """Complete an answer; False when its session was deleted meanwhile."""
        rows = await self._database.call(
            "archon_agent_turn_end",
            answer_id=_uuid(answer_id),
            content=answer.content,
            outcome=answer.outcome,
            way=answer.way,
            way_reason=answer.way_reason,
            steps=Json(answer.steps),
            passages=Json(answer.passages),
            support=Json(answer.support),
            usage=None if answer.usage is None else Json(answer.usage),
            error=None if answer.error is None else Json(answer.error),
            connection_id=answer.connection_id,
            provider=answer.provider,
            model=answer.model,
        )
        return need(rows[0], "archon_agent_turn_end", bool)

    async def summarise(self, session_id: str, summary: str, summarised: int) -> None:
        """Keep the summary of all messages before position `summarised`."""
        await self._database.call(
            "archon_agent_session_summarise", session=_uuid(session_id), summary=summary, summarised=summarised
        )


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise InvalidInput("That is not an id of ours.", context=ErrorContext(field="session_id")) from error


def _missing(session_id: str) -> NotFound:
    return NotFound(f"There is no session {session_id}.")


def _session(row: Row) -> AgentSession:
    return AgentSession(
        id=need_id(row, "id"),
        agent_type=need(row, "agent_type", str),
        project_id=maybe(row, "project_id", str),
        summary=need(row, "summary", str),
        summarised=need(row, "summarised", int),
        created_at=moment(row, "created_at"),
    )


def _message(row: Row) -> AgentMessage:
    return AgentMessage(
        id=need_id(row, "id"),
        position=need(row, "position", int),
        role=need(row, "role", str),
        content=need(row, "content", str),
        outcome=maybe(row, "outcome", str),
        way=maybe(row, "way", str),
        way_reason=maybe(row, "way_reason", str),
        steps=need(row, "steps", list),
        passages=need(row, "passages", list),
        support=need(row, "support", list),
        usage=maybe(row, "usage", dict),
        error=maybe(row, "error", dict),
        connection_id=maybe(row, "connection_id", str),
        provider=maybe(row, "provider", str),
        model=maybe(row, "model", str),
        created_at=moment(row, "created_at"),
    )
