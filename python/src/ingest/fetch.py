"""One HTTP client for all that is fetched: bounded in size, time, redirects and load on a host."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeAlias

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from src.errors import AddressRefused, ErrorContext, FetchFailed, PageMissing

from . import bodies
from .addresses import host_of, joined
from .guard import Guard, GuardedResolver

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_GOOD = frozenset({301, 308})
_GONE = frozenset({404, 410})
_NOT_MODIFIED = 304
_MAX_VALIDATOR = 1000
_HEALS = frozenset({429, 500, 502, 503, 504})
_NEXT_STEPS = {
    401: "The page wants a login, which Archon does not have. Leave it out, or save the page and upload the file.",
    403: "The site refuses crawlers or wants a login. Leave the page out, or save it and upload the file.",
    429: "The site wants fewer requests. Wait a while and refresh the source.",
}


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Limits of fetching; times are seconds."""

    allow_private: bool = False
    max_bytes: int = 20_000_000
    max_redirects: int = 10
    connect_s: float = 10.0
    idle_s: float = 20.0
    total_s: float = 60.0
    attempts: int = 4
    backoff_s: float = 0.5
    max_wait_s: float = 60.0
    per_host: int = 6
    user_agent: str = "ArchonBot/1.0 (self-hosted documentation search)"


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server gave to ask later whether a page changed."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        """For a request that wants the page only if it is another one now."""
        named = (("If-None-Match", self.etag), ("If-Modified-Since", self.last_modified))
        return {name: value for name, value in named if value and value.isprintable() and len(value) <= _MAX_VALIDATOR}


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. `url` is the last one of its redirects; `content_type` is lower case, without parameters.

    `is_unchanged`: the server says that the page is still the one that was asked about; there is no body. `has_moved`:
    it was led to, and every step said that it is for good.
    """

    url: str
    content_type: str
    charset: str | None
    body: bytes
    validators: Validators
    elapsed_s: float
    is_unchanged: bool = False
    has_moved: bool = False


TakeTurn: TypeAlias = Callable[[str, float], Awaitable[float]]
"""Takes the next turn at a host where so many seconds lie between two; gives the seconds until it comes."""


@dataclass(slots=True)
class OwnTurns:
    """Turns that nobody else knows of."""

    _next_at: dict[str, float] = field(default_factory=dict)

    async def __call__(self, host: str, delay_s: float) -> float:
        """As TakeTurn."""
        now = time.monotonic()
        turn_at = max(self._next_at.get(host, now), now)
        self._next_at[host] = turn_at + delay_s
        return turn_at - now


@dataclass(slots=True)
class _Host:
    """How one host is treated: at most so many requests at once, not before `not_before`, and each in its turn."""

    name: str
    slots: asyncio.Semaphore
    take_turn: TakeTurn
    delay_s: float = 0.0
    not_before: float = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self.slots:
            if (wait_s := self.not_before - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            if self.delay_s:
                await asyncio.sleep(await self.take_turn(self.name, self.delay_s))
            yield

    def hold(self, wait_s: float) -> None:
        self.not_before = max(self.not_before, time.monotonic() + wait_s)


@dataclass(frozen=True, slots=True)
class _Onward:
    """A redirect: where to, and whether for good."""

    url: str
    for_good: bool


class _TryAgain(Exception):
    """An answer that may heal. `wait_s` is what the server asked for, None where it did not say."""

    def __init__(self, failure: FetchFailed, wait_s: float | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.wait_s = wait_s


@asynccontextmanager
async def open_fetcher(policy: FetchPolicy, take_turn: TakeTurn | None = None) -> AsyncIterator[Fetcher]:
    """A fetcher with connections of its own, closed at the end.

    `take_turn`: how it takes turns with others at a host that wants pauses; None: with itself alone.
    """
    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(Guard(policy.allow_private)), limit=64, limit_per_host=policy.per_host
    )
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=policy.total_s, sock_connect=policy.connect_s, sock_read=policy.idle_s),
        headers={"User-Agent": policy.user_agent, "Accept-Encoding": "gzip, deflate"},
        auto_decompress=False,
        # Kept while the fetcher lives: some sites show nothing to who does not give back their cookie.
        cookie_jar=aiohttp.CookieJar(unsafe=policy.allow_private),
        trust_env=False,
    )
    async with session:
        yield Fetcher(policy, session, take_turn or OwnTurns())


@dataclass(slots=True)
class Fetcher:
    """Fetches pages. Safe to use from many tasks at once."""

    policy: FetchPolicy
    _session: aiohttp.ClientSession
    _take_turn: TakeTurn
    _hosts: dict[str, _Host] = field(default_factory=dict)

    def set_delay(self, url: str, delay_s: float) -> None:
        """Leave `delay_s` seconds between two requests to the host of `url`."""
        self._host(url).delay_s = delay_s

    async def fetch(self, url: str, known: Validators | None = None) -> Fetched:
        """The page at `url`, after redirects; tries again what can heal, and waits as long as the host asks.

        With `known`, what an earlier answer from this very address was sent with, the page may be said to be unchanged.

        Raises:
            AddressRefused: the address, or one that it led to, is private or not http(s).
            PageMissing: 404 or 410.
            DocumentTooLarge: the unpacked body passes the limit.
            FetchFailed: anything else; the message says what.
            StoreError: no turn can be had at a host that wants pauses.
        """
        started = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._follow(url, started, known.headers() if known else {})
            except _TryAgain as answer:
                wait_s = self._wait(answer, attempt)
                if wait_s is None:
                    failure = answer.failure.with_context(
                        url=url, attempts=attempt, elapsed_s=time.monotonic() - started
                    )
                    raise failure from answer.__cause__
                self._host(url).hold(wait_s)

    def _wait(self, answer: _TryAgain, attempt: int) -> float | None:
        """Seconds until the next attempt, or None to give up."""
        if attempt >= self.policy.attempts:
            return None
        if answer.wait_s is not None:
            return answer.wait_s if answer.wait_s <= self.policy.max_wait_s else None
        return random.uniform(0.5, 1.0) * self.policy.backoff_s * float(2 ** (attempt - 1))  # noqa: S311

    async def _follow(self, url: str, started: float, headers: Mapping[str, str]) -> Fetched:
        guard = Guard(self.policy.allow_private)
        seen: list[tuple[str, str]] = []
        for_good = True
        while True:
            guard.check_url(url)
            # A page that sends to itself with a cookie is asked again, with the cookie.
            step = (url, self._cookies(url))
            if step in seen or len(seen) > self.policy.max_redirects:
                kind = "goes in a circle" if step in seen else f"leads on more than {self.policy.max_redirects} times"
                raise FetchFailed(
                    f"The address {kind} ({' → '.join([*(place for place, _ in seen), url][:4])}…).",
                    next_step="Open it in a browser and use the address that it ends at.",
                    context=ErrorContext(operation="fetch", url=url),
                )
            seen.append(step)
            async with self._host(url).turn():
                found = await self._once(url, started, headers if len(seen) == 1 else {})
            if isinstance(found, Fetched):
                return replace(found, has_moved=for_good and len(seen) > 1)
            url, for_good = found.url, for_good and found.for_good

    def _cookies(self, url: str) -> str:
        kept = self._session.cookie_jar.filter_cookies(URL(url, encoded=True))
        return " ".join(sorted(f"{name}={morsel.value}" for name, morsel in kept.items()))

    async def _once(self, url: str, started: float, headers: Mapping[str, str]) -> Fetched | _Onward:
        """The answer, or the address that it leads on to."""
        context = ErrorContext(operation="fetch", url=url)
        try:
            async with self._session.get(URL(url, encoded=True), allow_redirects=False, headers=headers) as response:
                if response.status == _NOT_MODIFIED and headers:
                    return self._unchanged(url, response, started)
                return await self._answer(url, response, started)
        except TimeoutError as error:
            failure = FetchFailed("The site did not answer in time.", context=context)
            raise _TryAgain(failure) from error
        except (aiohttp.ClientConnectorDNSError, OSError) as error:
            raise _TryAgain(FetchFailed(_connection_message(error), context=context)) from error
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError) as error:
            raise _TryAgain(
                FetchFailed("The connection broke before the answer was whole.", context=context)
            ) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise FetchFailed(f"The answer cannot be understood: {error}", context=context) from error

    def _unchanged(self, url: str, response: aiohttp.ClientResponse, started: float) -> Fetched:
        validators = Validators(response.headers.get("ETag"), response.headers.get("Last-Modified"))
        return Fetched(url, "", None, b"", validators, time.monotonic() - started, is_unchanged=True)

    async def _answer(self, url: str, response: aiohttp.ClientResponse, started: float) -> Fetched | _Onward:
        context = ErrorContext(operation="fetch", url=url, status=response.status)
        if response.status in _REDIRECTS:
            return _Onward(_target(url, response.headers, context), response.status in _FOR_GOOD)
        if response.status != HTTPStatus.OK:
            raise _refusal(response, context)
        if (response.content_length or 0) > self.policy.max_bytes:
            raise bodies.too_large(self.policy.max_bytes, url)
        encoding = bodies.encoding_of(response.headers.get("Content-Encoding", ""), url)
        unpacker = bodies.Unpacker(encoding, self.policy.max_bytes, url)
        body = await bodies.read(response.content.iter_chunked(65536), unpacker)
        return Fetched(
            url=url,
            content_type=response.content_type.lower() if "Content-Type" in response.headers else "",
            charset=response.charset,
            body=body,
            validators=Validators(response.headers.get("ETag"), response.headers.get("Last-Modified")),
            elapsed_s=time.monotonic() - started,
        )

    def _host(self, url: str) -> _Host:
        name = host_of(url)
        if name not in self._hosts:
            self._hosts[name] = _Host(name, asyncio.Semaphore(self.policy.per_host), self._take_turn)
        return self._hosts[name]


def _target(url: str, headers: CIMultiDictProxy[str], context: ErrorContext) -> str:
    location = headers.get("Location", "")
    target = joined(url, location) if location else None
    if target is not None:
        return target
    if location and "://" in location:
        raise AddressRefused(
            "The page leads on to an address that is not http(s).",
            next_step="Open it in a browser and use the address that it ends at.",
            context=context,
        )
    raise FetchFailed("The page leads on, but does not say where to.", context=context)


def _refusal(response: aiohttp.ClientResponse, context: ErrorContext) -> Exception:
    status = response.status
    if status in _GONE:
        return PageMissing(f"The site has no such page (it answered {status}).", context=context)
    failure = FetchFailed(
        f"The site answered {status} {response.reason or ''}".rstrip() + ".",
        next_step=_NEXT_STEPS.get(status),
        context=context,
    )
    if status not in _HEALS:
        return failure
    return _TryAgain(failure, _retry_after(response.headers.get("Retry-After", "")))


def _retry_after(header: str) -> float | None:
    """Seconds from a Retry-After header, given as seconds or as a date; None where it says nothing usable."""
    header = header.strip()
    if header.isdigit():
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def _connection_message(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "The name of the site cannot be resolved. Check its spelling."
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "The site's certificate cannot be trusted."
    if isinstance(error, aiohttp.ClientConnectorError):
        return "The site cannot be reached: nothing answers at its address."
    return "The connection to the site broke."
