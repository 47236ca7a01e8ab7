"""Finds out what a server is by asking it: models, context length, version, and what it can be asked for.

The kind is told by behaviour: an empty JSON object sent to a route that exists is refused by validation before it
reaches the engine (400), a route that does not exist is 404. Names and `/v1/models` say nothing about it.
Source: vLLM 0.32's answers (read 2026-11-21).
"""

from __future__ import annotations

import json

from src.errors import ArchonError, EndpointNotFound, ErrorContext, ProtocolError, ServerFailure
from src.inference.pools import Ability, Served

from .ask import PATH_OF_ABILITY
from .server import Server

_ABSENT = frozenset({404, 405, 501})


async def ask_models(server: Server, within_s: float) -> dict[str, int | None]:
    """The names that `server` lists, each with its context length in tokens.

    Raises:
        ProviderError: it does not answer, or not like an OpenAI-compatible server.
        LoopDetected: it is this gateway.
    """
    found = await server.get_json("/v1/models", within_s)
    rows = found.get("data") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise ProtocolError(
            f"{server.name} lists no models at /v1/models.", context=ErrorContext(url=server.address.root)
        )
    models: dict[str, int | None] = {}
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("id"), str):
            length = row.get("max_model_len")
            models[row["id"]] = length if isinstance(length, int) else None
    return models


async def ask_health(server: Server, within_s: float) -> None:
    """Raises ServerFailure when the server says that its engine is dead; servers without `/health` pass."""
    status, _ = await server.get("/health", within_s)
    if status >= 500:
        raise ServerFailure(
            f"{server.name} answers, but says that its engine is dead ({status}).",
            context=ErrorContext(status=status, url=server.address.root),
        )


async def ask_everything(server: Server, within_s: float) -> Served:
    """What `server` serves. Raises as `ask_models` and `ask_health` do, and EndpointNotFound when it serves nothing."""
    await ask_health(server, within_s)
    models = await ask_models(server, within_s)
    abilities = frozenset([ability for ability in Ability if await _has(server, ability, within_s)])
    if not abilities & {Ability.CHAT, Ability.COMPLETIONS, Ability.EMBEDDINGS, Ability.RERANK, Ability.SCORE}:
        raise EndpointNotFound(f"{server.name} has none of the routes of a model server.")
    return Served(models=models, abilities=abilities, version=await _version(server, within_s))


async def ask_for_work(server: Server, served: Served, within_s: float) -> None:
    """Let the server do the least work it can: `/health` is 200 while an engine hangs or drains.

    Raises:
        ProviderError: it did not do it in time.
    """
    model = next(iter(served.models), None)
    tasks: dict[Ability, dict[str, object]] = {
        Ability.COMPLETIONS: {"model": model, "prompt": "a", "max_tokens": 1},
        Ability.CHAT: {"model": model, "messages": [{"role": "user", "content": "a"}], "max_tokens": 1},
        Ability.EMBEDDINGS: {"model": model, "input": "a"},
        Ability.RERANK: {"model": model, "query": "a", "documents": ["a"]},
    }
    for ability, task in tasks.items():
        if ability in served.abilities:
            status, body = await server.post(PATH_OF_ABILITY[ability], task, within_s)
            if status >= 500 or b'"error"' in body[:32]:
                raise ServerFailure(
                    f"{server.name} fails at the smallest request ({status}).", context=ErrorContext(status=status)
                )
            return


async def _has(server: Server, ability: Ability, within_s: float) -> bool:
    status, _ = await server.post(PATH_OF_ABILITY[ability], {}, within_s)
    return status not in _ABSENT


async def _version(server: Server, within_s: float) -> str | None:
    try:
        status, body = await server.get("/version", within_s)
        found = json.loads(body) if status == 200 else None
    except (ArchonError, ValueError):
        # only vLLM tells its version; that another server does not is no failure
        return None
    version = found.get("version") if isinstance(found, dict) else None
    return str(version) if version else None
