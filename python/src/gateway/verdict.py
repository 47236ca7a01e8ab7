"""What an answer of a model server means: good, the client's mistake, or the server's failure.

Status first, the body where the status is ambiguous: vLLM has said 500 to a prompt that is too long and 200 to a full
queue, and its errors have four shapes. Measured on vLLM 0.32 (read 2026-11-21).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum

from src.errors import (
    ArchonError,
    AuthenticationFailed,
    BadRequest,
    ContextTooLong,
    EndpointNotFound,
    ErrorContext,
    ModelNotFound,
    Overloaded,
    PermissionRefused,
    ProtocolError,
    ProviderTimeout,
    RateLimited,
    ServerFailure,
    redact,
)

from .deadlines import wall_clock

_TOO_LONG = ("maximum context length", "longer than the maximum", "max_model_len", "context_length_exceeded")
_LONGEST_RETRY_AFTER_S = 60.0


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


@dataclass(frozen=True, slots=True)
class Said:
    """An error as a server worded it, whichever of its shapes it used."""

    message: str = ""
    kind: str = ""
    code: int = 0
    shaped: bool = False


def judge(status: int, content_type: bytes, retry_after: bytes, body: bytes, who: str) -> Verdict | None:
    """What is wrong with a complete answer; None for a good one. `who` names the server in messages."""
    if 200 <= status < 300:
        return _judge_good(content_type, body, who)
    said = said_in(body)
    if status >= 500 and said.message and _is_too_long(said):
        return Verdict(_error(ContextTooLong, who, status, said), Blame.CLIENT)
    if status >= 500 or status in (408, 409, 425, 429):
        return _judge_failure(status, retry_after, said, who)
    if status in (401, 403):
        family = AuthenticationFailed if status == 401 else PermissionRefused
        return Verdict(_error(family, who, status, said), Blame.KEY)
    if 300 <= status < 400:
        return Verdict(
            _error(ProtocolError, who, status, Said("it redirects elsewhere; that is not followed")), Blame.SERVER
        )
    if status == 404:
        missing_model = said.shaped and (said.kind == "NotFoundError" or "model" in said.message.lower())
        return Verdict(
            _error(ModelNotFound if missing_model else EndpointNotFound, who, status, said), Blame.CLIENT, said.shaped
        )
    return Verdict(
        _error(ContextTooLong if _is_too_long(said) else BadRequest, who, status, said), Blame.CLIENT, said.shaped
    )


def judge_event(payload: bytes, who: str) -> Verdict:
    """The meaning of an error event inside a stream whose status was 200."""
    said = said_in(payload)
    status = said.code if 400 <= said.code < 600 else 500
    if status < 500 or _is_too_long(said):
        family = ContextTooLong if _is_too_long(said) else BadRequest
        return Verdict(_error(RateLimited if status == 429 else family, who, status, said), Blame.CLIENT)
    return _judge_failure(status, b"", said, who)


def said_in(body: bytes) -> Said:
    """The error in `body`: an object, a string, FastAPI's `detail`, Anthropic's shape, or plain text."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return Said(message=body[:300].decode("utf-8", "replace").strip())
    if not isinstance(found, dict):
        return Said(message=str(found)[:300])
    inner = found.get("error")
    if isinstance(inner, dict):
        code = inner.get("code")
        return Said(
            message=str(inner.get("message") or ""),
            kind=str(inner.get("type") or ""),
            code=int(str(code)) if str(code).isdigit() else 0,
            shaped="message" in inner and found.get("type") != "error",
        )
    if found.get("object") == "error":
        code = found.get("code")
        return Said(str(found.get("message") or ""), str(found.get("type") or ""), code if isinstance(code, int) else 0)
    text = inner if inner is not None else found.get("detail", found.get("message", ""))
    return Said(message=text if isinstance(text, str) else json.dumps(text)[:300])


def seconds_in(retry_after: bytes) -> float | None:
    """Retry-After in seconds, capped; None when absent or unreadable. Takes both forms, seconds and a date."""
    text = retry_after.decode("latin-1").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - wall_clock()
        except ValueError:
            return None
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER_S) if seconds == seconds else None


def _judge_good(content_type: bytes, body: bytes, who: str) -> Verdict | None:
    if b'"error"' in body[:64] or b'"object":"error"' in body[:64].replace(b" ", b""):
        said = said_in(body)
        if said.message:
            return judge_event(body, who)
    if content_type.startswith(b"application/json"):
        text = body.strip()
        if text[:1] in (b"{", b"[") and text[-1:] in (b"}", b"]"):
            return None
        return Verdict(_error(ProtocolError, who, 200, Said("its answer is not JSON")), Blame.SERVER)
    if content_type.startswith(b"application/octet-stream") and body:
        return None
    kind = content_type.decode("latin-1") or "nothing"
    return Verdict(_error(ProtocolError, who, 200, Said(f"it answered {kind} where JSON was due")), Blame.SERVER)


def _judge_failure(status: int, retry_after: bytes, said: Said, who: str) -> Verdict:
    wait = seconds_in(retry_after)
    if status == 429:
        return Verdict(_error(RateLimited, who, status, said, wait), Blame.BUSY)
    busy = "busy" in said.message.lower() or "overload" in said.message.lower() or wait is not None
    if status == 503 and busy:
        return Verdict(_error(Overloaded, who, status, said, wait or 1.0), Blame.BUSY)
    if status == 504 or status == 408:
        return Verdict(_error(ProviderTimeout, who, status, said, wait), Blame.SERVER)
    if status in (409, 425):
        return Verdict(_error(Overloaded, who, status, said, wait), Blame.BUSY)
    return Verdict(_error(ServerFailure, who, status, said, wait), Blame.SERVER)


def _is_too_long(said: Said) -> bool:
    text = said.message.lower()
    return any(words in text for words in _TOO_LONG)


def _error(family: type[ArchonError], who: str, status: int, said: Said, wait: float | None = None) -> ArchonError:
    words = redact(said.message)[:500]
    return family(
        f"{who}: {words}" if words else f"{who} answered {status} without a word.",
        context=ErrorContext(status=status, upstream_message=words or None, retry_after_s=wait),
    )
