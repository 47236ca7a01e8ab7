"""Which settings there are: the choice of provider for each service, and every field that providers declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from src.errors import ConfigurationError, ErrorContext
from src.inference.fallback import fallback_fields
from src.inference.provider import Provider, Service, SettingField
from src.inference.registry import Registry

PROVIDER_KEYS: Mapping[Service, str] = {
    "llm": "LLM_PROVIDER",
    "embedding": "EMBEDDING_PROVIDER",
    "rerank": "RERANK_PROVIDER",
}
"""The setting that holds the provider's id, by service. The first two are v1's."""

SHARED_FIELDS = (
    SettingField(
        key="EMBEDDING_DIMENSIONS",
        label="Vector size",
        kind="integer",
        capability="embeddings",
        help="Asked for only where the embedding model is known to offer several; 0: never. Blank: the usual size.",
    ),
)
"""Settings of v1 that belong to no single provider but reach the wire."""

CONTEXTS_WANTED = "USE_CONTEXTUAL_EMBEDDINGS"
CONTEXTS_AT_ONCE = "CONTEXTUAL_EMBEDDINGS_MAX_WORKERS"
CONTEXT_FIELDS = (
    SettingField(
        key=CONTEXTS_WANTED,
        label="Contextual embeddings",
        kind="switch",
        default="false",
        capability="embeddings",
        help="The chat model says of each passage where it stands in its document: one call for each passage.",
    ),
    SettingField(
        key=CONTEXTS_AT_ONCE,
        label="Calls for contexts at once",
        kind="integer",
        default="3",
        capability="embeddings",
        help="At most, in each process that takes knowledge in; fewer where answers get slower by it.",
    ),
)
"""v1's settings for contextual embeddings. CONTEXTUAL_EMBEDDING_BATCH_SIZE means nothing: a call is one passage."""

SERVICES: tuple[Service, ...] = get_args(Service)
_SERVICE_NAMES: Mapping[Service, str] = {"llm": "chat", "embedding": "embeddings", "rerank": "reranking"}


@dataclass(frozen=True, slots=True)
class Catalog:
    """The declared settings by key."""

    providers: Mapping[str, Provider]
    fields: Mapping[str, SettingField]

    @classmethod
    def of(cls, registry: Registry) -> Catalog:
        """The catalog of all providers. A key that several share is described by the first of them."""
        providers = {provider.id: provider for provider in registry.all()}
        fields = {
            PROVIDER_KEYS[service]: SettingField(
                key=PROVIDER_KEYS[service],
                label=f"Provider for {_SERVICE_NAMES[service]}",
                kind="choice",
                default=default_provider(providers, service),
                choices=tuple(provider.id for provider in providers.values() if provider.serves(service)),
            )
            for service in SERVICES
        }
        fields.update(
            {field.key: field for field in (*SHARED_FIELDS, *CONTEXT_FIELDS, *fallback_fields(registry.all()))}
        )
        for provider in providers.values():
            for field in provider.fields:
                fields.setdefault(field.key, field)
            for key in filter(None, map(provider.model_key, SERVICES)):
                fields.setdefault(key, SettingField(key=key, label="Model", kind="model"))
        return cls(providers, fields)

    def is_secret(self, key: str) -> bool:
        """Whether the value of `key` is sealed and never shown."""
        return key in self.fields and self.fields[key].kind == "secret"

    def category(self, key: str) -> str:
        """The category that v1 keeps such a setting under."""
        return "api_keys" if self.is_secret(key) else "rag_strategy"

    def provider(self, provider_id: str, service: Service) -> Provider:
        """The provider `provider_id`, fit for `service`.

        Raises:
            ConfigurationError: there is none of that id, or it cannot do this; names the setting and the choices.
        """
        field = self.fields[PROVIDER_KEYS[service]]
        found = self.providers.get(provider_id)
        if found is not None and found.serves(service):
            return found
        problem = (
            f"There is no provider '{provider_id[:60]}'"
            if found is None
            else f"{found.label} cannot be used for {_SERVICE_NAMES[service]}"
        )
        raise ConfigurationError(
            f"{problem} ({field.key}).",
            next_step=f"Choose one of: {', '.join(field.choices)}.",
            context=ErrorContext(field=field.key, provider=provider_id[:60]),
        )


def default_provider(providers: Mapping[str, Provider], service: Service) -> str | None:
    """Id of the provider that `service` uses where none is chosen."""
    return next((provider.id for provider in providers.values() if service in provider.default_for), None)
