"""What the server knows of the MCP server beside it: it asks over HTTP, and tries it as an assistant would."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

import httpx
import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation, TextContent

from src.config import Environment, reachable
from src.errors import ArchonError, ErrorContext, JsonValue, ProtocolError, ProviderUnavailable

from .version import version

ASK_WITHIN_S = 3.0
TRY_WITHIN_S = 30.0
TRIED_TOOL = "rag_get_available_sources"
_START = "Start it with `archon mcp`, or all of Archon with `make up`."


@dataclass(frozen=True, slots=True)
class Tried:
    """One step of a trial; `took_ms` is its time in milliseconds."""

    step: str
    ok: bool
    detail: str
    took_ms: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What an assistant would meet: the tools there are, and what one of them answered."""

    url: str
    steps: tuple[Tried, ...]
    tools: tuple[tuple[str, str], ...]
    error: ArchonError | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """The body of `POST /api/mcp/test`."""
        return {
            "ok": self.error is None,
            "url": self.url,
            "steps": [dict(asdict(step)) for step in self.steps],
            "tools": [{"name": name, "description": about} for name, about in self.tools],
            "error": None if self.error is None else self.error.to_dict(),
        }


class McpFace:
    """The MCP server of `environment`, as this server reaches it."""

    def __init__(self, environment: Environment) -> None:
        host = environment.get("ARCHON_MCP_HOST") or reachable(environment.host)
        self.address = f"http://{host}:{environment.mcp_port}"
        self._headers = {"Authorization": f"Bearer {environment.token}"} if environment.token else {}

    @property
    def url(self) -> str:
        """Where its protocol is spoken."""
        return f"{self.address}/mcp"

    async def clients(self) -> dict[str, JsonValue]:
        """Uptime in seconds and the assistants that were heard lately.

        Raises:
            ProviderUnavailable: nothing answers there.
            ProtocolError: what answers is not Archon's MCP server, or refuses our token.
        """
        context = ErrorContext(operation="mcp", url=self.address)
        try:
            async with httpx.AsyncClient(timeout=ASK_WITHIN_S, trust_env=False, headers=self._headers) as http:
                answer = await http.get(f"{self.address}/clients")
                body: JsonValue = answer.json()
        except httpx.HTTPError as error:
            raise ProviderUnavailable(
                f"The MCP server does not answer at {self.address}.", next_step=_START, context=context
            ) from error
        except ValueError as error:
            raise _stranger(self.address, context) from error
        if not answer.is_success or not isinstance(body, dict) or body.get("service") != "archon-mcp":
            raise _stranger(self.address, context)
        return body

    async def try_it(self) -> Trial:
        """List the tools and call one, with the protocol's own client. A failure stands in the trial."""
        steps: list[Tried] = []
        tools: tuple[tuple[str, str], ...] = ()
        began = time.monotonic()
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(self._client(stack))
                steps.append(_took("connect", f"{self.url}", began))
                began = time.monotonic()
                listed = (await client.list_tools()).tools
                tools = tuple((tool.name, tool.description or "") for tool in listed)
                steps.append(_took("list_tools", f"{len(tools)} tools", began))
                began = time.monotonic()
                result = await client.call_tool(TRIED_TOOL, {})
                said = " ".join(part.text for part in result.content if isinstance(part, TextContent))
                steps.append(_took(f"call {TRIED_TOOL}", said[:300], began))
            return Trial(self.url, tuple(steps), tools, _told(said))
        except* (MCPError, httpx2.HTTPError, OSError, TimeoutError, ValueError) as failures:
            failed = ("connect", "list_tools", f"call {TRIED_TOOL}")[len(steps)]
            error = self._failure(failures)
            steps.append(Tried(failed, False, error.message, round((time.monotonic() - began) * 1000)))
        return Trial(self.url, tuple(steps), tools, error)

    def _client(self, stack: AsyncExitStack) -> Client:
        http = httpx2.AsyncClient(headers=self._headers, timeout=TRY_WITHIN_S, trust_env=False)
        stack.push_async_exit(http)
        about = Implementation(name="archon-live-test", version=version())
        return Client(streamable_http_client(self.url, http_client=http), client_info=about)

    def _failure(self, failures: BaseExceptionGroup[Exception]) -> ArchonError:
        first = _first(failures)
        context = ErrorContext(operation="mcp", url=self.url)
        if isinstance(first, httpx2.TransportError | OSError):
            return ProviderUnavailable(
                f"The MCP server does not answer at {self.address} ({type(first).__name__}).",
                next_step=_START,
                context=context,
            )
        return ProtocolError(f"The MCP server answered with a failure: {str(first)[:300]}", context=context)


def _told(said: str) -> ArchonError | None:
    """A tool's failure stands inside its answer."""
    if '"success": true' in said:
        return None
    return ProtocolError(
        f"The tool answered without success: {said[:300]}",
        next_step="The MCP server runs, but does not reach Archon's server, or has another token. Start both anew.",
        context=ErrorContext(operation="mcp"),
    )


def _stranger(address: str, context: ErrorContext) -> ProtocolError:
    return ProtocolError(
        f"What answers at {address} is not this Archon's MCP server, or wants another token.",
        next_step="Stop what uses the port, or set ARCHON_MCP_PORT to another one, and start Archon again.",
        context=context,
    )


def _took(step: str, detail: str, began: float) -> Tried:
    return Tried(step, True, detail, round((time.monotonic() - began) * 1000))


def _first(failures: BaseExceptionGroup[Exception]) -> BaseException:
    inner: BaseException = failures
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner
