"""Answers on their way into the store: begun, kept while they are written, ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.errors import JsonValue

from .columns import need, need_id
from .conversations import as_id
from .database import Database, Json, Row

LEASE_S = 12.0
"""An answer whose writer was not heard of for so long was interrupted."""


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A question on its way into the store. `conversation_id` None begins a conversation called `title`.

    `after` is the answer it follows (None: the last one shown), `edits` the question it stands beside, `answers` the
    question that gets another answer; at most one of the three.
    """

    conversation_id: str | None
    title: str
    question: str
    provider: str
    model: str
    passages: list[JsonValue]
    after: str | None = None
    edits: str | None = None
    answers: str | None = None
    connection_id: str | None = None
    notes: dict[str, JsonValue] | None = None
    settings: dict[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """Ids of a stored question and of the message that its answer fills."""

    conversation_id: str
    question_id: str
    answer_id: str


@dataclass(frozen=True, slots=True)
class SoFar:
    """What has come of an answer that is being written."""

    answer_id: str
    content: str
    reasoning: str


@dataclass(frozen=True, slots=True)
class FinishedAnswer:
    """What is known of an answer at its end; `outcome` says how it ended, `provider` and `model` who answered."""

    content: str
    reasoning: str
    outcome: str
    finish_reason: str | None
    support: list[JsonValue]
    usage: dict[str, JsonValue] | None
    error: dict[str, JsonValue] | None
    provider: str
    model: str


class AnswerRepository:
    """The SQL functions that write answers, typed. Every method raises StoreError or a subclass of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, turn: NewTurn) -> Turn:
        """Store the question, and an empty message for its answer, in one transaction.

        Raises:
            NotFound: the conversation, or the message to go on from, does not exist (any more).
            InvalidInput: an id is no UUID.
        """
        rows = await self._database.call(
            "archon_answer_begin",
            conversation=_maybe_id(turn.conversation_id),
            after=_maybe_id(turn.after),
            edits=_maybe_id(turn.edits),
            answers=_maybe_id(turn.answers),
            title=turn.title,
            question=turn.question,
            provider=turn.provider,
            model=turn.model,
            connection_id=turn.connection_id,
            passages=Json(turn.passages),
            notes=Json(turn.notes or {}),
            settings=Json(turn.settings or {}),
            lease_s=LEASE_S,
        )
        return _turn(rows[0])

    async def resume(self, answer_id: str, provider: str, model: str, connection_id: str | None) -> Turn:
        """Take an ended answer up again. Raises Conflict when it is being written or gone, InvalidInput."""
        rows = await self._database.call(
            "archon_answer_resume",
            answer=as_id(answer_id),
            provider=provider,
            model=model,
            connection_id=connection_id,
            lease_s=LEASE_S,
        )
        return _turn(rows[0])

    async def keep(self, so_far: Sequence[SoFar]) -> frozenset[str]:
        """Keep what has come so far of answers; the ids of those that are gone or have ended."""
        rows = await self._database.call(
            "archon_answers_keep",
            answers=[one.answer_id for one in so_far],
            contents=[one.content for one in so_far],
            reasonings=[one.reasoning for one in so_far],
            lease_s=LEASE_S,
        )
        return frozenset(need_id(row, "id") for row in rows)

    async def end(self, answer_id: str, answer: FinishedAnswer) -> bool:
        """Complete an answer; False when its conversation was deleted meanwhile."""
        rows = await self._database.call(
            "archon_answer_end",
            answer=as_id(answer_id),
            content=answer.content,
            reasoning=answer.reasoning,
            outcome=answer.outcome,
            finish_reason=answer.finish_reason,
            support=Json(answer.support),
            usage=None if answer.usage is None else Json(answer.usage),
            error=None if answer.error is None else Json(answer.error),
            provider=answer.provider,
            model=answer.model,
        )
        return need(rows[0], "archon_answer_end", bool)


def _maybe_id(text: str | None) -> str | None:
    return None if text is None else as_id(text)


def _turn(row: Row) -> Turn:
    return Turn(need_id(row, "conversation_id"), need_id(row, "question_id"), need_id(row, "answer_id"))
