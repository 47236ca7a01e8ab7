"""The connections to one's own model servers: one pool for each event loop, shared by every client made here.

Idle connections are closed before vLLM closes them (after 5.0 s), a redirect is followed only to the same origin so
that a key never travels elsewhere, and no answer may grow without bound.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from functools import cache
from weakref import WeakKeyDictionary

import httpx2
from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind

from .network import Connections
from .transport_failures import AnswerTooLarge

CONNECT_S = 5.0
MAX_ANSWER_BYTES = 128 * 1024 * 1024
_MAX_REDIRECTS = 3
_REDIRECTS = {301, 302, 307, 308}
_tracer = trace.get_tracer("archon.inference")


class ServerPool(httpx2.AsyncBaseTransport):
    """A transport whose `aclose` leaves the connections open: clients come and go, the pool stays. `shut` ends it."""

    def __init__(self, max_answer_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._max_answer_bytes = max_answer_bytes
        self._connections = Connections(tls_context())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, in a span of its own where requests are traced: it ends with the answer's head."""
        with _tracer.start_as_current_span("model server request", kind=SpanKind.CLIENT) as span:
            if span.is_recording():
                span.set_attribute("server.address", request.url.host)
                span.set_attribute("url.path", request.url.path)
                inject(request.headers)
            return await self._send(request)

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        """Send; follow a redirect with the same method and body while it stays at the same scheme, host and port."""
        for _ in range(_MAX_REDIRECTS):
            response = await self._connections.send(request)
            target = _same_origin_target(request, response)
            if target is None:
                return self._bounded(response)
            await response.aclose()
            request = httpx2.Request(
                request.method, target, headers=request.headers, stream=request.stream, extensions=request.extensions
            )
        raise httpx2.TooManyRedirects("The server redirects in circles", request=request)

    async def aclose(self) -> None:
        """Nothing: the pool belongs to the event loop, not to the client that is closed."""

    async def shut(self) -> None:
        """Close every connection that is idle; one in use ends with its request."""
        self._connections.close()

    def _bounded(self, response: httpx2.Response) -> httpx2.Response:
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            return response
        stream = response.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            response.stream = _BoundedStream(stream, self._max_answer_bytes)
        return response


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, limit: int) -> None:
        self._inner = inner
        self._left = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._left -= len(part)
            if self._left < 0:
                raise AnswerTooLarge("The answer is larger than the limit")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


def server_pool() -> ServerPool:
    """The pool of the running event loop."""
    loop = asyncio.get_running_loop()
    pool = _POOLS.get(loop)
    if pool is None:
        pool = _POOLS[loop] = ServerPool()
    return pool


def http_client(*, timeout_s: float = 10.0, cloud: bool = False) -> httpx2.AsyncClient:
    """A client for plain requests. `cloud`: over the proxies of the environment and a pool of its own."""
    timeout = httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
    if cloud:
        return httpx2.AsyncClient(timeout=timeout, verify=tls_context())
    return httpx2.AsyncClient(timeout=timeout, transport=server_pool(), trust_env=False)


async def close_pool() -> None:
    """Close the connections of the running event loop, at the end of a process."""
    pool = _POOLS.pop(asyncio.get_running_loop(), None)
    if pool is not None:
        await pool.shut()


@cache
def tls_context() -> ssl.SSLContext:
    """Made once: reading the authorities takes tens of milliseconds. Honours SSL_CERT_FILE and SSL_CERT_DIR."""
    return httpx2.create_ssl_context()


def _same_origin_target(request: httpx2.Request, response: httpx2.Response) -> httpx2.URL | None:
    location = response.headers.get("location")
    if response.status_code not in _REDIRECTS or not location:
        return None
    try:
        target = request.url.join(location)
    except httpx2.InvalidURL:
        return None
    same = (target.scheme, target.host, target.port) == (request.url.scheme, request.url.host, request.url.port)
    return target if same else None


_POOLS: WeakKeyDictionary[asyncio.AbstractEventLoop, ServerPool] = WeakKeyDictionary()
