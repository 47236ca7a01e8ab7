"""What the rest of the house sees of model servers: embedders, chat models, and the values that pass.

Rooms above (`ingest`, `search`, `agents`) are given these as arguments; how a request is made, retried
and diagnosed is decided in the modules beside this one.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from src.errors import ArchonError, JsonValue

Vector: TypeAlias = "array[float]"
"""An embedding as `array('f')`."""


@dataclass(frozen=True, slots=True)
class EmbeddingIdentity:
    """What makes vectors comparable. Provider and address are only ways to reach it."""

    model: str
    dimensions: int
    normalised: bool = True
    query_prefix: str = ""
    passage_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The outcome for one text: its vector, or the error that says why there is none."""

    vector: Vector | None
    error: ArchonError | None = None


class Embedder(Protocol):
    """Embeds texts with one model. Safe to use from many tasks at once; bounds its own concurrency."""

    @property
    def model(self) -> str:
        """The model's name on its server."""
        ...

    @property
    def provider(self) -> str:
        """The provider's id."""
        ...

    async def identity(self) -> EmbeddingIdentity:
        """The space these vectors live in; measures the vector size by embedding a word, once.

        Raises:
            ConfigurationError, ProviderError: the server cannot be asked.
        """
        ...

    async def max_tokens(self) -> int | None:
        """Longest passage in tokens (prefix and special tokens already taken off); None when unknown."""
        ...

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, never below the truth by more than the embedder's own safety margin."""
        ...

    async def embed_passages(self, texts: Sequence[str], *, somebody_waits: bool = False) -> list[Embedded]:
        """One outcome per text, same order. Never raises for a text or for a server that fails.

        `somebody_waits`: they go beside a crawl's, as a question does, instead of standing in its line.

        Raises:
            ConfigurationError: before the first request, when the settings do not name a server and a model.
        """
        ...

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question. Raises ConfigurationError or ProviderError."""
        ...


class Outcome(StrEnum):
    """How a stream ended; exactly one for every stream."""

    COMPLETE = "complete"
    TRUNCATED = "truncated"
    UPSTREAM_ERROR = "upstream_error"
    STALLED = "stalled"
    CANCELLED = "cancelled"


Role: TypeAlias = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """Sampling. `max_tokens` bounds the answer; None leaves the rest of the context to it.

    `continues`: the last message is the assistant's own, and the answer goes on where it ends. `schema`: the JSON
    schema that the answer has to keep to, where the server can hold it to one. `nobody_waits`: a crawl need not give
    way to it.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    top_p: float | None = None
    seed: int | None = None
    continues: bool = False
    schema: Mapping[str, JsonValue] | None = None
    nobody_waits: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them, seconds as we measured them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_token_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer, or of the model's reasoning."""

    text: str
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """Always the last item of a chat stream. `error` is set for every outcome but COMPLETE and CANCELLED.

    `finish_reason` is the server's word (`stop`, `length`, …); COMPLETE needs one. `length` is COMPLETE
    too: the answer was cut by max_tokens, which the caller asked for.
    """

    outcome: Outcome
    finish_reason: str | None
    usage: Usage = field(default_factory=Usage)
    error: ArchonError | None = None


class ChatModel(Protocol):
    """Talks to one chat model."""

    @property
    def model(self) -> str:
        """The model's name on its server."""
        ...

    @property
    def provider(self) -> str:
        """The provider's id."""
        ...

    async def max_model_len(self) -> int | None:
        """Prompt and answer together, in tokens; None when the server does not tell."""
        ...

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of the prompt with its template: exact where the server can count, else a safe estimate."""
        ...

    def stream(self, messages: Sequence[ChatMessage], options: ChatOptions) -> AsyncIterator[TextDelta | StreamEnd]:
        """Deltas, then exactly one StreamEnd. Closing the iterator stops the work on the server.

        Raises:
            ConfigurationError: no base URL or no model is set; nothing was sent.
            ProviderError: the request failed before the first token; later failures come as StreamEnd.
        """
        ...
