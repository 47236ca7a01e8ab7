"""Conversations and their messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from src.errors import ErrorContext, InvalidInput, JsonValue, NotFound

from .database import Database, Json, Row
from .rows import maybe, need, need_id, need_time


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its messages."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    message_count: int


@dataclass(frozen=True, slots=True)
class Message:
    """A stored message. `outcome` is null for a question, and for an answer while it is written."""

    id: str
    role: str
    content: str
    outcome: str | None
    passages: list[JsonValue]
    support: list[JsonValue]
    provider: str | None
    model: str | None
    usage: dict[str, JsonValue] | None
    error: dict[str, JsonValue] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A question on its way into the store. `conversation_id` None begins a conversation called `title`."""

    conversation_id: str | None
    title: str
    question: str
    provider: str
    model: str
    passages: list[JsonValue]


@dataclass(frozen=True, slots=True)
class Turn:
    """Ids of a stored question and of the message that its answer fills."""

    conversation_id: str
    question_id: str
    answer_id: str


@dataclass(frozen=True, slots=True)
class FinishedAnswer:
    """What is known of an answer at its end; `outcome` says how it ended."""

    content: str
    outcome: str
    support: list[JsonValue]
    usage: dict[str, JsonValue] | None
    error: dict[str, JsonValue] | None


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A turn of the history, as a model may be shown it."""

    role: str
    content: str
    outcome: str | None


class ConversationRepository:
    """The SQL functions of conversations, typed. Every method raises StoreError or a subclass of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, turn: NewTurn) -> Turn:
        """Store the question, and an empty message for its answer, in one transaction.

        Raises:
            NotFound: the conversation does not exist (any more).
            InvalidInput: its id is no UUID.
        """
        rows = await self._database.call(
            "archon_turn_begin",
            conversation=None if turn.conversation_id is None else _uuid(turn.conversation_id),
            title=turn.title,
            question=turn.question,
            provider=turn.provider,
            model=turn.model,
            passages=Json(turn.passages),
        )
        row = rows[0]
        return Turn(need_id(row, "conversation_id"), need_id(row, "question_id"), need_id(row, "answer_id"))

    async def end(self, answer_id: str, answer: FinishedAnswer) -> bool:
        """Complete an answer; False when its conversation was deleted meanwhile."""
        rows = await self._database.call(
            "archon_turn_end",
            answer_id=_uuid(answer_id),
            content=answer.content,
            outcome=answer.outcome,
            support=Json(answer.support),
            usage=None if answer.usage is None else Json(answer.usage),
            error=None if answer.error is None else Json(answer.error),
        )
        return need(rows[0], "archon_turn_end", bool)

    async def recent(self, most: int) -> list[Conversation]:
        """The `most` recently used conversations, latest first."""
        return [_conversation(row) for row in await self._database.call("archon_conversations_list", most=most)]

    async def get(self, conversation_id: str) -> tuple[Conversation, list[Message]]:
        """A conversation with its messages, oldest first. Raises NotFound, InvalidInput."""
        conversation = _uuid(conversation_id)
        rows = await self._database.call("archon_conversation", conversation=conversation)
        if not rows:
            raise _missing(conversation_id)
        messages = await self._database.call("archon_conversation_messages", conversation=conversation)
        return _conversation(rows[0]), [_message(row) for row in messages]

    async def tail(self, conversation_id: str, most: int) -> list[PastMessage]:
        """The last `most` messages, oldest first. Raises NotFound, InvalidInput."""
        rows = await self._database.call("archon_conversation_tail", conversation=_uuid(conversation_id), most=most)
        return [
            PastMessage(need(row, "role", str), need(row, "content", str), maybe(row, "outcome", str)) for row in rows
        ]

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation with its messages. Raises NotFound, InvalidInput."""
        rows = await self._database.call("archon_conversation_delete", conversation=_uuid(conversation_id))
        if not need(rows[0], "archon_conversation_delete", bool):
            raise _missing(conversation_id)


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise InvalidInput("That is not an id of ours.", context=ErrorContext(field="conversation_id")) from error


def _missing(conversation_id: str) -> NotFound:
    return NotFound(f"There is no conversation {conversation_id}.")


def _conversation(row: Row) -> Conversation:
    return Conversation(
        id=need_id(row, "id"),
        title=need(row, "title", str),
        created_at=need_time(row, "created_at"),
        updated_at=need_time(row, "updated_at"),
        message_count=need(row, "message_count", int),
    )


def _message(row: Row) -> Message:
    return Message(
        id=need_id(row, "id"),
        role=need(row, "role", str),
        content=need(row, "content", str),
        outcome=maybe(row, "outcome", str),
        passages=need(row, "passages", list),
        support=need(row, "support", list),
        provider=maybe(row, "provider", str),
        model=maybe(row, "model", str),
        usage=maybe(row, "usage", dict),
        error=maybe(row, "error", dict),
        created_at=need_time(row, "created_at"),
    )
