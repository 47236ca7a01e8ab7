"""A site from crawl to search over REST, in v1's shapes."""

from __future__ import annotations

import httpx

from tests.ingest.site import Site

from .rest import crawled, ended, uploaded

TEXT = "A coroutine is run with asyncio.run. Several are run at once with asyncio.gather, which waits for all of them."


async def filled(archon: httpx.AsyncClient, site: Site) -> str:
    """The id of a source with one stored page."""
    site.article("/gather", "Running at once", TEXT)
    state = await crawled(archon, site.url("/gather"))
    assert state["status"] == "completed", state
    return str(state["sourceId"])


async def test_what_was_crawled_is_listed_read_and_found(archon: httpx.AsyncClient, site: Site) -> None:
    source_id = await filled(archon, site)
    [item] = (await archon.get("/api/knowledge-items/summary")).json()["items"]
    [page] = (await archon.get(f"/api/pages?source_id={source_id}")).json()["pages"]
    whole = (await archon.get(f"/api/pages/{page['id']}")).json()
    found = (await archon.post("/api/rag/query", json={"query": "run several coroutines"})).json()
    assert (item["source_id"], item["page_count"], item["last_job"]["status"]) == (source_id, 1, "completed")
    assert "asyncio.gather" in whole["full_content"]
    assert (found["success"], found["results"][0]["source_id"], found["reason"]) == (True, source_id, None)


async def test_chunks_are_paged_in_v1s_shape(archon: httpx.AsyncClient, site: Site) -> None:
    source_id = await filled(archon, site)
    body = (await archon.get(f"/api/knowledge-items/{source_id}/chunks?limit=1")).json()
    v1 = {"id", "source_id", "content", "metadata", "url", "title", "section", "source_type", "knowledge_type"}
    assert (body["success"], body["total"], body["limit"], body["has_more"]) == (True, 1, 1, False)
    assert v1 <= set(body["chunks"][0])


async def test_a_source_can_be_renamed_and_deleted(archon: httpx.AsyncClient, site: Site) -> None:
    path = f"/api/knowledge-items/{await filled(archon, site)}"
    renamed = await archon.put(path, json={"title": "Mine", "tags": ["a"]})
    [item] = (await archon.get("/api/knowledge-items?search=mine")).json()["items"]
    codes = [(await archon.delete(path)).status_code, (await archon.delete(path)).status_code]
    assert (renamed.status_code, item["title"], item["metadata"]["tags"], codes) == (200, "Mine", ["a"], [200, 404])


async def test_a_refresh_embeds_nothing_that_is_unchanged(archon: httpx.AsyncClient, site: Site) -> None:
    source_id = await filled(archon, site)
    again = (await archon.post(f"/api/knowledge-items/{source_id}/refresh")).json()
    state = await ended(archon, again["progressId"])
    assert (state["status"], state["outcome"]["pages_unchanged"], state["outcome"]["pages_stored"]) == (
        "completed",
        1,
        0,
    )


async def test_progress_is_not_sent_twice(archon: httpx.AsyncClient, site: Site) -> None:
    await filled(archon, site)
    [item] = (await archon.get("/api/knowledge-items/summary")).json()["items"]
    path = f"/api/progress/{item['last_job']['progressId']}"
    first = await archon.get(path)
    again = await archon.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (first.headers["x-poll-interval"], again.status_code, again.content) == ("0", 304, b"")


async def test_an_uploaded_file_is_found(archon: httpx.AsyncClient) -> None:
    state = await uploaded(archon, "notes.md", f"# Notes\n\n{TEXT}".encode(), "text/markdown")
    found = (await archon.post("/api/rag/query", json={"query": "asyncio.gather", "return_mode": "pages"})).json()
    assert (state["status"], state["fileName"]) == ("completed", "notes.md")
    assert (found["return_mode"], found["results"][0]["title"]) == ("pages", "Notes")


async def test_the_list_of_running_work_needs_its_slash(archon: httpx.AsyncClient) -> None:
    assert (await archon.get("/api/progress")).status_code == 307
    assert (await archon.get("/api/progress/")).json()["operations"] == []
