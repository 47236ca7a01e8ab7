"""Sites and files that are wrong in one way: each ends as a typed, readable failure, and nothing looks stored."""

from __future__ import annotations

import httpx
import pytest

from src.errors import JsonValue
from tests.ingest.site import Answer, Site

from .conftest import StartServer
from .rest import crawled, providers, uploaded

MEGABYTE = b"<p>word word word word</p>\n" * 40_000


def reasons(state: dict[str, JsonValue]) -> list[str]:
    """Codes of the failed pages."""
    return [failure["code"] for failure in state["outcome"]["failures"]]


async def is_empty(archon: httpx.AsyncClient) -> bool:
    """Whether no source is listed."""
    return (await archon.get("/api/knowledge-items/summary")).json()["total"] == 0


async def test_a_page_that_is_not_there(archon: httpx.AsyncClient, site: Site) -> None:
    state = await crawled(archon, site.url("/gone"))
    assert (state["status"], state["detail"]["code"], reasons(state)) == ("failed", "nothing_stored", ["page_missing"])
    assert "404" in str(state["outcome"])
    assert await is_empty(archon)


async def test_a_redirect_loop(archon: httpx.AsyncClient, site: Site) -> None:
    site.redirect("/a", "/b")
    site.redirect("/b", "/a")
    state = await crawled(archon, site.url("/a"))
    assert (state["status"], reasons(state)) == ("failed", ["fetch_failed"])
    assert "address that it ends at" in str(state["outcome"])


async def test_an_empty_page(archon: httpx.AsyncClient, site: Site) -> None:
    site.page("/empty", "<html><body></body></html>")
    state = await crawled(archon, site.url("/empty"))
    assert (state["status"], state["detail"]["code"]) == ("failed", "nothing_stored")
    assert await is_empty(archon)


async def test_a_page_of_fifty_megabytes(archon: httpx.AsyncClient, site: Site) -> None:
    site.answer("/huge", Answer(MEGABYTE, headers={"Content-Type": "text/html"}, repeat=50))
    state = await crawled(archon, site.url("/huge"))
    assert (state["status"], reasons(state)) == ("failed", ["document_too_large"])


async def test_a_pdf_that_is_no_pdf(archon: httpx.AsyncClient) -> None:
    state = await uploaded(archon, "report.pdf", b"this is no PDF at all", "application/pdf")
    assert state["status"] == "failed"
    assert "document_unreadable" in (str(state["detail"]["code"]), *reasons(state))
    assert await is_empty(archon)


async def test_a_file_of_a_kind_that_cannot_be_read(archon: httpx.AsyncClient) -> None:
    refused = await archon.post(
        "/api/documents/upload", files={"file": ("a.exe", b"MZ\x90", "application/x-msdownload")}
    )
    assert (refused.status_code, refused.json()["detail"]["code"]) == (422, "document_unreadable")


async def test_a_file_above_the_limit(archon: httpx.AsyncClient) -> None:
    files = {"file": ("big.txt", b"x" * 51_500_000, "text/plain")}
    refused = await archon.post("/api/documents/upload", files=files)
    assert (refused.status_code, refused.json()["detail"]["code"]) == (422, "document_too_large")


async def test_tags_that_are_no_list(archon: httpx.AsyncClient) -> None:
    files = {"file": ("a.txt", b"text", "text/plain")}
    refused = await archon.post("/api/documents/upload", files=files, data={"tags": "python"})
    assert (refused.status_code, refused.json()["detail"]["field"]) == (422, "tags")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/", "example.org", "", "http://"])
async def test_an_address_that_is_no_web_address(archon: httpx.AsyncClient, url: str) -> None:
    refused = await archon.post("/api/knowledge-items/crawl", json={"url": url})
    assert (refused.status_code, refused.json()["detail"]["field"]) == (422, "url")


async def test_a_private_address_is_refused_unless_allowed(
    start_server: StartServer, vllm_chat_url: str, vllm_embedding_url: str, site: Site
) -> None:
    values = providers(vllm_chat_url, vllm_embedding_url) | {"ARCHON_ALLOW_PRIVATE_ADDRESSES": "false"}
    async with httpx.AsyncClient(base_url=start_server(**values), timeout=60) as archon:
        refused = await archon.post("/api/knowledge-items/crawl", json={"url": site.url("/")})
    detail = refused.json()["detail"]
    assert (refused.status_code, detail["code"], site.hits) == (422, "address_refused", [])
    assert "ARCHON_ALLOW_PRIVATE_ADDRESSES" in detail["next_step"]


async def test_a_crawl_does_not_begin_while_the_embedding_server_is_away(
    start_server: StartServer, vllm_chat_url: str, unused_port: int, site: Site
) -> None:
    address = start_server(**providers(vllm_chat_url, f"http://127.0.0.1:{unused_port}"))
    async with httpx.AsyncClient(base_url=address, timeout=60) as archon:
        refused = await archon.post("/api/knowledge-items/crawl", json={"url": site.url("/")})
        running = (await archon.get("/api/progress/")).json()
    assert (refused.status_code, refused.json()["detail"]["code"]) == (503, "connection_refused")
    assert (site.hits, running["count"]) == ([], 0)


async def test_a_refused_key_keeps_v1s_answer_before_a_crawl(
    start_server: StartServer, locked_url: str, site: Site
) -> None:
    address = start_server(**providers(locked_url, locked_url), VLLM_EMBEDDING_MODEL="any")
    async with httpx.AsyncClient(base_url=address, timeout=60) as archon:
        refused = await archon.post("/api/knowledge-items/crawl", json={"url": site.url("/")})
    detail = refused.json()["detail"]
    assert (refused.status_code, detail["error"]) == (401, "Invalid Vllm API key")
    assert (detail["error_type"], detail["code"]) == ("authentication_failed", "provider_authentication")
    assert site.hits == []


async def test_work_that_is_not_there(archon: httpx.AsyncClient) -> None:
    unknown = "8d1e3d0a-5d3c-4d6e-9d55-0d5c6f6f0f0f"
    paths = [f"/api/progress/{unknown}", "/api/progress/no-id", f"/api/progress/{unknown}/events"]
    codes = [(await archon.get(path)).status_code for path in paths]
    stop = await archon.post(f"/api/knowledge-items/stop/{unknown}")
    refresh = await archon.post("/api/knowledge-items/no-such-source/refresh")
    assert (codes, stop.status_code, refresh.status_code) == ([404, 404, 404], 404, 404)
