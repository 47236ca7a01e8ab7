"""Vectors for texts, with Archon v1's names: concurrent, each text with its own outcome.

The names here are a public seam: other code imports and replaces them. How texts are put into requests, how many are
under way and how a refused text is found is decided in `src.inference.embed_batches`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

import httpx2
import structlog
from openai import AsyncOpenAI, OpenAIError

from src.errors import ArchonError, ConfigurationError, ErrorContext, ProviderError, RateLimited, redact
from src.inference.client import NO_KEY
from src.inference.embed_batches import BatchLimits, EmbedPlan, Post, embed_texts
from src.inference.embed_posts import plain_post
from src.inference.embedding_models import dimensions_to_send, known_model
from src.inference.models import Embedded
from src.inference.pacing import pacing_for
from src.inference.provider import Provider, secret_field
from src.inference.retry import NO_RETRIES, RetryPolicy, budget_for
from src.inference.sdk_errors import classify_sdk_error
from src.inference.vectors import Posted

from .. import active_provider
from ..credential_service import credential_service
from ..llm_provider_service import get_embedding_model, get_llm_client
from ..outcome import outcome
from ..threading_service import get_threading_service
from .adapters import (
    EmbeddingClient,
    EmbeddingProviderAdapter,
    GoogleEmbeddingAdapter,
    OpenAICompatibleEmbeddingAdapter,
    adapter_for,
)
from .batch_result import EmbeddingBatchResult
from .embedding_exceptions import (
    EmbeddingAPIError,
    EmbeddingError,
    EmbeddingQuotaExhaustedError,
    EmbeddingRateLimitError,
    embedding_error,
)

__all__ = [
    "EmbeddingAPIError",
    "EmbeddingBatchResult",
    "EmbeddingError",
    "EmbeddingProviderAdapter",
    "EmbeddingQuotaExhaustedError",
    "EmbeddingRateLimitError",
    "GoogleEmbeddingAdapter",
    "OpenAICompatibleEmbeddingAdapter",
    "create_embedding",
    "create_embeddings_batch",
    "credential_service",
    "get_embedding_model",
    "get_llm_client",
    "get_openai_api_key",
    "get_openai_client",
    "get_threading_service",
]

ProgressCallback = Callable[[str, float], Awaitable[None] | None]

_V1_BATCH = 100
_V1_CHARACTERS = 10_000_000
_V1_WAITS_S = (2.0, 4.0)
_TOKENS_A_WORD = 1.3
_PATIENT = RetryPolicy(attempts=4, deadline_s=300.0)

_log = structlog.get_logger("archon.server.embeddings")

get_openai_client = get_llm_client


async def get_openai_api_key() -> str | None:
    """The key of the provider that is the default for chat, None where there is none. Raises StoreError."""
    provider = next((one for one in active_provider.registry().all() if "llm" in one.default_for), None)
    return await credential_service._get_provider_api_key(provider.id) if provider is not None else None


async def create_embedding(text: str, provider: str | None = None) -> list[float]:
    """The vector of `text`.

    Raises:
        EmbeddingQuotaExhaustedError, EmbeddingRateLimitError, EmbeddingAPIError: with the provider's error as cause.
        ConfigurationError: the settings do not say whom to ask; nothing was sent.
    """
    result = await create_embeddings_batch([text], provider=provider)
    if result.embeddings:
        return result.embeddings[0]
    if result.errors:
        raise embedding_error(result.errors[0], text)
    raise EmbeddingAPIError("Failed to create embedding: no vector came back", text_preview=text)


async def create_embeddings_batch(
    texts: Sequence[str], progress_callback: ProgressCallback | None = None, provider: str | None = None
) -> EmbeddingBatchResult:
    """A result for every text. A text or a server that fails is named in it, never raised.

    `progress_callback(message, percent)` is told after every request.

    Raises:
        ConfigurationError: the settings do not say whom to ask; nothing was sent.
    """
    result = EmbeddingBatchResult()
    given = [text if isinstance(text, str) else str(text) for text in texts or []]
    if not given:
        return result
    run = _Batch(given, progress_callback)
    done = await outcome(run.embed(provider))
    if isinstance(done, ConfigurationError):
        raise done
    outcomes = run.failed(done) if isinstance(done, Exception) else done
    for at, (text, one) in enumerate(zip(given, outcomes, strict=True)):
        if one.vector is not None:
            result.add_success(run.raw.get(text) or one.vector.tolist(), text)
        else:
            error = one.error or ProviderError("No vector came back")
            result.add_failure(text, embedding_error(error, text, run.batch_of(at)), run.batch_of(at))
    return result


class _Batch:
    """Many texts on their way through one client."""

    def __init__(self, texts: list[str], progress: ProgressCallback | None) -> None:
        self._texts = texts
        self._progress = progress
        self._size = _V1_BATCH
        self._threading = get_threading_service()
        # Numbers as they came: the core keeps single precision, callers of v1 compare what the server sent.
        self.raw: dict[str, list[float]] = {}

    async def embed(self, provider: str | None) -> list[Embedded]:
        """One outcome per text. Raises whatever happens before the first request."""
        name = await _provider_name(provider)
        found = active_provider.find(name)
        settings = await credential_service.get_credentials_by_category("rag_strategy")
        async with get_llm_client(provider=name, use_embedding_provider=True) as client:
            model = await get_embedding_model(provider=name)
            limits = _limits(found, model, settings)
            self._size = limits.texts
            wanted = _text(settings, "EMBEDDING_DIMENSIONS")
            dimensions = dimensions_to_send(found, model, wanted) if found is not None else None
            context = ErrorContext(provider=name, operation="embed", model=model)
            secrets = _secrets(client, found)
            origin = _origin(client, name)
            keeps_v1 = found is None or found.keeps_v1_wire
            if not keeps_v1 and type(client) is AsyncOpenAI:
                send = plain_post(client, model, dimensions, context, secrets)
            else:
                send = _over(adapter_for(found, cast(EmbeddingClient, client)), model, dimensions)
            post = self._limited(send, context, secrets)
            policy = NO_RETRIES if keeps_v1 else _PATIENT
            return await embed_texts(
                self._texts,
                _with_v1_waits(post) if keeps_v1 else post,
                plan=EmbedPlan(limits=limits, policy=policy, context=context, secrets=secrets),
                pacing=pacing_for(origin),
                budget=budget_for(origin),
                progress=self._tell,
            )

    def failed(self, error: Exception) -> list[Embedded]:
        """Nothing could be sent: every text has the same reason."""
        return [Embedded(None, _typed(error, ErrorContext(operation="embed")))] * len(self._texts)

    def batch_of(self, at: int) -> int:
        """The number of the request that text `at` travelled in."""
        return at // max(1, self._size)

    def _limited(self, send: Post, context: ErrorContext, secrets: tuple[str, ...]) -> Post:
        """`send` within the limits that the process has set itself, its failures typed."""

        async def post(texts: Sequence[str]) -> Posted:
            tokens = int(sum(len(text.split()) for text in texts) * _TOKENS_A_WORD)
            async with self._threading.rate_limited_operation(tokens):
                posted = await outcome(send(texts))
            if isinstance(posted, Exception):
                raise _typed(posted, context, secrets) from posted
            pairs = zip(texts, posted.vectors, strict=False)
            self.raw.update((text, list(vector)) for text, vector in pairs if not isinstance(vector, str))
            return posted

        return post

    async def _tell(self, settled: int, total: int) -> None:
        if self._progress is None:
            return
        told = self._progress(f"Created embeddings for {settled}/{total} texts", settled / total * 100)
        if inspect.isawaitable(told):
            await told


def _over(adapter: EmbeddingProviderAdapter, model: str, dimensions: int | None) -> Post:
    async def send(texts: Sequence[str]) -> Posted:
        return Posted(await adapter.create_embeddings(list(texts), model, dimensions))

    return send


def _with_v1_waits(post: Post) -> Post:
    """v1 asked up to three times where it was told to slow down, and never again after anything else."""

    async def patient(texts: Sequence[str]) -> Posted:
        for wait_s in _V1_WAITS_S:
            try:
                return await post(texts)
            except RateLimited as error:
                await asyncio.sleep(error.context.retry_after_s or wait_s)
        return await post(texts)

    return patient


async def _provider_name(provider: str | None) -> str:
    if isinstance(provider, str) and provider:
        return provider
    config: object = await credential_service.get_active_provider("embedding")
    name = config.get("provider") if isinstance(config, Mapping) else None
    if isinstance(name, str) and name:
        return name
    default = active_provider.default_id("embedding")
    _log.warning("default_embedding_provider", provider=default)
    return default


def _limits(provider: Provider | None, model: str, settings: object) -> BatchLimits:
    """How many texts travel together: the setting, within what the model takes; one's own servers want small ones."""
    stored = _text(settings, "EMBEDDING_BATCH_SIZE")
    size = int(stored) if stored.isdecimal() and int(stored) > 0 else _V1_BATCH
    known = known_model(provider, model) if provider is not None else None
    if known is not None:
        size = min(size, known.batch_limit)
    if provider is None or provider.keeps_v1_wire:
        return BatchLimits(texts=size, characters=_V1_CHARACTERS)
    return BatchLimits(texts=min(size, BatchLimits().texts))


def _text(settings: object, key: str) -> str:
    value = settings.get(key) if isinstance(settings, Mapping) else None
    return value.strip() if isinstance(value, str) else ""


def _typed(error: Exception, context: ErrorContext, secrets: tuple[str, ...] = ()) -> ArchonError:
    """Any failure as one of our family, its own words kept but for `secrets`."""
    if isinstance(error, ArchonError):
        return error
    if isinstance(error, OpenAIError | httpx2.HTTPError):
        return classify_sdk_error(error, context, secrets=secrets)
    return ProviderError(redact(str(error), *secrets) or type(error).__name__, context=context)


def _secrets(client: object, provider: Provider | None) -> tuple[str, ...]:
    """The client's key, where the provider has any: a placeholder for a keyless server is an ordinary word."""
    key = getattr(client, "api_key", None)
    if provider is None or secret_field(provider) is None or not isinstance(key, str) or key == NO_KEY:
        return ()
    return (key,)


def _origin(client: object, provider: str) -> str:
    """What the bound on requests is shared by: the server's address, else the provider."""
    address = getattr(client, "base_url", None)
    return str(address).rstrip("/") if isinstance(address, httpx2.URL) else provider
