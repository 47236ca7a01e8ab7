"""The MCP server on 8051: streamable HTTP at `/mcp` (and `/mcp/`, without a redirect).

`archon mcp` runs it, `archon up` starts it beside the server; `python -m src.mcp_server.mcp_server` is the same.
"""

from __future__ import annotations

import signal
import sys

import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from src.config import Environment, load_environment, reachable, server_address
from src.config.access import AccessPolicy
from src.errors import ArchonError, ConfigurationError, ErrorContext

from .edge import GUARDED, Edge
from .server_client import ServerClient
from .tools import add_tools

NAME = "archon-mcp-server"
INSTRUCTIONS = (
    "Archon holds documentation that its owner chose. Search it with rag_search_knowledge_base before you answer "
    "from memory: two to five keywords find more than a sentence. Read the page behind a result with "
    "rag_read_full_page. rag_get_available_sources lists what is there; rag_search_code_examples finds code."
)
GRACE_S = 5
"""How long calls may take to end after a stop was asked for, in seconds."""


def create_app(environment: Environment, server_url: str | None = None) -> ASGIApp:
    """The ASGI app; `server_url` is where the REST API is, by default this machine's server port.

    Raises:
        ConfigurationError: it would listen beyond this machine without a token.
    """
    client = ServerClient(server_url or server_address(environment), environment.token)
    server = MCPServer(NAME, instructions=INSTRUCTIONS, log_level="WARNING")
    add_tools(server, client)
    # Host and Origin are checked at our own edge, by the rules that every server of ours has.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(json_response=True, stateless_http=True, transport_security=security)
    return Edge(app, AccessPolicy.of(environment, guarded=GUARDED), client.aclose)


def serve(environment: Environment) -> None:
    """Run it until it is told to stop.

    Raises:
        ConfigurationError: the address cannot be listened at, or may not be without a token.
    """
    bound, port = environment.host.strip("[]"), environment.mcp_port
    config = uvicorn.Config(
        create_app(environment),
        host=bound,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
    )
    try:
        listener = config.bind_socket()
    except SystemExit as refused:
        raise ConfigurationError(
            f"The MCP server cannot listen on {bound}:{port}.",
            next_step="Stop what uses the port (`archon down`), or set ARCHON_MCP_PORT to another one.",
            context=ErrorContext(field="ARCHON_MCP_PORT"),
        ) from refused
    listener.listen(config.backlog)  # so that it is true when it is said
    sys.stderr.write(f"MCP answers at http://{reachable(bound)}:{port}/mcp\n")
    for name in (signal.SIGTERM, signal.SIGINT):
        # Uvicorn stops in order on these, then raises them once more; that second time means nothing here.
        signal.signal(name, lambda _number, _frame: None)
    uvicorn.Server(config).run(sockets=[listener])


def main() -> int:
    """Serve; 0 after a stop, 2 when the configuration forbids to start."""
    try:
        serve(load_environment())
    except ArchonError as error:
        sys.stderr.write(f"{error.message}\n{error.next_step}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
