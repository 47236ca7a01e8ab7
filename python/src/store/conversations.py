"""Conversations and the messages of their branches, as they are read. What writes answers is `store.answers`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from src.errors import ErrorContext, InvalidInput, JsonValue, NotFound

from .columns import maybe, moment, need, need_id, texts
from .database import Database, Json, Row
from .search import ChunkHit, chunk_hit


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its messages. `head` is the last message of the branch that is shown."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    message_count: int
    settings: dict[str, JsonValue]
    head: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation in a list. `content` is the message that has the words that were looked for."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    message_count: int
    content: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A stored message. `outcome` is null for a question, and for an answer while it is written.

    `versions` are the ids of the messages in the same place: edits of a question, retries of an answer.
    """

    id: str
    parent_id: str | None
    role: str
    content: str
    reasoning: str
    outcome: str | None
    finish_reason: str | None
    passages: list[JsonValue]
    support: list[JsonValue]
    notes: dict[str, JsonValue]
    provider: str | None
    model: str | None
    connection_id: str | None
    usage: dict[str, JsonValue] | None
    error: dict[str, JsonValue] | None
    created_at: datetime
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A turn of the history, as a model may be shown it.

    `summary` {text, kept}: of all before the last `kept` messages up to this one.
    """

    role: str
    content: str
    outcome: str | None
    summary: dict[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class NamedPage:
    """A page that can be pinned."""

    page_id: str
    title: str | None
    url: str
    source_id: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A stored page or source that is attached; `passages` are those of a page, 0 for a source."""

    kind: str
    id: str
    title: str | None
    url: str | None
    source_id: str
    passages: int


class ConversationRepository:
    """The SQL functions of conversations, typed. Every method raises StoreError or a subclass of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, words: str, most: int) -> list[Found]:
        """The `most` recently used conversations, latest first; with `words` those that have all of them."""
        rows = await self._database.call("archon_conversations_find", words=words, most=most)
        return [_found(row) for row in rows]

    async def recent(self, most: int) -> list[Found]:
        """The `most` recently used conversations, latest first."""
        return await self.find("", most)

    async def get(self, conversation_id: str) -> Conversation:
        """A conversation. Raises NotFound, InvalidInput."""
        rows = await self._database.call("archon_conversation", conversation=as_id(conversation_id))
        if not rows:
            raise missing(conversation_id)
        return _conversation(rows[0])

    async def branch(self, conversation_id: str, last: str | None, most: int) -> list[Message]:
        """The `most` messages of the branch up to `last` (included), oldest first. Raises InvalidInput."""
        if last is None:
            return []
        rows = await self._database.call(
            "archon_branch", conversation=as_id(conversation_id), last=as_id(last), most=most
        )
        return [_message(row) for row in rows]

    async def tree(self, conversation_id: str, part: int = 100) -> AsyncGenerator[Message, None]:
        """All messages of all branches in the order they were written, read `part` at a time. Raises InvalidInput."""
        beyond = -1
        while True:
            rows = await self._database.call(
                "archon_conversation_part", conversation=as_id(conversation_id), beyond=beyond, most=part
            )
            for row in rows:
                yield _message(row)
            if len(rows) < part:
                return
            beyond = need(rows[-1], "place", int)

    async def message(self, message_id: str) -> tuple[str, Message]:
        """A message with the id of its conversation. Raises NotFound, InvalidInput."""
        rows = await self._database.call("archon_message", message=as_id(message_id))
        if not rows:
            raise NotFound(f"There is no message {message_id}.")
        return need_id(rows[0], "conversation_id"), _message(rows[0])

    async def history(self, conversation_id: str, last: str | None, most: int) -> list[PastMessage]:
        """The `most` messages up to `last` (null: the head), oldest first. Raises NotFound, InvalidInput."""
        rows = await self._database.call(
            "archon_branch_history",
            conversation=as_id(conversation_id),
            last=None if last is None else as_id(last),
            most=most,
        )
        return [_past(row) for row in rows]

    async def show(self, conversation_id: str, message_id: str) -> None:
        """Show the branch through a message, down to its newest end. Raises NotFound, InvalidInput."""
        rows = await self._database.call(
            "archon_conversation_show", conversation=as_id(conversation_id), message=as_id(message_id)
        )
        if not need(rows[0], "archon_conversation_show", bool):
            raise NotFound("That message is not in this conversation.")

    async def change(self, conversation_id: str, title: str | None, settings: dict[str, JsonValue] | None) -> None:
        """Change what is not None. Raises NotFound, InvalidInput."""
        rows = await self._database.call(
            "archon_conversation_change",
            conversation=as_id(conversation_id),
            title=title,
            settings=None if settings is None else Json(settings),
        )
        if not need(rows[0], "archon_conversation_change", bool):
            raise missing(conversation_id)

    async def name(self, conversation_id: str, title: str, *, instead_of: str) -> bool:
        """Give it this title; False where it is gone or has another one than `instead_of` by now."""
        rows = await self._database.call(
            "archon_conversation_name", conversation=as_id(conversation_id), title=title, instead_of=instead_of
        )
        return need(rows[0], "archon_conversation_name", bool)

    async def note(self, message_id: str, note: dict[str, JsonValue]) -> bool:
        """Keep `note` among a message's notes; False where it is gone."""
        rows = await self._database.call("archon_message_note", message=as_id(message_id), note=Json(note))
        return need(rows[0], "archon_message_note", bool)

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation with its messages. Raises NotFound, InvalidInput."""
        rows = await self._database.call("archon_conversation_delete", conversation=as_id(conversation_id))
        if not need(rows[0], "archon_conversation_delete", bool):
            raise missing(conversation_id)

    async def pinned(self, page_ids: Sequence[str], question: str, most: int) -> list[ChunkHit]:
        """Passages of these pages, those with the question's words first."""
        rows = await self._database.call("archon_pinned_chunks", pages=page_ids, question=question, most=most)
        return [chunk_hit(row) for row in rows]

    async def attached(self, pages: Sequence[str], pinned_sources: Sequence[str]) -> list[Attached]:
        """Those of the attached pages and sources that are stored (still)."""
        rows = await self._database.call("archon_attached", pages=pages, pinned_sources=pinned_sources)
        return [
            Attached(
                kind=need(row, "kind", str),
                id=need(row, "id", str),
                title=maybe(row, "title", str),
                url=maybe(row, "url", str),
                source_id=need(row, "source_id", str),
                passages=maybe(row, "passages", int) or 0,
            )
            for row in rows
        ]

    async def pages_named(self, words: str, most: int) -> list[NamedPage]:
        """Pages whose title or address has `words`, latest first."""
        rows = await self._database.call("archon_pages_named", words=words, most=most)
        return [
            NamedPage(
                need(row, "page_id", str), maybe(row, "title", str), need(row, "url", str), need(row, "source_id", str)
            )
            for row in rows
        ]


def as_id(text: str) -> str:
    """`text` as the database writes ids. Raises InvalidInput when it is none."""
    try:
        return str(UUID(text))
    except ValueError as error:
        raise InvalidInput("That is not an id of ours.", context=ErrorContext(field="conversation_id")) from error


def missing(conversation_id: str) -> NotFound:
    """The error for a conversation that is gone."""
    return NotFound(f"There is no conversation {conversation_id}.")


def _conversation(row: Row) -> Conversation:
    return Conversation(
        id=need_id(row, "id"),
        title=need(row, "title", str),
        created_at=moment(row, "created_at"),
        updated_at=moment(row, "updated_at"),
        message_count=need(row, "message_count", int),
        settings=need(row, "settings", dict),
        head=None if row["head"] is None else need_id(row, "head"),
    )


def _past(row: Row) -> PastMessage:
    return PastMessage(
        need(row, "role", str), need(row, "content", str), maybe(row, "outcome", str), maybe(row, "summary", dict)
    )


def _found(row: Row) -> Found:
    return Found(
        id=need_id(row, "id"),
        title=need(row, "title", str),
        created_at=moment(row, "created_at"),
        updated_at=moment(row, "updated_at"),
        message_count=need(row, "message_count", int),
        content=maybe(row, "found", str),
    )


def _message(row: Row) -> Message:
    return Message(
        id=need_id(row, "id"),
        parent_id=None if row["parent_id"] is None else need_id(row, "parent_id"),
        role=need(row, "role", str),
        content=need(row, "content", str),
        reasoning=need(row, "reasoning", str),
        outcome=maybe(row, "outcome", str),
        finish_reason=maybe(row, "finish_reason", str),
        passages=need(row, "passages", list),
        support=need(row, "support", list),
        notes=need(row, "notes", dict),
        provider=maybe(row, "provider", str),
        model=maybe(row, "model", str),
        connection_id=maybe(row, "connection_id", str),
        usage=maybe(row, "usage", dict),
        error=maybe(row, "error", dict),
        created_at=moment(row, "created_at"),
        versions=texts(row, "versions"),
    )
