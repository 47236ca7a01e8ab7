"""One embedding request over the OpenAI SDK's client: as Archon v1 called it, or plain, for a server of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import httpx2

from src.errors import ErrorContext, JsonValue

from .embed_batches import Post
from .error_body import carries_error
from .failures import error_from_event
from .vectors import Posted, RawVector, in_order, posted_from_json

if TYPE_CHECKING:
    import openai


def sdk_post(client: openai.AsyncOpenAI, model: str, dimensions: int | None) -> Post:
    """A `post` over `client.embeddings.create`, called exactly as Archon v1 called it."""

    async def post(texts: Sequence[str]) -> Posted:
        if dimensions is None:
            answer = await client.embeddings.create(model=model, input=list(texts))
        else:
            answer = await client.embeddings.create(model=model, input=list(texts), dimensions=dimensions)
        rows: list[tuple[object, RawVector]] = [(row.index, row.embedding) for row in answer.data]
        usage = answer.usage
        return Posted(in_order(rows), usage.prompt_tokens if usage else None)

    return post


def plain_post(
    client: openai.AsyncOpenAI, model: str, dimensions: int | None, context: ErrorContext, secrets: Sequence[str] = ()
) -> Post:
    """A `post` that sends what `client.embeddings.create` sends and leaves the vectors as they come.

    The SDK's models of request and answer take a third of all processor time a text costs.
    """

    async def post(texts: Sequence[str]) -> Posted:
        body: dict[str, JsonValue] = {"model": model, "input": list(texts), "encoding_format": "base64"}
        if dimensions:
            body["dimensions"] = dimensions
        reply = await client.post("/embeddings", cast_to=httpx2.Response, body=body)
        answer = cast(JsonValue, reply.json())
        if carries_error(answer) and isinstance(answer, dict):
            # Some proxies put the error behind a 200.
            raise error_from_event(answer["error"], context, secrets=secrets)
        return posted_from_json(answer, context)

    return post
