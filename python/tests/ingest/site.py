"""A real website on loopback that misbehaves on request."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Answer:
    """What a path answers with; `hold` keeps the answer back until it is set; without `cookie` it is given instead."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    repeat: int = 1
    cut: bool = False
    cookie: str = ""


@dataclass
class Site:
    """Paths and their answers; a list is given out one after another, the last one stays. `times` belong to `hits`."""

    base: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    hits: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)

    def url(self, path: str) -> str:
        return self.base + path

    def page(
        self, path: str, body: str | bytes, content_type: str = "text/html; charset=utf-8", **headers: str
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.answers[path] = [Answer(data, headers={"Content-Type": content_type, **headers})]

    def article(self, path: str, title: str, text: str, links: tuple[str, ...] = ()) -> None:
        anchors = "".join(f'<a href="{link}">to {link}</a> ' for link in links)
        self.page(
            path, f"<html><head><title>{title}</title></head><body><main><h1>{title}</h1><p>{text}</p>{anchors}</main>"
        )

    def answer(self, path: str, *answers: Answer) -> None:
        self.answers[path] = list(answers)

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.answers[path] = [Answer(status=status, headers={"Location": to})]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path_qs
        self.hits.append(path)
        self.times.append(time.monotonic())
        self.agents.add(request.headers.get("User-Agent", ""))
        waiting = self.answers.get(path) or [Answer(b"nothing here", 404)]
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if answer.hold is not None:
            await answer.hold.wait()
        if answer.cookie and answer.cookie not in request.cookies:
            return web.Response(status=302, headers={"Location": path, "Set-Cookie": f"{answer.cookie}=yes"})
        if _is_known(request, answer):
            self.unchanged.append(path)
            return web.Response(status=304, headers={k: v for k, v in answer.headers.items() if k == "ETag"})
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        if answer.cut:
            response.content_length = len(answer.body) + 100
        await response.prepare(request)
        for _ in range(answer.repeat):
            await response.write(answer.body)
        if answer.cut and request.transport is not None:
            request.transport.abort()
        return response


def _is_known(request: web.Request, answer: Answer) -> bool:
    asked = request.headers.get("If-None-Match") or request.headers.get("If-Modified-Since")
    return asked is not None and asked in (answer.headers.get("ETag"), answer.headers.get("Last-Modified"))


def packed(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


@asynccontextmanager
async def running_site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", site.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    site.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        for answers in site.answers.values():
            for answer in answers:
                if answer.hold is not None:
                    answer.hold.set()
        await runner.cleanup()
