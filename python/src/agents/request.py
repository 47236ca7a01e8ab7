"""A question as it is asked, checked before anything is done for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from src.errors import ErrorContext, InvalidInput

from .chat_settings import GROUNDED_TEMPERATURE, MAX_PASSAGES, ChatSettings

__all__ = ["GROUNDED_TEMPERATURE", "LONGEST_TITLE", "MAX_PASSAGES", "AskRequest", "title"]

LONGEST_TITLE = 60
"""Characters of a title that nobody typed."""


@dataclass(frozen=True, slots=True)
class AskRequest:
    """A question, or what to do with an earlier one. `conversation_id` None begins a conversation.

    `after` is the answer that the question follows (None: the last one shown). `edits` is a question it stands beside.
    `answers` is a question to answer once more, `continues` an answer to go on with; then there is no `message`.
    `settings` None: those of the conversation. The fields below it go before them, for this question alone.
    """

    message: str
    conversation_id: str | None = None
    source_ids: tuple[str, ...] = ()
    match_count: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    settings: ChatSettings | None = None
    after: str | None = None
    edits: str | None = None
    answers: str | None = None
    continues: str | None = None

    @property
    def sampled_at(self) -> float:
        """The temperature of an answer from passages."""
        return GROUNDED_TEMPERATURE if self.temperature is None else self.temperature

    @property
    def is_new(self) -> bool:
        """Whether it brings a question of its own."""
        return self.answers is None and self.continues is None

    def over(self, settings: ChatSettings) -> ChatSettings:
        """`settings`, with what is asked for this question alone."""
        changes: dict[str, object] = {
            "match_count": self.match_count,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
        }
        if self.source_ids:
            changes["source_ids"] = self.source_ids
        return replace(settings, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]

    def check(self) -> None:
        """Raises InvalidInput, naming the field, where a value cannot be used."""
        ways = [name for name in ("after", "edits", "answers", "continues") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise _invalid(ways[1], f"Only one of {' and '.join(ways)} can be asked for.")
        if ways and ways[0] != "continues" and self.conversation_id is None:
            raise _invalid("conversation_id", f"{ways[0]} needs the conversation it is in.")
        if self.is_new and not self.message.strip("\x00 \t\r\n"):
            raise _invalid("message", "The question is empty.")
        self.over(self.settings or ChatSettings()).check()


def title(question: str) -> str:
    """A conversation's name: the beginning of its first question, cut between words."""
    line = " ".join(question.split())
    return line if len(line) <= LONGEST_TITLE else line[: LONGEST_TITLE - 1].rsplit(" ", 1)[0] + "…"


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, context=ErrorContext(field=field))
