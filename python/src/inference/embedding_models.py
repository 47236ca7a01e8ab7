"""What the cards of open embedding models say must stand before a question and before a passage.

A model that was trained with these prefixes finds visibly worse without them. Matched by the model's name, whoever
serves it; a setting overrides it. Each row names the model's card and where its words were read, with the date; where
they were not, the row says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .provider import ActiveProvider, KnownEmbeddingModel, Provider

NO_PREFIX = "none"
"""The word in a prefix setting that means: nothing, although the card says otherwise."""
V1_DIMENSIONS = 1536
"""What v1 asked for where EMBEDDING_DIMENSIONS was not set."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What stands before a question and before a passage; `source` is the model's card."""

    query: str = ""
    passage: str = ""
    source: str = ""


_SEARCH = "Represent this sentence for searching relevant passages: "
_TASK = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
_CARDS: tuple[tuple[str, Prefixes], ...] = (
    (
        r"e5-large-instruct",
        Prefixes(_TASK + " ", "", "intfloat/multilingual-e5-large-instruct (card read 2026-11-21 in a copy)"),
    ),
    (
        r"e5-mistral-7b-instruct",
        Prefixes(_TASK + " ", "", "intfloat/e5-mistral-7b-instruct (from the model card, not re-read)"),
    ),
    (
        r"(^|[-_])e5[-_](small|base|large)",
        Prefixes("query: ", "passage: ", "intfloat/e5-base-v2 (card read 2026-11-21 in a copy)"),
    ),
    (
        r"bge-(small|base|large)-en",
        Prefixes(_SEARCH, "", "BAAI/bge-large-en-v1.5 (databricks-ml-examples' table, read 2026-11-21)"),
    ),
    (
        r"bge-(small|base|large)-zh",
        Prefixes(
            "为这个句子生成表示以用于检索相关文章：",
            "",
            "BAAI/bge-large-zh-v1.5 (databricks-ml-examples' table, read 2026-11-21)",
        ),
    ),
    (
        r"nomic-embed-text",
        Prefixes(
            "search_query: ",
            "search_document: ",
            "nomic-ai/nomic-embed-text-v1.5 (card read 2026-11-21 in a copy)",
        ),
    ),
    (r"qwen3-embedding", Prefixes(_TASK, "", "Qwen/Qwen3-Embedding-8B (vLLM Ascend's tutorial, read 2026-11-21)")),
    (r"mxbai-embed-large", Prefixes(_SEARCH, "", "mixedbread-ai/mxbai-embed-large-v1 (card read 2026-11-21)")),
    (
        r"snowflake-arctic-embed-[ml]-v2",
        Prefixes("query: ", "", "Snowflake/snowflake-arctic-embed-l-v2.0 (hivebook.wiki, read 2026-11-21)"),
    ),
    (
        r"snowflake-arctic-embed",
        Prefixes(_SEARCH, "", "Snowflake/snowflake-arctic-embed-m (from the model card, not re-read)"),
    ),
    (
        r"embeddinggemma",
        Prefixes(
            "task: search result | query: ",
            "title: none | text: ",
            "google/embeddinggemma-300m (aether-models' card, read 2026-11-21)",
        ),
    ),
)


def prefixes_for(active: ActiveProvider, model: str, root: str | None = None) -> Prefixes:
    """The prefixes in force: the settings', else the card's. The six older providers send none, as v1 did."""
    provider = active.provider
    if provider.keeps_v1_wire:
        return Prefixes()
    card = card_prefixes(model, root)
    query = _setting(active, provider.query_prefix_key)
    passage = _setting(active, provider.passage_prefix_key)
    return Prefixes(
        query=card.query if query is None else query,
        passage=card.passage if passage is None else passage,
        source=card.source,
    )


def card_prefixes(model: str, root: str | None = None) -> Prefixes:
    """What the card of the model says; nothing for a model without a row. `root`: where the server loaded it from."""
    for name in (model, root or ""):
        last = name.rstrip("/").rsplit("/", 1)[-1].lower()
        for pattern, prefixes in _CARDS:
            if re.search(pattern, last):
                return prefixes
    return Prefixes()


def known_model(provider: Provider, model: str) -> KnownEmbeddingModel | None:
    """The provider's declaration of `model`, also where a vendor's name stands before it (`openai/…`)."""
    short = model.rsplit("/", 1)[-1].removesuffix(":latest")
    return next((known for known in provider.embedding_models if known.name in {model, short}), None)


def dimensions_to_send(provider: Provider, model: str, wanted: str | int | None) -> int | None:
    """The `dimensions` of a request: only for a model declared to take it, and never a size of 0 or less.

    `wanted` is the setting; where it is not set the six older providers ask for 1536, as v1 did.
    """
    known = known_model(provider, model)
    if known is None or not known.dimension_choices:
        return None
    unset = V1_DIMENSIONS if provider.keeps_v1_wire else 0
    try:
        size = int(str(wanted).strip()) if wanted not in (None, "") else unset
    except ValueError:
        size = unset
    return size if 0 < size <= known.dimensions else None


def _setting(active: ActiveProvider, key: str | None) -> str | None:
    value = active.values.get(key, "") if key else ""
    if not value.strip():
        return None
    if value.strip().lower() == NO_PREFIX:
        return ""
    return value if value[-1].isspace() else f"{value} "
