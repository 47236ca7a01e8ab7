"""Whether two servers that give their model one name give the same vectors: else answers would mix two spaces."""

from __future__ import annotations

import json
import math

from src.errors import ArchonError, ConfigurationError, ErrorContext

from .server import Server

_TEXT = "The tower is 330 metres high."
_ALIKE = 0.99
"""Cosine from which on two vectors are the same model's: float16 against float32 stays above 0.999."""


class ForeignVectors(ConfigurationError):
    """A server embeds under another server's model name, but with another model."""

    default_next_step = "Serve the same model on both, or give this one another name (--served-model-name)."


async def require_same_vectors(server: Server, peer: Server, model: str, within_s: float) -> None:
    """Let both embed a sentence. Where one of them cannot be asked now, nothing is concluded.

    Raises:
        ForeignVectors: the vectors have other sizes or point elsewhere.
    """
    ours, theirs = await _vector(server, model, within_s), await _vector(peer, model, within_s)
    if ours is None or theirs is None:
        return
    if len(ours) == len(theirs) and _cosine(ours, theirs) >= _ALIKE:
        return
    sizes = f"{len(ours)} numbers" if len(ours) == len(theirs) else f"{len(ours)} numbers, not {len(theirs)}"
    raise ForeignVectors(
        f"{server.name} serves '{model}' with other vectors than {peer.name} ({sizes}).",
        context=ErrorContext(connection=server.name, model=model, url=server.address.root),
    )


async def _vector(server: Server, model: str, within_s: float) -> list[float] | None:
    fields: dict[str, object] = {"model": model, "input": _TEXT, "encoding_format": "float"}
    try:
        status, body = await server.post("/v1/embeddings", fields, within_s)
        found = json.loads(body)["data"][0]["embedding"] if status == 200 else None
    except (ArchonError, ValueError, LookupError, TypeError):
        # Whether it works is another question than whether it is the same model.
        return None
    return [float(one) for one in found] if isinstance(found, list) else None


def _cosine(one: list[float], other: list[float]) -> float:
    length = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / length if length else 0.0
