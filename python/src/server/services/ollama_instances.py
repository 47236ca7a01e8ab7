"""Archon v1's questions about Ollama instances, answered by asking them: health, models and what each can do.

What v1 guessed from a model's name (vector size, abilities) is asked here (`/api/show`), or left null where an older
Ollama does not tell. Source of the fields: https://docs.ollama.com/api (read 2026-11-21 in a copy).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import httpx2

from src.errors import ArchonError, ErrorContext, InvalidInput, JsonValue, ProtocolError
from src.inference.address import Address, parse_address
from src.inference.failures import Reply, error_from_reply
from src.inference.pool import http_client
from src.inference.transport_failures import error_from_transport

MOST_INSTANCES = 10
AT_ONCE = 8
"""Requests under way at one instance: it answers them one after the other anyhow."""
JsonObject = dict[str, JsonValue]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance: how long it took to answer, in milliseconds, its models, and the error where it did not."""

    url: str
    took_ms: float
    models: tuple[JsonObject, ...]
    error: ArchonError | None

    @property
    def embedding_models(self) -> list[JsonObject]:
        """Those that embed."""
        return [model for model in self.models if "embedding" in _texts(model["capabilities"])]

    @property
    def chat_models(self) -> list[JsonObject]:
        """Those that generate."""
        return [model for model in self.models if "embedding" not in _texts(model["capabilities"])]


def addresses(urls: Sequence[str]) -> list[Address]:
    """The instances meant by `urls`, each once. Raises InvalidInput, ConfigurationError: none, too many, not a URL."""
    parsed = (parse_address(url, "instance_urls") for url in urls if url.strip())
    found = list({address.root: address for address in parsed}.values())
    if not found or len(found) > MOST_INSTANCES:
        raise InvalidInput(
            f"Name from one to {MOST_INSTANCES} instances, not {len(found)}.",
            next_step="Give instance_urls once for each, for example http://localhost:11434.",
            context=ErrorContext(field="instance_urls"),
        )
    return found


async def look(urls: Sequence[str], *, details: bool) -> list[Instance]:
    """Every instance as it is now, side by side; one that is away is told, not raised.

    Raises:
        InvalidInput, ConfigurationError: `urls` cannot be used.
    """
    return list(await asyncio.gather(*(_instance(address, details=details) for address in addresses(urls))))


async def model_details(url: str, name: str, timeout_s: float = 15.0) -> JsonObject:
    """One model of the instance at `url`. Raises ProviderError where it cannot be asked."""
    [address] = addresses([url])
    async with http_client(timeout_s=timeout_s) as client:
        return await _with_details(client, address, {"name": name})


async def tries(url: str, body: JsonObject, timeout_s: float) -> JsonObject:
    """The answer of the instance's own chat route to `body`. Raises ProviderError."""
    [address] = addresses([url])
    async with http_client(timeout_s=timeout_s) as client:
        return await _ask(client, "POST", f"{address.root}/api/chat", {**body, "stream": False})


async def _instance(address: Address, *, details: bool) -> Instance:
    started = time.perf_counter()
    url = address.root
    try:
        async with http_client(timeout_s=10.0) as client:
            body = await _ask(client, "GET", f"{url}/api/tags")
            took_ms = (time.perf_counter() - started) * 1000
            listed = [model for model in _objects(body.get("models")) if isinstance(model.get("name"), str)]
            if not details:
                models = [_model(address, row, {}) for row in listed]
            else:
                models = await _bounded([partial(_with_details, client, address, row) for row in listed])
    except ArchonError as error:
        return Instance(url, (time.perf_counter() - started) * 1000, (), error)
    return Instance(url, took_ms, tuple(models), None)


async def _with_details(client: httpx2.AsyncClient, address: Address, row: JsonObject) -> JsonObject:
    shown = await _ask(client, "POST", f"{address.root}/api/show", {"model": row["name"]})
    return _model(address, row, shown)


def _model(address: Address, row: JsonObject, shown: JsonObject) -> JsonObject:
    """v1's model object; what the instance did not tell is null."""
    info = shown.get("model_info")
    facts = info if isinstance(info, dict) else {}
    told = shown.get("details") or row.get("details")
    details = told if isinstance(told, dict) else {}
    longest = _ending(facts, ".context_length")
    dimensions = _ending(facts, ".embedding_length")
    told_abilities = _texts(shown.get("capabilities"))
    abilities: list[JsonValue] = ["chat" if word == "completion" else word for word in told_abilities]
    model: JsonObject = {
        "name": row["name"],
        "instance_url": address.root,
        "size": row.get("size"),
        "parameters": {
            "parameter_size": details.get("parameter_size"),
            "quantization": details.get("quantization_level"),
        },
        "context_window": longest,
        "max_context_length": longest,
        "base_context_length": longest,
        "custom_context_length": None,
        "architecture": facts.get("general.architecture") or details.get("family"),
        "format": details.get("format"),
        "parent_model": details.get("parent_model") or None,
        "capabilities": abilities,
    }
    return model | {"dimensions": dimensions} if "embedding" in abilities else model


async def _ask(client: httpx2.AsyncClient, method: str, url: str, body: JsonObject | None = None) -> JsonObject:
    context = ErrorContext(operation="discover", url=url)
    try:
        answer = await client.request(method, url, json=body)
    except (httpx2.HTTPError, OSError) as error:
        raise error_from_transport(error, context) from error
    if not answer.is_success:
        raise error_from_reply(Reply(answer.status_code, answer.headers, answer.content), context)
    try:
        found: JsonValue = answer.json()
    except ValueError as error:
        raise ProtocolError("The answer is not JSON", context=context) from error
    if not isinstance(found, dict):
        raise ProtocolError("The answer is not what an Ollama says", context=context)
    return found


async def _bounded(jobs: Sequence[Callable[[], Awaitable[_T]]]) -> list[_T]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(job: Callable[[], Awaitable[_T]]) -> _T:
        async with places:
            return await job()

    return list(await asyncio.gather(*(one(job) for job in jobs)))


def _objects(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: JsonValue) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _ending(facts: JsonObject, suffix: str) -> JsonValue:
    """A figure whose key begins with the architecture's name, such as `llama.context_length`."""
    return next((value for key, value in facts.items() if key.endswith(suffix)), None)
