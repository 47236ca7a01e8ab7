"""One model server: its place in the balance, the connections to it, and how requests to it are written."""

from __future__ import annotations

import json
import secrets
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from src.errors import ArchonError, ErrorContext, ProtocolError, ServerFailure
from src.inference.address import Address
from src.inference.connection import RawHeaders, Reply
from src.inference.pools import Upstream

from .deadlines import Deadlines
from .dial import Dialer
from .envelope import LoopDetected

INSTANCE = f"archon-gateway-{secrets.token_hex(6)}"
"""This process in `Via`: a request that carries it has come back to where it started."""
PSEUDONYM = INSTANCE.encode()

_NOT_FORWARDED = frozenset(
    [
        b"accept-encoding",
        b"authorization",
        b"connection",
        b"content-length",
        b"cookie",
        b"expect",
        b"host",
        b"http2-settings",
        b"keep-alive",
        b"origin",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"via",
        b"x-request-id",
    ]
)


@dataclass(frozen=True, slots=True)
class Envoy:
    """What travels with a request: the client's headers, its authorization where it may pass, and our request id."""

    headers: RawHeaders
    request_id: bytes
    authorization: bytes = b""


class Server:
    """A model server. `owner` says whose it is: a pool's name, or the provider of a fallback."""

    def __init__(
        self,
        name: str,
        address: Address,
        *,
        key: str | None,
        deadlines: Deadlines,
        connect_s: float,
        limit: int,
        owner: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.address = address
        self.key = key
        self.owner = owner
        self.upstream = Upstream(name, limit)
        self.dialer = Dialer(address, name, deadlines, connect_s, tls)
        self.base_path = urlsplit(address.root).path.encode()
        self._cut_v1 = False
        self._passes_keys = True
        self._host = b"host: " + urlsplit(address.root).netloc.encode() + b"\r\n"
        self._key_line = f"authorization: Bearer {key}\r\n".encode() if key else b""

    def api_at(self, path: str) -> None:
        """The server belongs to somebody else: its API lies at `path` itself, and no key of a client goes there."""
        self.base_path = path.encode()
        self._cut_v1 = True
        self._passes_keys = False

    def head(self, method: bytes, path: bytes, length: int, envoy: Envoy) -> bytes:
        """The head of a request: hop-by-hop headers, cookies and foreign keys stay behind, `Via` is added."""
        if self._cut_v1:
            path = path.removeprefix(b"/v1")
        out = [method, b" ", self.base_path, path, b" HTTP/1.1\r\n", self._host]
        via = PSEUDONYM
        for name, value in envoy.headers:
            if name not in _NOT_FORWARDED:
                out += (name, b": ", value, b"\r\n")
            elif name == b"via":
                via = value + b", 1.1 " + PSEUDONYM
        out.append(self._key_line or (envoy.authorization if self._passes_keys else b""))
        out.append(
            b"via: %b%b\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n"
            % (b"" if via is not PSEUDONYM else b"1.1 ", via, envoy.request_id, length)
        )
        return b"".join(out)

    async def get(self, path: str, within_s: float) -> tuple[int, bytes]:
        """Status and body of a GET.

        Raises:
            ProviderError: nothing whole came back in time.
            LoopDetected: the server is this gateway.
        """
        return await self.call(b"GET", path, b"", within_s)

    async def post(self, path: str, fields: dict[str, object], within_s: float) -> tuple[int, bytes]:
        """Status and body of a JSON POST. Raises as `get` does."""
        return await self.call(b"POST", path, json.dumps(fields).encode(), within_s)

    async def call(self, method: bytes, path: str, body: bytes, within_s: float) -> tuple[int, bytes]:
        """One request of our own on a connection of its own (kept ones belong to clients' requests)."""
        envoy = Envoy([(b"content-type", b"application/json")], b"probe-" + secrets.token_hex(4).encode())
        head = self.head(method, path.encode(), len(body), envoy)
        reply = await self.dialer.send(head, body, within_s=within_s, streaming=False, probe=True)
        try:
            content = await reply.whole()
        finally:
            self.dialer.done(reply)
        check_loop(reply, self.name)
        return reply.status, content

    async def get_json(self, path: str, within_s: float) -> object:
        """The JSON of a GET that must succeed. Raises as `get` does, and ProtocolError or ServerFailure."""
        status, body = await self.get(path, within_s)
        context = ErrorContext(status=status, url=self.address.root)
        if status >= 500:
            raise ServerFailure(f"{self.name} answered {status} to {path}.", context=context)
        if status != 200:
            raise ProtocolError(
                f"{self.name} answered {status} to {path}.",
                next_step="Check that the address leads to an OpenAI-compatible server and that its key is set.",
                context=context,
            )
        try:
            found: object = json.loads(body)
        except ValueError as error:
            raise ProtocolError(f"{self.name} answered no JSON to {path}.", context=context) from error
        return found


def check_loop(reply: Reply, name: str) -> None:
    """Raises LoopDetected when the answer is our own refusal of our own request."""
    if reply.status == 508:
        raise LoopDetected(f"The model server '{name}' is this gateway itself (or leads back to it).")


def counts_against(error: ArchonError) -> bool:
    """Whether the failure says something about the server (a wrong set-up says something about us)."""
    return not isinstance(error, LoopDetected)
