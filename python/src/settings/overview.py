"""What is in force, as people see it: services with their problems and warnings, values with their origin."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from src.errors import ArchonError, ConfigurationError, JsonValue, ProviderError, ProviderTimeout, redact_url
from src.inference.provider import ActiveProvider, Service

from .catalog import PROVIDER_KEYS, SERVICES, Catalog
from .choice import activate, choose, notices
from .values import Notice, Snapshot

DISCOVERY_S = 5.0
"""How long a page of settings waits for a server to name its model."""

_ALWAYS_SHOWN: frozenset[Service] = frozenset({"llm", "embedding"})
"""Reranking is shown once somebody chose a provider for it."""
_log = structlog.get_logger("archon.settings")


class ModelDiscovery(Protocol):
    """Asks a server which model it serves; settings themselves do no network."""

    async def __call__(self, active: ActiveProvider, /) -> str:
        """The one model's name.

        Raises:
            ConfigurationError: the server serves several, or none; one has to be chosen.
            ProviderError: the server cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class FirstRun:
    """How far a first visit has come, beside the choice of a provider."""

    knowledge: bool = False
    question_asked: bool = False


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service as it stands. `ready` False: `problem` says why it cannot be used."""

    provider: str | None
    model: str | None = None
    model_discovered: bool = False
    base_url: str | None = None
    problem: ArchonError | None = None
    warnings: tuple[Notice, ...] = ()

    def to_dict(self) -> dict[str, JsonValue]:
        """The body below `services` in REST."""
        return {
            "provider": self.provider,
            "model": self.model,
            "model_discovered": self.model_discovered,
            "base_url": None if self.base_url is None else redact_url(self.base_url),
            "ready": self.problem is None,
            "problem": None if self.problem is None else self.problem.to_dict(),
            "warnings": [notice.to_dict() for notice in self.warnings],
        }


@dataclass(frozen=True, slots=True)
class Overview:
    """The answer of `GET /api/settings`."""

    services: Mapping[Service, ServiceState]
    snapshot: Snapshot = field(repr=False)
    first_run: FirstRun = FirstRun()

    @property
    def provider_chosen(self) -> bool:
        """Whether somebody chose a provider for chat; the built-in default is nobody's choice."""
        chosen = self.snapshot.by_key.get(PROVIDER_KEYS["llm"])
        return chosen is not None and chosen.source != "default"

    def to_dict(self) -> dict[str, JsonValue]:
        """The whole body, without any secret."""
        return {
            "services": {service: state.to_dict() for service, state in self.services.items()},
            "provider_keys": {service: PROVIDER_KEYS[service] for service in SERVICES},
            "values": {key: value.to_dict() for key, value in self.snapshot.by_key.items()},
            "first_run": {
                "provider_chosen": self.provider_chosen,
                "knowledge": self.first_run.knowledge,
                "question_asked": self.first_run.question_asked,
            },
        }


async def take_overview(
    catalog: Catalog, snapshot: Snapshot, discover: ModelDiscovery | None, first_run: FirstRun
) -> Overview:
    """How every service stands. Never raises for a service that cannot be used: its state says why."""
    shown = [service for service in SERVICES if service in _ALWAYS_SHOWN or snapshot.text(PROVIDER_KEYS[service])]
    states = await asyncio.gather(*(_state(catalog, snapshot, service, discover) for service in shown))
    return Overview(dict(zip(shown, states, strict=True)), snapshot, first_run)


async def _state(
    catalog: Catalog, snapshot: Snapshot, service: Service, discover: ModelDiscovery | None
) -> ServiceState:
    try:
        provider = choose(catalog, snapshot, service).provider
        warnings = notices(catalog, snapshot, service)
    except ConfigurationError as error:
        return ServiceState(snapshot.text(PROVIDER_KEYS[service]), problem=error)
    known = ServiceState(provider.id, warnings=warnings)
    try:
        active = activate(catalog, snapshot, service)
    except ConfigurationError as error:
        return replace(known, problem=error)
    known = replace(known, base_url=active.endpoint.base_url, model=active.model)
    if active.model is not None or discover is None:
        return known
    try:
        return replace(known, model=await _discovered(active, discover), model_discovered=True)
    except (ConfigurationError, ProviderError) as error:
        _log.info("model_not_discovered", service=service, provider=provider.id, code=error.code)
        return replace(known, problem=error)


async def _discovered(active: ActiveProvider, discover: ModelDiscovery) -> str:
    try:
        async with asyncio.timeout(DISCOVERY_S):
            return await discover(active)
    except TimeoutError as error:
        raise ProviderTimeout(
            f"{active.provider.label} did not name its model within {DISCOVERY_S:g} seconds.",
        ).with_context(provider=active.provider.id, url=active.endpoint.base_url, operation="models") from error
