"""The tools that assistants call. Names, parameters, defaults and answers are those of Archon v1.

Every tool answers a string of indented JSON. A failure stands inside it (`success: false`, `error`), because
that is what v1's users wrote their prompts for; it is never an empty list without a reason.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from mcp.server import MCPServer

from src.errors import ArchonError, JsonValue

from .server_client import ServerClient, ServerRefused

SESSION_TIMEOUT_S = 3600


def add_tools(server: MCPServer, client: ServerClient) -> None:
    """Register all tools on `server`; they ask the REST API through `client`."""
    started = time.monotonic()
    _add_search_tools(server, client)
    _add_page_tools(server, client)
    _add_status_tools(server, client, started)


def _add_search_tools(server: MCPServer, client: ServerClient) -> None:
    @server.tool()
    async def rag_get_available_sources() -> str:
        """List the knowledge sources: their ids, titles and summaries. Use an id to narrow a search."""
        return await _answer(_sources(client), {"sources": [], "count": 0})

    @server.tool()
    async def rag_search_knowledge_base(
        query: str, source_id: str | None = None, match_count: int = 5, return_mode: str = "pages"
    ) -> str:
        """Search the knowledge base with a few keywords or a question.

        `source_id` comes from rag_get_available_sources. `return_mode` "pages" answers pages (read one with
        rag_read_full_page), "chunks" answers the passages themselves.
        """
        body: dict[str, JsonValue] = {
            "query": query,
            "source": source_id,
            "match_count": match_count,
            "return_mode": return_mode,
        }
        return await _answer(_search(client, body), {"results": []})

    @server.tool()
    async def rag_search_code_examples(query: str, source_id: str | None = None, match_count: int = 5) -> str:
        """Search the code examples that were found in the knowledge base."""
        body: dict[str, JsonValue] = {"query": query, "source": source_id, "match_count": match_count}
        return await _answer(_code(client, body), {"results": []})


def _add_page_tools(server: MCPServer, client: ServerClient) -> None:
    @server.tool()
    async def rag_list_pages_for_source(source_id: str, section: str | None = None) -> str:
        """List the pages of a source, in their order; `section` keeps those of one section title."""
        return await _answer(_pages(client, source_id, section), {"pages": [], "total": 0, "source_id": source_id})

    @server.tool()
    async def rag_read_full_page(page_id: str | None = None, url: str | None = None) -> str:
        """Read one whole page, by the `page_id` of a search result or by its URL."""
        if not page_id and not url:
            return _json({"success": False, "error": "Must provide either page_id or url", "page": None})
        return await _answer(_page(client, page_id, url), {"page": None})


def _add_status_tools(server: MCPServer, client: ServerClient, started: float) -> None:
    @server.tool()
    async def health_check() -> str:
        """Whether this server and the knowledge API behind it are well."""
        return await _answer(_health(client, started), {})

    @server.tool()
    async def session_info() -> str:
        """How long this server runs and how long its sessions live."""
        management: dict[str, JsonValue] = {
            "active_sessions": 0,
            "session_timeout": SESSION_TIMEOUT_S,
            "server_uptime_seconds": round(time.monotonic() - started, 1),
        }
        return _json({"success": True, "session_management": management, "timestamp": _now()})


async def _sources(client: ServerClient) -> dict[str, JsonValue]:
    found = await client.get("/api/rag/sources")
    return {"sources": found.get("sources", []), "count": found.get("count", 0)}


async def _search(client: ServerClient, body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    found = await client.post("/api/rag/query", body)
    answer: dict[str, JsonValue] = {
        "results": found.get("results", []),
        "return_mode": found.get("return_mode"),
        "reranked": found.get("reranking_applied", False),
        "error": None,
    }
    return answer | _reason(found)


async def _code(client: ServerClient, body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    found = await client.post("/api/rag/code-examples", body)
    answer: dict[str, JsonValue] = {
        "results": found.get("results", []),
        "reranked": found.get("reranked", False),
        "error": None,
    }
    return answer | _reason(found)


def _reason(found: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Why nothing was found, where nothing was."""
    return {"reason": found["reason"]} if found.get("reason") else {}


async def _pages(client: ServerClient, source_id: str, section: str | None) -> dict[str, JsonValue]:
    found = await client.get("/api/pages", source_id=source_id, section=section)
    return {"pages": found.get("pages", []), "total": found.get("total", 0), "source_id": source_id, "error": None}


async def _page(client: ServerClient, page_id: str | None, url: str | None) -> dict[str, JsonValue]:
    found = await (
        client.get(f"/api/pages/{quote(page_id, safe='')}") if page_id else client.get("/api/pages/by-url", url=url)
    )
    return {"page": found, "error": None}


async def _health(client: ServerClient, started: float) -> dict[str, JsonValue]:
    found = await client.get("/api/health")
    healthy = found.get("status") == "healthy"
    health: dict[str, JsonValue] = {
        "status": "healthy" if healthy else "degraded",
        "api_service": healthy,
        "agents_service": healthy,
        "last_health_check": _now(),
    }
    return {"health": health, "uptime_seconds": round(time.monotonic() - started, 1), "timestamp": _now()}


async def _answer(work: Awaitable[dict[str, JsonValue]], empty: Mapping[str, JsonValue]) -> str:
    """The tool's JSON: what `work` found, or the failure with `empty` in the place of results."""
    try:
        return _json({"success": True} | await work)
    except ArchonError as error:
        return _json({"success": False, "error": f"{error.message} {error.next_step}", **empty})
    except ServerRefused as error:
        return _json({"success": False, "error": str(error), **empty})


def _json(body: Mapping[str, JsonValue]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)


def _now() -> str:
    return datetime.now(UTC).isoformat()
