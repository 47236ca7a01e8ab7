"""The way to a server: names that do not resolve, packets that vanish, certificates that do not hold."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime

import pytest
import trustme

from src.gateway.back import Dialer
from src.gateway.deadlines import Deadlines
from src.inference.address import parse_address

from .conftest import Stage
from .door import CHAT, open_door, until
from .faulty import FaultyServer


async def test_a_name_that_does_not_resolve_is_passed_over(stage: Stage) -> None:
    well = await stage.server()
    door = await stage.door(well, pool={"upstreams": [{"url": "http://no-such-host.invalid"}, {"url": well.url}]})
    answers = [await door.chat() for _ in range(2)]
    health = (await door.get("/health")).body
    assert ([answer.status for answer in answers], b"dns_failure" in health) == ([200, 200], True)


async def test_a_server_that_accepts_no_connection_is_a_connect_time_out() -> None:
    deadlines = Deadlines()
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        blockers = [socket.socket() for _ in range(4)]
        for blocker in blockers:
            blocker.setblocking(False)
            blocker.connect_ex(("127.0.0.1", port))
        dialer = Dialer(parse_address(f"127.0.0.1:{port}"), "full", deadlines, connect_s=0.2)
        with pytest.raises(Exception, match="did not accept a connection within") as raised:
            await dialer.send(b"", b"", within_s=1, streaming=False)
        for blocker in blockers:
            blocker.close()
    assert raised.typename == "ConnectTimeout"


@pytest.mark.parametrize(
    ("case", "words"),
    [("wrong name", "for another name"), ("expired", "has expired"), ("unknown authority", "unknown here")],
)
async def test_a_certificate_that_does_not_hold_says_why(
    case: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    names = ("other.example",) if case == "wrong name" else ("localhost", "127.0.0.1")
    past = datetime(2020, 1, 1, tzinfo=UTC) if case == "expired" else None
    certificate = authority.issue_cert(*names, not_after=past)
    code, message = await _error_of(authority, certificate, monkeypatch, trusted=case != "unknown authority")
    assert (code, words in message) == ("tls_failure", True), message


async def test_a_certificate_of_a_trusted_authority_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    code, _ = await _error_of(authority, authority.issue_cert("localhost", "127.0.0.1"), monkeypatch, trusted=True)
    assert code == "protocol"


async def test_a_server_that_moved_to_another_address_is_followed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = await stage.server(), FaultyServer("m")
    after.host, after.port = "127.0.0.2", before.port
    await after.start()
    place, resolve = [before.host], socket.getaddrinfo

    def lookup(host: str, *arguments: object, **named: object) -> object:
        return resolve(place[0] if host == "moves.test" else host, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    door = await stage.door(before, pool={"upstreams": [{"url": f"http://moves.test:{before.port}"}]})
    first = await door.chat()
    place[0] = after.host
    await before.stop()
    await until(lambda: next(iter(door.gateway.fleet.servers)).ready and after.connections > 0)
    second = await door.chat()
    await after.stop()
    assert (first.status, second.status, len(after.seen)) == (200, 200, 1)


async def _error_of(
    authority: trustme.CA, certificate: trustme.LeafCert, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> tuple[str, str]:
    """Code and message of the error that a gateway shows for a TLS server with this certificate, speaking nonsense."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"nonsense\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0, ssl=context)
    with authority.cert_pem.tempfile() as file:
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", file)
        door = await open_door([f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"])
        error = next(iter(door.gateway.fleet.servers)).last_error
        assert (await door.ask("/v1/chat/completions", CHAT)).status == 503
        await door.close()
    server.close()
    return (error.code, error.message) if error is not None else ("", "")
