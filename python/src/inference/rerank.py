"""Reranking by the model server itself, where its model is a cross-encoder.

An embedding model behind vLLM answers `/rerank` too, with plain cosine: that is no second opinion, only the first one
again. So a server counts as a reranker only when its scores differ from the cosine of its own vectors, or when it has
no embeddings route at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from src.errors import (
    BadRequest,
    EndpointNotFound,
    ErrorContext,
    JsonValue,
    ModelNotFound,
    ProtocolError,
    UnsupportedFeature,
)

from .discovery import SCORE_PATH, ServerClient, resolve_model
from .models import Vector
from .provider import ActiveProvider
from .vectors import decode, posted_from_json

_PAIRS = (
    ("how tall is the tower", "The tower is 330 metres high."),
    ("how tall is the tower", "The tower was sold twice by a swindler."),
    ("what does the fox eat", "Interest rates rose by a quarter point."),
)
_CUT: dict[str, JsonValue] = {"truncate_prompt_tokens": -1}
"""vLLM reads as much of a document as fits its context, instead of refusing all because of one (seen on 0.32.0).

An opinion on the order may rest on a passage's beginning; what is embedded never may.
"""
_SAME = 0.01
"""Scores closer than this to the cosine are the cosine; float16 alone moves them by about 0.001."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document's place in the given list and its score; higher fits better, the scale is the model's own."""

    index: int
    score: float


def no_cross_encoder(active: ActiveProvider) -> UnsupportedFeature:
    """The error for a server whose ranking is the order of its own embeddings."""
    return UnsupportedFeature(
        "The model behind this address is an embedding model: its ranking is the cosine that search uses anyway",
        next_step="Enter the address of a server that runs a cross-encoder, for example a bge-reranker model.",
        context=ErrorContext(provider=active.provider.id, operation="rerank", url=active.endpoint.base_url),
    )


class Reranker:
    """Ranks documents with one model of one provider."""

    def __init__(self, active: ActiveProvider, *, timeout_s: float = 30.0) -> None:
        self._active = active
        self._judged: bool | None = None
        self._only_scores = False
        self._client = ServerClient(active.provider, active.endpoint, timeout_s=timeout_s)

    async def rank(self, query: str, documents: Sequence[str]) -> list[Ranked]:
        """Every document once, best first.

        Raises:
            ConfigurationError: no model is chosen and several are served.
            ProviderError: the server cannot be asked, or its answer does not name every document once.
        """
        if not documents:
            return []
        model = await resolve_model(self._active)
        ranked = [_ranked(row) for row in _rows(await self._asked(model, query, documents))]
        found = [one for one in ranked if one is not None]
        if sorted(one.index for one in found) != list(range(len(documents))):
            raise ProtocolError("The ranking does not name every document once", context=self._context(model))
        return sorted(found, key=lambda one: one.score, reverse=True)

    async def _asked(self, model: str, query: str, documents: Sequence[str]) -> JsonValue:
        """The answer of `/rerank`, or of `/score` where the server has only that one."""
        if self._only_scores:
            return await self._scored(model, query, documents)
        body: JsonValue = {"model": model, "query": query, "documents": list(documents), **_CUT}
        try:
            return await self._client.post(f"{self._base}/rerank", body, "rerank", model)
        except EndpointNotFound as missing:
            try:
                answer = await self._scored(model, query, documents)
            except EndpointNotFound:
                raise missing from None
        self._only_scores = True
        return answer

    async def _scored(self, model: str, query: str, documents: Sequence[str]) -> JsonValue:
        body: JsonValue = {"model": model, "text_1": query, "text_2": list(documents), **_CUT}
        return await self._client.post(f"{self._client.root}{SCORE_PATH}", body, "rerank", model)

    async def is_cross_encoder(self) -> bool:
        """Whether the scores are more than the cosine of the server's own embeddings; asked once.

        Raises:
            ConfigurationError, ProviderError: the server cannot be asked.
        """
        if self._judged is None:
            self._judged = await self._judge()
        return self._judged

    async def _judge(self) -> bool:
        try:
            cosines = [await self._cosine(*pair) for pair in _PAIRS]
        except (EndpointNotFound, ModelNotFound, BadRequest):
            # No embeddings route, or, behind a router, no embeddings of this model.
            return True
        scores = [(await self.rank(query, [document]))[0].score for query, document in _PAIRS]
        return any(abs(score - cosine) > _SAME for score, cosine in zip(scores, cosines, strict=True))

    async def _cosine(self, query: str, document: str) -> float:
        model = await resolve_model(self._active)
        body: JsonValue = {"model": model, "input": [query, document], "encoding_format": "base64"}
        answer = await self._client.post(f"{self._base}/embeddings", body, "embed", model)
        posted = posted_from_json(answer, self._context(model))
        if len(posted.vectors) != 2:
            raise ProtocolError("2 texts were sent and another number of vectors came", context=self._context(model))
        return _cosine(decode(posted.vectors[0]), decode(posted.vectors[1]))

    @property
    def _base(self) -> str:
        return (self._active.endpoint.base_url or "").rstrip("/")

    def _context(self, model: str) -> ErrorContext:
        return ErrorContext(
            provider=self._active.provider.id, operation="rerank", url=f"{self._base}/rerank", model=model
        )


def _rows(answer: JsonValue) -> list[JsonValue]:
    rows = answer.get("results", answer.get("data")) if isinstance(answer, dict) else None
    return rows if isinstance(rows, list) else []


def _ranked(row: JsonValue) -> Ranked | None:
    if not isinstance(row, dict):
        return None
    index, score = row.get("index"), row.get("relevance_score", row.get("score"))
    if not isinstance(index, int) or not isinstance(score, (int, float)) or not math.isfinite(score):
        return None
    return Ranked(index, float(score))


def _cosine(one: Vector, other: Vector) -> float:
    length = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / length if length else 0.0
