"""What the server knows of the MCP server beside it: it asks over HTTP, and tries it as an assistant would."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from importlib import import_module

import httpx

from src.config import Environment, reachable
from src.errors import ArchonError, ErrorContext, JsonValue, ProtocolError, ProviderUnavailable

ASK_WITHIN_S = 3.0
OTHER = "Stop what uses the port, or set ARCHON_MCP_PORT to another one, and start Archon again."
START = "Start it with `archon mcp`, or all of Archon with `make up`."


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
                f"The MCP server does not answer at {self.address}.", next_step=START, context=context
            ) from error
        except ValueError as error:
            raise _stranger(self.address, context) from error
        if not answer.is_success or not isinstance(body, dict) or body.get("service") != "archon-mcp":
            raise _stranger(self.address, context)
        return body

    async def try_it(self) -> Trial:
        """List the tools and call one, with the protocol's own client. A failure stands in the trial."""
        # Loaded with the first trial: the protocol's client takes as long to import as half of the server.
        trial = await asyncio.to_thread(import_module, f"{__package__}.mcp_trial")
        found: Trial = await trial.try_it(self.url, self._headers)
        return found


def _stranger(address: str, context: ErrorContext) -> ProtocolError:
    return ProtocolError(
        f"What answers at {address} is not this Archon's MCP server, or wants another token.",
        next_step=OTHER,
        context=context,
    )
