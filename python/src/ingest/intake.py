"""One body on its way into the store: read, compared, embedded, saved in one step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from src.errors import ContextTooLong, JsonValue
from src.inference.models import Vector
from src.store import pages
from src.store.code_examples import NewExample
from src.store.database import Database
from src.store.pages import KnownPage, NewChunk, NewPage, Standing, WorkPlace

from . import chunk, kept
from .document import Budget, CodeRules, Document, ReadRequest
from .embedding import EmbedStage, Gauge
from .fetch import Validators
from .kinds import kind_of
from .reader import Readers
from .situating import Situated, Situating

DEFAULT_MAX_TOKENS = 512
"""Where the server does not tell its limit."""
_INCOMPLETE = "+"
"""After the hash of a page of which some passages lack their situation: the next visit takes it for changed."""
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
    links: tuple[str, ...] = ()

    def part(self, document: Document, place: WorkPlace, number: int) -> Body:
        """The place of one document out of several in this body."""
        url, key = f"{self.url}#{document.part}", f"{self.url_key}#{document.part}"
        return replace(self, place=place, url=url, url_key=key, position=number, validators=Validators(), links=())


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: nothing where the page is unchanged. `notice`: what people should know of it.

    `reused`: passages and code examples that kept the vector that the stored page had for the very same text.
    """

    unchanged: bool
    chunks: int
    words: int
    examples: int = 0
    notice: dict[str, JsonValue] | None = None
    reused: int = 0


@dataclass(slots=True)
class Intake:
    """Takes bodies in, for one job. `metadata` goes with every page and chunk.

    `max_tokens` is what a passage may have; what is said of its place comes on top.
    """

    database: Database
    readers: Readers
    embedding: EmbedStage
    gauge: Gauge
    space_id: int
    max_tokens: int
    metadata: dict[str, JsonValue]
    rules: CodeRules = field(default_factory=CodeRules)
    situating: Situating | None = None

    async def read(self, body: Body) -> tuple[Document, ...]:
        """The documents in a body, their chunks within the model's limit: one, or one for each of its parts.

        Raises:
            NeedsBrowser: it shows its text only with JavaScript.
            DocumentUnreadable, DocumentTooLarge: it cannot be read.
            ProviderError: the model server cannot count tokens.
        """
        kind = kind_of(body.content_type, body.url)
        while True:
            request = replace(self._request, kind=kind, url=body.url, charset=body.charset, label=body.label)
            documents = await self.readers.read(request, body.content)
            chunks = [chunk for document in documents for chunk in document.chunks]
            if await self.gauge.fits(chunks, self.max_tokens):
                return documents

    async def known(self, source_id: str, page_key: str) -> KnownPage | None:
        """The stored page of an address, if it would be read and cut the same way again. Raises StoreError."""
        read_as = chunk.reading(self._request)
        return await pages.known(self.database, source_id, page_key=page_key, space_id=self.space_id, read_as=read_as)

    async def keep(self, place: WorkPlace, page_key: str, content_hash: str) -> Standing:
        """Whether the page is stored just so; then it is noted as unchanged. Raises Conflict, StoreError."""
        return await pages.keep(
            self.database, place, page_key=page_key, content_hash=content_hash, space_id=self.space_id
        )

    async def write(self, body: Body, document: Document) -> Written:
        """Store the document unless it is stored as it is already. Embeds first, then replaces in one step.

        A text that the stored page has already, letter for letter, keeps its vector and is not sent to the server.

        Raises:
            ContextTooLong, BadRequest: a passage cannot be embedded; the former page stands.
            Conflict, NotFound: the job was taken over, or the source deleted.
            StoreError: the database refused; the former page stands.
        """
        standing = await self.keep(body.place, body.url_key, document.content_hash)
        if standing is Standing.KEPT:
            return Written(unchanged=True, chunks=0, words=document.word_count, reused=len(document.chunks))
        situated, vectors, reused = await self._embedded(body, document, standing)
        document = situated.document
        chunks = [self._chunk(document, place, vector) for place, vector in enumerate(vectors[: len(document.chunks)])]
        examples = self._examples(body, document, vectors[len(document.chunks) :])
        page = self._page(body, document)
        notice = kept.notice_of(document, situated.reasons)
        if notice is not None:
            page = replace(page, notice=notice, content_hash=f"{page.content_hash}{_INCOMPLETE}", read_as=None)
        await pages.save(self.database, body.place, page, chunks, space_id=self.space_id, examples=examples)
        return Written(False, len(chunks), document.word_count, len(examples), notice, reused)

    @property
    def _request(self) -> ReadRequest:
        return ReadRequest("text", "", None, "", Budget(self.max_tokens, self.gauge.ratio), self.rules)

    async def _embedded(self, body: Body, document: Document, standing: Standing) -> tuple[Situated, list[Vector], int]:
        for _ in range(_CUTS):
            situated = await self._situated(document)
            try:
                return situated, *await self._vectors(body, situated.document, standing)
            except ContextTooLong:
                # The estimate was too low for this text; shorter passages are the cure.
                self.gauge.raise_ratio()
                document = await self._again(body, document)
        situated = await self._situated(document)
        return situated, *await self._vectors(body, situated.document, standing)

    async def _situated(self, document: Document) -> Situated:
        if self.situating is None:
            return Situated(document)
        return await self.situating.situated(document, ratio=self.gauge.ratio)

    async def _again(self, body: Body, document: Document) -> Document:
        whole = replace(body, url=body.url.removesuffix(f"#{document.part}"))
        same = [one for one in await self.read(whole) if one.part == document.part]
        return same[0] if same else document

    async def _vectors(self, body: Body, document: Document, standing: Standing) -> tuple[list[Vector], int]:
        """Vectors of the passages, then of the code examples; and how many of them the stored page had already."""
        texts = [chunk.embedded_text for chunk in document.chunks]
        texts += [example.embedded_text for example in document.examples]
        stored = {} if standing is Standing.NEW else await self._stored_vectors(body, texts)
        new = [text for text in texts if text not in stored]
        made = iter(await self.embedding.vectors(new))
        return [stored[text] if text in stored else next(made) for text in texts], len(texts) - len(new)

    async def _stored_vectors(self, body: Body, texts: list[str]) -> dict[str, Vector]:
        return await pages.vectors(
            self.database, body.place.source_id, page_key=body.url_key, space_id=self.space_id, texts=texts
        )

    def _page(self, body: Body, document: Document) -> NewPage:
        return NewPage(
            url=body.url,
            url_key=body.url_key,
            title=document.title,
            content=document.markdown,
            content_hash=document.content_hash,
            language=document.language,
            word_count=document.word_count,
            section_title=document.title if document.part else None,
            section_order=body.position,
            metadata=kept.page_metadata(self.metadata, body.place.source_id, body.url, document),
            etag=body.validators.etag,
            last_modified=body.validators.last_modified,
            links=body.links,
            read_as=chunk.reading(self._request),
        )

    def _chunk(self, document: Document, place: int, vector: Vector) -> NewChunk:
        chunk = document.chunks[place]
        return NewChunk(
            content=chunk.text,
            heading_path=chunk.heading_path,
            token_count=round(chunk.estimated_tokens * self.gauge.ratio),
            page_number=chunk.page_number,
            metadata=kept.chunk_metadata(chunk, self.situating.model if self.situating else ""),
            vector=vector,
        )

    def _examples(self, body: Body, document: Document, vectors: list[Vector]) -> list[NewExample]:
        pairs = zip(document.examples, vectors, strict=True)
        return [kept.new_example(self.metadata, body.url, document, example, vector) for example, vector in pairs]
