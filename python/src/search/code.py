"""Search in code examples: by vector and by words, fused by rank, as passages are searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.errors import ErrorContext, InvalidInput, JsonValue
from src.store import code_examples
from src.store.code_examples import CodeHit
from src.store.database import Database
from src.store.languages import usual_language
from src.store.search import Reason, Scope, SearchRepository

from . import question
from .query import MAX_LIMIT, EmbedderFactory


@dataclass(frozen=True, slots=True)
class CodeResult:
    """What was found, best first. `search_mode` is `keyword` where nothing is stored in the model's space.

    `reason` is set when nothing was found.
    """

    hits: tuple[CodeHit, ...]
    search_mode: str
    reason: Reason | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """The body of `POST /api/rag/code-examples`."""
        return {
            "success": True,
            "results": [hit_dict(hit) for hit in self.hits],
            "reranked": False,
            "error": None,
            "search_mode": self.search_mode,
            "reason": self.reason,
        }


class CodeSearch:
    """Searches code examples in the embedding space of the embedder that the factory gives."""

    def __init__(self, database: Database, embedder_factory: EmbedderFactory) -> None:
        self._database = database
        self._embedder_factory = embedder_factory

    async def search(
        self,
        query: str,
        *,
        source_ids: Sequence[str] = (),
        tags: Sequence[str] = (),
        language: str | None = None,
        limit: int = 5,
    ) -> CodeResult:
        """The `limit` best examples for `query`; an empty result says why it is empty.

        `language` is a programming language such as `python`.

        Raises:
            InvalidInput: the query is empty or far too long, or `limit` is out of range.
            ConfigurationError, ProviderError: the question could not be embedded.
            StoreError: the database failed.
        """
        text = question.clean(query)
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(
                f"match_count must lie between 1 and {MAX_LIMIT}.", context=ErrorContext(field="match_count")
            )
        embedder = await self._embedder_factory()
        identity = await embedder.identity()
        space = await SearchRepository(self._database).space(
            model=identity.model,
            dimensions=identity.dimensions,
            normalised=identity.normalised,
            query_prefix=identity.query_prefix,
            passage_prefix=identity.passage_prefix,
        )
        space_id = None if space is None else space.id
        scope, language = Scope(tuple(source_ids), tuple(tags)), usual_language(language) if language else None
        hits = await code_examples.search(
            self._database,
            space=space_id,
            vector=None if space is None else await question.embed(text, embedder),
            words=text,
            scope=scope,
            language=language,
            limit=limit,
        )
        mode = "keyword" if space is None else "hybrid"
        if hits:
            return CodeResult(tuple(hits), mode)
        reason = await code_examples.why_empty(self._database, space=space_id, scope=scope, language=language)
        return CodeResult((), mode, reason)


def hit_dict(hit: CodeHit) -> dict[str, JsonValue]:
    """A result of REST: Archon v1's fields, and ours beside them."""
    return {
        "id": hit.id,
        "url": hit.url,
        "code": hit.code,
        "summary": hit.summary,
        "metadata": dict(hit.metadata),
        "source_id": hit.source_id,
        "similarity": hit.similarity,
        "page_id": hit.page_id,
        "title": hit.title,
        "example_name": hit.metadata.get("example_name"),
        "language": hit.language,
        "heading_path": list(hit.heading_path),
        "fused_score": hit.fused_score,
        "vector_rank": hit.vector_rank,
        "keyword_rank": hit.keyword_rank,
    }
