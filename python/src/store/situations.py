"""What a chat model said about the place of a passage in its document, kept by content."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import columns
from .database import Database


@dataclass(frozen=True, slots=True)
class Place:
    """A passage in a document, by hashes: of what the model sees of the document, and of the passage."""

    document: str
    passage: str


async def known(database: Database, places: Iterable[Place], *, model: str, prompt: int) -> dict[Place, str]:
    """What `model` said of these places when it was asked with version `prompt` of the question. Raises StoreError."""
    asked = list(dict.fromkeys(places))
    rows = await database.call(
        "archon_situations_known",
        documents=[place.document for place in asked],
        passages=[place.passage for place in asked],
        model=model,
        prompt=prompt,
    )
    return {
        Place(columns.text(row, "document"), columns.text(row, "passage")): columns.text(row, "situation")
        for row in rows
    }


async def keep(database: Database, place: Place, situation: str, *, model: str, prompt: int) -> None:
    """Keep what `model` said of a place. Raises StoreError."""
    await database.call(
        "archon_situation_keep",
        document=place.document,
        passage=place.passage,
        model=model,
        prompt=prompt,
        situation=situation,
    )
