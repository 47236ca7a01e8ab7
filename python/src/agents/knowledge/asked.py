"""What the knowledge agent is asked, and with which model it works."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from src.agents.request import MAX_PASSAGES, AskRequest
from src.inference.client import Deadlines
from src.inference.models import ChatMessage, ChatModel
from src.inference.provider import ActiveProvider

PASSAGES_EACH = 5
"""Passages that one search brings, unless the caller asks for more or fewer."""


@dataclass(frozen=True, slots=True)
class AgentModel:
    """The chat model in use: `chat` counts tokens and answers in one pass, tools are called through `active`.

    `longest` is the most tokens that each text may have, `temperature` counts where a question names none.
    """

    chat: ChatModel
    active: ActiveProvider
    deadlines: Deadlines | None = None
    longest: int | None = None
    temperature: float | None = None


AgentModelFactory: TypeAlias = Callable[[str | None, str | None], Awaitable[AgentModel]]
"""Gives the model of a connection (None: of the default one), another one of its server where it is named.

Raises NotFound when there is no such connection, ConfigurationError when it cannot be used.
"""


@dataclass(frozen=True, slots=True)
class AgentQuestion:
    """A question with what came before it, oldest first. No `source_ids` searches everywhere.

    `max_tokens` bounds each text the model writes; None leaves it to the model's room. `connection_id` and `model` say
    who answers; None is the default connection, and its own model.
    """

    message: str
    history: tuple[ChatMessage, ...] = ()
    source_ids: tuple[str, ...] = ()
    match_count: int = PASSAGES_EACH
    max_tokens: int | None = None
    temperature: float | None = None
    connection_id: str | None = None
    model: str | None = None

    @property
    def sampled_at(self) -> float:
        """The temperature in force."""
        return self._request().sampled_at

    def within(self, model: AgentModel) -> AgentQuestion:
        """The question with what its model's connection asks of every answer."""
        bounds = [count for count in (self.max_tokens, model.longest) if count is not None]
        own = model.temperature if self.temperature is None else self.temperature
        return replace(self, max_tokens=min(bounds, default=None), temperature=own)

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
