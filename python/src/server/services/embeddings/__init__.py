"""Vectors for texts: the public seam of Archon v1."""

from .embedding_exceptions import (
    EmbeddingAPIError,
    EmbeddingError,
    EmbeddingQuotaExhaustedError,
    EmbeddingRateLimitError,
)
from .embedding_service import EmbeddingBatchResult, create_embedding, create_embeddings_batch, get_openai_client

__all__ = [
    "EmbeddingAPIError",
    "EmbeddingBatchResult",
    "EmbeddingError",
    "EmbeddingQuotaExhaustedError",
    "EmbeddingRateLimitError",
    "create_embedding",
    "create_embeddings_batch",
    "get_openai_client",
]
