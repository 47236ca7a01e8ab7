"""The agent's tools: what they do and what the model reads of it. Nothing here knows how tools are called."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from src.errors import InvalidInput
from src.inference.models import ChatModel
from src.search import question as questions
from src.search.query import SearchService
from src.store import page_chunks, sources
from src.store.database import Database
from src.store.search import ChunkHit, SearchSpace

from .shelf import Shelf, Shown, one_line

LONGEST_QUERY = 300
"""Characters of a query that are searched for."""
_MOST_SOURCES = 40
_AROUND = 30
"""Passages of a page that are read at most, from the one before the given number on."""
_FENCED = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,}).*?(?:^[ \t]*(?P=fence)[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^(?: {4}|\t).*\n?){2,}", re.MULTILINE)
_NO_ROOM = "There is no more room in your context. Answer now, from the passages that you have."

_Look: TypeAlias = Callable[[str], Awaitable[Shown]]


@dataclass(slots=True)
class Desk:
    """One run's tools and what they brought. `room` is how many tokens the tools' results may still take."""

    search_service: SearchService
    database: Database
    chat: ChatModel
    source_ids: tuple[str, ...]
    match_count: int
    room: int
    shelf: Shelf = field(default_factory=Shelf)
    space: SearchSpace | None = None
    _asked: set[tuple[str, str]] = field(default_factory=set)

    async def search(self, query: str) -> Shown:
        """Passages for `query`, from the sources that were chosen.

        Raises:
            ConfigurationError, ProviderError: the question could not be embedded.
            StoreError: the database failed.
        """
        return await self._once("search", query, self._found)

    async def search_plainly(self, query: str) -> None:
        """Put on the shelf whole what search finds, for a prompt that is fitted later. Raises as `search` does."""
        found = await self.search_service.search(query, source_ids=self.source_ids, limit=self.match_count)
        self.space = found.space or self.space
        self.shelf.take(found.hits)

    async def search_code(self, query: str) -> Shown:
        """Code for `query`: of the passages found, those that hold code. Raises as `search` does."""
        return await self._once("code", query, self._found_code)

    async def read_page(self, number: int) -> Shown:
        """The page of passage `number`, from just before that passage on.

        Raises:
            StoreError: the database failed.
        """
        hit = self.shelf.hit(number)
        if hit is None:
            have = f"1 to {len(self.shelf.numbers)}" if self.shelf.numbers else "none yet: search first"
            return Shown(f"There is no passage {number}. Passages so far: {have}.")
        if hit.page_id is None:
            return Shown(f"Passage {number} belongs to no stored page.")
        found = await page_chunks.from_page(self.database, hit.page_id, max(hit.chunk_number - 1, 0), _AROUND)
        return await self._show(found.hits, f"Passages of the page: {found.total}. ")

    async def list_sources(self) -> Shown:
        """What the knowledge base holds. Raises StoreError."""
        found = await sources.summaries(self.database, per_page=_MOST_SOURCES)
        chosen = [one for one in found.items if not self.source_ids or one.source_id in self.source_ids]
        if not chosen:
            return Shown("The knowledge base is empty.")
        lines = [f"- {one_line(one.title or one.display_name)[:120]} (pages: {one.page_count})" for one in chosen]
        lines = lines[: max(1, self.room // 30)]
        return Shown("\n".join(lines) + f"\nSources in all: {max(found.total, len(lines))}.")

    async def _once(self, kind: str, query: str, look: _Look) -> Shown:
        text = query.strip()[:LONGEST_QUERY]
        if not text:
            return Shown("The query is empty. Give two to six keywords.")
        asked = (kind, " ".join(text.lower().split()))
        if asked in self._asked:
            return Shown("You searched exactly this before. Search for something else, or answer now.")
        self._asked.add(asked)
        try:
            return await look(questions.clean(text))
        except InvalidInput as error:
            return Shown(error.message)

    async def _found(self, query: str) -> Shown:
        found = await self.search_service.search(query, source_ids=self.source_ids, limit=self.match_count)
        self.space = found.space or self.space
        if not found.hits:
            why = "The knowledge base is empty." if found.reason == "empty_store" else "Nothing was found for that."
            return Shown(f"{why} Try other words, or say that the knowledge base does not answer it.")
        return await self._show(found.hits, "")

    async def _found_code(self, query: str) -> Shown:
        found = await self.search_service.search(query, source_ids=self.source_ids, limit=self.match_count * 4)
        self.space = found.space or self.space
        coded = [hit for hit in found.hits if code_of(hit.content)][: self.match_count]
        if not coded:
            return Shown("No passage with code was found for that. Use search_knowledge, or try other words.")
        return await self._show(coded, "")

    async def _show(self, hits: Sequence[ChunkHit], lead: str) -> Shown:
        if self.room <= 0:
            return Shown(_NO_ROOM)
        shown = await self.shelf.show(hits, self.chat, self.room)
        if not shown.text:
            return Shown(_NO_ROOM, left_out=shown.left_out)
        note = f"\n\n({shown.left_out} more had no room in your context.)" if shown.left_out else ""
        return replace(shown, text=f"{lead}{shown.text}{note}")


def code_of(content: str) -> str:
    """The blocks of code in a passage, fenced or indented; '' where it has none."""
    fenced = [match.group() for match in _FENCED.finditer(content)]
    return "\n\n".join(fenced or [match.group() for match in _INDENTED.finditer(content)])
