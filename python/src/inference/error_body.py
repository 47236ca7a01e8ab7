"""What a model server wrote into an error: four shapes from vLLM alone, more from others, web pages from proxies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from src.errors import JsonValue

Shape: TypeAlias = Literal["object", "text", "detail", "html", "empty", "plain", "json"]
_MAX_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The parts that errors are told apart by. `message` is at most 2,000 characters; `code` is as it stood."""

    shape: Shape
    message: str | None = None
    kind: str | None = None
    param: str | None = None
    code: str | None = None
    retry_after_s: float | None = None

    def says(self, *phrases: str) -> bool:
        """Whether the message holds one of the phrases, whatever the case."""
        text = (self.message or "").lower()
        return any(phrase in text for phrase in phrases)

    @property
    def code_number(self) -> int | None:
        """`code` where it is an HTTP status, as vLLM writes it."""
        return int(self.code) if self.code and self.code.isdigit() and len(self.code) == 3 else None


def read_error_body(raw: bytes | str | JsonValue) -> ErrorBody:
    """Understand a body as it came over the wire, or as some SDK has already decoded it. Never raises."""
    if isinstance(raw, bytes):
        raw = raw[:200_000].decode("utf-8", "replace")
    if isinstance(raw, str):
        return _from_text(raw)
    return _from_json(raw)


def carries_error(body: JsonValue) -> bool:
    """Whether a reply that claims success holds an error object instead of an answer."""
    return isinstance(body, dict) and bool(body.get("error")) and not (body.get("choices") or body.get("data"))


def _from_text(text: str) -> ErrorBody:
    stripped = text.strip()
    if not stripped:
        return ErrorBody("empty")
    if stripped[0] in '{["':
        try:
            return _from_json(cast(JsonValue, json.loads(stripped)))
        except ValueError:
            return ErrorBody("plain", stripped[:_MAX_MESSAGE])
    if re.match(r"(?is)<(!doctype|html|head|body|\?xml)", stripped):
        title = re.search(r"(?is)<title[^>]*>(.*?)</title>", stripped)
        return ErrorBody("html", re.sub(r"\s+", " ", title[1]).strip()[:200] if title else None)
    return ErrorBody("plain", stripped[:_MAX_MESSAGE])


def _from_json(body: JsonValue) -> ErrorBody:
    if isinstance(body, list):
        body = body[0] if body else None
    if isinstance(body, str):
        return ErrorBody("text", body[:_MAX_MESSAGE])
    if not isinstance(body, dict):
        return ErrorBody("empty" if body is None else "json")
    error = body.get("error")
    if isinstance(error, dict):
        return _from_object(error)
    if isinstance(error, str):
        return ErrorBody("text", error[:_MAX_MESSAGE], kind=_text(body, "error_type"), code=_text(body, "code"))
    if "detail" in body:
        return ErrorBody("detail", _detail(body["detail"]))
    return _from_object(body) if _text(body, "message") else ErrorBody("json", json.dumps(body)[:_MAX_MESSAGE])


def _from_object(error: Mapping[str, JsonValue]) -> ErrorBody:
    return ErrorBody(
        "object",
        message=(_text(error, "message") or "")[:_MAX_MESSAGE] or None,
        kind=_text(error, "type") or _text(error, "status"),
        param=_text(error, "param"),
        code=_text(error, "code"),
        retry_after_s=_retry_delay(error.get("details")),
    )


def _detail(detail: JsonValue) -> str | None:
    if isinstance(detail, dict):
        return _text(detail, "error") or _text(detail, "message") or json.dumps(detail)[:_MAX_MESSAGE]
    return detail[:_MAX_MESSAGE] if isinstance(detail, str) else json.dumps(detail)[:_MAX_MESSAGE]


def _retry_delay(details: JsonValue) -> float | None:
    """Google's RetryInfo: `{"retryDelay": "31s"}` among `details` (googleapis/python-genai#2114, read 2026-11-21)."""
    for one in details if isinstance(details, list) else []:
        delay = _text(one, "retryDelay") if isinstance(one, dict) else None
        if delay and re.fullmatch(r"\d+(\.\d+)?s", delay):
            return float(delay[:-1])
    return None


def _text(body: Mapping[str, JsonValue], name: str) -> str | None:
    value = body.get(name)
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else None
