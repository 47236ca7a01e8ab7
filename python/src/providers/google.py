"""Google: Gemini; chat through its OpenAI-compatible endpoint, embeddings through its own, one request a text.

Source: https://cloud.google.com/vertex-ai/docs/generative-ai/model-reference/text-embeddings (read 2026-11-21). The
page has sizes and lengths of gemini-embedding-001; the wire of embedContent is from
https://ai.google.dev/gemini-api/docs/embeddings, not re-read, and so are the figures of text-embedding-004, which v1
asks for and newer keys may no longer be offered.
"""

import math
from collections.abc import Sequence
from typing import cast

import httpx2

from src.errors import ErrorContext, JsonValue, ProtocolError
from src.inference.endpoints import cloud
from src.inference.failures import Reply, error_from_reply
from src.inference.provider import Endpoint, KnownEmbeddingModel, ModelListing, Provider, SettingField
from src.inference.together import together
from src.inference.transport_failures import error_from_transport

_FULL_SIZE = 3072
"""Google normalises vectors of this size only ("for other dimensions you need to normalize")."""
_SIZES = (128, 256, 512, 768, 1024, 1536, 2048, 3072)


def _headers(key: str | None) -> dict[str, str]:
    return {"x-goog-api-key": key or ""}


def _names(body: JsonValue) -> tuple[str, ...]:
    listed = body.get("models") if isinstance(body, dict) else None
    rows = listed if isinstance(listed, list) else []
    return tuple(str(row.get("name")).removeprefix("models/") for row in rows if isinstance(row, dict))


async def _embed(
    client: httpx2.AsyncClient, endpoint: Endpoint, model: str, texts: Sequence[str], dimensions: int | None
) -> list[list[float]]:
    """Unit vectors, one request a text, all at once. Raises ProviderError."""
    name = model if model.startswith("models/") else f"models/{model}"
    root = (endpoint.base_url or "").rstrip("/").removesuffix("/openai")
    url = f"{root}/{name}:embedContent"
    return await together(
        lambda text: _embed_one(client, url, endpoint, name, text, dimensions), texts, at_once=len(texts) or 1
    )


async def _embed_one(
    client: httpx2.AsyncClient, url: str, endpoint: Endpoint, name: str, text: str, dimensions: int | None
) -> list[float]:
    context = ErrorContext(provider=PROVIDER.id, operation="embed", url=url, model=name)
    body: dict[str, JsonValue] = {"model": name, "content": {"parts": [{"text": text}]}}
    if dimensions in _SIZES:
        body["outputDimensionality"] = dimensions
    try:
        reply = await client.post(url, headers=_headers(endpoint.api_key), json=body)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise error_from_transport(error, context) from error
    if not reply.is_success:
        headers = {key.lower(): value for key, value in reply.headers.items()}
        raise error_from_reply(Reply(reply.status_code, headers, reply.content, (endpoint.api_key or "",)), context)
    return _unit(_values(reply, context))


def _values(reply: httpx2.Response, context: ErrorContext) -> list[float]:
    try:
        body = cast(JsonValue, reply.json())
    except ValueError as error:
        raise ProtocolError("The answer is no JSON", context=context) from error
    embedding = body.get("embedding") if isinstance(body, dict) else None
    values = embedding.get("values") if isinstance(embedding, dict) else None
    if not isinstance(values, list) or not all(isinstance(value, (int, float)) for value in values):
        raise ProtocolError("The answer holds no vector", context=context)
    return cast(list[float], values)


def _unit(values: list[float]) -> list[float]:
    norm = math.hypot(*values)
    if len(values) >= _FULL_SIZE or norm == 0.0 or not math.isfinite(norm):
        return values
    return [value / norm for value in values]


PROVIDER = Provider(
    id="google",
    label="Google Gemini",
    summary="Google's models in their cloud.",
    docs_url="https://ai.google.dev/gemini-api/docs",
    source="https://cloud.google.com/vertex-ai/docs/generative-ai/model-reference/text-embeddings (read 2026-11-21)",
    capabilities=frozenset({"chat", "embeddings", "tools"}),
    fields=(
        SettingField(key="GOOGLE_API_KEY", label="API key", kind="secret", required=True, placeholder="AIza…"),
        SettingField(key="MODEL_CHOICE", label="Chat model", kind="model", capability="chat"),
        SettingField(key="EMBEDDING_MODEL", label="Embedding model", kind="model", capability="embeddings"),
    ),
    endpoint=cloud("Google", key="GOOGLE_API_KEY", base_url="https://generativelanguage.googleapis.com/v1beta/openai/"),
    listing=ModelListing(url="https://generativelanguage.googleapis.com/v1/models", headers=_headers, names=_names),
    chat_model_key="MODEL_CHOICE",
    embedding_model_key="EMBEDDING_MODEL",
    embedding_wire=_embed,
    keeps_v1_wire=True,
    rank=30,
    default_chat_model="gemini-1.5-flash",
    default_embedding_model="text-embedding-004",
    embedding_models=(
        KnownEmbeddingModel(
            name="text-embedding-004", dimensions=768, batch_limit=16, max_tokens=2048, dimension_choices=_SIZES[:4]
        ),
        KnownEmbeddingModel(
            name="gemini-embedding-001", dimensions=3072, batch_limit=16, max_tokens=2048, dimension_choices=_SIZES
        ),
    ),
)
