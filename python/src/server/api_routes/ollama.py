"""Archon v1's routes about Ollama instances (`/api/ollama`). What an instance does not tell is null, never guessed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import fmean
from time import perf_counter
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from src.errors import ArchonError, ConfigurationError, ErrorContext, JsonValue, ProviderError

from ..request_parts import InRooms, answer
from ..services.ollama_instances import Instance, JsonObject, look, model_details, tries
from .bodies import Name, WebAddress

router = APIRouter(prefix="/api/ollama")
STORED = "ollama_discovered_models"
_V1_COLUMNS = (384, 768, 1024, 1536, 3072)
Urls = Annotated[list[str], Query(min_length=1, max_length=10)]
_TOOLS, _SCHEMA = "function_calling_supported", "structured_output_supported"
_TOOL: JsonValue = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a word up.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    },
}


class BadInstance(ConfigurationError):
    """v1 answers 400 for an address that cannot be one."""

    http_status = 400


class InstanceBody(BaseModel):
    """POST /validate."""

    instance_url: WebAddress
    instance_type: str | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=120)] = 30


class ModelBody(BaseModel):
    """POST /embedding/route."""

    model_name: Name
    instance_url: WebAddress
    text_sample: str | None = None


class DiscoverBody(BaseModel):
    """POST /models/discover-and-store and its neighbour."""

    instance_urls: Annotated[list[str], Field(min_length=1, max_length=10)]
    force_refresh: bool = False


class TestBody(BaseModel):
    """POST /models/test-capabilities."""

    model_name: Name
    instance_url: WebAddress
    test_function_calling: bool = True
    test_structured_output: bool = True
    timeout_seconds: Annotated[int, Field(ge=1, le=120)] = 15


@router.get("/models")
async def models(instance_urls: Urls, fetch_details: bool = False) -> JSONResponse:
    """The models of all instances. With `fetch_details` each is asked about; without it abilities are unknown."""
    return answer(_listing(await _look(instance_urls, details=fetch_details)))


@router.get("/instances/health")
async def health(instance_urls: Urls, include_models: bool = False) -> JSONResponse:
    """Whether each instance answers, and how fast."""
    found = await _look(instance_urls, details=False)
    well = [instance for instance in found if instance.error is None]
    status: JsonObject = {}
    for instance in found:
        row: JsonObject = {
            "is_healthy": instance.error is None,
            "response_time_ms": round(instance.took_ms, 1),
            "models_available": len(instance.models),
            "error_message": None if instance.error is None else instance.error.message,
            "last_checked": _now(),
        }
        status[instance.url] = row | {"models": list(instance.models)} if include_models else row
    summary: JsonObject = {
        "total_instances": len(found),
        "healthy_instances": len(well),
        "unhealthy_instances": len(found) - len(well),
        "average_response_time_ms": round(fmean(one.took_ms for one in well), 1) if well else None,
    }
    return answer({"summary": summary, "instance_status": status, "timestamp": _now()})


@router.post("/validate")
async def validate(body: InstanceBody) -> JSONResponse:
    """Whether an Ollama answers at the address, and what it has."""
    [instance] = await _look([body.instance_url], details=True)
    well = instance.error is None
    sizes = sorted({size for model in instance.embedding_models if isinstance(size := model.get("dimensions"), int)})
    return answer(
        {
            "is_valid": well,
            "instance_url": instance.url,
            "response_time_ms": round(instance.took_ms, 1),
            "models_available": len(instance.models),
            "error_message": None if instance.error is None else instance.error.message,
            "capabilities": {
                "total_models": len(instance.models),
                "chat_models": [model["name"] for model in instance.chat_models],
                "embedding_models": [model["name"] for model in instance.embedding_models],
                "supported_dimensions": list(sizes),
            },
            "health_status": {"is_healthy": well, "response_time_ms": round(instance.took_ms, 1)},
        }
    )


@router.post("/embedding/route")
async def route(body: ModelBody) -> JSONResponse:
    """Which of v1's columns the model's vectors would go to. Archon's own vectors have one table for every size."""
    model = await model_details(body.instance_url, body.model_name)
    return answer(_route(model) | {"confidence": 1.0, "fallback_applied": False, "routing_strategy": "asked"})


@router.get("/embedding/routes")
async def routes(instance_urls: Urls) -> JSONResponse:
    """The same for every embedding model of the instances."""
    found = await _look(instance_urls, details=True)
    rows = [_route(model) for instance in found for model in instance.embedding_models]
    sizes: dict[str, JsonValue] = {}
    for row in rows:
        sizes[str(row["dimensions"])] = int(str(sizes.get(str(row["dimensions"]), 0))) + 1
    return answer(
        {
            "total_routes": len(rows),
            "routes": list(rows),
            "dimension_analysis": sizes,
            "routing_statistics": {"instances": len(found), "unreachable": sum(one.error is not None for one in found)},
        }
    )


@router.delete("/cache")
async def clear_cache() -> JSONResponse:
    """Nothing is kept here, so there is nothing to clear."""
    return answer({"message": "Nothing is cached: every answer comes from the instances themselves."})


@router.post("/models/discover-and-store")
@router.post("/models/discover-with-details")
async def discover(body: DiscoverBody, rooms: InRooms) -> JSONResponse:
    """Ask the instances about every model and keep the list in the settings."""
    listing = _listing(await _look(body.instance_urls, details=True))
    stored: JsonObject = {
        "models": [*_array(listing["chat_models"]), *_array(listing["embedding_models"])],
        "total_count": listing["total_models"],
        "instances_checked": len(body.instance_urls),
        "last_discovery": _now(),
    }
    await rooms.credentials.set_credential(STORED, json.dumps(stored), category="discovery")
    return answer(stored | {"discovery_errors": listing["discovery_errors"], "cache_status": "updated"})


@router.get("/models/stored")
async def stored_models(rooms: InRooms) -> JSONResponse:
    """The list of the last discovery; empty before the first."""
    kept = await rooms.credentials.get_credential(STORED)
    empty: JsonObject = {"models": [], "total_count": 0, "instances_checked": 0, "last_discovery": None}
    if not isinstance(kept, str):
        return answer(empty | {"cache_status": "empty"})
    return answer(empty | json.loads(kept) | {"cache_status": "loaded"})


@router.post("/models/test-capabilities")
async def test_capabilities(body: TestBody) -> JSONResponse:
    """Really try a tool call and an answer by a schema."""
    started = perf_counter()
    results: JsonObject = {}
    errors: list[JsonValue] = []
    for name, wanted in ((_TOOLS, body.test_function_calling), (_SCHEMA, body.test_structured_output)):
        if not wanted:
            continue
        try:
            reply = await tries(body.instance_url, _trial(body.model_name, name), body.timeout_seconds)
            results[name] = _fulfils(name, reply)
        except ProviderError as error:
            results[name] = False
            errors.append(error.message)
    features: list[JsonValue] = [name for name, able in results.items() if able]
    return answer(
        {
            "test_results": results,
            "compatibility_assessment": {
                "level": "full" if results and len(features) == len(results) else "partial" if features else "limited",
                "features": features,
                "limitations": [name for name, able in results.items() if not able],
                "testing_method": "real_requests",
                "confidence": "high",
            },
            "test_duration_seconds": round(perf_counter() - started, 2),
            "errors": errors,
        }
    )


async def _look(urls: Sequence[str], *, details: bool) -> list[Instance]:
    try:
        return await look(urls, details=details)
    except ArchonError as error:
        raise BadInstance(
            error.message, next_step=error.next_step, context=ErrorContext(field="instance_urls")
        ) from error


def _listing(found: Sequence[Instance]) -> JsonObject:
    status: JsonObject = {}
    for one in found:
        if one.error is None:
            status[one.url] = {"status": "online", "models_count": len(one.models), "instance_url": one.url}
        else:
            status[one.url] = {"status": "error", "error": one.error.message}
    names = sorted({str(model["name"]) for one in found for model in one.models})
    return {
        "total_models": sum(len(one.models) for one in found),
        "chat_models": [model for one in found for model in one.chat_models],
        "embedding_models": [model for one in found for model in one.embedding_models],
        "host_status": status,
        "discovery_errors": [f"{one.url}: {one.error.message}" for one in found if one.error is not None],
        "unique_model_names": list(names),
    }


def _route(model: JsonObject) -> JsonObject:
    size = model.get("dimensions")
    column = f"embedding_{size}" if size in _V1_COLUMNS else None
    return {
        "model_name": model["name"],
        "instance_url": model["instance_url"],
        "dimensions": size,
        "target_column": column,
        "column_name": column,
        "performance_score": None,
        "index_type": None if size is None else "hnsw" if int(str(size)) <= 4000 else "exact",
    }


def _trial(model: str, ability: str) -> JsonObject:
    extra: JsonObject = {"tools": [_TOOL]} if ability == _TOOLS else {"format": "json"}
    asked = 'Look up the word \'apple\'. If you cannot, answer with the JSON object {"word": "apple"}.'
    return {"model": model, "messages": [{"role": "user", "content": asked}], "options": {"num_predict": 64}, **extra}


def _fulfils(name: str, reply: JsonObject) -> bool:
    message = reply.get("message")
    if not isinstance(message, dict):
        return False
    if name == _TOOLS:
        return bool(message.get("tool_calls"))
    try:
        return isinstance(json.loads(str(message.get("content"))), dict)
    except ValueError:
        return False


def _array(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _now() -> str:
    return datetime.now(UTC).isoformat()
