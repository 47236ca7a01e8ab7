"""Supabase through its client: every call is `rpc` of one function, which gives rows or a refusal as one value."""

from __future__ import annotations

import asyncio
import json
import random
from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

import httpx
from postgrest.exceptions import APIError
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from src.errors import ArchonError, ErrorContext, MigrationNeeded, StoreError, StoreUnavailable

from .database import Json, Row, SqlValue, StoreState, Vector
from .failures import of_sqlstate
from .page_calls import PAGE_CALLS
from .supabase_access import KEY_NAME, SETUP_STEP, URL_NAME, project_url, service_key
from .together import Answer, Call, Together

_DOOR, _WIDE_DOOR = "archon_call", "archon_call_many"
_WAITS_FOR_429 = 3
_LONGEST_WAIT_S = 5.0
_ANSWER_S = 60.0
_CONNECT_S = 10.0
_START_STEP = f"See whether the project is running (Supabase pauses idle ones), or correct {URL_NAME}; then try again."


class SupabaseDatabase:
    """A Supabase project. A time-out may have come after the write: only reads and our idempotent writes go again."""

    def __init__(self, client: AsyncClient, http: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._http = http
        self._url = url
        self._together = Together(self._send)

    @classmethod
    async def connect(cls, url: str, key: str, *, max_connections: int = 20, answer_s: float = _ANSWER_S) -> Self:
        """A database over the project at `url` that has answered once; each answer is waited for `answer_s` seconds.

        Raises:
            ConfigurationError: `url` or `key` cannot be used for this; nothing was sent.
            StoreUnavailable: nothing answers at `url`, or it refuses `key`.
            MigrationNeeded: the project lacks our schema.
        """
        address, secret = project_url(url), service_key(key)
        limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
        timeout = httpx.Timeout(answer_s, connect=min(_CONNECT_S, answer_s), pool=answer_s)
        http = httpx.AsyncClient(timeout=timeout, limits=limits, event_hooks={"response": [_refuse]})
        options = AsyncClientOptions(httpx_client=http, auto_refresh_token=False, persist_session=False)
        database = cls(await acreate_client(address, secret, options), http, address)
        try:
            await database.state()
        except ArchonError:
            await database.close()
            raise
        return database

    async def call(self, function: str, /, **arguments: SqlValue) -> list[Row]:
        context = ErrorContext(operation=function, url=self._url)
        values = {name: _plain(value) for name, value in arguments.items()}
        if function in PAGE_CALLS:
            answer = await self._together.answer(Call(function, values, sum(map(_weight, values.values()))))
        else:
            answer = _answer(await self._ask(_DOOR, {"function": function, "arguments": values}, context), context)
        refusal = answer.get("error")
        if isinstance(refusal, Mapping):
            raise of_sqlstate(str(refusal.get("code")), str(refusal.get("message")), context)
        rows = answer.get("rows")
        if not isinstance(rows, list):
            raise StoreError(f"Supabase gave no rows for '{function}'.", next_step=SETUP_STEP, context=context)
        return rows

    async def call_long(self, function: str, /, **arguments: SqlValue) -> list[Row]:
        context = ErrorContext(operation=function, url=self._url)
        rows = await self._ask(function, {name: _plain(value) for name, value in arguments.items()}, context)
        if not isinstance(rows, list):
            raise StoreError(f"Supabase gave no rows for '{function}'.", next_step=SETUP_STEP, context=context)
        return rows

    async def _send(self, calls: Sequence[Call]) -> Sequence[Answer]:
        context = ErrorContext(operation=calls[0].function, url=self._url)
        if len(calls) == 1:
            body: dict[str, object] = {"function": calls[0].function, "arguments": calls[0].arguments}
            return [_answer(await self._ask(_DOOR, body, context), context)]
        body = {"calls": [{"function": call.function, "arguments": call.arguments} for call in calls]}
        answers = await self._ask(_WIDE_DOOR, body, context)
        if not isinstance(answers, list) or len(answers) != len(calls):
            raise StoreError("Supabase did not answer every call.", next_step=SETUP_STEP, context=context)
        return [_answer(answer, context) for answer in answers]

    async def state(self) -> StoreState:
        row = (await self.call("archon_store_state"))[0]
        vector = row["vector_version"]
        return StoreState("supabase", str(row["server_version"]), None if vector is None else str(vector), self._url)

    async def close(self) -> None:
        await self._together.close()
        await self._http.aclose()

    async def _ask(self, door: str, body: dict[str, object], context: ErrorContext) -> object:
        for turn in range(_WAITS_FOR_429 + 1):
            try:
                return (await self._client.rpc(door, body).execute()).data
            except StoreUnavailable as error:
                # 429 is said before anything is done, so asking again is safe for a write too.
                if error.context.status != 429 or turn == _WAITS_FOR_429:
                    raise error.with_context(operation=context.operation) from error.__cause__
                told_s = error.context.retry_after_s
                wait_s = 0.5 * 2**turn if told_s is None else told_s
                await asyncio.sleep(min(_LONGEST_WAIT_S, wait_s) * random.uniform(1.0, 1.2))  # noqa: S311 - no secret
            except ArchonError as error:
                raise error.with_context(operation=context.operation) from error.__cause__
            except httpx.TimeoutException as error:
                raise StoreUnavailable(
                    f"Supabase did not answer '{context.operation}' in time; whether it was done is not known.",
                    next_step=_START_STEP,
                    context=context,
                ) from error
            except httpx.TransportError as error:
                raise StoreUnavailable(
                    f"Supabase cannot be reached at {self._url}: {error}", next_step=_START_STEP, context=context
                ) from error
            except (APIError, ValueError) as error:
                raise StoreError(
                    "What answers at SUPABASE_URL does not speak as Supabase.", next_step=_START_STEP, context=context
                ) from error
        raise AssertionError("the last turn returns or raises")


def _answer(answer: object, context: ErrorContext) -> Answer:
    if not isinstance(answer, Mapping):
        raise StoreError("Supabase gave an answer of another shape.", next_step=SETUP_STEP, context=context)
    return answer


async def _refuse(response: httpx.Response) -> None:
    """Raise for an answer that is a refusal: here the status is known, which the client's own error forgets."""
    if response.is_success:
        return
    body = _body(await response.aread())
    message, code = str(body.get("message") or response.reason_phrase), str(body.get("code") or "")
    status = response.status_code
    context = ErrorContext(
        url=str(response.url).split("/rest/", 1)[0],
        status=status,
        upstream_message=message,
        request_id=response.headers.get("sb-request-id"),
        retry_after_s=_seconds(response.headers.get("retry-after")),
    )
    raise _refusal(status, code, message, context)


def _refusal(status: int, code: str, message: str, context: ErrorContext) -> ArchonError:
    if code in ("PGRST202", "PGRST205"):
        return MigrationNeeded(
            "The Supabase project has none of Archon's functions yet.", next_step=SETUP_STEP, context=context
        )
    if status == 401 or code.startswith("PGRST3"):
        return StoreUnavailable(
            f"Supabase refuses {KEY_NAME}: {message}",
            next_step=f"Copy the service key of the project at {URL_NAME} again.",
            context=context,
        )
    if len(code) == 5 and not code.startswith("PGRST"):
        return of_sqlstate(code, message, context)
    if status == 429:
        return StoreUnavailable("Supabase asks to wait (429).", next_step="Try again in a minute.", context=context)
    if status == 404:
        return StoreUnavailable(
            "Nothing of Supabase answers at that address (404).", next_step=_START_STEP, context=context
        )
    if status >= 500:
        return StoreUnavailable(f"Supabase fails ({status}): {message}", next_step=_START_STEP, context=context)
    return StoreError(f"Supabase refused the call ({status}): {message}", context=context)


def _body(content: bytes) -> Mapping[str, object]:
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None


def _plain(value: SqlValue) -> object:
    """`value` as JSON; a vector as pgvector's text, with the nine digits that a float32 needs to come back whole."""
    if isinstance(value, Json):
        return value.value
    if isinstance(value, array):
        return vector_text(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [vector_text(item) if isinstance(item, array) else item for item in value]
    return value


def _weight(value: object) -> int:
    """About how many bytes of JSON `value` is; objects count as little, their long texts stand beside them."""
    if isinstance(value, str):
        return len(value)
    return sum(map(_weight, value)) if isinstance(value, list) else 100


def vector_text(vector: Vector) -> str:
    """`vector` as pgvector reads it, for example `[1,0.5]`."""
    return f"[{('%.9g,' * len(vector) % (*vector,))[:-1]}]"  # one format call: the quickest way by far
