"""What would mend a failed check with one click: an address or a model's name that was tried and found to work."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from src.errors import (
    ArchonError,
    ConfigurationError,
    ConnectionBroken,
    ConnectionRefused,
    ConnectTimeout,
    EndpointNotFound,
    ErrorContext,
    JsonValue,
    ModelNotFound,
    ProtocolError,
    ProviderUnavailable,
    TlsFailure,
    UnsupportedFeature,
)

from .address import Address, parse_address
from .check_report import Fix, Step
from .connect import listens
from .discovery import ServedModel, ServerClient, capabilities_of, resolve_model, server_version
from .provider import NEEDED_CAPABILITY, ActiveProvider, Detour, Endpoint, detour_taken, url_field
from .rerank import Reranker
from .vectors import posted_from_json

_HOST_OF_CONTAINER = "host.docker.internal"
_ELSEWHERE = (ConnectionRefused, ConnectTimeout, ProviderUnavailable, EndpointNotFound, UnsupportedFeature)
"""Failures after which the right server may be found at another port of the same machine."""


class Fixer:
    """Looks for a fix; every address it offers was asked and serves what is needed."""

    def __init__(self, active: ActiveProvider, address: Address | None, models: Sequence[ServedModel]) -> None:
        self._active = active
        self._address = address
        self._models = models

    async def for_failure(self, step: Step, error: ArchonError) -> Fix | None:
        """A fix for `error`, or None. Never raises."""
        if isinstance(error, ModelNotFound) or (step == "context" and isinstance(error, ConfigurationError)):
            return self._model()
        if self._address is None or self._active.provider.server is None:
            return None
        detour = detour_taken(self._active.provider, self._active.service, self._active.values)
        if detour is not None:
            return await self._straight(detour) if isinstance(error, _ELSEWHERE) else None
        return await self._first_good(self._elsewhere(self._address, error))

    def _elsewhere(self, address: Address, error: ArchonError) -> Iterable[Address]:
        """Where the server may be, after this failure."""
        if isinstance(error, TlsFailure):
            return [address.with_scheme("http")]
        if isinstance(error, (ConnectionBroken, ProtocolError)) and address.scheme == "http":
            return [address.with_scheme("https")]
        return self._nearby() if isinstance(error, _ELSEWHERE) else []

    def _model(self) -> Fix | None:
        key = self._active.provider.model_key(self._active.service)
        names = [model.name for model in self._models]
        if not names or key is None:
            return None
        close = difflib.get_close_matches(self._active.model or "", names, n=1, cutoff=0.5)
        best = (close or names)[0]
        return Fix(f"Use {best}", {key: best})

    async def _straight(self, detour: Detour) -> Fix | None:
        """Without the detour, where the server itself answers."""
        values = {**self._active.values, detour.switch: "false"}
        try:
            endpoint = self._active.provider.endpoint(values, self._active.service)
        except ConfigurationError:
            return None
        address = parse_address(endpoint.base_url or "")
        if not await listens(address) or not await self._serves(address):
            return None
        return Fix(f"Ask {address.root} without the gateway", {detour.switch: "false"})

    def _nearby(self) -> Iterable[Address]:
        here = self._address
        server = self._active.provider.server
        if here is None or server is None:
            return
        for port in dict.fromkeys((here.port + 1, here.port - 1, *server.neighbour_ports)):
            if 0 < port < 65536 and port != here.port:
                yield here.with_port(port)
        if here.is_loopback:
            yield here.with_host(_HOST_OF_CONTAINER)

    async def _first_good(self, candidates: Iterable[Address]) -> Fix | None:
        tried = list(candidates)
        open_ports = await asyncio.gather(*(listens(one) for one in tried))
        for candidate, is_open in zip(tried, open_ports, strict=True):
            if is_open and await self._serves(candidate):
                return self._address_fix(candidate)
        return None

    async def _serves(self, candidate: Address) -> bool:
        """Whether the right kind of server answers there. The key is not sent to an address nobody entered."""
        provider = self._active.provider
        endpoint = replace(self._active.endpoint, base_url=candidate.v1, api_key=None)
        client = ServerClient(provider, endpoint, timeout_s=2.0)
        try:
            if provider.server and provider.server.version_path and not await server_version(provider, client):
                return False
            present = await capabilities_of(provider, endpoint, client)
            if present is not None and NEEDED_CAPABILITY[self._active.service] not in present:
                return False
            if self._active.service == "embedding":
                return present is not None or await self._embeds(endpoint, client)
            return self._active.service != "rerank" or await self._ranks(endpoint)
        except ArchonError:
            return False

    async def _embeds(self, endpoint: Endpoint, client: ServerClient) -> bool:
        """Whether a vector comes, where the server does not tell what it can do. Raises ArchonError."""
        model = await resolve_model(replace(self._active, endpoint=endpoint, model=None))
        body: JsonValue = {"model": model, "input": ["word"]}
        answer = await client.post(f"{endpoint.base_url}/embeddings", body, "check", model)
        return bool(posted_from_json(answer, ErrorContext(provider=self._active.provider.id)).vectors)

    async def _ranks(self, endpoint: Endpoint) -> bool:
        """Whether a cross-encoder answers there: embedding models have the route too, and are never proposed."""
        found = replace(self._active, endpoint=endpoint, model=None)
        return await Reranker(found, timeout_s=5.0).is_cross_encoder()

    def _address_fix(self, address: Address) -> Fix | None:
        field = url_field(self._active.provider, self._active.service)
        return Fix(f"Use {address.root}", {field.key: address.root}) if field else None
