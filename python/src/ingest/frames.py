"""How the server and its reader processes talk: a JSON head and a body of bytes, each with its length in front."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, BinaryIO, TypeAlias

from src.errors import ArchonError, DocumentUnreadable, ErrorContext, IngestError, JsonValue, family

from .document import Budget, Chunk, Document, Link, ReadRequest

Head: TypeAlias = "dict[str, JsonValue]"

HEAD = struct.Struct(">II")
"""Bytes of the head's JSON, bytes of the body."""

_ERRORS: Mapping[str, type[ArchonError]] = {kind.code: kind for kind in family(IngestError)}


def pack(head: Head, body: bytes = b"") -> bytes:
    """One frame."""
    text = json.dumps(head).encode()
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


def request_head(request: ReadRequest) -> Head:
    """A request as the head of a frame."""
    return asdict(request)


def request_of(head: Head) -> ReadRequest:
    """The request in a frame's head."""
    fields: dict[str, Any] = dict(head)
    return ReadRequest(**{**fields, "budget": Budget(**fields["budget"])})


def document_head(document: Document) -> Head:
    """A document as the head of a frame."""
    return {"document": asdict(document)}


def error_head(error: ArchonError) -> Head:
    """A failure as the head of a frame."""
    return {"error": {"code": error.code, "message": error.message, "next_step": error.next_step}}


def document_of(head: Head, url: str) -> Document:
    """The document in a frame's head. Raises the IngestError that stands there instead of one."""
    error = head.get("error")
    if isinstance(error, dict):
        kind = _ERRORS.get(str(error["code"]), DocumentUnreadable)
        context = ErrorContext(operation="read", url=url)
        raise kind(str(error["message"]), next_step=str(error["next_step"]), context=context)
    fields: dict[str, Any] = json_object(head["document"])
    chunks = [Chunk(**{**part, "heading_path": tuple(part["heading_path"])}) for part in fields["chunks"]]
    links = [Link(**link) for link in fields["links"]]
    return Document(**{**fields, "links": tuple(links), "chunks": tuple(chunks)})


def json_object(value: JsonValue) -> dict[str, Any]:
    """`value`, which our own other end wrote as an object."""
    return value if isinstance(value, dict) else {}
