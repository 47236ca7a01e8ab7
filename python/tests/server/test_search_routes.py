"""Search within filters and sources by their state, over REST."""

from __future__ import annotations

import httpx

from .rest import uploaded

GERMAN = (
    b'<html lang="de-AT"><title>Brot</title><body><h1>Brot</h1><p>Das Brot wird im Ofen gebacken.</p></body></html>'
)


async def bread(archon: httpx.AsyncClient) -> str:
    """The id of a source with one German page, tagged."""
    state = await uploaded(archon, "brot.html", GERMAN, "text/html")
    await archon.put(f"/api/knowledge-items/{state['sourceId']}", json={"tags": ["kitchen"]})
    return str(state["sourceId"])


async def test_a_search_is_narrowed_by_what_the_filters_list(archon: httpx.AsyncClient) -> None:
    source_id = await bread(archon)
    filters = (await archon.get("/api/rag/filters")).json()
    asked = {"query": "Brot backen", "tags": ["kitchen"], "languages": ["de"]}
    found = (await archon.post("/api/rag/query", json=asked)).json()
    other = (await archon.post("/api/rag/query", json={**asked, "languages": ["en"]})).json()
    assert (filters["tags"], filters["languages"]) == (
        [{"value": "kitchen", "sources": 1}],
        [{"value": "de", "sources": 1}],
    )
    assert ([row["source_id"] for row in found["results"]], found["filters"]["tags"]) == ([source_id], ["kitchen"])
    assert (other["results"], other["reason"]) == ([], "filter_excludes_all")


async def test_one_source_is_read_with_its_problems(archon: httpx.AsyncClient) -> None:
    source_id = await bread(archon)
    one = (await archon.get(f"/api/knowledge-items/{source_id}")).json()
    missing = await archon.get("/api/knowledge-items/nowhere")
    assert (one["source_id"], one["languages"], one["problems"], one["page_count"]) == (source_id, ["de"], [], 1)
    assert one["last_read_at"] is not None
    assert missing.status_code == 404


async def test_the_list_is_narrowed_by_tag_and_trouble(archon: httpx.AsyncClient) -> None:
    await bread(archon)
    path = "/api/knowledge-items/summary"
    totals = [(await archon.get(f"{path}?{query}")).json()["total"] for query in ("tag=kitchen", "problems=true")]
    assert totals == [1, 0]
    assert (await archon.get(f"{path}?sort=size")).status_code == 422
