"""The trivial upstream of the gateway bench: answers at once, like a vLLM server that has nothing to compute.

`python _gateway_upstream.py PORT`: a JSON answer of about 1 KB, or 200 events where the request says `"stream":true`.
`x-events` asks for another number of them, `x-slow` spreads 200 over so many seconds.
"""

from __future__ import annotations

import asyncio
import sys

import httptools
import uvloop

EVENTS = 200
_TEXT = b"a" * 560
BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"%b"},"logprobs":null,"finish_reason":"stop","stop_reason":null}],"usage":'
    b'{"prompt_tokens":37,"total_tokens":45,"completion_tokens":8},"prompt_logprobs":null,"kv_transfer_params":null}'
    % _TEXT
)
_EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,'
    b'"delta":{"content":" word"},"logprobs":null,"finish_reason":%b,"token_ids":null}]}\n\n'
)
MODELS = (
    b'{"object":"list","data":[{"id":"bench","object":"model","created":1,"owned_by":"vllm","max_model_len":2048}]}'
)


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
_MIDDLE = _chunk(_EVENT % b"null")
_END = _chunk(_EVENT % b'"stop"') + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
_JSON = _answer(BODY)
_MODELS = _answer(MODELS)
_AT_ONCE = 10


class Upstream(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.loop = asyncio.get_running_loop()
        self.body = b""
        self.slow_s = 0.0
        self.events = EVENTS

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-slow":
            self.slow_s = float(value)
        elif name.lower() == b"x-events":
            self.events = int(value)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        if self.parser.get_method() != b"POST":
            self.transport.write(_MODELS)
        elif b'"stream":true' in body.replace(b" ", b""):
            self.transport.write(_STREAM_HEAD)
            self._send_events(self.events - 1)
        else:
            self.transport.write(_JSON)

    def _send_events(self, left: int) -> None:
        if self.transport.is_closing():
            return
        now = 1 if self.slow_s else min(_AT_ONCE, left)
        for _ in range(now):
            self.transport.write(_MIDDLE)
        if left - now:
            self.loop.call_later(self.slow_s / EVENTS, self._send_events, left - now)
        else:
            self.transport.write(_END)


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
