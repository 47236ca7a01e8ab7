"""The MCP server on 8051: streamable HTTP at `/mcp` (and `/mcp/`, without a redirect).

Start it with `python -m src.mcp_server.mcp_server`.
"""

from __future__ import annotations

import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from src.config import Environment, load_environment
from src.config.access import AccessPolicy
from src.errors import ArchonError

from .server_client import ServerClient
from .tools import add_tools

NAME = "archon-mcp-server"
INSTRUCTIONS = (
    "Archon holds documentation that its owner chose. Search it with rag_search_knowledge_base before you answer "
    "from memory: two to five keywords find more than a sentence. Read the page behind a result with "
    "rag_read_full_page. rag_get_available_sources lists what is there; rag_search_code_examples finds code."
)


class Edge:
    """Access rules, and `/mcp/` served as `/mcp`: a redirect would lose the body in many clients."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        try:
            self._policy.check_host(host)
            self._policy.check_origin(scope["method"], host, headers.get("origin"))
            self._policy.check_token(scope["path"], headers.get("authorization"), headers.get("cookie"))
        except ArchonError as error:
            await JSONResponse({"detail": error.to_dict()}, status_code=error.http_status)(scope, receive, send)
            return
        if scope["path"] == "/mcp/":
            scope = {**scope, "path": "/mcp", "raw_path": b"/mcp"}
        await self._app(scope, receive, send)


def create_app(environment: Environment, server_url: str | None = None) -> ASGIApp:
    """The ASGI app; `server_url` is where the REST API is, by default this machine's server port."""
    host = environment.get("ARCHON_SERVER_HOST") or "127.0.0.1"
    client = ServerClient(server_url or f"http://{host}:{environment.server_port}", environment.token)
    server = MCPServer(NAME, instructions=INSTRUCTIONS, log_level="WARNING")
    add_tools(server, client)
    # Host and Origin are checked at our own edge, by the rules that every server of ours has.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(json_response=True, stateless_http=True, transport_security=security)
    return Edge(app, AccessPolicy.of(environment, guarded=("/mcp",)))


def main() -> None:
    """Run it until it is told to stop."""
    environment = load_environment()
    uvicorn.run(create_app(environment), host=environment.host, port=environment.mcp_port, log_level="warning")


if __name__ == "__main__":
    main()
