"""What a chat yields, event by event; `to_dict` is the event's JSON on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import ClassVar, Literal, TypeAlias

from src.errors import ArchonError, JsonValue
from src.inference.models import Outcome

SupportKind: TypeAlias = Literal["cited", "similar", "none"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered passage of the context. `similarity` is its cosine to the question."""

    number: int
    chunk_id: int
    source_id: str
    page_id: str | None
    url: str
    title: str | None
    heading_path: tuple[str, ...]
    text: str
    similarity: float | None
    page_number: int | None

    def to_dict(self) -> dict[str, JsonValue]:
        """The passage in events, and as it is stored with its answer."""
        return asdict(self) | {"heading_path": list(self.heading_path)}

    @classmethod
    def read(cls, stored: Mapping[str, JsonValue]) -> Passage:
        """A passage as `to_dict` stored it."""
        values: dict[str, object] = {one.name: stored.get(one.name) for one in fields(cls)}
        path = stored.get("heading_path")
        values["heading_path"] = tuple(str(part) for part in path) if isinstance(path, list) else ()
        return cls(**values)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What had no room in the model's context: whole passages, messages of the history, the end of a passage.

    `attachments`: attached pages and sources that are not stored any more.
    """

    passages: int = 0
    messages: int = 0
    passage_cut: bool = False
    attachments: int = 0

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StartEvent:
    """The question is stored and the model is being asked. `reason`: why no passage was found.

    `knowledge` False: passages were not asked for, so nothing of the answer is measured. `resumed`: an earlier answer
    is gone on with; what it had comes as the first token. Whoever reads this event begins anew with it.
    """

    name: ClassVar[str] = "start"
    conversation_id: str
    message_id: str
    provider: str
    model: str
    passages: tuple[Passage, ...]
    left_out: LeftOut
    reason: str | None
    question_id: str | None = None
    connection_id: str | None = None
    knowledge: bool = True
    resumed: bool = False

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {
            "conversation_id": self.conversation_id,
            "message_id": self.message_id,
            "provider": self.provider,
            "model": self.model,
            "passages": [passage.to_dict() for passage in self.passages],
            "left_out": self.left_out.to_dict(),
            "reason": self.reason,
            "question_id": self.question_id,
            "connection_id": self.connection_id,
            "knowledge": self.knowledge,
            "resumed": self.resumed,
        }


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """A piece of the answer; all of them together are the answer."""

    name: ClassVar[str] = "token"
    text: str

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {"text": self.text}


@dataclass(frozen=True, slots=True)
class ReasoningEvent:
    """A piece of the model's reasoning, which is no part of the answer."""

    name: ClassVar[str] = "reasoning"
    text: str

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {"text": self.text}


@dataclass(frozen=True, slots=True)
class CitationEvent:
    """What supports a sentence: `answer[start:end]` in characters (code points). `similarity` is a cosine."""

    name: ClassVar[str] = "citation"
    sentence: str
    start: int
    end: int
    kind: SupportKind
    numbers: tuple[int, ...]
    similarity: float | None

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return asdict(self) | {"numbers": list(self.numbers)}


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """Tokens as the server counted them, times as we measured them."""

    name: ClassVar[str] = "usage"
    prompt_tokens: int | None
    completion_tokens: int | None
    first_token_ms: int | None
    total_ms: int | None
    tokens_per_s: float | None

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """What went wrong after the start."""

    name: ClassVar[str] = "error"
    error: ArchonError

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON: an error body."""
        return self.error.to_dict()


@dataclass(frozen=True, slots=True)
class DoneEvent:
    """The last event, exactly once. `supported` is false when nothing in the answer has support.

    It is None where nothing was measured: knowledge was off. `provider` and `model` are who answered: where others
    stand behind the chosen one, it may be another than `start` said.
    """

    name: ClassVar[str] = "done"
    outcome: Outcome
    finish_reason: str | None
    supported: bool | None
    answer: str
    message_id: str
    provider: str | None = None
    model: str | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return asdict(self) | {"outcome": self.outcome.value}


ChatEvent: TypeAlias = StartEvent | TokenEvent | ReasoningEvent | CitationEvent | UsageEvent | ErrorEvent | DoneEvent
