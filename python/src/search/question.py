"""A question on its way into the search: cleaned, and short enough for the embedding model."""

from __future__ import annotations

from src.errors import ContextTooLong, ErrorContext, InvalidInput
from src.inference.models import Embedder, Vector

MAX_CHARACTERS = 200_000
"""Longer questions are refused: nobody types them, and no model reads them."""

_CHARACTERS_PER_TOKEN = 8
"""More than any tokenizer packs into a token of prose on average: a text cut to this many still fills the model."""
_ATTEMPTS = 5


def clean(query: str) -> str:
    """`query` without what a database refuses (NULs, lone surrogates) and without surrounding space.

    Raises:
        InvalidInput: nothing is left, or it is longer than `MAX_CHARACTERS`.
    """
    text = query.replace("\x00", " ").encode("utf-8", "replace").decode("utf-8").strip()
    if not text:
        raise InvalidInput(
            "The question is empty.",
            next_step="Type what you are looking for.",
            context=ErrorContext(field="query"),
        )
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(
            f"The question has {len(text):,} characters; {MAX_CHARACTERS:,} is the limit.",
            next_step="Shorten the question, or add the text as a document and ask about it.",
            context=ErrorContext(field="query"),
        )
    return text


async def embed(text: str, embedder: Embedder) -> Vector:
    """The vector of a question; of a question longer than the model reads, that of its beginning.

    Raises:
        ConfigurationError, ProviderError: the embedding server cannot be asked, or failed.
    """
    limit = await embedder.max_tokens()
    if limit is not None:
        text = text[: limit * _CHARACTERS_PER_TOKEN]
    for _ in range(_ATTEMPTS):
        try:
            return await embedder.embed_query(text)
        except ContextTooLong:
            text = text[: await _shorter(text, limit, embedder)]
    return await embedder.embed_query(text)


async def _shorter(text: str, limit: int | None, embedder: Embedder) -> int:
    """How many characters of `text` to try next: by its own tokens a character where they can be counted."""
    if limit is None:
        return max(1, len(text) // 2)
    tokens = (await embedder.count_tokens([text]))[0]
    return max(1, min(len(text) // 2 if tokens <= limit else int(len(text) * limit / tokens * 0.95), len(text) - 1))
