"""The MCP server's only way to knowledge: Archon's REST API over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from src.errors import JsonScalar, JsonValue, ProviderUnavailable

REQUEST_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
"""Both as Archon v1's tools had them (contract of its RAG tools)."""


class ServerRefused(Exception):
    """The server answered with an error; `status` is HTTP's, `body` its JSON or text."""

    def __init__(self, status: int, body: JsonValue) -> None:
        super().__init__(f"HTTP {status}: {_sentence(body)}")
        self.status = status
        self.body = body


class ServerClient:
    """Asks the server at `base_url`; `token` is sent as a bearer token where one is set."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        self.base_url = base_url
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(REQUEST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, **query: JsonScalar) -> dict[str, JsonValue]:
        """The JSON object at `path`.

        Raises:
            ServerRefused: the server answered with an error.
            ProviderUnavailable: it did not answer.
        """
        given = {name: value for name, value in query.items() if value is not None}
        return await self._ask("GET", path, params=given)

    async def post(self, path: str, body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """The JSON object that `path` answers to `body`. Raises as `get` does."""
        return await self._ask("POST", path, json=dict(body))

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, JsonScalar] | None = None,
        json: Mapping[str, JsonValue] | None = None,
    ) -> dict[str, JsonValue]:
        try:
            answer = await self._http.request(method, path, params=params, json=json)
        except httpx.HTTPError as error:
            raise ProviderUnavailable(
                f"Archon's server at {self.base_url} did not answer ({type(error).__name__}).",
                next_step="Start it with `make up`, then ask again.",
            ) from error
        body = _decoded(answer)
        if answer.is_error or not isinstance(body, dict):
            raise ServerRefused(answer.status_code, body)
        return body


def _decoded(answer: httpx.Response) -> JsonValue:
    try:
        decoded: JsonValue = answer.json()
    except ValueError:
        return answer.text[:2000]
    return decoded


def _sentence(body: JsonValue) -> str:
    """The error's sentence and its next step; the body itself where it is not of ours."""
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if isinstance(detail, dict) and isinstance(detail.get("error"), str):
        return " ".join(str(part) for part in (detail["error"], detail.get("next_step")) if part)
    return str(detail)
