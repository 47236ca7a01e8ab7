"""Whether a browser helps with a page that has no text without one, learnt for each site of a crawl."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from src.errors import NeedsBrowser

from .addresses import host_of
from .fetch import Fetcher

if TYPE_CHECKING:
    from .drawing import Drawing

_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", _MAC)
_TRIES = 3


@dataclass(slots=True)
class Browser:
    """One browser for a crawl, started at its first use; one page at a time. What a host needs is learnt."""

    fetcher: Fetcher
    _drawing: Drawing | None = None
    _useless: Counter[str] = field(default_factory=Counter)
    _useful: set[str] = field(default_factory=set)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    def may_help(self, url: str) -> bool:
        """Whether it is worth trying for a page of this site: there is a browser, and it was not in vain so far."""
        host = host_of(url)
        return program() is not None and (host in self._useful or self._useless[host] < _TRIES)

    def require(self, url: str, error: NeedsBrowser) -> None:
        """Raises NeedsBrowser, which says why, where a browser cannot help with `url`."""
        if program() is None:
            raise NeedsBrowser(
                f"{error.message.rstrip('.')}, and there is no browser on this machine.", context=error.context
            )
        if not self.may_help(url):
            raise NeedsBrowser(
                f"{error.message.rstrip('.')}, and a browser found none on this site either.",
                next_step="Look for a plain version of the page, or save it from your browser and upload the file.",
                context=error.context,
            )

    def learn(self, url: str, *, helped: bool) -> None:
        """Note whether a browser brought text that was not there without it."""
        if helped:
            self._useful.add(host_of(url))
        else:
            self._useless[host_of(url)] += 1

    async def html_of(self, url: str) -> str:
        """The page as it stands once its scripts have come to rest.

        Raises:
            NeedsBrowser: the browser could not be started, or did not show the page.
        """
        async with self._one:
            if not self.may_help(url):  # learnt while it waited for its turn
                raise NeedsBrowser("The page has no text without JavaScript, and a browser found none on this site.")
            try:
                return await self._opened().html_of(url)
            except NeedsBrowser:
                self.learn(url, helped=False)
                raise

    async def close(self) -> None:
        """End the browser."""
        async with self._one:
            if self._drawing is not None:
                await self._drawing.close()

    def _opened(self) -> Drawing:
        if self._drawing is None:
            # Here, since it takes a tenth of the server's start to load, and most crawls need none.
            from .drawing import Drawing

            self._drawing = Drawing(self.fetcher, program() or _PROGRAMS[0])
        return self._drawing


def program() -> str | None:
    """The system's Chromium or Chrome, None where there is none."""
    return next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
