"""A provider as it is chosen in a test."""

from __future__ import annotations

from src.inference.provider import ActiveProvider, Service
from src.inference.registry import load_registry


def chosen(service: Service, provider: str = "vllm", **values: str) -> ActiveProvider:
    """The provider with these setting values; the model is the one in them."""
    found = load_registry().get(provider)
    key = found.model_key(service)
    return ActiveProvider(
        provider=found,
        service=service,
        endpoint=found.endpoint(values, service),
        model=values.get(key) if key else None,
        values=values,
    )
