"""What an answer of a model server means for the gateway: good, the client's mistake, or the server's failure.

What kind of failure it is decides `inference.failures`; here stands whom it counts against, and whether the server's
own words can go to the client as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from src.errors import (
    ArchonError,
    AuthenticationFailed,
    ErrorContext,
    Overloaded,
    PermissionRefused,
    ProtocolError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    ServerFailure,
)
from src.inference.error_body import read_error_body
from src.inference.failures import Reply as PlainReply
from src.inference.failures import error_from_reply

_LONGEST_RETRY_AFTER_S = 60.0
_SERVER_FAULTS = (ServerFailure, ProviderUnavailable, ProviderTimeout, ProtocolError)


class Blame(StrEnum):
    """Who has to change something. Only SERVER counts against an upstream."""

    NOBODY = "nobody"
    CLIENT = "client"
    SERVER = "server"
    BUSY = "busy"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`as_is`: the server's own words are an OpenAI error already and go to the client byte for byte."""

    error: ArchonError
    blame: Blame
    as_is: bool = False


def judge(status: int, content_type: bytes, retry_after: bytes, body: bytes, who: str) -> Verdict | None:
    """What is wrong with a complete answer; None for a good one. `who` names the server."""
    if 200 <= status < 300:
        return _judge_good(content_type, body, who)
    headers = {"retry-after": retry_after.decode("latin-1")} if retry_after else {}
    error = _capped(error_from_reply(PlainReply(status, headers, body), ErrorContext(connection=who)))
    blame = blame_for(error)
    as_is = blame is Blame.CLIENT and status < 500 and b'"error"' in body and read_error_body(body).shape == "object"
    return Verdict(error, blame, as_is)


def judge_event(payload: bytes, who: str) -> Verdict:
    """The meaning of an error inside a stream, or a body, whose status was 200."""
    status = read_error_body(payload).code_number or 500
    error = _capped(error_from_reply(PlainReply(status, {}, payload), ErrorContext(connection=who)))
    return Verdict(error, blame_for(error))


def blame_for(error: ArchonError) -> Blame:
    """Whom a failure counts against. A bare 503 is a broken server; one that says it is busy is a busy one."""
    if isinstance(error, Overloaded):
        said = (error.context.upstream_message or "").lower()
        busy = error.context.retry_after_s is not None or error.context.status in (409, 425)
        return Blame.BUSY if busy or "busy" in said or "overload" in said else Blame.SERVER
    if isinstance(error, RateLimited):
        return Blame.BUSY
    if isinstance(error, (AuthenticationFailed, PermissionRefused, QuotaExhausted)):
        return Blame.KEY
    return Blame.SERVER if isinstance(error, _SERVER_FAULTS) else Blame.CLIENT


def _judge_good(content_type: bytes, body: bytes, who: str) -> Verdict | None:
    start = body[:64].replace(b" ", b"")
    if b'"error"' in start or b'"object":"error"' in start:
        return judge_event(body, who)
    if content_type.startswith(b"application/octet-stream") and body:
        return None
    text = body.strip()
    if content_type.startswith(b"application/json") and text[:1] in (b"{", b"[") and text[-1:] in (b"}", b"]"):
        return None
    return Verdict(error_from_reply(PlainReply(200, {}, body[:2000]), ErrorContext(connection=who)), Blame.SERVER)


def _capped(error: ArchonError) -> ArchonError:
    """A server may ask for an hour; nobody here waits that long, nor tells a client to."""
    asked = error.context.retry_after_s
    if asked is not None and asked > _LONGEST_RETRY_AFTER_S:
        error.context = replace(error.context, retry_after_s=_LONGEST_RETRY_AFTER_S)
    return error
