"""Feeding over REST: previews, patterns, code examples, files of many kinds; with a real vLLM."""

from __future__ import annotations

import httpx

from src.cli.look import lines_of
from src.errors import JsonValue
from tests.ingest.office_files import paragraph, word_with, zip_of
from tests.ingest.site import Answer, Site
from tests.mcp.test_tools import call, client_of

from .rest import ended, uploaded

CODE = """import asyncio


async def main() -> None:
    results = await asyncio.gather(fetch("a"), fetch("b"))
    for result in results:
        print(result.status, len(result.body), result.headers.get("content-type"))


asyncio.run(main())"""
GUIDE = f"# Tasks\n\n## Several at once\n\nRun several coroutines and wait for all:\n\n```python\n{CODE}\n```\n"
JAVA = (
    "# Other\n\nA server in Java:\n\n```java\n"
    + "public class Server { int port = 80; void run() { listen(port); } }\n" * 6
    + "```\n"
)


async def test_code_examples_are_listed_counted_and_found(archon: httpx.AsyncClient) -> None:
    state = await uploaded(archon, "guide.zip", zip_of({"a.md": GUIDE, "b.md": JAVA}), "application/zip")
    listed = (await archon.get(f"/api/knowledge-items/{state['sourceId']}/code-examples")).json()
    [item] = (await archon.get("/api/knowledge-items/summary")).json()["items"]
    found = (await archon.post("/api/rag/code-examples", json={"query": "wait for several coroutines"})).json()
    alias = (await archon.post("/api/code-examples", json={"query": "a server", "language": "java"})).json()
    assert (listed["total"], item["code_examples_count"], found["success"], found["error"]) == (2, 2, True, None)
    v1 = {"id", "source_id", "content", "summary", "metadata", "title", "example_name", "language", "file_path"}
    assert v1 <= set(listed["code_examples"][0])
    assert found["results"][0]["code"] == CODE
    assert {"url", "code", "summary", "metadata", "source_id", "similarity"} <= set(found["results"][0])
    assert [one["language"] for one in alias["results"]] == ["java"]


async def test_a_question_for_code_that_is_blank_or_odd_is_refused(archon: httpx.AsyncClient) -> None:
    blank = await archon.post("/api/rag/code-examples", json={"query": " "})
    empty = await archon.post("/api/rag/code-examples", json={"query": "anything"})
    assert (blank.status_code, blank.json()["detail"]["field"]) == (422, "query")
    assert (empty.status_code, empty.json()["results"]) == (200, [])


async def test_a_preview_tells_what_would_come_and_stores_nothing(archon: httpx.AsyncClient, site: Site) -> None:
    site.article("/docs/", "Start", "Words.", ("a.html", "old/b.html", "secret.html", "/other/c.html"))
    site.page("/robots.txt", "User-agent: *\nDisallow: /docs/secret.html\nCrawl-delay: 1", "text/plain")
    site.page("/llms.txt", "# Site\n", "text/plain")
    asked = {"url": site.url("/docs/"), "exclude": ["/docs/old/**"]}
    seen = (await archon.post("/api/knowledge-items/preview", json=asked)).json()
    assert (seen["kind"], seen["title"], seen["pages"], seen["is_all"], seen["problem"]) == (
        "normal",
        "Start",
        2,
        True,
        None,
    )
    assert seen["first"] == [site.url("/docs/"), site.url("/docs/a.html")]
    assert (seen["robots"]["refused"], seen["robots"]["crawl_delay_s"], seen["left_out"]) == (1, 1.0, 1)
    assert (seen["better"], seen["needs_browser"], seen["known"]) == ([site.url("/llms.txt")], "no", None)
    assert (await archon.get("/api/knowledge-items/summary")).json()["total"] == 0


async def test_a_preview_of_what_cannot_be_read_says_why(archon: httpx.AsyncClient, site: Site) -> None:
    site.answer("/gone", Answer(status=404))
    site.page("/app", "<div id=root></div><script>run()</script>")
    gone = (await archon.post("/api/knowledge-items/preview", json={"url": site.url("/gone")})).json()
    app = (await archon.post("/api/knowledge-items/preview", json={"url": site.url("/app")})).json()
    wrong = await archon.post("/api/knowledge-items/preview", json={"url": site.url("/x"), "include": ["re:("]})
    assert (gone["success"], gone["problem"]["code"]) == (False, "page_missing")
    assert (app["success"], app["needs_browser"]) == (True, "yes")
    assert (wrong.status_code, wrong.json()["detail"]["field"]) == (422, "include")


async def test_a_preview_of_a_sitemap_counts_its_pages(archon: httpx.AsyncClient, site: Site) -> None:
    urls = "".join(f"<url><loc>{site.url(f'/p/{number}')}</loc></url>" for number in range(300))
    site.page("/sitemap.xml", f"<urlset>{urls}</urlset>", "text/xml")
    asked = {"url": site.url("/sitemap.xml"), "max_pages": 250}
    seen = (await archon.post("/api/knowledge-items/preview", json=asked)).json()
    assert (seen["kind"], seen["pages"], seen["is_all"], len(seen["first"])) == ("sitemap", 250, False, 20)


async def test_a_crawl_keeps_to_its_patterns(archon: httpx.AsyncClient, site: Site) -> None:
    site.article("/docs/", "Start", "Words.", ("a.html", "b.html"))
    site.article("/docs/a.html", "A", "Words of a.")
    site.article("/docs/b.html", "B", "Words of b.")
    asked = {"url": site.url("/docs/"), "include": ["**/a.html"]}
    started = (await archon.post("/api/knowledge-items/crawl", json=asked)).json()
    state = await ended(archon, started["progressId"])
    assert (state["status"], state["outcome"]["pages_stored"], "/docs/b.html" in site.hits) == ("completed", 2, False)


async def test_an_office_file_is_found_by_its_words(archon: httpx.AsyncClient) -> None:
    body = word_with(paragraph("Rules", "heading1") + paragraph("The tortoise sleeps in winter."))
    media_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    state = await uploaded(archon, "rules.docx", body, media_type)
    found = (await archon.post("/api/rag/query", json={"query": "tortoise in winter"})).json()
    assert state["status"] == "completed", state
    assert "tortoise" in found["results"][0]["content"]


async def test_the_assistants_tool_finds_code(archon: httpx.AsyncClient) -> None:
    await uploaded(archon, "guide.md", GUIDE.encode(), "text/markdown")
    async with client_of(str(archon.base_url).rstrip("/")) as client:
        found = await call(client, "rag_search_code_examples", query="wait for several coroutines")
    assert (found["success"], found["error"], found["results"][0]["code"]) == (True, None, CODE)  # type: ignore[index]


def test_a_look_is_told_in_sentences() -> None:
    robots: dict[str, JsonValue] = {"allowed": True, "refused": 2, "crawl_delay_s": None}
    found: dict[str, JsonValue] = {"title": "Docs", "pages": 7, "is_all": False, "first": ["http://x/a"]}
    seen = {**found, "needs_browser": "no", "robots": robots}
    told = lines_of(seen)
    assert told == ["Docs: at least 7 pages.", "Left alone, as robots.txt asks: 2.", "http://x/a"]
    assert lines_of({"problem": {"error": "Gone.", "next_step": "Look."}}) == ["Gone. Look."]
