"""Finds the providers: every file of the package `src.providers`, and what other packages bring along.

A file's name is its provider's id and it holds `PROVIDER`. Another installed package adds one through the entry-point
group `archon.providers` (the entry point's name is the id, its value the `Provider`). Modules are loaded by name, so
that this room imports nothing from the one above it.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

import structlog

from src.errors import ArchonError, ConfigurationError, ErrorContext

from .provider import Provider, Service

PACKAGE = "src.providers"
ENTRY_POINT_GROUP = "archon.providers"
_ID = re.compile(r"[a-z][a-z0-9_]{0,19}")
_log = structlog.get_logger("archon.inference.registry")


@dataclass(frozen=True, slots=True)
class Registry:
    """All providers, in the order lists show them. `problems` are those of other packages that cannot be used."""

    providers: tuple[Provider, ...]
    problems: tuple[ArchonError, ...] = ()

    def get(self, provider_id: str) -> Provider:
        """The provider of that id.

        Raises:
            ConfigurationError: there is none; the message names those that exist.
        """
        for provider in self.providers:
            if provider.id == provider_id:
                return provider
        raise ConfigurationError(
            f"There is no provider '{provider_id[:40]}'; known are {', '.join(self.ids())}",
            next_step="Choose one of the known providers in Settings.",
            context=ErrorContext(provider=provider_id[:40]),
        )

    def all(self) -> tuple[Provider, ...]:
        """Every provider, in a stable order: rank, then id."""
        return self.providers

    def serving(self, service: Service) -> tuple[Provider, ...]:
        """Those that can be chosen for `service`."""
        return tuple(provider for provider in self.providers if provider.serves(service))

    def ids(self) -> tuple[str, ...]:
        """Every provider's id."""
        return tuple(provider.id for provider in self.providers)

    def __contains__(self, provider_id: str) -> bool:
        return provider_id in self.ids()


@cache
def load_registry() -> Registry:
    """The providers of this process, found once. `load_registry.cache_clear()` makes the next call look again.

    Raises:
        ConfigurationError: a file of the package is no provider file.
    """
    return discover_providers()


def discover_providers() -> Registry:
    """Look for providers now. One of another package that cannot be used becomes a problem, not a failure.

    Raises:
        ConfigurationError: a file of the package is no provider file.
    """
    package = importlib.import_module(PACKAGE)
    found: dict[str, Provider] = {}
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{PACKAGE}.{module.name}")
        found[module.name] = _checked(getattr(loaded, "PROVIDER", None), module.name, f"{PACKAGE}.{module.name}")
    problems: list[ArchonError] = []
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name):
        try:
            if point.name in found:
                raise _unusable(point.name, point.value, "its id is taken")
            found[point.name] = _load(point)
        except ConfigurationError as error:
            _log.warning("provider_not_usable", provider=point.name, reason=error.message)
            problems.append(error)
    return Registry(tuple(sorted(found.values(), key=lambda one: (one.rank, one.id))), tuple(problems))


def _load(point: EntryPoint) -> Provider:
    try:
        loaded = point.load()
    except (ImportError, AttributeError, SyntaxError, TypeError, ValueError, ArchonError) as error:
        raise _unusable(point.name, point.value, f"it cannot be loaded: {error}") from error
    return _checked(loaded, point.name, point.value)


def _checked(candidate: object, name: str, origin: str) -> Provider:
    if not isinstance(candidate, Provider):
        raise _unusable(name, origin, "it holds no Provider")
    if candidate.id != name or not _ID.fullmatch(name):
        raise _unusable(name, origin, f"its id '{candidate.id}' must be its name: a to z, digits and _, at most 20")
    return candidate


def _unusable(name: str, origin: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The provider '{name}' ({origin}) cannot be used: {reason}",
        next_step="Correct or uninstall the package that brings it; the other providers work.",
        context=ErrorContext(provider=name),
    )
