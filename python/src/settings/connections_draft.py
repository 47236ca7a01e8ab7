"""What a connection may say: its fields as forms show them, and the rules that REST, forms and files share."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from src.errors import ConfigurationError, ErrorContext, InvalidInput
from src.inference.address import clean_key, parse_address
from src.inference.provider import Provider, SettingField

DEFAULT_TIMEOUT_S = 120.0
LONGEST_TIMEOUT_S = 3600.0
_HIDDEN = "[ENCRYPTED]"
"""What lists show in place of a secret; a file that holds it holds no key."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it holds a line break or a control character")
    return text


Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(_printable)]
Id = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class ConnectionBody(BaseModel):
    """One connection as REST and `llm_connections.json` write it. Null means the same as left out, but for a key."""

    model_config = ConfigDict(extra="ignore", strict=True)

    id: Id | None = None
    name: Annotated[Line, Field(max_length=100)] | None = None
    provider: Annotated[Line, Field(max_length=60)] | None = None
    base_url: Annotated[str, StringConstraints(max_length=2000)] | None = None
    model: Line | None = None
    api_key: Annotated[str, StringConstraints(max_length=2000)] | None = None
    timeout: float | None = Field(default=None, ge=1, le=LONGEST_TIMEOUT_S, allow_inf_nan=False)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    is_local: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDraft:
    """A checked connection. `sends_key`: the caller said something about the key; then `api_key` is it, or none."""

    id: str | None
    name: str
    provider: str
    base_url: str | None
    model: str | None
    timeout_s: float
    max_tokens: int | None
    temperature: float | None
    is_local: bool
    sends_key: bool
    api_key: str | None = field(default=None, repr=False)


def connection_fields(providers: Mapping[str, Provider]) -> tuple[SettingField, ...]:
    """The form of a connection; `providers` are the kinds to choose from."""
    return (
        SettingField(key="name", label="Name", kind="text", required=True, placeholder="The lab's vLLM"),
        SettingField(key="base_url", label="Server address", kind="url", placeholder="http://localhost:8000",
                     help="With or without /v1. Not needed for a cloud's own address."),
        SettingField(key="provider", label="Kind", kind="choice", required=True, choices=tuple(providers),
                     help="Detect asks the server which it is."),
        SettingField(key="api_key", label="API key", kind="secret", help="Only where the server wants one."),
        SettingField(key="model", label="Model", kind="model", help="Blank: the one model that the server serves."),
        SettingField(key="timeout", label="Time-out in seconds", kind="integer", default=f"{DEFAULT_TIMEOUT_S:g}",
                     help="How long the server may stay silent, before its first token and between two."),
        SettingField(key="max_tokens", label="Longest answer in tokens", kind="integer",
                     help="Blank: as much as the model has room for."),
        SettingField(key="temperature", label="Temperature", kind="text", placeholder="0 to 2",
                     help="Used where a request names none. Blank: the task's own."),
        SettingField(key="is_local", label="Local", kind="switch", default="false",
                     help="Texts stay on machines of your own."),
    )  # fmt: skip


def read_draft(body: ConnectionBody, providers: Mapping[str, Provider], fallback: str) -> ConnectionDraft:
    """`body` with its defaults; `fallback` is the kind of a server that is named by its address alone.

    Raises:
        InvalidInput: a value cannot be used; names the field.
    """
    provider = _provider(body, providers, fallback)
    base_url = _base_url(body, provider)
    return ConnectionDraft(
        id=body.id,
        name=body.name or body.id or provider.label,
        provider=provider.id,
        base_url=base_url,
        model=body.model or None,
        timeout_s=DEFAULT_TIMEOUT_S if body.timeout is None else float(body.timeout),
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        is_local=is_local(base_url) if body.is_local is None else body.is_local,
        sends_key="api_key" in body.model_fields_set,
        api_key=_key(body.api_key),
    )


def free_id(name: str, taken: Collection[str]) -> str:
    """An id made of `name` that is not among `taken`."""
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50] or "connection"
    number = 1
    while (found := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return found


def refused(field_name: str, message: str, next_step: str | None = None) -> InvalidInput:
    """The error for a value that cannot be used."""
    return InvalidInput(message, next_step=next_step, context=ErrorContext(field=field_name))


def _provider(body: ConnectionBody, providers: Mapping[str, Provider], fallback: str) -> Provider:
    wanted = body.provider or ""
    if not wanted and (body.base_url or "").strip():
        return providers[fallback]
    names = {_plain(name): one for one in providers.values() for name in (one.label, one.id)}
    found = names.get(_plain(wanted))
    if found is None:
        problem = f"There is no provider '{wanted[:60]}'." if wanted else "Neither provider nor base_url is given."
        raise refused("provider", problem, f"Use one of: {', '.join(providers)}.")
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _base_url(body: ConnectionBody, provider: Provider) -> str | None:
    text = (body.base_url or "").strip()
    if not text and provider.server is not None:
        raise refused("base_url", f"A connection to {provider.label} needs its server's address.")
    if not text:
        return None
    try:
        parse_address(text, "base_url")
    except ConfigurationError as error:
        raise InvalidInput(error.message, next_step=error.next_step, context=error.context) from error
    # What follows is never sent, but a secret may stand there, and addresses are shown and exported.
    return re.split(r"[?#]", text, maxsplit=1)[0]


def _key(text: str | None) -> str | None:
    if text is not None and text.strip() == _HIDDEN:
        raise refused("api_key", "api_key was sent back as it is shown, not as a key.")
    try:
        return clean_key(text, "api_key")
    except ConfigurationError as error:
        raise InvalidInput(error.message, next_step=error.next_step, context=error.context) from error


def is_local(base_url: str | None) -> bool:
    """Whether an address is this machine's or a private network's, as far as it can be told without asking."""
    if base_url is None:
        return False
    address = parse_address(base_url)
    if address.is_loopback:
        return True
    try:
        return ipaddress.ip_address(address.host).is_private
    except ValueError:
        return False
