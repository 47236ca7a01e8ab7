"""What can go wrong with an embedding, in Archon v1's classes; each carries the provider's error and its context."""

from __future__ import annotations

from collections.abc import Sequence

from src.errors import (
    ArchonError,
    AuthenticationFailed,
    JsonScalar,
    JsonValue,
    QuotaExhausted,
    RateLimited,
    redact,
)

_PREVIEW = 200


class EmbeddingError(Exception):
    """Base class. `metadata` holds what `kwargs` gave and, where a provider failed, its code, next step and context."""

    def __init__(
        self, message: str, text_preview: str | None = None, batch_index: int | None = None, **kwargs: JsonValue
    ) -> None:
        super().__init__(redact(message))
        self.text_preview = text_preview[:_PREVIEW] if text_preview else None
        self.batch_index = batch_index
        self.metadata: dict[str, JsonValue] = dict(kwargs)
        self.provider_error: ArchonError | None = None

    def caused_by(self, error: ArchonError) -> EmbeddingError:
        """Take over the provider's error as cause and context; returns the same error, for `raise`."""
        self.provider_error = error
        self.__cause__ = error
        self.metadata.update(error.to_dict())
        return self

    def to_dict(self) -> dict[str, JsonValue]:
        """For JSON, without secrets."""
        return {
            "error_type": type(self).__name__,
            "message": str(self),
            "text_preview": self.text_preview,
            "batch_index": self.batch_index,
            "metadata": self.metadata,
        }


class EmbeddingQuotaExhaustedError(EmbeddingError):
    """The account has no credit left; asking again does not help."""

    def __init__(
        self,
        message: str,
        text_preview: str | None = None,
        batch_index: int | None = None,
        tokens_used: int | None = None,
        **kwargs: JsonValue,
    ) -> None:
        super().__init__(message, text_preview, batch_index, **kwargs)
        self.tokens_used = tokens_used
        if tokens_used is not None:
            self.metadata["tokens_used"] = tokens_used


class EmbeddingRateLimitError(EmbeddingError):
    """Too many requests; `retry_count` tries were made."""

    def __init__(
        self,
        message: str,
        text_preview: str | None = None,
        batch_index: int | None = None,
        retry_count: int = 0,
        **kwargs: JsonValue,
    ) -> None:
        super().__init__(message, text_preview, batch_index, **kwargs)
        self.retry_count = retry_count
        self.metadata["retry_count"] = retry_count


class EmbeddingAsyncContextError(EmbeddingError):
    """Embedding was asked for where no event loop can serve it."""


class EmbeddingAPIError(EmbeddingError):
    """The provider failed in any other way; `original_error` is what it raised."""

    def __init__(
        self,
        message: str,
        text_preview: str | None = None,
        batch_index: int | None = None,
        original_error: Exception | None = None,
        **kwargs: JsonValue,
    ) -> None:
        super().__init__(message, text_preview, batch_index, **kwargs)
        self.original_error = original_error
        if original_error is not None:
            self.metadata["original_error_type"] = type(original_error).__name__
            self.metadata["original_error_message"] = redact(str(original_error))


class EmbeddingAuthenticationError(EmbeddingError):
    """The provider refused the key, of which only the first three characters are kept."""

    def __init__(
        self,
        message: str,
        text_preview: str | None = None,
        batch_index: int | None = None,
        api_key_prefix: str | None = None,
        **kwargs: JsonValue,
    ) -> None:
        super().__init__(message, text_preview, batch_index, **kwargs)
        self.api_key_prefix = f"{api_key_prefix[:3]}…" if api_key_prefix else None
        if self.api_key_prefix is not None:
            self.metadata["api_key_prefix"] = self.api_key_prefix


class EmbeddingValidationError(EmbeddingError):
    """A vector cannot be used; `embedding_sample` holds its first ten values."""

    def __init__(
        self,
        message: str,
        text_preview: str | None = None,
        batch_index: int | None = None,
        embedding_sample: Sequence[float] | None = None,
        **kwargs: JsonValue,
    ) -> None:
        super().__init__(message, text_preview, batch_index, **kwargs)
        self.embedding_sample = list(embedding_sample[:10]) if embedding_sample else None
        if self.embedding_sample is not None:
            sample: list[JsonScalar] = list(self.embedding_sample)
            self.metadata["embedding_sample"] = [*sample]


def embedding_error(error: Exception, text: str, batch_index: int | None = None) -> EmbeddingError:
    """The class of v1 for what `error` is: by its type, never by words in its message."""
    if isinstance(error, EmbeddingError):
        return error
    said = error.message if isinstance(error, ArchonError) else str(error)
    if isinstance(error, QuotaExhausted):
        made: EmbeddingError = EmbeddingQuotaExhaustedError(f"Quota exhausted: {said}", text, batch_index)
    elif isinstance(error, RateLimited):
        tries = error.context.attempts
        made = EmbeddingRateLimitError(f"Rate limit reached: {said}", text, batch_index, retry_count=tries)
    else:
        what = "the key was refused" if isinstance(error, AuthenticationFailed) else "the provider failed"
        message = f"Failed to create embedding: {said or what}"
        made = EmbeddingAPIError(message, text, batch_index, original_error=error)
    if isinstance(error, ArchonError):
        return made.caused_by(error)
    made.__cause__ = error
    return made
