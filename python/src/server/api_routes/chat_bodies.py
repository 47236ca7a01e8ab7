"""What chat requests may hold, checked before a room sees it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from src.agents.chat_settings import (
    LONGEST_PROMPT,
    LONGEST_STOP,
    MAX_PASSAGES,
    MAX_SEED,
    MAX_STOPS,
    MAX_TEMPERATURE,
    MOST_PINNED,
    ChatSettings,
)
from src.agents.request import AskRequest
from src.agents.running import LONGEST_KEEP_S
from src.search.question import MAX_CHARACTERS

from .bodies import Name, Storable, Tags

Message = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_CHARACTERS), Storable]
Temperature = Annotated[float, Field(ge=0, le=MAX_TEMPERATURE, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=1, le=1_000_000)]
Passages = Annotated[int, Field(ge=1, le=MAX_PASSAGES)]


class SettingsOfChat(BaseModel):
    """How a conversation is answered; what is left out has its default."""

    connection_id: Name | None = None
    model: Name | None = None
    knowledge: bool = True
    source_ids: Annotated[list[Name], Field(max_length=1000)] = []
    tags: Tags = []
    pages: Annotated[list[UUID], Field(max_length=MOST_PINNED)] = []
    pinned_sources: Annotated[list[Name], Field(max_length=MOST_PINNED)] = []
    match_count: Passages = 6
    system_prompt: Annotated[str, StringConstraints(max_length=LONGEST_PROMPT), Storable] = ""
    temperature: Temperature | None = None
    top_p: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    max_tokens: Tokens | None = None
    stop: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_STOP), Storable]],
        Field(max_length=MAX_STOPS),
    ] = []
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)

    def value(self) -> ChatSettings:
        """As the rooms know it."""
        return ChatSettings(
            connection_id=self.connection_id,
            model=self.model,
            knowledge=self.knowledge,
            source_ids=tuple(self.source_ids),
            tags=tuple(self.tags),
            pages=tuple(str(page) for page in self.pages),
            pinned_sources=tuple(self.pinned_sources),
            match_count=self.match_count,
            system_prompt=self.system_prompt,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=tuple(self.stop),
            seed=self.seed,
        )


class ChatBody(BaseModel):
    """POST /api/chat: a question, or an earlier one to answer again, or an answer to go on with."""

    message: Message = ""
    conversation_id: UUID | None = None
    source_ids: Annotated[list[Name], Field(max_length=1000)] = []
    match_count: Passages | None = None
    max_tokens: Tokens | None = None
    temperature: Temperature | None = None
    settings: SettingsOfChat | None = None
    after: UUID | None = None
    edits: UUID | None = None
    answers: UUID | None = None
    continues: UUID | None = None
    keep_s: float = Field(default=0, ge=0, le=LONGEST_KEEP_S, allow_inf_nan=False)

    def value(self) -> AskRequest:
        """As the rooms know it."""
        return AskRequest(
            message=self.message,
            conversation_id=_text(self.conversation_id),
            source_ids=tuple(self.source_ids),
            match_count=self.match_count,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            settings=self.settings.value() if self.settings else None,
            after=_text(self.after),
            edits=_text(self.edits),
            answers=_text(self.answers),
            continues=_text(self.continues),
        )


class ConversationChange(BaseModel):
    """PUT /api/chat/conversations/{id}: what is left out stays."""

    title: Annotated[Name, Field(max_length=200)] | None = None
    settings: SettingsOfChat | None = None


class ShownBranch(BaseModel):
    """PUT /api/chat/conversations/{id}/branch: show the branch through this message."""

    message_id: UUID


def _text(found: UUID | None) -> str | None:
    return None if found is None else str(found)
