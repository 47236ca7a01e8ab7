"""Makes the OpenAI client for a provider: v1's exact call for the six older ones, ours for one's own servers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypedDict

import httpx2

from src.errors import ConfigurationError, ErrorContext, ProtocolError, redact_url

from .error_body import carries_error, read_error_body
from .pool import CONNECT_S, server_pool
from .provider import ActiveProvider, Endpoint

if TYPE_CHECKING:  # loaded where it is used: see `load_sdk`
    import openai

NO_KEY = "none"
"""What stands where a key belongs when the server wants none: the SDK insists on one, vLLM ignores it."""
NO_MODEL = "choose model"
"""The operation in the error for a request that names no model."""


_ANSWERS = {"text/event-stream", "application/octet-stream"}
_NEVER_WITH_ERROR = ("/completions", "/embeddings")
"""Routes whose answers hold no `error` of their own: a Responses object does, and is an answer all the same."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds a call may take. Those of a stream count data events, so that keep-alive comments do not extend them."""

    connect_s: float = CONNECT_S
    first_event_s: float = 120.0
    gap_s: float = 60.0
    total_s: float = 900.0


class ClientArguments(TypedDict):
    """What the SDK's constructor is given for a server of one's own."""

    base_url: str
    api_key: str
    max_retries: int
    timeout: httpx2.Timeout
    http_client: httpx2.AsyncClient


def load_sdk() -> None:
    """Load the SDK, which takes a quarter of the time of all that the server loads.

    So nothing of this room loads it at its own import: the server is ready without it, and then calls this beside its
    work, so that no first question waits for it either.
    """
    import openai  # noqa: F401


def client_arguments(endpoint: Endpoint, *, deadlines: Deadlines | None = None) -> ClientArguments:
    """The constructor's arguments for a server of one's own, for callers that make the client themselves.

    Raises:
        ConfigurationError: the endpoint has no base URL; nothing was sent.
    """
    if not (endpoint.base_url or "").strip():
        raise ConfigurationError("No server address is set", context=ErrorContext(operation="connect"))
    limits = deadlines or Deadlines()
    timeout = httpx2.Timeout(limits.first_event_s, connect=limits.connect_s)
    return ClientArguments(
        base_url=str(endpoint.base_url),
        api_key=endpoint.api_key or NO_KEY,
        max_retries=0,
        timeout=timeout,
        http_client=httpx2.AsyncClient(
            transport=server_pool(),
            timeout=timeout,
            trust_env=False,
            event_hooks={"request": [require_model], "response": [require_answer, unmask_error]},
        ),
    )


def private(client: openai.AsyncOpenAI) -> openai.AsyncOpenAI:
    """`client` without what the SDK read from the environment: these two are OpenAI's and nobody else's business.

    The SDK finds out the platform in a thread at each client's first request; ours are made anew for every call, so
    they are told. Where a later SDK keeps it elsewhere, it finds out by itself again.
    """
    client.organization = None
    client.project = None
    if getattr(client, "_platform", "") is None:
        client._platform = _platform()  # type: ignore[assignment]
    return client


@cache
def _platform() -> object:
    from openai import _base_client

    find_out = getattr(_base_client, "get_platform", None)
    return find_out() if callable(find_out) else None


async def require_model(request: httpx2.Request) -> None:
    """Refuse a request of the OpenAI kind that names no model: vLLM would answer it with whatever it serves.

    Raises:
        ConfigurationError: nothing was sent.
    """
    if request.method != "POST" or not request.headers.get("content-type", "").startswith("application/json"):
        return
    body = json.loads(request.content)
    model = body.get("model") if isinstance(body, dict) else None
    if not isinstance(model, str) or not model.strip():
        raise ConfigurationError(
            "The request names no model, so it was not sent",
            next_step="Choose a model in Settings.",
            context=ErrorContext(operation=NO_MODEL, url=redact_url(str(request.url))),
        )


async def require_answer(response: httpx2.Response) -> None:
    """Refuse a success that is no answer of the API: the SDK would hand a web page out as if it were one.

    Raises:
        ProtocolError: the content type is neither JSON, nor an event stream, nor bytes.
    """
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if not response.is_success or kind.endswith("json") or kind in _ANSWERS:
        return
    what = "a web page" if "html" in kind else kind or "something without a content type"
    raise ProtocolError(
        f"The server answered {what} where JSON was expected",
        next_step="Check that the base URL leads to the API and not to a web page or proxy.",
        context=ErrorContext(status=response.status_code, url=redact_url(str(response.request.url))),
    )


async def unmask_error(response: httpx2.Response) -> None:
    """Give an error that came behind a 200 its own status, as some proxies send it: the SDK then raises it.

    Else the SDK would hand it out as an answer without choices.
    """
    is_json = "json" in response.headers.get("content-type", "").lower()
    if not response.is_success or not is_json or not response.request.url.path.endswith(_NEVER_WITH_ERROR):
        return
    raw = await response.aread()
    if b'"error"' not in raw:
        return
    try:
        body = json.loads(raw)
    except ValueError:
        return  # its reader says so
    if carries_error(body):
        told = read_error_body(body).code_number
        response.status_code = told if told and told >= 400 else 500


def make_client(endpoint: Endpoint, *, deadlines: Deadlines | None = None) -> openai.AsyncOpenAI:
    """A client for a server of one's own: no retries of the SDK, explicit time-outs, the shared connections.

    Closing it leaves the connections open for the next client; making one costs no connection and no TLS context.

    Raises:
        ConfigurationError: the endpoint has no base URL; nothing was sent.
    """
    import openai

    return private(openai.AsyncOpenAI(**client_arguments(endpoint, deadlines=deadlines)))


def make_v1_client(endpoint: Endpoint) -> openai.AsyncOpenAI:
    """A client for one of the six older providers, made by exactly v1's call (SDK time-outs and retries)."""
    import openai

    if endpoint.base_url is None:
        return openai.AsyncOpenAI(api_key=endpoint.api_key)
    return openai.AsyncOpenAI(api_key=endpoint.api_key, base_url=endpoint.base_url)


def client_for(active: ActiveProvider, *, deadlines: Deadlines | None = None) -> openai.AsyncOpenAI:
    """The client that belongs to the provider.

    Raises:
        ConfigurationError: the endpoint of a server of one's own has no base URL.
    """
    if active.provider.keeps_v1_wire:
        return make_v1_client(active.endpoint)
    return make_client(active.endpoint, deadlines=deadlines)
