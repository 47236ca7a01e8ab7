"""An embedder that keeps what it was asked to embed."""

from __future__ import annotations

from collections.abc import Sequence

from src.inference.models import Embedded, Embedder, EmbeddingIdentity, Vector


class Watched:
    """An embedder that keeps what it was asked to embed."""

    def __init__(self, inner: Embedder, *, keep: bool = True) -> None:
        self._inner = inner
        self._keep = keep
        self.texts: list[str] = []

    @property
    def model(self) -> str:
        """As the inner one."""
        return self._inner.model

    @property
    def provider(self) -> str:
        """As the inner one."""
        return self._inner.provider

    async def identity(self) -> EmbeddingIdentity:
        """As the inner one."""
        return await self._inner.identity()

    async def max_tokens(self) -> int | None:
        """As the inner one."""
        return await self._inner.max_tokens()

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As the inner one."""
        return await self._inner.count_tokens(texts)

    async def embed_passages(self, texts: Sequence[str], *, somebody_waits: bool = False) -> list[Embedded]:
        """As the inner one, and the texts are kept."""
        if self._keep:
            self.texts.extend(texts)
        return await self._inner.embed_passages(texts, somebody_waits=somebody_waits)

    async def embed_query(self, text: str) -> Vector:
        """As the inner one."""
        return await self._inner.embed_query(text)
