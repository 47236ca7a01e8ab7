"""The last step of a check: really use the model, once."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from src.errors import (
    ArchonError,
    BadRequest,
    EndpointNotFound,
    ErrorContext,
    JsonValue,
    ProtocolError,
    UnsupportedFeature,
)

from .chat import ProviderChatModel
from .check_report import Finding
from .client import Deadlines
from .discovery import ServerClient
from .embed import ProviderEmbedder
from .models import ChatMessage, ChatOptions, StreamEnd
from .provider import ActiveProvider
from .rerank import Reranker, no_cross_encoder
from .retry import NO_RETRIES
from .vectors import decode, posted_from_json

_PATIENCE = Deadlines(first_event_s=60.0, gap_s=30.0, total_s=90.0)
_TOOL: JsonValue = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a word up.",
        "parameters": {"type": "object", "properties": {}},
    },
}

_SCHEMA: JsonValue = {
    "type": "json_schema",
    "json_schema": {
        "name": "reply",
        "schema": {
            "type": "object",
            "properties": {"ok": {"type": "boolean"}},
            "required": ["ok"],
            "additionalProperties": False,
        },
    },
}
_SCHEMA_TOKENS = 40
_PASSAGES = ("The tower is 330 metres high.", "Interest rates rose by a quarter point.")


@dataclass(frozen=True, slots=True)
class Used:
    """What using the model once showed."""

    latency_ms: int
    findings: tuple[Finding, ...]
    dimensions: int | None = None


async def use_chat(active: ActiveProvider) -> Used:
    """One streamed token, and whether tools are enabled. Raises ConfigurationError or ProviderError."""
    model = ProviderChatModel(active, deadlines=_PATIENCE, policy=NO_RETRIES)
    started = time.monotonic()
    try:
        end = await _one_token(model)
    finally:
        await model.aclose()
    if end is None or end.error is not None:
        raise (end.error if end and end.error else ProtocolError("The stream had no end"))
    latency_ms = round((time.monotonic() - started) * 1000)
    found = [Finding("chat", True, f"The model answered a streamed question in {latency_ms} ms.")]
    if active.provider.server is not None and not active.provider.keeps_v1_wire:
        found += [await _tools(active), await _json_schema(active)]
    return Used(latency_ms, tuple(found))


async def use_embedding(active: ActiveProvider) -> Used:
    """One vector, its size, and whether the size can be chosen. Raises ConfigurationError or ProviderError."""
    embedder = ProviderEmbedder(active, deadlines=_PATIENCE)
    started = time.monotonic()
    try:
        identity = await embedder.identity()
    finally:
        await embedder.aclose()
    latency_ms = round((time.monotonic() - started) * 1000)
    found = [Finding("embedding", True, f"A vector has {identity.dimensions} values; it took {latency_ms} ms.")]
    if not identity.normalised:
        found.append(Finding("embedding", True, "The vectors are not of length 1; they are compared by cosine."))
    if active.provider.server is not None and not active.provider.keeps_v1_wire:
        found.append(await _matryoshka(active, identity.dimensions))
        if "rerank" in active.provider.capabilities:
            found.append(await _reranks(active))
    return Used(latency_ms, tuple(found), identity.dimensions)


async def _reranks(active: ActiveProvider) -> Finding:
    """Whether an embedding server's ranking is worth more than its vectors: it usually is the same cosine."""
    try:
        own_opinion = await Reranker(active, timeout_s=_PATIENCE.first_event_s).is_cross_encoder()
    except EndpointNotFound:
        return Finding("rerank", True, "The server has no route for reranking.")
    except ArchonError as error:
        return Finding("rerank", True, "Whether the server reranks could not be found out.", detail=error.message)
    if own_opinion:
        return Finding("rerank", True, "The server also ranks passages by more than its vectors.")
    return Finding("rerank", True, "It answers /rerank with the cosine of its vectors, so it is no reranker.")


async def use_rerank(active: ActiveProvider) -> Used:
    """One ranking, by a model that has an opinion of its own.

    Raises:
        UnsupportedFeature: the scores are the cosine of the server's own embeddings.
        ConfigurationError, ProviderError: the server cannot be asked.
    """
    reranker = Reranker(active, timeout_s=_PATIENCE.first_event_s)
    started = time.monotonic()
    await reranker.rank("how tall is the tower", _PASSAGES)
    latency_ms = round((time.monotonic() - started) * 1000)
    if not await reranker.is_cross_encoder():
        raise no_cross_encoder(active)
    return Used(latency_ms, (Finding("rerank", True, f"A cross-encoder ranked two passages in {latency_ms} ms."),))


async def _one_token(model: ProviderChatModel) -> StreamEnd | None:
    end: StreamEnd | None = None
    async for item in model.stream([ChatMessage("user", "Hi")], ChatOptions(max_tokens=1)):
        if isinstance(item, StreamEnd):
            end = item
    return end


async def _tools(active: ActiveProvider) -> Finding:
    turns: Sequence[JsonValue] = [{"role": "user", "content": "Hi"}]
    body: JsonValue = {"model": active.model, "messages": list(turns), "max_tokens": 1, "tools": [_TOOL]}
    try:
        await _post(active, "/chat/completions", body)
    except UnsupportedFeature as error:
        return Finding("tools", True, "Tool calling is switched off on this server.", next_step=error.next_step)
    except ArchonError as error:
        return Finding("tools", True, "Whether tools work could not be found out.", detail=error.message)
    return Finding("tools", True, "Tool calling is enabled.")


async def _json_schema(active: ActiveProvider) -> Finding:
    """Whether an answer keeps to a schema; an answer that was cut proves nothing."""
    turns: JsonValue = [{"role": "user", "content": "Is water wet? Answer in JSON."}]
    body: JsonValue = {
        "model": active.model,
        "messages": turns,
        "max_tokens": _SCHEMA_TOKENS,
        "temperature": 0,
        "response_format": _SCHEMA,
    }
    try:
        text, finish = _answer(await _post(active, "/chat/completions", body))
    except BadRequest as error:
        message = "The server cannot hold answers to a JSON schema."
        return Finding("json_schema", True, message, error.context.upstream_message, error.next_step)
    except ArchonError as error:
        return Finding("json_schema", True, "Whether JSON schemas work could not be found out.", detail=error.message)
    if finish == "length":
        return Finding("json_schema", True, "A JSON schema is accepted; the short test answer was cut before its end.")
    if _keeps_to_schema(text):
        return Finding("json_schema", True, "Answers keep to a JSON schema.")
    return Finding("json_schema", True, "A JSON schema is accepted and ignored.", detail=text[:200])


def _answer(reply: JsonValue) -> tuple[str, str]:
    choices = reply.get("choices") if isinstance(reply, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    finish = choice.get("finish_reason") if isinstance(choice, dict) else None
    return str(text or ""), str(finish or "")


def _keeps_to_schema(text: str) -> bool:
    try:
        parsed = json.loads(text)
    except ValueError:
        return False
    return isinstance(parsed, dict) and isinstance(parsed.get("ok"), bool)


async def _matryoshka(active: ActiveProvider, dimensions: int) -> Finding:
    """Whether a shorter vector comes where one is asked for: some servers take the wish and ignore it."""
    wanted = max(1, dimensions // 2)
    body: JsonValue = {"model": active.model, "input": ["word"], "dimensions": wanted}
    try:
        posted = posted_from_json(await _post(active, "/embeddings", body), ErrorContext(provider=active.provider.id))
        size = len(decode(posted.vectors[0])) if posted.vectors else 0
    except UnsupportedFeature:
        return Finding("embedding", True, "The vector size is fixed (no Matryoshka), so `dimensions` is never sent.")
    except (ArchonError, ValueError) as error:
        return Finding("embedding", True, "Whether the vector size can be chosen is unknown.", detail=str(error))
    if size != wanted:
        return Finding("embedding", True, "The vector size is fixed: a wish for another is ignored, so none is sent.")
    return Finding("embedding", True, "The model can give shorter vectors (Matryoshka); the full size is used.")


async def _post(active: ActiveProvider, route: str, body: JsonValue) -> JsonValue:
    endpoint = replace(active.endpoint, base_url=(active.endpoint.base_url or "").rstrip("/"))
    client = ServerClient(active.provider, endpoint, timeout_s=_PATIENCE.first_event_s)
    return await client.post(f"{endpoint.base_url}{route}", body, "check", active.model)
