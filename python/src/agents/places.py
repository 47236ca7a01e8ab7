"""Where in its conversation a question stands: what came before it, and what the store is told of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from src.errors import Conflict, ErrorContext, InvalidInput, NotFound
from src.inference.models import Outcome
from src.search import question as questions
from src.store.conversations import ConversationRepository, Message, PastMessage

from . import history
from .chat_settings import ChatSettings
from .events import Passage
from .request import AskRequest


@dataclass(frozen=True, slots=True)
class Place:
    """A question with its history. `begun` is the answer that is gone on with, `settings` those in force."""

    question: str
    past: list[PastMessage]
    settings: ChatSettings
    conversation_id: str | None = None
    begun: Message | None = None

    @property
    def so_far(self) -> str:
        """What there is of the answer already; blanks at its end are written anew."""
        return self.begun.content.rstrip() if self.begun else ""

    def passages(self) -> tuple[Passage, ...]:
        """The passages of the answer that is gone on with: its numbers keep their meaning."""
        stored = self.begun.passages if self.begun else []
        return tuple(Passage.read(one) for one in stored if isinstance(one, dict))


async def find(request: AskRequest, store: ConversationRepository) -> Place:
    """Where `request` stands.

    Raises:
        NotFound: the conversation or the message it is about is gone.
        Conflict: the answer to go on with is being written, or is whole.
        InvalidInput: an id is none, or the message is of the wrong kind.
        StoreError: the database failed.
    """
    if request.continues is not None:
        return await _continued(request, request.continues, store)
    if request.conversation_id is None:
        settings = request.over(request.settings or ChatSettings())
        return Place(questions.clean(request.message), [], settings)
    question, last = await _question(request, store)
    past, settings = await asyncio.gather(
        _past(store, request.conversation_id, last, begins=request.edits is not None or request.answers is not None),
        _settings(request, request.conversation_id, store),
    )
    return Place(question, past, settings, request.conversation_id)


async def _continued(request: AskRequest, answer_id: str, store: ConversationRepository) -> Place:
    conversation_id, begun = await store.message(answer_id)
    if begun.role != "assistant" or begun.parent_id is None:
        raise InvalidInput("Only an answer can be continued.", context=ErrorContext(field="continues"))
    if begun.outcome is None:
        raise Conflict("This answer is still being written.", next_step="Wait for its end, or stop it first.")
    if begun.outcome == Outcome.COMPLETE and begun.finish_reason != "length":
        raise Conflict("This answer is whole.", next_step="Ask on, or ask the question again.")
    _, asked = await store.message(begun.parent_id)
    past, settings = await asyncio.gather(
        _past(store, conversation_id, asked.parent_id, begins=True), _settings(request, conversation_id, store)
    )
    return Place(asked.content, past, settings, conversation_id, begun)


async def _question(request: AskRequest, store: ConversationRepository) -> tuple[str, str | None]:
    """The question's words, and the message it follows (None with `edits` or `answers`: it is the first)."""
    earlier = request.answers or request.edits
    if earlier is None:
        return questions.clean(request.message), request.after
    home, asked = await store.message(earlier)
    if home != request.conversation_id or asked.role != "user":
        raise NotFound("That question is not in this conversation.")
    return (asked.content if request.answers else questions.clean(request.message)), asked.parent_id


async def _past(
    store: ConversationRepository, conversation_id: str, last: str | None, *, begins: bool
) -> list[PastMessage]:
    if last is None and begins:
        return []
    return await store.history(conversation_id, last, history.MESSAGES)


async def _settings(request: AskRequest, conversation_id: str, store: ConversationRepository) -> ChatSettings:
    if request.settings is not None:
        return request.over(request.settings)
    return request.over(ChatSettings.read((await store.get(conversation_id)).settings))
