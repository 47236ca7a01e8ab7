"""How a chat's stream is opened: as Archon v1 did, by the SDK's client, or straight, on a server of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import httpx2

from src.errors import ErrorContext, ProtocolError

from .client import NO_KEY, Deadlines, client_arguments, make_v1_client
from .failures import Reply, error_from_reply
from .provider import ActiveProvider, Endpoint
from .transport_failures import error_from_transport

if TYPE_CHECKING:
    import openai


class ChatWire(Protocol):
    """Opens streams of chat completions."""

    async def open(self, body: Mapping[str, object], context: ErrorContext) -> httpx2.Response:
        """The answer to `body`, its events still to be read. Raises ProviderError, or what the SDK raises."""
        ...

    async def aclose(self) -> None:
        """Nothing is asked any more; the shared connections stay."""
        ...


def chat_wire(active: ActiveProvider, deadlines: Deadlines) -> ChatWire:
    """The way that belongs to the provider. Raises ConfigurationError where the endpoint cannot be used."""
    if active.provider.keeps_v1_wire:
        return _SdkWire(make_v1_client(active.endpoint))
    return _OwnWire(active.endpoint, deadlines)


class _SdkWire:
    """The call that `chat.completions.create` makes, with its events left as they come."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    async def open(self, body: Mapping[str, object], context: ErrorContext) -> httpx2.Response:
        import openai

        stream: object = await self._client.post(
            "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=openai.AsyncStream[object]
        )
        if not isinstance(stream, openai.AsyncStream):
            raise ProtocolError("The answer is no event stream", context=context)
        return stream.response

    async def aclose(self) -> None:
        await self._client.close()


class _OwnWire:
    """The same request without the SDK's models of it, which took a tenth of all the time that a chat costs."""

    def __init__(self, endpoint: Endpoint, deadlines: Deadlines) -> None:
        self._http = client_arguments(endpoint, deadlines=deadlines)["http_client"]
        # No read has its own time-out: the stream's reader keeps time, event by event.
        self._http.timeout = httpx2.Timeout(None, connect=deadlines.connect_s)
        self._url = f"{(endpoint.base_url or '').rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {endpoint.api_key or NO_KEY}", "Accept": "text/event-stream"}
        self._secrets = (endpoint.api_key,) if endpoint.api_key else ()

    async def open(self, body: Mapping[str, object], context: ErrorContext) -> httpx2.Response:
        try:
            request = self._http.build_request("POST", self._url, json=body, headers=self._headers)
            response = await self._http.send(request, stream=True)
            if response.is_success:
                return response
            try:
                raw = await response.aread()
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, OSError) as error:
            raise error_from_transport(error, context) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        raise error_from_reply(Reply(response.status_code, headers, raw, self._secrets), context)

    async def aclose(self) -> None:
        await self._http.aclose()
