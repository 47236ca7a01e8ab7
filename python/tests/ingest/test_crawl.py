"""Whole crawls: a real site, a model server on a socket, a real Postgres."""

from __future__ import annotations

import pytest

from src.errors import AddressRefused, Conflict, InvalidInput
from src.ingest.fetch import FetchPolicy
from src.ingest.progress import JobProgress
from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.store import pages, sources
from src.store.database import Database
from tests.fakes.model_server import ModelServer

from .parts import embed_reply, embedded_texts, ended, open_service
from .site import Answer, Site


def small_site(site: Site) -> str:
    """Four pages in /docs/, linked in a chain and out of it; the start address comes back."""
    site.article("/docs/", "Start", "The first page has words.", ("a.html", "/other/x.html", "b.html#part", "pic.png"))
    site.article("/docs/a.html", "Page A", "Words of page a.", ("/docs/", "c.html"))
    site.article("/docs/b.html", "Page B", "Words of page b.", ())
    site.article("/docs/c.html", "Page C", "Words of page c.", ("d.html",))
    site.article("/docs/d.html", "Page D", "Words of page d.", ())
    site.article("/other/x.html", "Elsewhere", "Not in scope.", ())
    return site.url("/docs/")


async def test_a_crawl_stores_its_part_of_the_site_down_to_its_depth(
    site: Site, service: IngestService, database: Database
) -> None:
    job = await service.start_crawl(CrawlRequest(small_site(site), max_depth=3, tags=("t",)))
    end = await ended(service, job)
    stored = [page.url for page in await pages.listing(database, end.source_id)]
    assert (end.status, end.percent) == ("completed", 100)
    assert stored == [site.url(f"/docs/{name}") for name in ("", "a.html", "b.html", "c.html")]
    assert (end.tally.pages_stored, end.tally.chunks_stored, end.tally.failures) == (4, 4, ())


async def test_a_depth_of_one_is_the_page_alone(site: Site, service: IngestService) -> None:
    end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site), max_depth=1)))
    assert end.tally.pages_stored == 1
    assert "/sitemap.xml" not in site.hits


async def test_a_page_limit_is_kept_and_said(site: Site, service: IngestService) -> None:
    end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site), max_depth=9, max_pages=2)))
    assert end.tally.pages_stored == 2
    assert any("limit of 2 pages" in line for line in end.logs)


async def test_the_source_knows_its_title_words_and_request(
    site: Site, service: IngestService, database: Database
) -> None:
    end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site), tags=("t",))))
    source = await sources.get(database, end.source_id)
    assert (source.title, source.page_count, source.metadata["tags"]) == ("Start", 3, ["t"])
    assert source.word_count == end.tally.word_count > 0
    assert source.last_job is not None
    assert (source.last_job.state, source.last_job.stored_pages) == ("completed", 3)


async def test_a_chunk_is_embedded_with_its_headings(
    site: Site, service: IngestService, models: ModelServer, database: Database
) -> None:
    site.page("/d", "<title>T</title><h1>Top</h1><p>intro</p><h2>Sub</h2><p>" + "word " * 100 + "</p>")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/d"), max_depth=1)))
    chunk = (await pages.chunks(database, end.source_id)).items[-1]
    assert chunk.heading_path == ("Top", "Sub")
    assert any(text.startswith("Top") and text.endswith(chunk.content) for text in embedded_texts(models))


def _left_out(end: JobProgress) -> list[str]:
    """What a job's result says of addresses that it did not take."""
    return [line for line in end.remarks if "left out" in line]


async def test_robots_txt_is_respected(site: Site, service: IngestService) -> None:
    start = small_site(site)
    site.page("/robots.txt", "User-agent: *\nDisallow: /docs/b.html", "text/plain")
    end = await ended(service, await service.start_crawl(CrawlRequest(start)))
    assert "/docs/b.html" not in site.hits
    assert end.tally.pages_stored == 2
    [line] = _left_out(end)
    assert f"{site.url('/docs/b.html')} was left out: the site's robots.txt" in line


async def test_a_start_that_robots_txt_forbids_is_said(site: Site, service: IngestService) -> None:
    start = small_site(site)
    site.page("/robots.txt", "User-agent: *\nDisallow: /", "text/plain")
    end = await ended(service, await service.start_crawl(CrawlRequest(start)))
    assert end.status == "failed"
    assert end.detail is not None
    assert "robots.txt" in str(end.detail["error"])


async def test_a_redirect_to_what_robots_txt_forbids_is_left_out(site: Site, service: IngestService) -> None:
    start = small_site(site)
    site.page("/robots.txt", "User-agent: *\nDisallow: /docs/secret", "text/plain")
    site.article("/docs/secret.html", "Secret", "Words that nobody should keep.")
    site.redirect("/docs/b.html", "/docs/secret.html")
    end = await ended(service, await service.start_crawl(CrawlRequest(start)))
    assert (end.tally.pages_stored, end.tally.pages_skipped) == (2, 1)
    site.redirect("/docs/", "/docs/secret.html")
    assert (await ended(service, await service.start_crawl(CrawlRequest(start)))).status == "failed"


async def test_a_sitemap_is_crawled_without_following_links(site: Site, service: IngestService) -> None:
    small_site(site)
    urls = "".join(f"<url><loc>{site.url(path)}</loc></url>" for path in ("/docs/a.html", "/other/x.html"))
    site.page("/sitemap.xml", f"<urlset>{urls}<url><loc>http://foreign.invalid/</loc></url></urlset>", "text/xml")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/sitemap.xml"))))
    assert (end.crawl_type, end.tally.pages_stored, end.tally.pages_failed) == ("sitemap", 2, 0)
    [line] = _left_out(end)
    assert "http://foreign.invalid/ was left out: on another site" in line


async def test_pages_that_only_the_sites_sitemap_names_are_found(site: Site, service: IngestService) -> None:
    start = small_site(site)
    site.article("/docs/hidden.html", "Hidden", "Nothing links here.", ())
    urls = "".join(f"<url><loc>{site.url(path)}</loc></url>" for path in ("/docs/hidden.html", "/other/x.html"))
    site.page("/sitemap.xml", f"<urlset>{urls}</urlset>", "text/xml")
    await ended(service, await service.start_crawl(CrawlRequest(start)))
    assert "/docs/hidden.html" in site.hits
    assert "/other/x.html" not in site.hits


async def test_a_sitemap_index_that_names_other_hosts_brings_only_the_sites_own_pages(
    site: Site, service: IngestService
) -> None:
    small_site(site)
    parts = (site.url("/own.xml"), "http://other.invalid/sitemap.xml", "//other.invalid/more.xml")
    listed = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in parts)
    site.page("/sitemap.xml", f"<sitemapindex>{listed}</sitemapindex>", "text/xml")
    inner = "".join(f"<url><loc>{url}</loc></url>" for url in (site.url("/docs/a.html"), "http://other.invalid/b.html"))
    site.page("/own.xml", f"<urlset>{inner}</urlset>", "text/xml")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/sitemap.xml"))))
    assert (end.status, end.tally.pages_stored, end.tally.pages_failed) == ("completed", 1, 0)
    [line] = _left_out(end)
    assert "http://other.invalid/b.html was left out" in line


async def test_llms_txt_may_name_its_pages_relative_to_itself(site: Site, service: IngestService) -> None:
    small_site(site)
    links = "- [A](a.html)\n- [B](./b.html)\n- [C](../docs/c.html)\n- [Away](//other.invalid/d.html)\n"
    site.page("/docs/llms.txt", f"# Site\n\n{links}", "text/plain")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/llms.txt"))))
    assert (end.crawl_type, end.tally.pages_stored, end.tally.pages_failed) == ("llms-txt", 4, 0)
    assert ["http://other.invalid/d.html was left out" in line for line in _left_out(end)] == [True]
    assert {f"/docs/{name}.html" for name in "abc"} <= set(site.hits)


async def test_llms_txt_brings_the_pages_that_it_lists(site: Site, service: IngestService) -> None:
    small_site(site)
    site.page("/llms.txt", "# Site\n\n- [A](/docs/a.html): about a\n- [X](other/x.html)\n", "text/plain")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/llms.txt"))))
    assert (end.crawl_type, end.tally.pages_stored) == ("llms-txt", 3)


async def test_each_failed_page_is_named_with_its_reason(site: Site, service: IngestService) -> None:
    start = small_site(site)
    site.answer("/docs/a.html", Answer(status=403))
    site.page("/docs/b.html", "<body></body>")
    end = await ended(service, await service.start_crawl(CrawlRequest(start)))
    reasons = {failure.url: (failure.code, bool(failure.next_step)) for failure in end.tally.failures}
    assert end.status == "completed"
    assert reasons == {
        site.url("/docs/a.html"): ("fetch_failed", True),
        site.url("/docs/b.html"): ("document_unreadable", True),
    }


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=404), "no such page"),
        (Answer(b"<body></body>", headers={"Content-Type": "text/html"}), "no text"),
        (Answer(b"x" * 900_000, repeat=50, headers={"Content-Type": "text/html"}), "larger than the limit"),
        (Answer(b"no pdf", headers={"Content-Type": "application/pdf"}), "not a PDF"),
        (Answer(status=302, headers={"Location": "/docs/"}), "circle"),
        (Answer(b"x", headers={"Content-Type": "image/png"}), "not something"),
        (Answer(status=503), "503"),
    ],
)
async def test_a_crawl_that_stored_nothing_has_failed(
    site: Site, service: IngestService, database: Database, answer: Answer, reason: str
) -> None:
    site.answer("/docs/", answer)
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/"))))
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "nothing_stored")
    assert end.detail is not None
    assert reason in str(end.detail["error"])
    assert end.detail["next_step"]
    assert (await sources.summaries(database)).total == 0


async def test_a_redirected_start_moves_the_scope(site: Site, service: IngestService, database: Database) -> None:
    small_site(site)
    site.redirect("/go", "/docs/")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/go"))))
    assert [page.url for page in await pages.listing(database, end.source_id)][:2] == [
        site.url("/docs/"),
        site.url("/docs/a.html"),
    ]


async def test_two_addresses_of_one_page_are_stored_once(site: Site, service: IngestService) -> None:
    site.article("/docs/", "Start", "words", ("a.html", "old-a.html"))
    site.article("/docs/a.html", "A", "words of a", ())
    site.redirect("/docs/old-a.html", "a.html", 301)
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/"))))
    assert (end.tally.pages_stored, end.tally.pages_skipped, end.tally.pages_failed) == (2, 1, 0)


async def test_an_endless_calendar_ends_at_the_limit(site: Site, service: IngestService) -> None:
    for number in range(60):
        site.article(f"/cal/{number}", f"Month {number}", "Nothing happens.", (str(number + 1),))
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/cal/0"), max_depth=20, max_pages=10)))
    assert end.tally.pages_stored <= 10


async def test_private_addresses_are_refused_unless_allowed(
    site: Site, database: Database, models: ModelServer
) -> None:
    async with open_service(database, models.url, policy=FetchPolicy()) as service:
        with pytest.raises(AddressRefused, match="private"):
            await service.start_crawl(CrawlRequest(site.url("/docs/")))
        named = CrawlRequest(site.url("/docs/").replace("127.0.0.1", "localhost"))
        end = await ended(service, await service.start_crawl(named))
    assert (end.status, site.hits) == ("failed", [])
    assert end.detail is not None
    assert "private" in str(end.detail["error"])


async def test_a_request_out_of_range_is_refused(service: IngestService) -> None:
    with pytest.raises(InvalidInput) as caught:
        await service.start_crawl(CrawlRequest("http://127.0.0.1/", max_depth=0))
    assert caught.value.context.field == "max_depth"


async def test_a_site_is_crawled_by_one_job_at_a_time(site: Site, service: IngestService) -> None:
    start = small_site(site)
    first = await service.start_crawl(CrawlRequest(start))
    with pytest.raises(Conflict):
        await service.start_crawl(CrawlRequest(start + "#again"))
    assert (await ended(service, first)).status == "completed"


async def test_any_vector_size_is_stored(site: Site, service: IngestService, models: ModelServer) -> None:
    models.on("/v1/embeddings", embed_reply(size=7))
    end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    assert end.status == "completed"


_V1_FIELDS = (
    "progressId status progress message currentStep stepMessage logs details currentUrl totalPages processedPages"
    " crawlType codeBlocksFound codeExamplesStored completedDocuments totalDocuments completedSummaries totalSummaries"
    " completedBatches activeWorkers chunksInBatch chunksStored wordCount sourceId duration"
)
_V1_DETAILS = (
    "currentChunk totalChunks currentOperation elapsedTime pagesCrawled totalPages embeddingsCreated codeBlocksFound"
)


async def test_progress_speaks_the_words_of_the_rest_face(site: Site, service: IngestService) -> None:
    job = await service.start_crawl(CrawlRequest(small_site(site)))
    seen = [progress async for progress in service.watch(job)]
    body = seen[-1].to_dict()
    assert [one.percent for one in seen] == sorted(one.percent for one in seen)
    assert {key: body[key] for key in ("progressId", "status", "progress", "processedPages", "totalPages")} == {
        "progressId": job, "status": "completed", "progress": 100, "processedPages": 3, "totalPages": 3,
    }  # fmt: skip
    assert body["outcome"]["pages_stored"] == 3  # type: ignore[index,call-overload]
    assert "error" not in body
    assert set(_V1_FIELDS.split()) - set(body) == set()
    assert set(_V1_DETAILS.split()) - set(body["details"]) == set()  # type: ignore[arg-type]
