"""A question as it is asked, checked before anything is done for it."""

from __future__ import annotations

from dataclasses import dataclass

from src.errors import ErrorContext, InvalidInput

MAX_PASSAGES = 50
GROUNDED_TEMPERATURE = 0.2
"""An answer from passages wants little invention; servers' own defaults are made for free conversation."""
_TITLE = 80


@dataclass(frozen=True, slots=True)
class AskRequest:
    """A question. `conversation_id` None begins a conversation; no `source_ids` searches everywhere.

    `max_tokens` bounds the answer; None leaves it to the model's room. `temperature` None is `GROUNDED_TEMPERATURE`.
    """

    message: str
    conversation_id: str | None = None
    source_ids: tuple[str, ...] = ()
    match_count: int = 6
    max_tokens: int | None = None
    temperature: float | None = None

    @property
    def sampled_at(self) -> float:
        """The temperature in force."""
        return GROUNDED_TEMPERATURE if self.temperature is None else self.temperature

    def check(self) -> None:
        """Raises InvalidInput, naming the field, where a value cannot be used."""
        if not self.message.strip("\x00 \t\r\n"):
            raise _invalid("message", "The question is empty.")
        if not 1 <= self.match_count <= MAX_PASSAGES:
            raise _invalid("match_count", f"match_count must lie between 1 and {MAX_PASSAGES}.")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise _invalid("max_tokens", "max_tokens must be at least 1.")
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise _invalid("temperature", "temperature must lie between 0 and 2.")


def title(question: str) -> str:
    """A conversation's name: the beginning of its first question, cut between words."""
    line = " ".join(question.split())
    return line if len(line) <= _TITLE else line[:_TITLE].rsplit(" ", 1)[0] + "…"


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, context=ErrorContext(field=field))
