"""Finds out what kind of server answers at an address, by asking for what only one kind has."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from src.errors import ArchonError, EndpointNotFound, ErrorContext, JsonValue
from src.inference.address import Address, clean_key, parse_address
from src.inference.check_report import model_row
from src.inference.connect import reach
from src.inference.discovery import (
    ServedModel,
    ServerClient,
    capabilities_of,
    list_models,
    only_one,
    server_version,
    wrong_kind,
)
from src.inference.provider import Endpoint, Provider, ServerSign

from .connections_draft import is_local
from .connections_wire import COMPATIBLE, own_address, wired

_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Detected:
    """What answers at an address. `problem`: it is a server of this kind that cannot chat, or shows no models."""

    provider: Provider
    address: Address
    version: str | None
    models: tuple[ServedModel, ...]
    problem: ArchonError | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """The body of `POST /api/connections/detect`; `values` fill the form."""
        only = only_one(self.models)
        return {
            "provider": self.provider.id,
            "label": self.provider.label,
            "version": self.version,
            "models": [model_row(model) for model in self.models],
            "problem": None if self.problem is None else self.problem.to_dict(),
            "values": {
                "provider": self.provider.id,
                "base_url": self.address.root,
                "model": None if only is None else only.name,
                "is_local": is_local(self.address.root),
            },
        }


async def detect(providers: Mapping[str, Provider], base_url: str, api_key: str | None) -> Detected:
    """The kind of server at `base_url`, with the models it lists.

    Raises:
        ConfigurationError: the address or the key cannot be used.
        ProviderUnavailable, ProviderTimeout, TlsFailure, DnsFailure: nothing answers there.
        EndpointNotFound: what answers is no model server.
    """
    address = parse_address(base_url, "base_url")
    endpoint = Endpoint(base_url=address.v1, api_key=clean_key(api_key, "api_key"))
    for provider in providers.values():
        own = own_address(provider)
        if own is not None and parse_address(own).host == address.host:
            return await _described(provider, address, endpoint, None)
    async for _ in reach(address, ErrorContext(operation="detect", url=address.root, field="base_url")):
        pass
    own_servers = [one for one in providers.values() if one.server is not None and one.id != COMPATIBLE.id]
    versions = await asyncio.gather(*(_recognised(one, endpoint) for one in own_servers))
    for provider, version in zip(own_servers, versions, strict=True):
        if version is not None:
            return await _described(provider, address, endpoint, version or None)
    return await _compatible(address, endpoint)


async def _recognised(provider: Provider, endpoint: Endpoint) -> str | None:
    """The version of a server of this kind, '' where it tells none, None for another kind."""
    client = ServerClient(wired(provider, endpoint.base_url), endpoint, timeout_s=_PATIENCE_S)
    sign = provider.server.sign if provider.server else None
    try:
        if sign is not None:
            return await _by_sign(sign, client)
        return await server_version(provider, client)
    except ArchonError:
        return None  # it answers, but not as this kind does


async def _by_sign(sign: ServerSign, client: ServerClient) -> str | None:
    answer = await client.get(client.root + sign.path, "detect")
    if not sign.matches(answer):
        return None
    version = answer.get("version") if isinstance(answer, dict) else None
    return version if isinstance(version, str) else ""


async def _compatible(address: Address, endpoint: Endpoint) -> Detected:
    try:
        models = await list_models(COMPATIBLE, endpoint)
    except EndpointNotFound as error:
        raise EndpointNotFound(
            f"Something answers at {address.root}, but it is no model server Archon knows",
            next_step="Check port and path; a model server lists its models at <address>/v1/models.",
            context=error.context,
        ) from error
    return Detected(COMPATIBLE, address, None, models)


async def _described(provider: Provider, address: Address, endpoint: Endpoint, version: str | None) -> Detected:
    """The recognised server with its models; one that does not tell them is recognised all the same."""
    wire = wired(provider, None if own_address(provider) else address.root)
    try:
        base = wire.endpoint({"base_url": address.root, "api_key": endpoint.api_key or ""}, "llm")
        models = tuple(one for one in await list_models(wire, base) if one.serves("llm"))
        present = await capabilities_of(wire, base, ServerClient(wire, base, timeout_s=_PATIENCE_S))
    except ArchonError as error:
        return Detected(provider, address, version, (), error)
    context = ErrorContext(provider=provider.id, operation="detect", url=address.root, field="base_url")
    return Detected(provider, address, version, models, wrong_kind("llm", present, context))
