"""What code help yields, event by event; `to_dict` is the event's JSON on the wire."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, TypeAlias

from src.errors import ArchonError, JsonValue
from src.inference.models import Outcome, Usage

from .context import CodeContext


@dataclass(frozen=True, slots=True)
class Started:
    """The model is being asked. `knowledge_problem`: why passages that were wanted could not be looked for."""

    name: ClassVar[str] = "start"
    provider: str
    model: str
    context: CodeContext
    knowledge_problem: ArchonError | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        problem = None if self.knowledge_problem is None else self.knowledge_problem.to_dict()
        shown = self.context.to_dict()
        return {"provider": self.provider, "model": self.model, "context": shown, "knowledge_problem": problem}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the model's answer as it comes."""

    name: ClassVar[str] = "token"
    text: str

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {"text": self.text}


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of the model's reasoning."""

    name: ClassVar[str] = "reasoning"
    text: str

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {"text": self.text}


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """The answer so far cannot be used; what comes now takes its place."""

    name: ClassVar[str] = "retry"
    reason: str

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {"reason": self.reason}


@dataclass(frozen=True, slots=True)
class Explained:
    """The whole explanation; `cut` where it ended at the longest answer."""

    name: ClassVar[str] = "result"
    explanation: str
    cut: bool

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {"explanation": self.explanation, "cut": self.cut}


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The new text of the chosen lines, the whole new file, and the diff that makes it."""

    name: ClassVar[str] = "result"
    text: str
    file: str
    diff: str
    start: int
    end: int
    attempts: int

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens as the server counted them, seconds as we measured them; of the last attempt."""

    name: ClassVar[str] = "usage"
    usage: Usage

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON; times in milliseconds."""
        first, total = self.usage.first_token_s, self.usage.total_s
        return {
            "prompt_tokens": self.usage.prompt_tokens,
            "completion_tokens": self.usage.completion_tokens,
            "first_token_ms": None if first is None else round(first * 1000),
            "total_ms": None if total is None else round(total * 1000),
        }


@dataclass(frozen=True, slots=True)
class Failed:
    """What went wrong after the start."""

    name: ClassVar[str] = "error"
    error: ArchonError

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON: an error body."""
        return self.error.to_dict()


@dataclass(frozen=True, slots=True)
class Done:
    """The last event, exactly once."""

    name: ClassVar[str] = "done"
    outcome: Outcome
    finish_reason: str | None

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {"outcome": self.outcome.value, "finish_reason": self.finish_reason}


CodeEvent: TypeAlias = Started | Token | Thought | AskedAgain | Explained | Rewritten | Used | Failed | Done
