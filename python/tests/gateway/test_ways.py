"""The way to a server: names that do not resolve, packets that vanish, certificates that do not hold."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
import trustme
from pydantic import ValidationError

from src.gateway.config import UpstreamTable
from src.gateway.deadlines import Deadlines
from src.gateway.dial import Dialer
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


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_wants_a_client_certificate_is_known_by_it(version: ssl.TLSVersion, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = _only_for_holders_of_a_certificate(authority, version)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=_refuse_all, args=(listener, context), daemon=True).start()
        row = {"url": f"https://127.0.0.1:{listener.getsockname()[1]}", "ca_file": tmp_path / "ca.pem"}
        door = await open_door([], pool={"upstreams": [row]})
        error = next(iter(door.gateway.fleet.servers)).last_error
        await door.close()
    assert error is not None
    assert (error.code, "wants a client certificate" in error.message) == ("tls_failure", True), error.message
    assert "client_cert" in error.next_step


async def test_authority_and_certificate_of_a_server_stand_in_its_row(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("gateway").private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    context = _only_for_holders_of_a_certificate(authority, ssl.TLSVersion.TLSv1_3)
    server = await FaultyServer().start(context)
    row = {"url": server.url, "ca_file": tmp_path / "ca.pem", "client_cert": tmp_path / "own.pem"}
    door = await open_door([], pool={"upstreams": [row]})
    answer = await door.chat()
    await door.close()
    await server.stop()
    assert answer.status == 200


def test_a_certificate_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text("no certificate")
    with pytest.raises(ValidationError, match="client_cert cannot be used"):
        UpstreamTable(url="https://gpu:8000", client_cert=tmp_path / "own.pem")


async def test_a_connection_older_than_the_servers_patience_is_not_used_again(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server, discovery={"refresh_s": 60.0})
    await door.chat()
    dialer = next(iter(door.gateway.fleet.servers.values())).dialer
    kept = dialer.open_connections()
    dialer.close_idle(asyncio.get_running_loop().time() + 4.1)  # vLLM closes after 5 s
    assert (kept, dialer.open_connections(), (await door.chat()).status) == (1, 0, 200)


async def test_sixty_four_requests_at_once_are_answered(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    answers = await asyncio.gather(*(door.chat() for _ in range(64)))
    assert {answer.status for answer in answers} == {200}


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


def _only_for_holders_of_a_certificate(authority: trustme.CA, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, version
    return context


def _refuse_all(listener: socket.socket, context: ssl.SSLContext) -> None:
    """As OpenSSL's own servers do: with an alert (asyncio's just close). Ends with the listener."""
    with suppress(OSError):
        while True:
            line = context.wrap_socket(listener.accept()[0], server_side=True, do_handshake_on_connect=False)
            with suppress(ssl.SSLError):
                line.do_handshake()
            line.shutdown(socket.SHUT_WR)
            while line.recv(4096):
                pass
            line.close()


async def _error_of(
    authority: trustme.CA,
    certificate: trustme.LeafCert,
    monkeypatch: pytest.MonkeyPatch,
    *,
    trusted: bool,
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
