"""What a request asks for, read from its path and body. Nothing is changed here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic_core import from_json

from src.errors import ErrorContext, InvalidInput
from src.inference.pools import Ability

Fields: TypeAlias = "dict[str, object]"

ABILITY_OF_PATH: Mapping[bytes, Ability] = {
    b"/v1/chat/completions": Ability.CHAT,
    b"/v1/completions": Ability.COMPLETIONS,
    b"/v1/embeddings": Ability.EMBEDDINGS,
    b"/v1/rerank": Ability.RERANK,
    b"/rerank": Ability.RERANK,
    b"/v2/rerank": Ability.RERANK,
    b"/score": Ability.SCORE,
    b"/v1/score": Ability.SCORE,
    b"/tokenize": Ability.TOKENIZE,
    b"/detokenize": Ability.TOKENIZE,
}
"""The only paths that lead to a model server: vLLM answers some others without its key, so nothing else passes."""

PATH_OF_ABILITY: Mapping[Ability, str] = {
    Ability.CHAT: "/v1/chat/completions",
    Ability.COMPLETIONS: "/v1/completions",
    Ability.EMBEDDINGS: "/v1/embeddings",
    Ability.RERANK: "/v1/rerank",
    Ability.SCORE: "/score",
    Ability.TOKENIZE: "/tokenize",
}
_TRUE_WORDS = frozenset({"true", "1", "yes", "on", "t", "y"})


@dataclass(slots=True)
class Ask:
    """One request of a client. `choices` is how many answers its stream carries; `model` None: none was named."""

    path: bytes
    ability: Ability
    body: bytes
    fields: Fields = field(repr=False)
    model: str | None
    stream: bool
    choices: int


def read_ask(path: bytes, ability: Ability, body: bytes) -> Ask:
    """The request in `body`.

    Raises:
        InvalidInput: no JSON object, or `model` is no string.
    """
    fields = _object_in(body)
    model = fields.get("model")
    if model is not None and not isinstance(model, str):
        raise InvalidInput(
            f"'model' must be a string, not {_kind(model)}.",
            next_step="GET /v1/models lists the names.",
            context=ErrorContext(field="model"),
        )
    stream = fields.get("stream")
    return Ask(
        path=path,
        ability=ability,
        body=body,
        fields=fields,
        model=model or None,
        stream=stream is True or (stream is not None and str(stream).lower() in _TRUE_WORDS),
        choices=_choices(fields),
    )


def with_fields(ask: Ask, changes: Fields) -> bytes:
    """The body with some of its fields changed; the others keep their values."""
    return json.dumps({**ask.fields, **changes}, ensure_ascii=False, separators=(",", ":")).encode()


def _object_in(body: bytes) -> Fields:
    try:
        found = from_json(body)
    except ValueError:
        found = _tolerant(body)
    if not isinstance(found, dict):
        raise InvalidInput(
            f"The body must be a JSON object, not {_kind(found)}.", next_step="Send the fields of OpenAI's API."
        )
    return found


def _tolerant(body: bytes) -> object:
    # Python reads what the fast parser refuses (a lone surrogate); the model server then says what it thinks of it
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidInput(
            f"The body is not JSON: {reason}.", next_step="Correct the JSON and send it again."
        ) from error


def _choices(fields: Fields) -> int:
    n = fields.get("n")
    count = n if isinstance(n, int) and n > 0 else 1
    prompt = fields.get("prompt")
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        count *= len(prompt)
    return count


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
