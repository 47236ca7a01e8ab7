"""What a server is: its version, the models it serves with their context length, and what it can be asked for."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast, get_args
from weakref import WeakKeyDictionary

import httpx2

from src.errors import ArchonError, ConfigurationError, EndpointNotFound, ErrorContext, JsonValue, ProtocolError

from .error_body import carries_error
from .failures import Reply, error_from_event, error_from_reply
from .pool import http_client
from .provider import NEEDED_CAPABILITY, ActiveProvider, Capability, Endpoint, Provider, Service
from .retry import RetryPolicy, budget_for, with_retries
from .transport_failures import error_from_transport

_Key: TypeAlias = tuple[str, str | None, str]
"""Provider, address, and the key's digest."""
CACHE_S = 30.0
_PATIENCE = RetryPolicy(attempts=3, deadline_s=30.0)
_ROUTE: dict[Capability, str] = {"chat": "/chat/completions", "embeddings": "/embeddings", "rerank": "/rerank"}
SCORE_PATH = "/score"
"""vLLM's route, beside `/v1`, that scores pairs of texts: it ranks where `/rerank` is missing."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model of a server. `root` is where it comes from (vLLM: its path); `max_model_len` is in tokens.

    `abilities` None: the server does not tell what this model can be asked for. `is_alias`: another name of a model
    that is listed too.
    """

    name: str
    max_model_len: int | None = None
    root: str | None = None
    abilities: frozenset[Capability] | None = None
    is_alias: bool = False

    def serves(self, service: Service) -> bool:
        """Whether it can be chosen for `service`, as far as the server tells."""
        return self.abilities is None or NEEDED_CAPABILITY[service] in self.abilities


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a server said about itself. `capabilities` None: it does not tell without being used."""

    version: str | None
    models: tuple[ServedModel, ...]
    capabilities: frozenset[Capability] | None = None

    def names(self) -> tuple[str, ...]:
        """The names that requests may use."""
        return tuple(model.name for model in self.models)

    def get(self, name: str) -> ServedModel | None:
        """The model of that name, if it is served."""
        return next((model for model in self.models if model.name == name), None)


class ServerClient:
    """Plain requests to one server, each answered with JSON or an error of the family."""

    def __init__(self, provider: Provider, endpoint: Endpoint, *, timeout_s: float = 10.0) -> None:
        self._provider = provider
        self._endpoint = endpoint
        self._timeout_s = timeout_s

    @property
    def root(self) -> str:
        """The server's root, without `/v1`."""
        return (self._endpoint.base_url or "").rstrip("/").removesuffix("/v1")

    async def get(self, url: str, operation: str) -> JsonValue:
        """The JSON at `url`. Raises ProviderError."""
        return await self._ask("GET", url, operation)

    async def post(self, url: str, body: JsonValue, operation: str, model: str | None = None) -> JsonValue:
        """The JSON that answers `body`. Raises ProviderError."""
        return await self._ask("POST", url, operation, body, model)

    async def status(self, method: str, url: str, operation: str) -> int:
        """The HTTP status of `url`, whatever it is. Raises ProviderError where there is no answer."""
        reply = await self._send(method, url, operation, None, None)
        return reply.status_code

    async def _ask(
        self, method: str, url: str, operation: str, body: JsonValue = None, model: str | None = None
    ) -> JsonValue:
        reply = await self._send(method, url, operation, body, model)
        context = self._context(url, operation, model)
        if not reply.is_success:
            raise error_from_reply(self._reply(reply), context)
        try:
            answer = cast(JsonValue, reply.json())
        except ValueError as error:
            raise error_from_reply(self._reply(reply), context) from error
        if carries_error(answer) and isinstance(answer, dict):
            raise error_from_event(answer["error"], context, secrets=self._secrets())
        return answer

    async def _send(self, method: str, url: str, operation: str, body: JsonValue, model: str | None) -> httpx2.Response:
        headers = dict(self._provider.listing.headers(self._endpoint.api_key))
        cloud = self._provider.server is None
        try:
            async with http_client(timeout_s=self._timeout_s, cloud=cloud) as client:
                return await client.request(method, url, headers=headers, json=body if method == "POST" else None)
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            raise error_from_transport(error, self._context(url, operation, model)) from error

    def _reply(self, reply: httpx2.Response) -> Reply:
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return Reply(reply.status_code, headers, reply.content, self._secrets())

    def _secrets(self) -> tuple[str, ...]:
        return (self._endpoint.api_key,) if self._endpoint.api_key else ()

    def _context(self, url: str, operation: str, model: str | None) -> ErrorContext:
        remedy = self._endpoint.remedy
        return ErrorContext(provider=self._provider.id, operation=operation, url=url, model=model, remedy=remedy)


async def discover(provider: Provider, endpoint: Endpoint, *, fresh: bool = False) -> Discovery:
    """Ask a server what it is; an answer is kept for half a minute, a failure is not. Who comes while it is being asked
    waits for the same answer, unless `fresh`.

    Raises:
        ProviderError: it cannot be asked, or its list of models cannot be read.
    """
    key = _cache_key(provider, endpoint)
    kept = _CACHE.get(key)
    if kept is not None and not fresh and time.monotonic() - kept[0] < CACHE_S:
        return kept[1]
    if fresh:
        return await _looked_at(key, provider, endpoint)
    looks = _UNDER_WAY.setdefault(asyncio.get_running_loop(), {})
    look = looks.get(key)
    if look is None:
        # A task of its own: whoever asked first may leave before the others.
        look = looks[key] = asyncio.ensure_future(_looked_at(key, provider, endpoint))
        look.add_done_callback(lambda done: _over(looks, key, done))
    return await asyncio.shield(look)


async def _looked_at(key: _Key, provider: Provider, endpoint: Endpoint) -> Discovery:
    context = ErrorContext(provider=provider.id, operation="discover", url=endpoint.base_url)
    budget = budget_for(endpoint.base_url or provider.id)
    found = await with_retries(lambda: _look(provider, endpoint), policy=_PATIENCE, budget=budget, context=context)
    _CACHE[key] = (time.monotonic(), found)
    return found


def _over(looks: dict[_Key, asyncio.Future[Discovery]], key: _Key, look: asyncio.Future[Discovery]) -> None:
    if looks.get(key) is look:
        del looks[key]
    if not look.cancelled():
        look.exception()  # nobody may be left to hear of it


async def _look(provider: Provider, endpoint: Endpoint) -> Discovery:
    client = ServerClient(provider, endpoint)
    version = await server_version(provider, client)
    models = await list_models(provider, endpoint)
    told = capabilities_told(models)
    return Discovery(version, models, await capabilities_of(provider, endpoint, client) if told is None else told)


def capabilities_told(models: Sequence[ServedModel]) -> frozenset[Capability] | None:
    """What all of `models` together can be asked for; None where the server does not tell it with them."""
    told = [model.abilities for model in models if model.abilities is not None]
    return frozenset[Capability]().union(*told) if told else None


def forget_discoveries() -> None:
    """Ask anew next time: settings changed, or a model was not found."""
    _CACHE.clear()
    _UNDER_WAY.clear()


async def server_version(provider: Provider, client: ServerClient) -> str | None:
    """The version the server tells; None where this kind does not, or this one is another kind.

    Raises:
        ProviderError: nothing answered.
    """
    facts = provider.server
    if facts is None or facts.version_path is None:
        return None
    try:
        return facts.version(await client.get(client.root + facts.version_path, "version"))
    except ArchonError as error:
        if error.context.status is None:
            raise
        return None


async def list_models(provider: Provider, endpoint: Endpoint) -> tuple[ServedModel, ...]:
    """The models the server offers.

    Raises:
        ProviderError: it cannot be asked, or the answer is no list of models.
    """
    url = provider.listing.url or f"{(endpoint.base_url or '').rstrip('/')}/models"
    body = await ServerClient(provider, endpoint).get(url, "models")
    if provider.listing.names is not None:
        return tuple(ServedModel(name) for name in provider.listing.names(body))
    listed = body.get("data") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        raise ProtocolError(
            "The answer is no list of models, so this is probably not the API",
            context=ErrorContext(provider=provider.id, operation="models", url=url),
        )
    return tuple(_served(entry) for entry in listed if isinstance(entry, dict) and isinstance(entry.get("id"), str))


async def resolve_model(active: ActiveProvider) -> str:
    """The model to ask for: the chosen one, else the only one that is served.

    Raises:
        ConfigurationError: none is chosen and several (or none) are served; the message names them.
        ProviderError: the server cannot be asked.
    """
    if active.model:
        return active.model
    found = await discover(active.provider, active.endpoint)
    fitting = [model for model in found.models if model.serves(active.service)]
    only = only_one(fitting)
    if only is not None:
        return only.name
    field = active.provider.model_key(active.service)
    names = ", ".join(model.name for model in fitting[:12])
    raise ConfigurationError(
        f"No model is chosen and the server serves {len(fitting)}" + (f": {names}" if names else ""),
        next_step=f"Choose one of them in Settings ({field}).",
        context=ErrorContext(provider=active.provider.id, operation="choose model", field=field),
    )


def only_one(models: Sequence[ServedModel]) -> ServedModel | None:
    """The one model among `models`, its aliases left aside; None where there are several or none."""
    own = [model for model in models if not model.is_alias]
    return own[0] if len(own) == 1 else None


async def max_model_len(active: ActiveProvider, model: str) -> int | None:
    """Prompt and answer together, in tokens; None where the server does not tell. Raises ProviderError."""
    if active.provider.server is None or active.provider.keeps_v1_wire:
        return None
    served = (await discover(active.provider, active.endpoint)).get(model)
    return served.max_model_len if served else None


def wrong_kind(
    service: Service, present: frozenset[Capability] | None, context: ErrorContext
) -> EndpointNotFound | None:
    """The error for a server of the other kind; None where it serves `service` or does not tell."""
    needed = NEEDED_CAPABILITY[service]
    if present is None or needed in present:
        return None
    does = {"chat": "generates text", "embeddings": "embeds texts", "rerank": "reranks"}
    work = " and ".join(does[one] for one in ("chat", "embeddings") if one in present) or "does neither"
    return EndpointNotFound(
        f"This server {work}; it has no route for {needed}",
        next_step="Enter the address of a server of the right kind, or start one: vLLM serves one kind per server.",
        context=context,
    )


async def capabilities_of(provider: Provider, endpoint: Endpoint, client: ServerClient) -> frozenset[Capability] | None:
    """What the server can be asked for, None where it does not tell. Raises ProviderError.

    By GET on the POST routes: 405 where the route exists, 404 where it does not; costs the model nothing.
    """
    if provider.server is None or not provider.server.routes_by_get:
        return None
    base = (endpoint.base_url or "").rstrip("/")
    present: set[Capability] = set()
    for capability, route in _ROUTE.items():
        if await client.status("GET", base + route, "routes") == 405:
            present.add(capability)
    if "rerank" not in present and await client.status("GET", client.root + SCORE_PATH, "routes") == 405:
        present.add("rerank")
    return frozenset(present) or None


def _served(entry: dict[str, JsonValue]) -> ServedModel:
    length = entry.get("max_model_len") or entry.get("context_length")
    meta = entry.get("meta")
    if length is None and isinstance(meta, dict):
        length = meta.get("n_ctx") or meta.get("n_ctx_train")
    root = entry.get("root")
    return ServedModel(
        name=str(entry["id"]),
        max_model_len=length if isinstance(length, int) and length > 0 else None,
        root=root if isinstance(root, str) else None,
        abilities=_abilities(entry.get("abilities")),
        is_alias=entry.get("is_alias") is True,
    )


def _abilities(told: JsonValue) -> frozenset[Capability] | None:
    """What our gateway tells of each model; a model server tells nothing."""
    return frozenset(one for one in get_args(Capability) if one in told) if isinstance(told, list) else None


def _cache_key(provider: Provider, endpoint: Endpoint) -> _Key:
    return provider.id, endpoint.base_url, hashlib.sha256((endpoint.api_key or "").encode()).hexdigest()


_CACHE: dict[_Key, tuple[float, Discovery]] = {}
_UNDER_WAY: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, asyncio.Future[Discovery]]] = WeakKeyDictionary()
