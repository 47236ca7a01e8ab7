"""Of a page that changed, only the passages that changed are sent to the model server."""

from __future__ import annotations

from array import array

from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.ingest.tokens import DEFAULT_RATIO
from src.store import pages
from src.store.columns import need_vector
from src.store.database import Database
from tests.fakes.model_server import ModelServer, Reply, Request, embeddings, running

from .parts import embed_reply, embedded_texts, ended, open_service, vector_of
from .site import Site

FILLER = " And more of them that say something." * 6
SECTIONS = {"One": "Words of one.", "Two": "Words of two.", "Three": "Words of three."}
CODE = "def gather(paths):\n    found = [path for path in paths if path]\n    for path in found:\n        print(path)\n"


def _page(**changed: str) -> str:
    sections = "".join(f"<h2>{title}</h2><p>{text}{FILLER}</p>" for title, text in {**SECTIONS, **changed}.items())
    return f"<title>Guide</title><main><h1>Guide</h1>{sections}</main>"


def _nudged(request: Request) -> Reply:
    """The same model with another batch size: vectors that differ in their last places."""
    found = [vector_of(text) for text in request.json()["input"]]
    return Reply(body=embeddings([[first + 0.001, *others] for first, *others in found]))


def _words(models: ModelServer) -> list[str]:
    """How the passages that were sent begin, without their headings."""
    return [_beginning(text) for text in embedded_texts(models) if FILLER in text]


def _beginning(text: str) -> str:
    return text.partition(FILLER)[0].rpartition("\n\n")[2]


async def _vectors(database: Database, source_id: str, space: int = 1) -> dict[str, array[float]]:
    chunks = (await pages.chunks(database, source_id)).items
    rows = await database.call("archon_vectors_of", space=space, chunk_ids=[chunk.id for chunk in chunks])
    found = {row["chunk_id"]: need_vector(row, "embedding") for row in rows}
    return {_beginning(chunk.content): found[chunk.id] for chunk in chunks}


async def test_only_the_passage_that_changed_is_embedded_and_the_others_keep_their_vectors_to_the_last_bit(
    site: Site, service: IngestService, models: ModelServer, database: Database
) -> None:
    site.page("/docs/", _page())
    first = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/"), max_depth=1)))
    before, sent = await _vectors(database, first.source_id), len(_words(models))
    site.page("/docs/", _page(Two="New words of two."))
    models.on("/v1/embeddings", _nudged)
    again = await ended(service, await service.refresh(first.source_id))
    after = await _vectors(database, first.source_id)
    assert (sent, _words(models)[sent:]) == (3, ["New words of two."])
    assert {text: after[text] for text in before if text in after} == {
        text: before[text] for text in ("Words of one.", "Words of three.")
    }
    assert (again.tally.chunks_stored, again.vectors_made, again.vectors_reused) == (3, 1, 2)


async def test_a_passage_that_moved_within_its_page_keeps_its_vector(
    site: Site, service: IngestService, models: ModelServer
) -> None:
    parts = [f"## {title}\n\n{text}{FILLER}\n" for title, text in SECTIONS.items()]
    site.page("/a.md", "\n".join(parts), "text/markdown")
    first = await ended(service, await service.start_crawl(CrawlRequest(site.url("/a.md"), max_depth=1)))
    sent = len(_words(models))
    site.page("/a.md", "\n".join(parts[::-1]), "text/markdown")
    again = await ended(service, await service.refresh(first.source_id))
    assert (again.tally.pages_stored, again.vectors_made, again.vectors_reused) == (1, 0, 3)
    assert len(_words(models)) == sent


async def test_the_same_words_under_another_heading_are_embedded(
    site: Site, service: IngestService, models: ModelServer
) -> None:
    site.page("/docs/", _page())
    first = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/"), max_depth=1)))
    site.page("/docs/", _page().replace("<h2>Two", "<h2>Second"))
    again = await ended(service, await service.refresh(first.source_id))
    assert (again.vectors_made, again.vectors_reused, _words(models)[3:]) == (1, 2, ["Words of two."])


async def test_code_that_stayed_keeps_its_vector(site: Site, service: IngestService) -> None:
    code = f"<h2>Code</h2><p>Together:</p><pre><code class='language-python'>{CODE * 3}</code></pre></main>"
    site.page("/docs/", _page().replace("</main>", code))
    first = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/"), max_depth=1)))
    site.page("/docs/", _page(One="New words of one.").replace("</main>", code))
    again = await ended(service, await service.refresh(first.source_id))
    assert (again.code_examples_stored, again.vectors_made) == (1, 1)


async def test_a_page_is_cut_again_as_the_job_before_had_learned_to_cut(site: Site, service: IngestService) -> None:
    words = " Internationalisation characteristically." * 6
    many = "".join(f"<h2>Part {number}</h2><p>Part {number}.{words}</p>" for number in range(16))
    for number in range(4):
        link = f'<a href="{number + 1}.html">on</a>'
        site.page(f"/{number}.html", f"<title>{number}</title><main>{many}{link}</main>", ETag='"1"')
    long = "Long" + words * 6
    site.page("/4.html", _page(Three=long))
    first = await ended(service, await service.start_crawl(CrawlRequest(site.url("/0.html"), max_depth=5)))
    site.page("/4.html", _page(One="New words of one.", Three=long))
    again = await ended(service, await service.refresh(first.source_id))
    assert (again.tally.pages_stored, again.vectors_made) == (1, 1)
    assert first.tokens_ratio == again.tokens_ratio < DEFAULT_RATIO


async def test_another_embedding_space_takes_no_vector_over(
    site: Site, service: IngestService, database: Database
) -> None:
    site.page("/docs/", _page())
    first = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/"), max_depth=1)))
    await service.close()
    site.page("/docs/", _page(Two="New words of two."))
    async with running() as other:
        other.on("/v1/embeddings", embed_reply(size=6))
        async with open_service(database, other.url) as changed:
            again = await ended(changed, await changed.refresh(first.source_id))
    # The job that fills the new space may have come first with the passages that stayed.
    assert again.status == "completed"
    assert {"New words of two.", "Words of one.", "Words of three."} <= set(_words(other))
