"""What the knowledge agent is asked, and with which model it works."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from src.agents.request import MAX_PASSAGES, AskRequest
from src.inference.models import ChatMessage, ChatModel
from src.inference.provider import ActiveProvider

PASSAGES_EACH = 5
"""Passages that one search brings, unless the caller asks for more or fewer."""


@dataclass(frozen=True, slots=True)
class AgentModel:
    """The chat model in use: `chat` counts tokens and answers in one pass, tools are called through `active`."""

    chat: ChatModel
    active: ActiveProvider


AgentModelFactory: TypeAlias = Callable[[], Awaitable[AgentModel]]
"""Gives the model of the settings in force; raises ConfigurationError when they name none."""


@dataclass(frozen=True, slots=True)
class AgentQuestion:
    """A question with what came before it, oldest first. No `source_ids` searches everywhere.

    `max_tokens` bounds each text the model writes; None leaves it to the model's room.
    """

    message: str
    history: tuple[ChatMessage, ...] = ()
    source_ids: tuple[str, ...] = ()
    match_count: int = PASSAGES_EACH
    max_tokens: int | None = None
    temperature: float | None = None

    @property
    def sampled_at(self) -> float:
        """The temperature in force."""
        return self._request().sampled_at

    def check(self) -> None:
        """Raises InvalidInput, naming the field, where a value cannot be used."""
        self._request().check()

    def _request(self) -> AskRequest:
        return AskRequest(
            self.message,
            match_count=min(self.match_count, MAX_PASSAGES + 1),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
        )
