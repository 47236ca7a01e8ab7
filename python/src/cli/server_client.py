"""The command line's way to the server: REST and event streams, failures as the typed error that the server sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from src.config import Environment
from src.errors import JsonValue

JsonObject = dict[str, JsonValue]
_TIMEOUT = httpx.Timeout(300.0, connect=5.0)
"""Seconds. A pre-check or a search may wait for a model that is loading; a stream is kept alive by comments."""
_MARK = "[DONE]"
"""Stands after the last event of some streams, for readers of OpenAI's."""
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared with, never bound


class CallFailed(Exception):
    """The server refused or failed; `detail` is the error body of docs/reference/rest.md."""

    def __init__(self, detail: Mapping[str, JsonValue]) -> None:
        super().__init__(str(detail.get("error", "The call failed.")))
        self.detail = dict(detail)

    @property
    def next_step(self) -> str:
        """What to do, '' where nothing is known."""
        return str(self.detail.get("next_step") or "")


class ServerAway(CallFailed):
    """Nothing answers where the server should be."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    data: JsonObject


def server_address(environment: Environment) -> str:
    """Where the server of this environment answers; ARCHON_SERVER_URL overrides it."""
    named = environment.get("ARCHON_SERVER_URL")
    if named:
        return named.rstrip("/")
    host = _WILDCARDS.get(environment.host, environment.host)
    return f"http://{host}:{environment.server_port}"


class ServerClient:
    """Calls one server. Use it as a context manager."""

    def __init__(self, address: str, token: str | None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # The environment's proxies are for the outer world; the server is one's own.
        self._http = httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT, trust_env=False)
        self._address = address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> JsonObject:
        """The answer's object. Raises CallFailed, ServerAway."""
        with self._typed():
            return _object(self._http.get(path, params=query))

    def post(self, path: str, body: Mapping[str, JsonValue] | None = None) -> JsonObject:
        """The answer's object. Raises CallFailed, ServerAway."""
        with self._typed():
            return _object(self._http.post(path, json=body))

    def put(self, path: str, body: Mapping[str, JsonValue] | None = None) -> JsonObject:
        """The answer's object. Raises CallFailed, ServerAway."""
        with self._typed():
            return _object(self._http.put(path, json=body))

    def delete(self, path: str) -> JsonObject:
        """The answer's object. Raises CallFailed, ServerAway."""
        with self._typed():
            return _object(self._http.delete(path))

    def send(self, path: str, content: bytes, **query: str) -> JsonObject:
        """The answer's object for a body of JSON text as it stands. Raises CallFailed, ServerAway."""
        headers = {"Content-Type": "application/json"}
        with self._typed():
            return _object(self._http.post(path, content=content, params=query, headers=headers))

    def upload(self, file: Path, fields: Mapping[str, str]) -> JsonObject:
        """Send one file. Raises CallFailed, ServerAway, OSError for a file that cannot be read."""
        with file.open("rb") as content, self._typed():
            answer = self._http.post("/api/documents/upload", data=dict(fields), files={"file": (file.name, content)})
            return _object(answer)

    def events(self, path: str, body: Mapping[str, JsonValue] | None = None) -> Iterator[Event]:
        """The events of a stream as they come; POST where there is a body. Raises CallFailed, ServerAway."""
        method = "GET" if body is None else "POST"
        with self._typed(), self._http.stream(method, path, json=body) as answer:
            if answer.is_error:
                answer.read()
                raise _failure(answer)
            yield from _events(answer.iter_lines())

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise ServerAway(
                {
                    "error": f"Archon's server does not answer at {self._address} ({type(error).__name__}).",
                    "code": "server_away",
                    "retryable": True,
                    "next_step": "Start it with `archon up`, or name another one in ARCHON_SERVER_URL.",
                }
            ) from error
        except httpx.InvalidURL as error:
            raise ServerAway(
                {
                    "error": f"'{self._address}' is not an address.",
                    "code": "configuration",
                    "retryable": False,
                    "next_step": "Give an address such as http://127.0.0.1:8181.",
                }
            ) from error


def _object(answer: httpx.Response) -> JsonObject:
    if answer.is_error:
        raise _failure(answer)
    body = _json(answer)
    if not isinstance(body, dict):
        raise _strange(answer)
    return body


def _failure(answer: httpx.Response) -> CallFailed:
    body = _json(answer)
    detail = body.get("detail") if isinstance(body, dict) else None
    return CallFailed(detail) if isinstance(detail, dict) else _strange(answer)


def _strange(answer: httpx.Response) -> CallFailed:
    return CallFailed(
        {
            "error": f"What answers at {answer.url.copy_with(query=None)} is not Archon (status {answer.status_code}).",
            "code": "protocol",
            "retryable": False,
            "next_step": "Check ARCHON_SERVER_URL and ARCHON_SERVER_PORT.",
        }
    )


def _json(answer: httpx.Response) -> JsonValue:
    try:
        body: JsonValue = answer.json()
    except ValueError:
        return None
    return body


def _events(lines: Iterator[str]) -> Iterator[Event]:
    name, data = "message", ""
    for line in lines:
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            data += line.removeprefix("data:").strip()
        elif not line and data:
            if data != _MARK:
                yield Event(name, json.loads(data))
            name, data = "message", ""
