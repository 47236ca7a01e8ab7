"""Vectors as they come from a server: decoded, put in order, and looked at before anybody stores them."""

from __future__ import annotations

import base64
import binascii
import math
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from src.errors import ArchonError, ErrorContext, JsonValue, ProtocolError

from .models import Vector

RawVector: TypeAlias = "Sequence[float] | str"
_log = structlog.get_logger("archon.inference.vectors")


@dataclass(frozen=True, slots=True)
class Posted:
    """What one embedding request brought: vectors in the order of its texts, and the tokens the server counted."""

    vectors: Sequence[RawVector]
    prompt_tokens: int | None = None


def posted_from_json(body: JsonValue, context: ErrorContext) -> Posted:
    """Read an OpenAI-shaped embeddings answer.

    Raises:
        ProtocolError: it has no list of vectors.
    """
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(rows, list):
        raise ProtocolError("The answer holds no list of vectors", context=context)
    found: list[tuple[object, RawVector]] = []
    for row in rows:
        embedding = row.get("embedding") if isinstance(row, dict) else None
        if not isinstance(row, dict) or not isinstance(embedding, (list, str)):
            raise ProtocolError("An entry of the answer holds no vector", context=context)
        found.append((row.get("index"), embedding))  # type: ignore[arg-type]
    usage = body.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return Posted(in_order(found), tokens if isinstance(tokens, int) else None)


def in_order(rows: Sequence[tuple[object, RawVector]]) -> list[RawVector]:
    """Vectors by their `index`; as they came where the indices are missing or not 0 … n-1."""
    if sorted(index for index, _ in rows if type(index) is int) == list(range(len(rows))):
        return [vector for _, vector in sorted(rows, key=lambda row: int(str(row[0])))]
    return [vector for _, vector in rows]


def matched(vectors: Sequence[RawVector], wanted: int, context: ErrorContext) -> Sequence[RawVector]:
    """Exactly `wanted` vectors; a surplus is dropped and logged.

    Raises:
        ProtocolError: there are too few, so nobody knows which text each belongs to.
    """
    if len(vectors) < wanted:
        raise ProtocolError(
            f"{wanted} texts were sent and {len(vectors)} vectors came back",
            next_step="Nothing of this batch was kept. Look at the model server's log, or at the proxy before it.",
            context=context,
        )
    if len(vectors) > wanted:
        _log.warning("surplus_vectors_dropped", sent=wanted, received=len(vectors), provider=context.provider)
    return vectors[:wanted]


def decode(raw: RawVector) -> Vector:
    """A vector as `array('f')`, from base64 of little-endian float32 or from numbers.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(raw, str):
        try:
            return array("f", raw)
        except (TypeError, OverflowError) as error:
            raise ValueError("not numbers") from error
    try:
        vector = array("f")
        vector.frombytes(base64.b64decode(raw, validate=True))
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


def checked(raw: RawVector, size: int | None, context: ErrorContext) -> Vector | ArchonError:
    """The vector, or the error that says why it must not be stored; `size` is the expected number of values."""
    try:
        vector = decode(raw)
    except ValueError as error:
        return ProtocolError(f"A vector cannot be read: {error}", context=context)
    if not vector or (size is not None and len(vector) != size):
        return ProtocolError(
            f"A vector has {len(vector)} values where {size or 'some'} are expected",
            next_step="The server probably serves another model now. Press Check in Settings.",
            context=context,
        )
    # The sum is as good a witness as the norm, at half the price: it is paid for every text of a crawl.
    if not math.isfinite(sum(vector)):
        return ProtocolError("A vector holds NaN or infinity", next_step=_BROKEN_MODEL, context=context)
    if not any(vector):
        return ProtocolError("A vector is all zeros", next_step=_BROKEN_MODEL, context=context)
    return vector


def is_unit(vector: Vector) -> bool:
    """Whether the vector has length 1, as far as float16 can tell."""
    return abs(math.hypot(*vector) - 1.0) < 0.01


_BROKEN_MODEL = "The model computes wrongly; on vLLM try --dtype float32 or bfloat16, and look at its log."
