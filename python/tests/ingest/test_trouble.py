"""Model server, database and process in trouble while a job runs."""

from __future__ import annotations

import asyncio

from src.ingest.progress import JobProgress
from src.ingest.requests import CrawlRequest, UploadRequest
from src.ingest.run import Limits
from src.ingest.service import IngestService
from src.store import jobs, pages, sources
from src.store.database import Database
from tests.fakes.model_server import ModelServer, Reply, Request, Silence

from .parts import embed_reply, ended, open_service, past_the_first_page, until
from .site import Answer, Site
from .test_crawl import small_site


def _only_known(request: Request) -> Reply | Silence:
    """Answers the first questions of a job, and is silent for pages."""
    return Silence() if any("Words of" in text for text in request.json()["input"]) else embed_reply()(request)


async def _stuck_after_one_page(site: Site, service: IngestService, models: ModelServer) -> JobProgress:
    """A crawl whose first page is stored and whose others wait for a model server that is silent."""
    models.on("/v1/embeddings", _only_known)
    progress = await past_the_first_page(site, service, small_site(site))
    await models.busy.wait()
    return progress


async def test_a_model_server_that_is_not_there_fails_the_job_before_anything_is_fetched(
    site: Site, database: Database
) -> None:
    async with open_service(database, "http://127.0.0.1:1") as service:
        end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "connection_refused")
    assert site.hits == []


async def test_a_short_outage_of_the_model_server_is_waited_out(
    site: Site, service: IngestService, models: ModelServer
) -> None:
    failures = iter([503] * 6)

    def flapping(request: Request) -> Reply:
        broken = "Words of" in str(request.json()) and next(failures, None)
        return Reply(503, headers={"retry-after": "0"}) if broken else embed_reply()(request)

    models.on("/v1/embeddings", flapping)
    end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    assert (end.status, end.tally.pages_stored) == ("completed", 3)


async def test_an_outage_without_end_fails_the_job_and_keeps_what_is_stored(
    site: Site, database: Database, models: ModelServer
) -> None:
    async with open_service(database, models.url) as service:
        first = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    site.article("/docs/a.html", "Page A", "Changed words.", ())
    gone = Reply(401, {"error": "Unauthorized"})
    models.on("/v1/embeddings", lambda r: gone if "Changed" in str(r.json()) else embed_reply()(r))
    async with open_service(database, models.url, limits=Limits(patience_s=0.1, backoff_s=0.01)) as service:
        end = await ended(service, await service.refresh(first.source_id))
    page = await pages.by_url(database, site.url("/docs/a.html"))
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "provider_authentication")
    assert "Words of page a." in page.full_content


async def test_wrong_vector_sizes_in_the_middle_stop_the_job_before_a_bad_write(
    site: Site, service: IngestService, models: ModelServer, database: Database
) -> None:
    models.on("/v1/embeddings", lambda r: embed_reply(size=5 if "page b" in str(r.json()) else 8)(r))
    end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "protocol")
    assert all("page b" not in chunk.content for chunk in (await pages.chunks(database, end.source_id)).items)


async def test_other_weights_under_the_same_name_are_refused_before_the_first_write(
    site: Site, service: IngestService, models: ModelServer, database: Database
) -> None:
    first = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    models.on("/v1/embeddings", embed_reply(seed="other weights"))
    site.hits.clear()
    end = await ended(service, await service.refresh(first.source_id))
    assert (end.status, end.detail and end.detail["code"], site.hits) == ("failed", "configuration", [])
    assert (await sources.get(database, first.source_id)).chunk_count == first.tally.chunks_stored


async def test_a_passage_that_is_too_long_is_cut_anew(
    site: Site, service: IngestService, models: ModelServer, database: Database
) -> None:
    def strict(request: Request) -> Reply:
        too_long = any(len(text) > 300 for text in request.json()["input"])
        message = "This model's maximum context length is 128 tokens. However, your prompt contains at least 129."
        return Reply(400, {"error": {"message": message, "type": "BadRequestError", "param": "input_tokens"}}) if (
            too_long
        ) else embed_reply()(request)  # fmt: skip

    models.on("/v1/embeddings", strict)
    site.page("/d", "<title>T</title><p>" + "Some plain words in a row. " * 80 + "</p>")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/d"), max_depth=1)))
    assert end.status == "completed"
    assert max(len(chunk.content) for chunk in (await pages.chunks(database, end.source_id)).items) <= 300


async def test_a_stop_ends_a_job_at_once_and_keeps_its_pages(
    site: Site, service: IngestService, models: ModelServer, database: Database
) -> None:
    job = (await _stuck_after_one_page(site, service, models)).job_id
    await service.stop(job)
    end = await ended(service, job)
    assert (end.status, end.tally.pages_stored) == ("cancelled", 1)
    assert (await sources.get(database, end.source_id)).page_count == 1
    await models.gone.wait()


async def test_a_stop_does_not_wait_for_a_slow_site(site: Site, service: IngestService) -> None:
    start = small_site(site)
    site.answer("/docs/a.html", Answer(hold=asyncio.Event()))
    job = await service.start_crawl(CrawlRequest(start))
    await until(service, job, lambda progress: progress.total_pages == 3)
    await service.stop(job)
    async with asyncio.timeout(2):
        assert (await ended(service, job)).status == "cancelled"


async def test_a_source_deleted_while_it_is_crawled_stays_deleted(
    site: Site, service: IngestService, models: ModelServer, database: Database
) -> None:
    progress = await _stuck_after_one_page(site, service, models)
    await sources.delete(database, progress.source_id)
    end = await ended(service, progress.job_id)
    assert end.status == "cancelled"
    assert (await sources.summaries(database)).total == 0


async def test_a_service_that_closes_gives_its_jobs_to_the_next(
    site: Site, models: ModelServer, database: Database
) -> None:
    async with open_service(database, models.url) as first:
        job = (await _stuck_after_one_page(site, first, models)).job_id
    assert (await jobs.get(database, job)).state == "queued"
    models.on("/v1/embeddings", embed_reply())
    site.hits.clear()
    async with open_service(database, models.url) as second:
        end = await ended(second, job)
    assert (end.status, end.tally.pages_stored) == ("completed", 3)
    assert "/docs/" not in site.hits


async def test_progress_is_there_for_a_process_that_does_not_work_on_the_job(
    site: Site, service: IngestService, models: ModelServer, database: Database
) -> None:
    async with open_service(database, models.url, started=False) as other:
        job = await other.start_crawl(CrawlRequest(small_site(site)))
        mine, theirs = await asyncio.gather(ended(service, job), ended(other, job))
    assert (mine.tally, mine.status) == (theirs.tally, theirs.status)


async def test_a_job_that_kills_its_workers_is_given_up(site: Site, models: ModelServer, database: Database) -> None:
    async with open_service(database, models.url, started=False) as service:
        job = await service.start_crawl(CrawlRequest(small_site(site)))
        for number in range(5):
            await jobs.claim(database, f"dead{number}", lease_s=-1)
        await service.resume_interrupted()
        end = await ended(service, job)
    assert end.status == "failed"
    assert end.detail is not None
    assert "lost its worker 5 times" in str(end.detail["error"])


async def test_a_queued_upload_that_is_stopped_never_starts(models: ModelServer, database: Database) -> None:
    async with open_service(database, models.url, started=False) as service:
        job = await service.start_upload(UploadRequest("a.txt", b"words"))
        assert [one.job_id for one in await service.running()] == [job]
        assert (await service.stop(job)).status == "cancelled"
        assert await service.running() == []
