"""The chat model that agents are given: streams an answer, and says exactly once how it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from src.errors import BadRequest, ErrorContext, JsonValue, ModelNotFound, redact_url

from .chat_stream import StreamReader
from .chat_wire import chat_wire
from .client import Deadlines
from .control_tokens import without_control_tokens
from .courtesy import courtesy_on
from .discovery import forget_discoveries, max_model_len, resolve_model
from .models import ChatMessage, ChatModel, ChatOptions, StreamEnd, TextDelta
from .provider import ActiveProvider, Provider
from .retry import NO_RETRIES, RetryPolicy, budget_for, with_retries
from .token_counts import TokenEstimate
from .tokenizer import ServerTokenizer

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

_log = structlog.get_logger("archon.inference.chat")
_GO_ON = (
    "Your answer was cut off. Go on exactly where it ends: repeat nothing of it, and begin with the very next word."
)
"""Asked of a server that cannot be told to go on with its last message."""
_TEMPLATE_TOKENS = 8
"""What a chat template adds to each message, estimated generously."""


def build_chat_model(
    active: ActiveProvider, *, deadlines: Deadlines | None = None, policy: RetryPolicy | None = None
) -> ChatModel:
    """A chat model for the chosen provider. Nothing is asked before the first use.

    Raises:
        ConfigurationError: the endpoint cannot be used.
    """
    return ProviderChatModel(active, deadlines=deadlines or Deadlines(), policy=policy)


class ProviderChatModel:
    """Chats with one model of one provider; see the protocol `ChatModel` for what each method promises."""

    def __init__(self, active: ActiveProvider, *, deadlines: Deadlines, policy: RetryPolicy | None) -> None:
        self._active = active
        self._deadlines = deadlines
        keeps_v1 = active.provider.keeps_v1_wire
        self._policy = policy or (NO_RETRIES if keeps_v1 else RetryPolicy(deadline_s=deadlines.total_s))
        self._wire = chat_wire(active, deadlines)
        self._budget = budget_for(active.endpoint.base_url or active.provider.id)
        self._estimate = TokenEstimate()
        self._tokenizer: ServerTokenizer | None = None
        self._asked_tokenizer = False
        self._default = active.provider.default_chat_model if keeps_v1 else None
        self._model = active.model or self._default

    @property
    def model(self) -> str:
        """The model's name; blank until the server was asked, where none is chosen."""
        return self._model or ""

    @property
    def provider(self) -> str:
        return self._active.provider.id

    async def aclose(self) -> None:
        """Close what it asks with; the shared connections stay."""
        await self._wire.aclose()

    async def max_model_len(self) -> int | None:
        """Prompt and answer together, in tokens. Raises ConfigurationError or ProviderError."""
        return await max_model_len(self._active, await self._resolved())

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of the prompt with its template: exact where the server can count, else a careful estimate.

        Raises:
            ConfigurationError, ProviderError: no model is chosen and the server cannot be asked.
        """
        tokenizer = await self._counter()
        cleaned = [self._cleaned(message) for message in messages]
        if tokenizer is not None:
            try:
                return await tokenizer.count_messages(cleaned)
            except BadRequest:
                # No chat template: an embedding model. The request itself will say so better than its counting.
                _log.info("tokens_estimated", model=self._model)
        return sum(self._estimate.tokens(message.content) + _TEMPLATE_TOKENS for message in cleaned)

    async def stream(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncIterator[TextDelta | StreamEnd]:
        """Deltas, then exactly one StreamEnd. Closing the iterator stops the work on the server at once.

        Raises:
            ConfigurationError: no base URL or no model; nothing was sent.
            ProviderError: the request failed before the first token.
        """
        model = await self._resolved()
        context = self._context(model)
        params = await self._parameters(model, options)
        turns = [_as_param(self._cleaned(message)) for message in messages]
        if options.continues and self._continuation() is None:
            turns.append({"role": "user", "content": _GO_ON})

        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        body = {"messages": turns, "model": model, **streamed, **params}

        async def open_stream() -> StreamReader:
            reader = StreamReader(self._deadlines, context, self._secrets())
            await reader.open(lambda: self._wire.open(body, context))
            return reader

        try:
            with self._presence(options):
                reader = await with_retries(open_stream, policy=self._policy, budget=self._budget, context=context)
        except ModelNotFound:
            self._forget_model()
            raise
        try:
            async for item in reader.items():
                yield item
        finally:
            await reader.close()

    def _presence(self, options: ChatOptions) -> AbstractContextManager[None]:
        """A person waits for the first token, and a crawl on the same machine gives way."""
        if options.nobody_waits or not self._active.provider.local:
            return nullcontext()
        return courtesy_on(self._active.endpoint.base_url or self._active.provider.id).somebody_waits()

    async def _parameters(self, model: str, options: ChatOptions) -> dict[str, object]:
        params: dict[str, object] = {}
        reasons = _reasons(self._active.provider, model)
        if options.max_tokens is not None:
            name = "max_completion_tokens" if reasons else "max_tokens"
            params[name] = await self._within_context(model, options.max_tokens)
        if options.temperature is not None and not reasons:
            params["temperature"] = options.temperature
        if options.top_p is not None and not reasons:
            params["top_p"] = options.top_p
        if options.seed is not None:
            params["seed"] = options.seed
        if options.stop:
            params["stop"] = list(options.stop[:4])
        params |= _held_to(options.schema)
        if options.continues:
            params |= self._continuation() or {}
        return params

    def _continuation(self) -> dict[str, object] | None:
        facts = self._active.provider.server
        return dict(facts.continuation) if facts is not None and facts.continuation is not None else None

    async def _within_context(self, model: str, max_tokens: int) -> int:
        """vLLM refuses max_tokens above its context length, and clamps everything below it in silence."""
        length = await max_model_len(self._active, model)
        return min(max_tokens, length) if length else max_tokens

    async def _resolved(self) -> str:
        if self._model is None:
            self._model = await resolve_model(self._active)
        return self._model

    def _forget_model(self) -> None:
        """The server was started anew with another model: where none is chosen, ask again next time."""
        forget_discoveries()
        self._model = self._active.model or self._default

    async def _counter(self) -> ServerTokenizer | None:
        if not self._asked_tokenizer:
            tokenizer = ServerTokenizer(self._active.provider, self._active.endpoint, await self._resolved())
            self._tokenizer = tokenizer if await tokenizer.available() else None
            self._asked_tokenizer = True
        return self._tokenizer

    def _cleaned(self, message: ChatMessage) -> ChatMessage:
        if self._active.provider.keeps_v1_wire:
            return message
        return replace(message, content=without_control_tokens(message.content))

    def _secrets(self) -> tuple[str, ...]:
        key = self._active.endpoint.api_key
        return (key,) if key else ()

    def _context(self, model: str) -> ErrorContext:
        base = self._active.endpoint.base_url
        url = redact_url(f"{base.rstrip('/')}/chat/completions") if base else None
        remedy = self._active.endpoint.remedy
        return ErrorContext(provider=self.provider, operation="chat", url=url, model=model, remedy=remedy)


def _held_to(schema: Mapping[str, JsonValue] | None) -> dict[str, object]:
    """What tells a server to keep its answer to a schema; nothing where there is none."""
    if schema is None:
        return {}
    described = {"name": "answer", "schema": dict(schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def _reasons(provider: Provider, model: str) -> bool:
    short = model.rsplit("/", 1)[-1].lower()
    return any(short.startswith(prefix) for prefix in provider.reasoning_models)


def _as_param(message: ChatMessage) -> ChatCompletionMessageParam:
    if message.role == "system":
        return {"role": "system", "content": message.content}
    if message.role == "assistant":
        return {"role": "assistant", "content": message.content}
    return {"role": "user", "content": message.content}
