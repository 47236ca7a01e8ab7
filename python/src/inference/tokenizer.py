"""Asks the server itself how many tokens a text or a conversation has; never another model's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

from src.errors import (
    AuthenticationFailed,
    EndpointNotFound,
    ErrorContext,
    JsonValue,
    PermissionRefused,
    ProtocolError,
)

from .discovery import ServerClient
from .models import ChatMessage
from .provider import Endpoint, Provider
from .together import together

_AT_ONCE = 8


class ServerTokenizer:
    """Counts with the model's own tokenizer on its server, special tokens and chat template included."""

    def __init__(self, provider: Provider, endpoint: Endpoint, model: str) -> None:
        self._client = ServerClient(provider, endpoint)
        self._path = provider.server.tokenize_path if provider.server and not provider.keeps_v1_wire else None
        self._provider = provider
        self._model = model

    async def available(self) -> bool:
        """Whether the server counts at all: a proxy before it may not pass the route on. Raises ProviderError."""
        if self._path is None:
            return False
        try:
            await self.count("")
        except (EndpointNotFound, AuthenticationFailed, PermissionRefused, ProtocolError):
            return False
        return True

    async def count(self, text: str) -> int:
        """Tokens of `text` as the model would get it. Raises ProviderError."""
        return await self._ask({"model": self._model, "prompt": text})

    async def count_all(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, a few requests at once. Raises ProviderError."""
        return await together(self.count, texts, at_once=_AT_ONCE)

    async def count_messages(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of a prompt with the chat template around it. Raises ProviderError."""
        turns: list[JsonValue] = [{"role": one.role, "content": one.content} for one in messages]
        return await self._ask({"model": self._model, "messages": turns})

    async def _ask(self, body: JsonValue) -> int:
        url = f"{self._client.root}{self._path}"
        answer = await self._client.post(url, body, "tokenize", self._model)
        count = answer.get("count") if isinstance(answer, dict) else None
        if not isinstance(count, int):
            context = ErrorContext(provider=self._provider.id, operation="tokenize", url=url, model=self._model)
            raise ProtocolError("The answer holds no count of tokens", context=context)
        return count
