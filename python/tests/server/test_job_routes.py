"""Jobs, embedding spaces and schedules over REST."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from src.errors import JsonValue
from tests.fakes.model_server import running
from tests.ingest.parts import embed_reply
from tests.ingest.site import Answer, Site

from .conftest import StartServer
from .rest import ended, providers


@pytest.fixture
async def archon(start_server: StartServer) -> AsyncIterator[httpx.AsyncClient]:
    """A server whose embedding model costs nothing."""
    async with running() as models:
        models.on("/v1/embeddings", embed_reply())
        address = await asyncio.to_thread(lambda: start_server(**providers(models.url, models.url)))
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            yield client


async def crawled(archon: httpx.AsyncClient, url: str, **options: int) -> dict[str, JsonValue]:
    started = (await archon.post("/api/knowledge-items/crawl", json={"url": url, **options})).json()
    return await ended(archon, started["progressId"])


def _site(site: Site) -> str:
    site.article("/docs/", "Start", "Words of the start.", ("a.html", "b.html"))
    site.article("/docs/a.html", "A", "Words of a.")
    site.article("/docs/b.html", "B", "Words of b.")
    return site.url("/docs/")


async def test_a_job_tells_what_became_of_each_page(archon: httpx.AsyncClient, site: Site) -> None:
    start = _site(site)
    site.answer("/docs/b.html", Answer(status=500))
    state = await crawled(archon, start)
    [job] = (await archon.get("/api/jobs")).json()["jobs"]
    history = (await archon.get(f"/api/jobs/{job['id']}/pages?state=failed")).json()
    assert (job["id"], job["state"], job["can_retry"]) == (state["progressId"], "completed", True)
    assert history["counts"] == {"stored": 2, "failed": 1}
    assert [(page["url"], page["reason"]["code"]) for page in history["pages"]] == [(f"{start}b.html", "fetch_failed")]


async def test_a_job_says_what_it_left_out_also_after_its_end(archon: httpx.AsyncClient, site: Site) -> None:
    start = _site(site)
    site.page("/robots.txt", "User-agent: *\nDisallow: /docs/b.html", "text/plain")
    state = await crawled(archon, start, max_pages=1)
    [job] = (await archon.get("/api/jobs")).json()["jobs"]
    assert state["remarks"] == [
        "The limit of 1 pages was reached; at least 1 more addresses were found.",
        f"{start}b.html was left out: the site's robots.txt asks crawlers for it.",
    ]
    assert job["remarks"] == state["remarks"]


async def test_a_retry_visits_only_what_failed(archon: httpx.AsyncClient, site: Site) -> None:
    start = _site(site)
    good = site.answers["/docs/b.html"]
    site.answer("/docs/b.html", Answer(status=500))
    job = (await crawled(archon, start))["progressId"]
    site.answers["/docs/b.html"] = good
    site.hits.clear()
    retried = await archon.post(f"/api/jobs/{job}/retry")
    end = await ended(archon, job)
    again = await archon.post(f"/api/jobs/{job}/retry")
    assert (retried.json()["retries"], end["status"], end["outcome"]["pages_stored"]) == (1, "completed", 3)
    assert {"/docs/", "/docs/a.html"} & set(site.hits) == set()
    assert (again.status_code, again.json()["detail"]["code"]) == (409, "conflict")


async def test_a_paused_job_stands_still_until_it_is_resumed(archon: httpx.AsyncClient, site: Site) -> None:
    start, gate = _site(site), asyncio.Event()
    site.answers["/docs/a.html"][0].hold = gate
    job = (await archon.post("/api/knowledge-items/crawl", json={"url": start})).json()["progressId"]
    await archon.post(f"/api/jobs/{job}/pause")
    async with asyncio.timeout(20), archon.stream("GET", f"/api/progress/{job}/events") as states:
        await anext(line async for line in states.aiter_lines() if '"status":"paused"' in line)
    gate.set()
    shown = (await archon.get(f"/api/progress/{job}")).json()
    resumed = await archon.post(f"/api/jobs/{job}/resume")
    end = await ended(archon, job)
    assert (shown["status"], resumed.status_code, end["status"]) == ("paused", 200, "completed")


async def test_what_is_not_there_is_404_and_what_does_not_fit_409(archon: httpx.AsyncClient, site: Site) -> None:
    job = (await crawled(archon, _site(site)))["progressId"]
    nothing = "00000000-0000-0000-0000-000000000000"
    codes = [
        (await archon.post(f"/api/jobs/{name}/{verb}")).status_code
        for name, verb in ((nothing, "retry"), ("x", "pause"), (job, "pause"), (job, "resume"))
    ]
    assert codes == [404, 404, 409, 409]


async def test_a_source_is_read_anew_by_its_schedule(archon: httpx.AsyncClient, site: Site) -> None:
    source = (await crawled(archon, _site(site)))["sourceId"]
    path = f"/api/knowledge-items/{source}/schedule"
    unset = (await archon.get(path)).json()
    put = (await archon.put(path, json={"every_hours": 24})).json()
    off = (await archon.put(path, json={"every_hours": None})).json()
    assert (unset["every_hours"], put["every_hours"], off["every_hours"]) == (None, 24, None)
    assert (put["next_refresh_at"] is not None, off["next_refresh_at"]) == (True, None)
    assert (await archon.put(path, json={"every_hours": 0})).status_code == 422


async def test_the_space_that_answers_is_shown(archon: httpx.AsyncClient, site: Site) -> None:
    await crawled(archon, _site(site))
    body = (await archon.get("/api/embedding-spaces")).json()
    assert [(one["state"], one["vectors"]) for one in body["spaces"]] == [("active", 3)]
    assert (body["chosen"]["model"], body["chosen"]["missing"], body["job"]) == (body["spaces"][0]["model"], 0, None)
