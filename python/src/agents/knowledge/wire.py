"""pydantic-ai over our own provider layer: our client, our deadlines, our errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeVar

import openai
from pydantic_ai import ModelAPIError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from src.errors import ErrorContext, FirstByteTimeout, ServerFailure, StallTimeout, StreamCut, redact_url
from src.inference.client import Deadlines, client_for
from src.inference.provider import ActiveProvider
from src.inference.sdk_errors import classify_sdk_error

T = TypeVar("T")
_NO_END = "finish_reason"


class ToolCallingModel:
    """One chat model that pydantic-ai may call tools through, and the words for what goes wrong with it."""

    def __init__(
        self, active: ActiveProvider, name: str, deadlines: Deadlines | None = None, connection: str | None = None
    ) -> None:
        self._active = active
        self._name = name
        self._connection = connection
        self.deadlines = deadlines or Deadlines()
        self._client = client_for(active, deadlines=self.deadlines)

    @property
    def reasons(self) -> bool:
        """Whether the model is one of those that take `max_completion_tokens` and no temperature."""
        short = self._name.rsplit("/", 1)[-1].lower()
        return any(short.startswith(prefix) for prefix in self._active.provider.reasoning_models)

    def model(self) -> OpenAIChatModel:
        """The model as pydantic-ai knows models."""
        profile = OpenAIModelProfile(
            openai_chat_supports_max_completion_tokens=self.reasons,
            # An answer is whole only when its finish_reason came: HTTP 200 and [DONE] also end failed streams.
            openai_chat_streaming_requires_finish_reason=True,
            supports_forced_tool_choice=True,
        )
        if not self._active.provider.keeps_v1_wire:
            # One's own servers hold a model to the schema as it is, lengths included; OpenAI's strict mode knows none.
            profile["json_schema_transformer"] = None
        provider = OpenAICompatibleProvider(self._active.provider.id, openai_client=self._client, profile=profile)
        return OpenAIChatModel(self._name, provider=provider)

    async def aclose(self) -> None:
        """Close the client; the shared connections stay."""
        await self._client.close()

    @contextmanager
    def typed(self) -> Iterator[None]:
        """Turns what pydantic-ai raises for the server into our error for it, which names the connection.

        Raises:
            ProviderError: the request was refused, or its stream broke off.
        """
        try:
            yield
        except ModelAPIError as error:
            context, cause = self._context(), error.__cause__
            if isinstance(cause, openai.OpenAIError):
                raise classify_sdk_error(cause, context, secrets=self._secrets()) from error
            if _NO_END in error.message:
                cut = "The stream ended without a finish_reason, so the answer is not whole"
                raise StreamCut(cut, context=context) from error
            raise ServerFailure(f"The model server failed: {error.message[:300]}", context=context) from error
        except openai.OpenAIError as error:
            raise classify_sdk_error(error, self._context(), secrets=self._secrets()) from error

    async def timely(self, events: AsyncIterator[T]) -> AsyncIterator[T]:
        """`events`, none of them later than the deadlines allow.

        Raises:
            FirstByteTimeout, StallTimeout: the server fell silent.
        """
        wait_s = self.deadlines.first_event_s
        while True:
            try:
                async with asyncio.timeout(wait_s):
                    event = await anext(events, None)
            except TimeoutError as late:
                silence = f"The server was silent for {wait_s:g} s"
                kind = FirstByteTimeout if wait_s == self.deadlines.first_event_s else StallTimeout
                raise kind(silence, context=self._context()) from late
            if event is None:
                return
            yield event
            wait_s = self.deadlines.gap_s

    def _secrets(self) -> tuple[str, ...]:
        key = self._active.endpoint.api_key
        return (key,) if key else ()

    def _context(self) -> ErrorContext:
        base = self._active.endpoint.base_url
        url = redact_url(f"{base.rstrip('/')}/chat/completions") if base else None
        return ErrorContext(
            provider=self._active.provider.id,
            connection=self._connection,
            operation="agent",
            url=url,
            model=self._name,
            remedy=self._active.endpoint.remedy,
        )
