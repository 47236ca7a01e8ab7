"""Turns exceptions of the HTTP client (httpx2) into the error family: which step of the way failed, and what to do."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from src.errors import (
    ArchonError,
    ConfigurationError,
    ConnectionBroken,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailure,
    ErrorContext,
    FirstByteTimeout,
    ProtocolError,
    ProviderTimeout,
    ProviderUnavailable,
    TlsFailure,
    redact_url,
)

from .address import is_loopback

_OUR_CERTIFICATE = "Reach it through the gateway, whose servers may have a client_cert in gateway.toml."
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


class AnswerTooLarge(httpx2.DecodingError):
    """The body passed the limit of the pool and was not read further."""


def in_container() -> bool:
    """Whether this process runs in a container, where `localhost` means the container itself."""
    return any(mark.exists() for mark in _CONTAINER_MARKS)


def container_step(url: str | None) -> str | None:
    """The sentence for an address that means the container itself; None where it does not."""
    host = urlsplit(url or "").hostname or ""
    if not is_loopback(host) or not in_container():
        return None
    return (
        f"Archon runs in a container, where {host} is the container itself: use host.docker.internal or the server's "
        "service name instead. If the server runs in this container, start it, or wait while it loads its model."
    )


def remedy(context: ErrorContext) -> str | None:
    """What to do where nothing answers at the address, if more is known than the error's class says."""
    return context.remedy or container_step(context.url)


def error_from_transport(exc: Exception, context: ErrorContext) -> ArchonError:
    """The error that an exception of httpx2 (or an operating system's error) means."""
    context = replace(context, url=redact_url(context.url) if context.url else None)
    where = _where(context)
    causes = list(causes_of(exc))
    if isinstance(exc, httpx2.TimeoutException):
        return _timeout(exc, where, context)
    if isinstance(exc, (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError, UnicodeError)):
        return ConfigurationError(
            f"The request to {where} cannot be sent as it stands: {type(exc).__name__}",
            next_step="Check the server's address and the API key for characters that do not belong there.",
            context=context,
        )
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return tls_error(cause, where, context)
        if isinstance(cause, socket.gaierror):
            return DnsFailure(f"The host name of {where} cannot be resolved", next_step=context.remedy, context=context)
    if isinstance(exc, httpx2.ConnectError):
        return connection_error(causes, where, context)
    if isinstance(exc, AnswerTooLarge):
        return ProtocolError(f"{where} answered more than is taken from a model server", context=context)
    if isinstance(exc, (httpx2.DecodingError, httpx2.TooManyRedirects)):
        return ProtocolError(f"The answer of {where} cannot be read ({type(exc).__name__})", context=context)
    if isinstance(exc, (httpx2.TransportError, OSError)):
        return ConnectionBroken(f"The connection to {where} broke before the answer was whole", context=context)
    return ProviderUnavailable(f"The request to {where} failed ({type(exc).__name__})", context=context)


def causes_of(exc: BaseException) -> Iterator[BaseException]:
    """`exc` and everything that led to it, groups opened, each once."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [exc]
    while todo:
        one = todo.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            todo += list(one.exceptions)


def _where(context: ErrorContext) -> str:
    try:
        parts = urlsplit(context.url or "")
        port = parts.port
    except ValueError:
        return "the model server"
    host = parts.hostname
    return f"{host}:{port}" if host and port else host or "the model server"


def _timeout(exc: httpx2.TimeoutException, where: str, context: ErrorContext) -> ArchonError:
    if isinstance(exc, httpx2.ConnectTimeout):
        return ConnectTimeout(f"No connection to {where} in time", next_step=remedy(context), context=context)
    if isinstance(exc, httpx2.ReadTimeout):
        return FirstByteTimeout(f"{where} took the request but did not answer in time", context=context)
    if isinstance(exc, httpx2.PoolTimeout):
        return ProviderTimeout(f"All connections to {where} stayed busy", context=context)
    return ProviderTimeout(f"The request could not be handed to {where} in time", context=context)


def connection_error(causes: Sequence[BaseException], where: str, context: ErrorContext) -> ArchonError:
    """The error for a connection that was not made, by the operating system's codes among `causes`."""
    codes = {cause.errno for cause in causes if isinstance(cause, OSError)}
    step = remedy(context)
    if errno.ECONNREFUSED in codes or any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return ConnectionRefused(f"Nothing listens on {where}", next_step=step, context=context)
    if codes & {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EHOSTDOWN}:
        return ProviderUnavailable(
            f"The network does not lead to {where}",
            next_step=step or "Check the address, VPN and firewall between this machine and the model server.",
            context=context,
        )
    if codes & {errno.ECONNRESET, errno.EPIPE}:
        return ConnectionBroken(f"{where} closed the connection at once", context=context)
    return ProviderUnavailable(f"No connection to {where}", next_step=step, context=context)


def tls_error(cause: ssl.SSLError, where: str, context: ErrorContext) -> ArchonError:
    """The error for a failed TLS handshake: expired, unknown authority, wrong name, or no TLS at all."""
    text = str(cause).lower()
    reasons = {
        "has expired": ("its certificate has expired", "Renew the certificate of the server."),
        "self-signed": (
            "its certificate is self-signed or its authority is unknown here",
            "Name the authority's file in SSL_CERT_FILE, for example SSL_CERT_FILE=/etc/ssl/my-ca.pem.",
        ),
        "self signed": ("its certificate is self-signed", "Name the authority's file in SSL_CERT_FILE."),
        "unable to get local issuer": (
            "the authority of its certificate is unknown here",
            "Name the authority's file in SSL_CERT_FILE, for example SSL_CERT_FILE=/etc/ssl/my-ca.pem.",
        ),
        "mismatch": ("its certificate is for another name", "Use the name that stands in the certificate."),
        "not valid for": ("its certificate is for another name", "Use the name that stands in the certificate."),
        "wrong_version_number": ("it speaks no TLS", "Use http:// instead of https:// in the base URL."),
        "record layer failure": ("it speaks no TLS", "Use http:// instead of https:// in the base URL."),
        "certificate required": ("it wants a client certificate", _OUR_CERTIFICATE),
        "handshake failure": ("it refused us, perhaps because it wants a client certificate", _OUR_CERTIFICATE),
    }
    for mark, (reason, step) in reasons.items():
        if mark in text:
            return TlsFailure(f"No trusted TLS connection to {where}: {reason}", next_step=step, context=context)
    return TlsFailure(f"No trusted TLS connection to {where}", context=context)
