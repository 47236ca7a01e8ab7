"""How the server and its reader processes talk: a JSON head and a body of bytes, each with its length in front."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, BinaryIO, TypeAlias

from src.errors import ArchonError, DocumentUnreadable, ErrorContext, IngestError, JsonValue, family

from .document import Budget, Chunk, CodeRules, Document, Example, Link, ReadRequest

Head: TypeAlias = "dict[str, JsonValue]"

HEAD = struct.Struct(">II")
"""Bytes of the head's JSON, bytes of the body."""

_FIELDS = {
    kind: tuple(one.name for one in fields(kind))
    for kind in (ReadRequest, Budget, CodeRules, Document, Chunk, Example, Link)
}
_ERRORS: Mapping[str, type[ArchonError]] = {kind.code: kind for kind in family(IngestError)}


def pack(head: Mapping[str, object], body: bytes = b"") -> bytes:
    """One frame; dataclasses in its head go as objects."""
    text = json.dumps(head, default=_object).encode()
    return HEAD.pack(len(text), len(body)) + text + body


def parse(text: bytes) -> Head:
    """The head of a frame from its JSON."""
    head: Head = json.loads(text)
    return head


def read_frame(stream: BinaryIO) -> tuple[Head, bytes] | None:
    """The next frame of a blocking stream, None at its end."""
    sizes = stream.read(HEAD.size)
    if len(sizes) < HEAD.size:
        return None
    head_size, body_size = HEAD.unpack(sizes)
    return parse(stream.read(head_size)), stream.read(body_size)


def request_head(request: ReadRequest) -> Mapping[str, object]:
    """A request as the head of a frame."""
    return _object(request)


def request_of(head: Head) -> ReadRequest:
    """The request in a frame's head."""
    given: dict[str, Any] = dict(head)
    parts = {"budget": Budget(**given["budget"]), "rules": CodeRules(**given["rules"])}
    return ReadRequest(**{**given, **parts})


def documents_head(documents: Sequence[Document]) -> Mapping[str, object]:
    """Documents as the head of a frame."""
    return {"documents": documents}


def error_head(error: ArchonError) -> Mapping[str, object]:
    """A failure as the head of a frame."""
    return {"error": {"code": error.code, "message": error.message, "next_step": error.next_step}}


def documents_of(head: Head, url: str) -> tuple[Document, ...]:
    """The documents in a frame's head. Raises the IngestError that stands there instead."""
    error = head.get("error")
    if isinstance(error, dict):
        kind = _ERRORS.get(str(error["code"]), DocumentUnreadable)
        context = ErrorContext(operation="read", url=url)
        raise kind(str(error["message"]), next_step=str(error["next_step"]), context=context)
    found = head["documents"]
    return tuple(_document(json_object(one)) for one in found) if isinstance(found, list) else ()


def _document(given: dict[str, Any]) -> Document:
    parts = {
        "links": _links(given["links"]),
        "chunks": tuple(
            Chunk(**{**one, "heading_path": tuple(one["heading_path"]), "links": _links(one["links"])})
            for one in given["chunks"]
        ),
        "examples": tuple(Example(**{**one, "heading_path": tuple(one["heading_path"])}) for one in given["examples"]),
    }
    return Document(**{**given, **parts})


def _object(value: Any) -> dict[str, object]:
    """A dataclass, without the deep copy that `asdict` makes."""
    return {name: getattr(value, name) for name in _FIELDS[type(value)]}


def _links(stored: list[dict[str, str]]) -> tuple[Link, ...]:
    return tuple(Link(**link) for link in stored)


def json_object(value: JsonValue) -> dict[str, Any]:
    """`value`, which our own other end wrote as an object."""
    return value if isinstance(value, dict) else {}
