"""Which embedding models a provider is known to have; derived from what providers declare."""

from __future__ import annotations

from src.inference.embedding_models import known_model
from src.inference.provider import Provider

from .active_provider import find, registry


def is_openai_embedding_model(model: str) -> bool:
    """Whether the model is one of the default provider's, also where a vendor's name stands before it."""
    return any(_knows(provider, model) for provider in registry().all() if "embedding" in provider.default_for)


def is_google_embedding_model(model: str) -> bool:
    """Whether the model is one of the provider's that embeds by a wire of its own."""
    return any(_knows(provider, model) for provider in registry().all() if provider.embedding_wire is not None)


def is_valid_embedding_model_for_provider(model: str, provider: str) -> bool:
    """Whether `provider` is known to embed with `model`; one without a list of its own takes any name."""
    found = find(provider)
    if found is None or not found.serves("embedding") or not str(model or "").strip():
        return False
    return not found.embedding_models or found.local or _knows(found, model)


def get_supported_embedding_models(provider: str) -> list[str]:
    """The declared embedding models of `provider`; empty where it serves whatever it was started with."""
    found = find(provider)
    return [model.name for model in found.embedding_models] if found is not None else []


def _knows(provider: Provider, model: str) -> bool:
    return known_model(provider, str(model or "").strip()) is not None
