"""Asks the server itself how many tokens a text or a conversation has; never another model's tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from .provider import Endpoint, Provider, ServerFacts
from .together import together

_AT_ONCE = 8


class ServerTokenizer:
    """Counts with the model's own tokenizer on its server, special tokens and chat template included."""

    def __init__(self, provider: Provider, endpoint: Endpoint, model: str) -> None:
        self._client = ServerClient(provider, endpoint)
        self._facts = provider.server if provider.server and not provider.keeps_v1_wire else ServerFacts(name="")
        self._provider = provider
        self._model = model

    async def available(self) -> bool:
        """Whether the server counts at all: a proxy before it may not pass the route on. Raises ProviderError."""
        if self._facts.tokenize_path is None:
            return False
        try:
            await self.count("")
        except (EndpointNotFound, AuthenticationFailed, PermissionRefused, ProtocolError):
            return False
        return True

    async def count(self, text: str) -> int:
        """Tokens of `text` as the model would get it. Raises ProviderError."""
        return await self._ask(self._facts.tokenize_body(text))

    async def count_all(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, a few requests at once. Raises ProviderError."""
        return await together(self.count, texts, at_once=_AT_ONCE)

    async def count_messages(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of a prompt with the chat template around it. Raises ProviderError."""
        turns: list[JsonValue] = [{"role": one.role, "content": one.content} for one in messages]
        template = self._facts.template_path
        if template is None:
            return await self._ask({"messages": turns})
        answer = await self._post(template, {"messages": turns})
        prompt = answer.get("prompt") if isinstance(answer, dict) else None
        if not isinstance(prompt, str):
            raise self._unreadable(template, "no prompt")
        return await self.count(prompt)

    async def _ask(self, body: Mapping[str, JsonValue]) -> int:
        path = self._facts.tokenize_path or ""
        count = self._facts.token_count(await self._post(path, {"model": self._model, **body}))
        if not isinstance(count, int):
            raise self._unreadable(path, "no count of tokens")
        return count

    async def _post(self, path: str, body: JsonValue) -> JsonValue:
        return await self._client.post(f"{self._client.root}{path}", body, "tokenize", self._model)

    def _unreadable(self, path: str, lack: str) -> ProtocolError:
        url = f"{self._client.root}{path}"
        context = ErrorContext(provider=self._provider.id, operation="tokenize", url=url, model=self._model)
        return ProtocolError(f"The answer holds {lack}", context=context)
