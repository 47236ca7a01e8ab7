"""The built interface: its files, and its one page for every address that the browser's router knows."""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from .errors_http import error_response, no_such_path

_PAGE_RULES = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing from elsewhere runs in the page. Inline styles are allowed: components position themselves by them."""

_NOT_BUILT = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Archon</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}
code{background:#8882;padding:.1em .3em;border-radius:.2em}</style></head><body>
<h1>Archon runs, its interface is not built yet</h1>
<p>The server answers on this address. To build the pages, run <code>make up</code> in the checkout, or
<code>npm ci &amp;&amp; npm run build</code> in <code>archon-ui-main</code>, then reload.</p>
<p>Without them, REST and the command line work: <a href="/health">/health</a> shows the state.</p>
</body></html>"""


class UiFiles:
    """ASGI application for every path without a route. `folder` holds `index.html` once the interface is built."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    @property
    def is_built(self) -> bool:
        """Whether there is an interface to serve."""
        return (self._folder / "index.html").is_file()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        path: str = scope["path"]
        if scope["method"] not in ("GET", "HEAD") or path.startswith(("/api", "/internal")):
            return error_response(no_such_path(path))
        file = self._file(path)
        if file is not None:
            # Vite puts a hash of the content into the names below assets/, so those never change.
            lasting = path.startswith("/assets/")
            return FileResponse(
                file, headers={"Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache"}
            )
        if wants_html(Headers(scope=scope)) and not path.startswith("/assets/"):
            return self.page()
        return error_response(no_such_path(path))

    def page(self) -> Response:
        """The interface's page; where it is not built, a page that says how to build it."""
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _PAGE_RULES}
        if not self.is_built:
            return HTMLResponse(_NOT_BUILT, status_code=200, headers={"Cache-Control": "no-store"})
        return FileResponse(self._folder / "index.html", headers=headers)

    def _file(self, path: str) -> Path | None:
        if path in ("", "/", "/index.html") or "\0" in path:
            return None
        file = (self._folder / path.lstrip("/")).resolve()
        return file if file.is_relative_to(self._folder) and file.is_file() else None


def wants_html(headers: Headers) -> bool:
    """Whether the caller is a browser that asks for a page."""
    return "text/html" in headers.get("accept", "")
