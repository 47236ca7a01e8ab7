"""Pages drawn by a real Chromium that never touches the network itself.

Every request that a page makes is answered by our own fetcher, with its guard against private addresses, its limits
and its politeness; the browser is started with a proxy that leads nowhere, so that what is not asked for this way
(sockets, prefetching, WebRTC) reaches nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import psutil
from playwright.async_api import Browser as Chromium
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Playwright, Request, Route, async_playwright

from src.errors import ArchonError, NeedsBrowser

from .fetch import Fetched, Fetcher

_WANTED = frozenset({"document", "script", "xhr", "fetch", "stylesheet"})
_NOWHERE = "http://127.0.0.1:9"
_ARGUMENTS = (
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--disable-extensions", "--disable-gpu", "--mute-audio", "--no-first-run", "--no-pings"),
    *("--proxy-bypass-list=<-loopback>", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"),
    *("--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--js-flags=--max-old-space-size=256"),
    "--renderer-process-limit=1",
)
_PAGE_S = 20.0
_QUIET_MS = 3000.0
_MOST_REQUESTS = 200
_MOST_BYTES = 1_500_000_000
_PAGES_EACH = 50
"""Pages after which the browser is started anew: what it keeps in memory grows."""


@dataclass(slots=True)
class Drawing:
    """One Chromium, started at its first page. One page at a time: whoever uses it sees to that."""

    fetcher: Fetcher
    executable: str
    _playwright: Playwright | None = None
    _chromium: Chromium | None = None
    _pages: int = 0

    async def html_of(self, url: str) -> str:
        """The page as it stands once its scripts have come to rest.

        Raises:
            NeedsBrowser: the browser could not be started, or did not show the page; it is ended then.
        """
        try:
            async with asyncio.timeout(_PAGE_S + 20):
                return await self._html(url)
        except (PlaywrightError, TimeoutError, OSError) as error:
            await self.close()
            raise NeedsBrowser(
                f"The page needs a browser, and the browser did not show it: {_first_line(error)}",
                next_step="Try again; if it stays so, save the page from your browser and upload the file.",
            ) from error

    async def close(self) -> None:
        """End the browser; the next page starts it again."""
        chromium, self._chromium, self._pages = self._chromium, None, 0
        playwright, self._playwright = self._playwright, None
        with contextlib.suppress(PlaywrightError, OSError):
            if chromium is not None:
                await chromium.close()
            if playwright is not None:
                await playwright.stop()

    async def _html(self, url: str) -> str:
        chromium = await self._started()
        context = await chromium.new_context(service_workers="block", java_script_enabled=True, accept_downloads=False)
        try:
            page = await context.new_page()
            gate = _Gate(self.fetcher, page)
            await context.route("**/*", gate.answer)
            await context.route_web_socket("**/*", lambda socket: socket.close())
            await page.goto(url, wait_until="domcontentloaded", timeout=_PAGE_S * 1000)
            with contextlib.suppress(PlaywrightError):  # a page that is never quiet is taken as it is
                await page.wait_for_load_state("networkidle", timeout=_QUIET_MS)
            self._pages += 1
            return await page.content()
        finally:
            with contextlib.suppress(PlaywrightError):
                await context.close()
            if self._pages >= _PAGES_EACH or _memory() > _MOST_BYTES:
                await self.close()

    async def _started(self) -> Chromium:
        if self._chromium is not None and self._chromium.is_connected():
            return self._chromium
        await self.close()
        self._playwright = await async_playwright().start()
        self._chromium = await self._playwright.chromium.launch(
            executable_path=self.executable,
            args=[*_ARGUMENTS],
            proxy={"server": _NOWHERE},
            chromium_sandbox=_may_sandbox(),
        )
        return self._chromium


@dataclass  # without slots: Playwright hangs its wrapper of `answer` on the object
class _Gate:
    """Answers the requests of one page through the fetcher."""

    fetcher: Fetcher
    page: Page
    _asked: int = 0

    async def answer(self, route: Route, request: Request) -> None:
        """Fetch it for the page, or refuse it."""
        self._asked += 1
        with contextlib.suppress(PlaywrightError):  # the page was closed meanwhile
            if request.method != "GET" or request.resource_type not in _WANTED or self._asked > _MOST_REQUESTS:
                await route.abort("blockedbyclient")
                return
            try:
                fetched = await self.fetcher.fetch(request.url)
            except ArchonError as error:
                status = error.context.status
                await (route.fulfill(status=status) if status else route.abort("blockedbyclient"))
                return
            await self._fulfil(route, request, fetched)

    async def _fulfil(self, route: Route, request: Request, fetched: Fetched) -> None:
        if request.is_navigation_request() and request.frame != self.page.main_frame:
            await route.abort("blockedbyclient")
            return
        charset = f"; charset={fetched.charset}" if fetched.charset else ""
        headers = {
            "Content-Type": f"{fetched.content_type or 'text/html'}{charset}",
            "Access-Control-Allow-Origin": "*",
        }
        await route.fulfill(status=200, headers=headers, body=fetched.body)


def _may_sandbox() -> bool:
    """Chromium's own sandbox does not start for root."""
    return psutil.Process().uids().effective != 0 if hasattr(psutil.Process, "uids") else True


def _memory() -> int:
    """Bytes that the browsers below this process have for themselves."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "chrom" in process.name().lower():
                used = process.memory_info()
                total += used.rss - getattr(used, "shared", 0)
    return total


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().split("\n")[0][:200]
