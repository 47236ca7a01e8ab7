"""The agents on a port of their own (8052), for those who called Archon v1's agents service.

The agent itself lives in Archon's server; this is its face with v1's four routes. It holds no key and no database: it
asks the server over REST, with the server's token. `archon agents` starts it, nothing else does.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from src.agents.knowledge.sessions import AGENT_TYPES
from src.config import Environment, load_environment, server_address
from src.config.access import AccessPolicy
from src.errors import ArchonError, ErrorContext, JsonValue, NotFound, ProviderUnavailable

GUARDED = ("/agents",)
CONNECT_S = 5.0
SILENCE_S = 60.0
"""The server comments on its silence every ten seconds; one that says nothing for this long is gone."""
_MOST_PASSAGES = 50


class RunBody(BaseModel):
    """POST /agents/run and /agents/{type}/stream, as v1 took them."""

    agent_type: str = "rag"
    prompt: Annotated[str, Field(min_length=1, max_length=20_000)]
    context: dict[str, object] | None = None
    options: dict[str, object] | None = None

    def question(self) -> dict[str, JsonValue]:
        """The body of `POST /api/agent-chat/ask`; context and options may name a source, a connection and more."""
        given = {**(self.context or {}), **(self.options or {})}
        body: dict[str, JsonValue] = {"message": self.prompt}
        source = given.get("source_filter") or given.get("source_id")
        if isinstance(source, str):
            body["source_ids"] = [source]
        connection, model = given.get("connection_id"), given.get("model")
        if isinstance(connection, str) and connection:
            # Only beside a connection: v1's callers name models that no server here has.
            body |= {"connection_id": connection, "model": model if isinstance(model, str) and model else None}
        count = given.get("match_count")
        if isinstance(count, int) and 1 <= count <= _MOST_PASSAGES:
            body["match_count"] = count
        return body


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the server's stream."""

    name: str
    data: dict[str, JsonValue]


class Asking:
    """Asks Archon's server."""

    def __init__(self, environment: Environment) -> None:
        self._address = server_address(environment)
        self._http = httpx.AsyncClient(
            base_url=self._address,
            headers={"Authorization": f"Bearer {environment.token}"} if environment.token else {},
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S),
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def is_ready(self) -> bool:
        """Whether the server answers and is ready."""
        try:
            answer = await self._http.get("/api/health", timeout=CONNECT_S)
            body: JsonValue = answer.json()
        except (httpx.HTTPError, ValueError):
            return False
        return isinstance(body, dict) and body.get("ready") is True

    async def events(self, body: RunBody) -> AsyncIterator[Told]:
        """The agent's events. Leaving them stops the model's work.

        Raises:
            ProviderUnavailable: the server does not answer, or refused the question.
        """
        try:
            async with self._http.stream("POST", "/api/agent-chat/ask", json=body.question()) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise self._refused(answer)
                async for event in _events(answer.aiter_lines()):
                    yield event
        except httpx.HTTPError as error:
            raise ProviderUnavailable(
                f"Archon's server at {self._address} did not answer ({type(error).__name__}).",
                next_step="Start it with `make up`, then ask again.",
                context=ErrorContext(operation="agent", url=self._address),
            ) from error

    def _refused(self, answer: httpx.Response) -> ProviderUnavailable:
        try:
            detail: JsonValue = answer.json().get("detail")
        except (ValueError, AttributeError):
            detail = None
        said: dict[str, JsonValue] = detail if isinstance(detail, dict) else {}
        context = ErrorContext(operation="agent", url=self._address, status=answer.status_code)
        step = str(said.get("next_step") or "") or None
        words = str(said.get("error") or f"The server refused the question (HTTP {answer.status_code}).")
        return ProviderUnavailable(words, next_step=step, context=context)


class Edge:
    """Host, origin and token by the rules of every server of ours."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            try:
                self._policy.check_host(host)
                self._policy.check_origin(scope["method"], host, headers.get("origin"))
                self._policy.check_token(scope["path"], headers.get("authorization"), headers.get("cookie"))
            except ArchonError as error:
                await _refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def create_app(environment: Environment) -> FastAPI:
    """The four routes of v1's agents service.

    Raises:
        ConfigurationError: it would listen beyond this machine without a token.
    """

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[None]:
        running.state.asking = Asking(environment)
        try:
            yield
        finally:
            await running.state.asking.aclose()

    made = FastAPI(title="Archon agents", lifespan=lifespan, docs_url=None, redoc_url=None)
    made.add_middleware(Edge, policy=AccessPolicy.of(environment, guarded=GUARDED))
    made.add_api_route("/health", health)
    made.add_api_route("/agents/list", listed)
    made.add_api_route("/agents/run", run, methods=["POST"])
    made.add_api_route("/agents/{agent_type}/stream", stream, methods=["POST"])
    return made


async def asking_of(request: Request) -> Asking:
    """The way to the server."""
    asking: Asking = request.app.state.asking
    return asking


InAsking = Annotated[Asking, Depends(asking_of)]


async def health(asking: InAsking) -> JSONResponse:
    """Whether this and the server behind it are well."""
    ready = await asking.is_ready()
    body = {"status": "healthy" if ready else "degraded", "service": "archon-agents", "server_ready": ready}
    return JSONResponse(body | {"agents_available": list(AGENT_TYPES)})


async def listed() -> JSONResponse:
    """The agents there are."""
    agents = {name: {"name": name, "description": about} for name, about in AGENT_TYPES.items()}
    return JSONResponse({"agents": agents, "total": len(agents)})


async def run(body: RunBody, asking: InAsking) -> JSONResponse:
    """A whole answer at once."""
    result, error = "", None
    metadata: dict[str, JsonValue] = {"agent_type": body.agent_type}
    try:
        _require(body.agent_type)
        async for event in asking.events(body):
            if event.name == "error":
                error = _sentence(event.data)
            if event.name == "done":
                result = str(event.data.get("answer") or "")
                metadata |= {key: event.data.get(key) for key in ("way", "outcome", "supported", "finish_reason")}
    except ArchonError as failure:
        return JSONResponse(_result("", f"{failure.message} {failure.next_step}", metadata))
    return JSONResponse(_result(result, error, metadata))


async def stream(agent_type: str, body: RunBody, asking: InAsking) -> StreamingResponse:
    """An answer piece by piece: `stream_chunk` events, then `stream_complete` or `error`."""
    return StreamingResponse(_pieces(agent_type, body, asking), media_type="text/event-stream")


async def _pieces(agent_type: str, body: RunBody, asking: Asking) -> AsyncIterator[bytes]:
    error: str | None = None
    try:
        _require(agent_type)
        async for event in asking.events(body):
            if event.name == "token":
                yield _line({"type": "stream_chunk", "content": event.data.get("text")})
            elif event.name == "error":
                error = _sentence(event.data)
    except ArchonError as failure:
        error = f"{failure.message} {failure.next_step}"
    yield _line({"type": "error", "error": error} if error else {"type": "stream_complete", "content": ""})


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Told]:
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield Told(name, json.loads(line.removeprefix("data: ")))


def _sentence(error: dict[str, JsonValue]) -> str:
    """An error body as v1's callers take it: what failed, what to do, and which connection it was."""
    connection = error.get("connection")
    parts = (error.get("error"), error.get("next_step"), f"(Connection: {connection})" if connection else None)
    return " ".join(str(part) for part in parts if part)


def _require(agent_type: str) -> None:
    if agent_type not in AGENT_TYPES:
        raise NotFound(
            f"There is no agent '{agent_type[:80]}'.",
            next_step=f"Use one of: {', '.join(AGENT_TYPES)}.",
            context=ErrorContext(field="agent_type"),
        )


def _result(result: str, error: str | None, metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {"success": error is None, "result": result or None, "error": error, "metadata": metadata}


def _line(body: dict[str, JsonValue]) -> bytes:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def _refusal(error: ArchonError) -> JSONResponse:
    return JSONResponse({"detail": error.to_dict()}, status_code=error.http_status)


app = create_app(load_environment())
"""For `uvicorn src.agents.server:app`."""
