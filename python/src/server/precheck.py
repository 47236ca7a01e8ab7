"""Before pages are fetched: is there an embedding model that really embeds?"""

from __future__ import annotations

from typing import ClassVar

from src.errors import AuthenticationFailed, JsonValue
from src.inference.models import Embedder

from .models import ModelInUse

_PROBE = "test"


class KeyRefused(AuthenticationFailed):
    """The one place where a provider's refusal of our key is our own 401, with v1's fields: v1's pages read them."""

    http_status: ClassVar[int] = 401

    def to_dict(self) -> dict[str, JsonValue]:
        """The error body, and v1's fields in it."""
        provider = self.context.provider or "provider"
        v1: dict[str, JsonValue] = {
            "error": f"Invalid {provider.capitalize()} API key",
            "message": self.message,
            "error_type": "authentication_failed",
            "provider": provider,
        }
        return super().to_dict() | v1


async def require_embeddings(embedder: ModelInUse[Embedder]) -> None:
    """Embed one word with the embedding model in use, so that a crawl does not begin in vain.

    Raises:
        KeyRefused: the provider refuses the key.
        ConfigurationError: no provider or no model is chosen.
        ProviderError: the server cannot be asked, or does not embed.
    """
    try:
        await (await embedder()).embed_query(_PROBE)
    except AuthenticationFailed as error:
        raise KeyRefused(error.message, next_step=error.next_step, context=error.context) from error
