"""What every error of the family is: one sentence, a code, a next step, and where it happened, all without secrets."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit

JsonScalar = str | int | float | bool | None
JsonValue = JsonScalar | list["JsonValue"] | dict[str, "JsonValue"]

_KEY_SHAPES = re.compile(
    r"(?i)\b(bearer\s+)[^\s\"',]+"
    r"|\b(?:sk|pk|xai|gsk|hf|AIza|key)[-_][A-Za-z0-9_\-]{6,}"
    r"|\bAIza[A-Za-z0-9_\-]{10,}"
    r"|\beyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-.]+"
)


def redact(text: str, *secrets: str) -> str:
    """`text` without the given secrets and without anything shaped like an API key or a bearer token."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "[secret]")
    return _KEY_SHAPES.sub(lambda match: (match.group(1) or "") + "[secret]", text)


def redact_url(url: str) -> str:
    """`url` without user name, password, query and fragment: the parts where secrets travel."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        netloc = f"[{host}]" if ":" in host else host
        if parts.port:
            netloc += f":{parts.port}"
    except ValueError:
        return "[unreadable URL]"
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorContext:
    """Where a failure happened. `url` is stored redacted; `elapsed_s` and `retry_after_s` are seconds.

    `remedy` is what to do where nothing answers at `url`, if that is known better than the error's class knows.
    """

    provider: str | None = None
    connection: str | None = None
    operation: str | None = None
    url: str | None = None
    model: str | None = None
    status: int | None = None
    upstream_message: str | None = None
    request_id: str | None = None
    attempts: int = 1
    elapsed_s: float | None = None
    retry_after_s: float | None = None
    field: str | None = None
    remedy: str | None = None

    def public(self) -> dict[str, JsonScalar]:
        """The filled fields, ready for JSON, URL and upstream text freed of secrets."""
        values = {name: value for name, value in asdict(self).items() if value is not None and name != "remedy"}
        if self.url is not None:
            values["url"] = redact_url(self.url)
        if self.upstream_message is not None:
            values["upstream_message"] = redact(self.upstream_message)[:2000]
        if self.elapsed_s is not None:
            values["elapsed_s"] = round(self.elapsed_s, 3)
        return values


class ArchonError(Exception):
    """Base of every failure a person can meet. `str(error)` is one sentence without secrets."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    meaning: ClassVar[str] = "Something failed that Archon has no better name for."
    default_next_step: ClassVar[str] = "Look at the server's log for the request id and report it."

    def __init__(self, message: str, *, next_step: str | None = None, context: ErrorContext | None = None) -> None:
        super().__init__(redact(message))
        self.message = redact(message)
        self.next_step = next_step or self.default_next_step
        self.context = context or ErrorContext()

    def with_context(self, **changes: JsonScalar) -> ArchonError:
        """Fill context fields that are still empty; returns the same error, for `raise`."""
        filled = {name for name in changes if getattr(self.context, name) not in (None, 1)}
        empty = {name: value for name, value in changes.items() if value is not None and name not in filled}
        self.context = replace(self.context, **empty)  # type: ignore[arg-type]
        return self

    def to_dict(self) -> dict[str, JsonValue]:
        """The body of REST's `detail`: `error` is text, everything else stands beside it."""
        body: dict[str, JsonValue] = {
            "error": self.message,
            "code": self.code,
            "retryable": self.retryable,
            "next_step": self.next_step,
        }
        body.update(self.context.public())
        return body
