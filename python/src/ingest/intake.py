"""One body on its way into the store: read, compared, embedded, saved in one step."""

from __future__ import annotations

from dataclasses import dataclass

from src.errors import ContextTooLong, JsonValue
from src.inference.models import Vector
from src.store import pages
from src.store.database import Database
from src.store.pages import NewChunk, NewPage, WorkPlace

from .document import Budget, Chunk, Document, ReadRequest
from .embedding import EmbedStage, Gauge
from .extract import kind_of
from .fetch import Validators
from .reader import Readers

DEFAULT_MAX_TOKENS = 512
"""Where the server does not tell its limit."""
_CUTS = 4
"""How often a document is cut anew before a passage that is too long counts as a failure."""


@dataclass(frozen=True, slots=True)
class Body:
    """What came from a site or an upload, and where it belongs."""

    place: WorkPlace
    url: str
    url_key: str
    content_type: str
    charset: str | None
    content: bytes
    label: str
    position: int
    validators: Validators


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: nothing where the page is unchanged."""

    unchanged: bool
    chunks: int
    words: int


@dataclass(slots=True)
class Intake:
    """Takes bodies in, for one job. `metadata` goes with every page and chunk."""

    database: Database
    readers: Readers
    embedding: EmbedStage
    gauge: Gauge
    space_id: int
    max_tokens: int
    metadata: dict[str, JsonValue]

    async def read(self, body: Body) -> Document:
        """The document in a body, its chunks within the model's limit.

        Raises:
            DocumentUnreadable, DocumentTooLarge: it cannot be read.
            ProviderError: the model server cannot count tokens.
        """
        kind = kind_of(body.content_type, body.url)
        while True:
            budget = Budget(self.max_tokens, self.gauge.ratio)
            request = ReadRequest(kind, body.url, body.charset, body.label, budget)
            document = await self.readers.read(request, body.content)
            if await self.gauge.fits(document.chunks, self.max_tokens):
                return document

    async def write(self, body: Body, document: Document) -> Written:
        """Store the document unless it is stored as it is already. Embeds first, then replaces in one step.

        Raises:
            ContextTooLong, BadRequest: a passage cannot be embedded; the former page stands.
            Conflict, NotFound: the job was taken over, or the source deleted.
            StoreError: the database refused; the former page stands.
        """
        kept = await pages.keep(
            self.database,
            body.place,
            page_key=body.url_key,
            content_hash=document.content_hash,
            space_id=self.space_id,
        )
        if kept:
            return Written(unchanged=True, chunks=0, words=document.word_count)
        document, vectors = await self._embedded(body, document)
        chunks = [self._chunk(chunk, vector) for chunk, vector in zip(document.chunks, vectors, strict=True)]
        await pages.save(self.database, body.place, self._page(body, document), chunks, space_id=self.space_id)
        return Written(unchanged=False, chunks=len(chunks), words=document.word_count)

    async def _embedded(self, body: Body, document: Document) -> tuple[Document, list[Vector]]:
        for _ in range(_CUTS):
            try:
                return document, await self._vectors(document)
            except ContextTooLong:
                # The estimate was too low for this text; shorter passages are the cure.
                self.gauge.raise_ratio()
                document = await self.read(body)
        return document, await self._vectors(document)

    async def _vectors(self, document: Document) -> list[Vector]:
        return await self.embedding.vectors([chunk.embedded_text for chunk in document.chunks])

    def _page(self, body: Body, document: Document) -> NewPage:
        return NewPage(
            url=body.url,
            url_key=body.url_key,
            title=document.title,
            content=document.markdown,
            content_hash=document.content_hash,
            language=document.language,
            word_count=document.word_count,
            section_title=None,
            section_order=body.position,
            metadata={
                **self.metadata,
                "title": document.title,
                "url": body.url,
                "source_id": body.place.source_id,
                "page_type": "documentation",
            },
            etag=body.validators.etag,
            last_modified=body.validators.last_modified,
        )

    def _chunk(self, chunk: Chunk, vector: Vector) -> NewChunk:
        return NewChunk(
            content=chunk.text,
            heading_path=chunk.heading_path,
            token_count=round(chunk.estimated_tokens * self.gauge.ratio),
            page_number=chunk.page_number,
            metadata={
                "headers": " > ".join(chunk.heading_path),
                "char_count": len(chunk.text),
                "word_count": len(chunk.text.split()),
                "chunk_size": len(chunk.text),
                "has_code": "```" in chunk.text,
            },
            vector=vector,
        )
