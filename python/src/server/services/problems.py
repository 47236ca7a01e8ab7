"""Configuration errors that are also ValueErrors: what code written for Archon v1 catches."""

from __future__ import annotations

from src.errors import ConfigurationError, ErrorContext, SecretUnreadable


class UnusableSetting(ConfigurationError, ValueError):
    """A setting is missing or cannot be used; nothing was sent."""


class UnreadableKey(SecretUnreadable, ValueError):
    """The stored key of a provider cannot be opened; nothing was sent."""


def as_value_error(error: ConfigurationError) -> ConfigurationError:
    """`error` with all it says, catchable as ValueError too."""
    if isinstance(error, ValueError):
        return error
    kind = UnreadableKey if isinstance(error, SecretUnreadable) else UnusableSetting
    return kind(error.message, next_step=error.next_step, context=error.context)


def unsupported(provider: str) -> ConfigurationError:
    """The error for a provider id that nobody declared, in v1's words."""
    return UnusableSetting(
        f"Unsupported LLM provider: {provider[:60]}",
        next_step="Choose one of the providers in Settings.",
        context=ErrorContext(provider=provider[:60]),
    )
