"""What a person wants to save, checked as a whole before any of it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from src.config import Environment
from src.errors import ConfigurationError, ErrorContext, InvalidInput
from src.inference.address import clean_key, parse_address
from src.inference.fallback import CHAIN, ids_in
from src.inference.provider import FieldKind, Service, SettingField

from .catalog import PROVIDER_KEYS, SERVICES, Catalog
from .choice import activate
from .resolve import resolve
from .values import Snapshot, Stored

_MAX_LENGTH = 2000
_HIDDEN = "[ENCRYPTED]"
"""What v1 shows in place of a secret; a form that sends it back did not mean to save it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Checked changes: texts to write by key, and keys whose stored value is removed."""

    texts: Mapping[str, str]
    removed: tuple[str, ...]


def plan_changes(
    catalog: Catalog, stored: Mapping[str, Stored], environment: Environment, changes: Mapping[str, object]
) -> Plan:
    """What saving `changes` would do; None or a blank text removes the stored value.

    Raises:
        InvalidInput: a key is unknown, or a value is of the wrong kind; names the field.
        ConfigurationError: a chosen provider does not exist, cannot do what it is chosen for, or lacks a setting.
    """
    texts = {key: normalised(catalog, key, value) for key, value in changes.items()}
    plan = Plan(
        texts={key: text for key, text in texts.items() if text is not None},
        removed=tuple(key for key, text in texts.items() if text is None and key in stored),
    )
    before = resolve(catalog, stored, environment)
    after = resolve(catalog, merged(stored, texts), environment)
    for service in SERVICES:
        _check_service(catalog, before, after, service)
    _check_chain(catalog, texts.get(CHAIN))
    return plan


def merged(stored: Mapping[str, Stored], texts: Mapping[str, str | None]) -> dict[str, Stored]:
    """`stored` as it would be with `texts` saved over it."""
    result = {key: value for key, value in stored.items() if key not in texts}
    result.update({key: Stored(text) for key, text in texts.items() if text is not None})
    return result


def normalised(catalog: Catalog, key: str, value: object) -> str | None:
    """`value` as it is stored under `key`; None for nothing.

    Raises:
        InvalidInput: the key is unknown or the value does not fit its kind.
    """
    field = catalog.fields.get(key)
    if field is None:
        raise InvalidInput(
            f"There is no setting '{key[:80]}'.",
            next_step="Use the keys that GET /api/settings lists.",
            context=ErrorContext(field=key[:80]),
        )
    text = _as_text(key, value)
    if text is None:
        return None
    if len(text) > _MAX_LENGTH:
        raise _refused(key, f"is longer than {_MAX_LENGTH} characters")
    check = _CHECKS.get(field.kind)
    return check(field, text) if check else _plain(field, text)


def _as_text(key: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise _refused(key, f"must be a text, not a {type(value).__name__}")
    return value.strip() or None


def _plain(field: SettingField, text: str) -> str:
    if not text.isprintable():
        raise _refused(field.key, "holds a line break or a control character")
    return text


def _url(field: SettingField, text: str) -> str:
    try:
        parse_address(text, field.key)
    except ConfigurationError as error:
        raise InvalidInput(error.message, next_step=error.next_step, context=error.context) from error
    return text


def _secret(field: SettingField, text: str) -> str:
    if text == _HIDDEN:
        raise _refused(field.key, "was sent back as it is shown, not as a key")
    try:
        return clean_key(text, field.key) or text
    except ConfigurationError as error:
        raise InvalidInput(error.message, next_step=error.next_step, context=error.context) from error


def _integer(field: SettingField, text: str) -> str:
    if not text.removeprefix("-").isdecimal():
        raise _refused(field.key, f"must be a whole number, not '{text[:40]}'")
    return str(int(text))


def _switch(field: SettingField, text: str) -> str:
    if text.lower() not in {"true", "false"}:
        raise _refused(field.key, f"must be true or false, not '{text[:40]}'")
    return text.lower()


def _choice(field: SettingField, text: str) -> str:
    # A provider is checked with its service, which says more about what is wrong.
    if text in field.choices or field.key in PROVIDER_KEYS.values():
        return text
    raise _refused(field.key, f"must be one of {', '.join(field.choices)}, not '{text[:40]}'")


_CHECKS: Mapping[FieldKind, Callable[[SettingField, str], str]] = {
    "url": _url,
    "secret": _secret,
    "integer": _integer,
    "switch": _switch,
    "choice": _choice,
}


def _check_service(catalog: Catalog, before: Snapshot, after: Snapshot, service: Service) -> None:
    """Refuse a choice that cannot work, and changes that break a service that works; unfinished ones may go on."""
    key = PROVIDER_KEYS[service]
    chosen = after.text(key)
    if chosen is None:
        return
    is_new = chosen != before.text(key)
    if is_new:
        catalog.provider(chosen, service)
    elif _problem(catalog, before, service) is not None:
        return
    problem = _problem(catalog, after, service)
    if problem is not None:
        raise problem.with_context(field=key)


def _check_chain(catalog: Catalog, chain: str | None) -> None:
    for name in ids_in(chain or ""):
        provider = catalog.providers.get(name)
        if provider is None or not provider.serves("llm"):
            raise _refused(CHAIN, f"names '{name[:40]}', which is no provider that can chat")


def _problem(catalog: Catalog, snapshot: Snapshot, service: Service) -> ConfigurationError | None:
    try:
        activate(catalog, snapshot, service)
    except ConfigurationError as error:
        return error
    return None


def _refused(key: str, why: str) -> InvalidInput:
    return InvalidInput(f"{key} {why}.", context=ErrorContext(field=key))
