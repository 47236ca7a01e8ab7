"""Tries the MCP server as an assistant would: connects, lists the tools, and calls one."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation, TextContent

from src.errors import ArchonError, ErrorContext, ProtocolError, ProviderTimeout, ProviderUnavailable

from .mcp_face import OTHER, START, Trial, Tried
from .version import version

TRY_WITHIN_S = 30.0
"""For all of it: whoever watches gives up at about this time."""
TRIED_TOOL = "rag_get_available_sources"


async def try_it(url: str, headers: dict[str, str], within_s: float = TRY_WITHIN_S) -> Trial:
    """List the tools and call one, with the protocol's own client. A failure stands in the trial."""
    steps: list[Tried] = []
    tools: tuple[tuple[str, str], ...] = ()
    began = time.monotonic()
    try:
        async with asyncio.timeout(within_s), AsyncExitStack() as stack:
            client = await stack.enter_async_context(_client(url, headers, stack))
            steps.append(_took("connect", url, began))
            began = time.monotonic()
            listed = (await client.list_tools()).tools
            tools = tuple((tool.name, tool.description or "") for tool in listed)
            steps.append(_took("list_tools", f"{len(tools)} tools", began))
            began = time.monotonic()
            result = await client.call_tool(TRIED_TOOL, {})
            said = " ".join(part.text for part in result.content if isinstance(part, TextContent))
            steps.append(_took(f"call {TRIED_TOOL}", said[:300], began))
        return Trial(url, tuple(steps), tools, _told(said))
    except* (MCPError, httpx2.HTTPError, OSError, TimeoutError, ValueError) as failures:
        failed = ("connect", "list_tools", f"call {TRIED_TOOL}")[len(steps)]
        error = _failure(url, failures, within_s)
        steps.append(Tried(failed, False, error.message, round((time.monotonic() - began) * 1000)))
    return Trial(url, tuple(steps), tools, error)


def _client(url: str, headers: dict[str, str], stack: AsyncExitStack) -> Client:
    http = httpx2.AsyncClient(headers=headers, timeout=TRY_WITHIN_S, trust_env=False)
    stack.push_async_exit(http)
    about = Implementation(name="archon-live-test", version=version())
    return Client(streamable_http_client(url, http_client=http), client_info=about)


def _failure(url: str, failures: BaseExceptionGroup[Exception], within_s: float) -> ArchonError:
    first = _first(failures)
    context = ErrorContext(operation="mcp", url=url)
    if isinstance(first, TimeoutError | httpx2.TimeoutException):
        return ProviderTimeout(
            f"The MCP server at {url} did not answer within {within_s:g} s.",
            next_step="Stop it with `archon down`, and start it anew with `archon up`.",
            context=context,
        )
    if isinstance(first, httpx2.TransportError | OSError):
        return ProviderUnavailable(
            f"The MCP server does not answer at {url} ({type(first).__name__}).",
            next_step=START,
            context=context,
        )
    said = str(first).partition("\n")[0][:300]
    return ProtocolError(
        f"What answers at {url} is not this Archon's MCP server, or wants another token ({said}).",
        next_step=OTHER,
        context=context,
    )


def _told(said: str) -> ArchonError | None:
    """A tool's failure stands inside its answer."""
    if '"success": true' in said:
        return None
    return ProtocolError(
        f"The tool answered without success: {said[:300]}",
        next_step="The MCP server runs, but does not reach Archon's server, or has another token. Start both anew.",
        context=ErrorContext(operation="mcp"),
    )


def _took(step: str, detail: str, began: float) -> Tried:
    return Tried(step, True, detail, round((time.monotonic() - began) * 1000))


def _first(failures: BaseExceptionGroup[Exception]) -> BaseException:
    inner: BaseException = failures
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner
