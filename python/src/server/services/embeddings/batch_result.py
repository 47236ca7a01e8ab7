"""What became of many texts: their vectors, and every failure by name."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from src.errors import JsonValue

from .embedding_exceptions import EmbeddingError

_PREVIEW = 200
_log = structlog.get_logger("archon.server.embeddings")


@dataclass
class EmbeddingBatchResult:
    """Vectors with the texts they belong to (same order), and the texts that got none, each with its reason."""

    embeddings: list[list[float]] = field(default_factory=list)
    failed_items: list[dict[str, JsonValue]] = field(default_factory=list)
    success_count: int = 0
    failure_count: int = 0
    texts_processed: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def add_success(self, embedding: list[float], text: str) -> None:
        """`text` got its vector."""
        self.embeddings.append(embedding)
        self.texts_processed.append(text)
        self.success_count += 1

    def add_failure(self, text: str, error: Exception, batch_index: int | None = None) -> None:
        """`text` got none, because of `error`."""
        item: dict[str, JsonValue] = {
            "text": text[:_PREVIEW] if text else None,
            "error": str(error),
            "error_type": type(error).__name__,
            "batch_index": batch_index,
        }
        if isinstance(error, EmbeddingError):
            item.update(error.to_dict())
        self.failed_items.append(item)
        self.errors.append(error)
        self.failure_count += 1
        _log.warning("text_not_embedded", error_type=item["error_type"], reason=str(error), batch=batch_index)

    @property
    def has_failures(self) -> bool:
        """Whether any text got no vector."""
        return self.failure_count > 0

    @property
    def total_requested(self) -> int:
        """How many texts were given."""
        return self.success_count + self.failure_count
