"""Models that think before they answer: how they are asked, and where their words stand in the reply."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from .active_provider import find, registry

_OPEN_MODELS = ("deepseek-r", "deepseek-reasoner", "deepseek-chat-r")
"""Reasoning models that no provider of its own declares."""
_NAME_WORDS = 4


def is_reasoning_model(model_name: str) -> bool:
    """Whether the model takes `max_completion_tokens` and no `temperature`; routed names are understood."""
    name = str(model_name or "").strip().lower().rsplit("/", 1)[-1]
    vendor, colon, rest = name.partition(":")
    # `openai:gpt-5` names a vendor, `gpt-5:free` a variant.
    name = rest if colon and find(vendor) is not None else vendor
    declared = (prefix for provider in registry().all() for prefix in provider.reasoning_models)
    return name.startswith((*_OPEN_MODELS, *declared))


def requires_max_completion_tokens(model_name: str) -> bool:
    """v1's other name for `is_reasoning_model`."""
    return is_reasoning_model(model_name)


def prepare_chat_completion_params(model: str, params: Mapping[str, object]) -> dict[str, object]:
    """A copy of `params`, for a reasoning model with `max_completion_tokens` and without `temperature`."""
    prepared = dict(params)
    if not is_reasoning_model(model):
        return prepared
    if "max_tokens" in prepared:
        prepared["max_completion_tokens"] = prepared.pop("max_tokens")
    prepared.pop("temperature", None)
    return prepared


def extract_message_text(choice: object) -> tuple[str, str, bool]:
    """`(content, reasoning, has_reasoning)` of a choice; an empty content falls back to the reasoning.

    What the model says is its answer, whatever words it holds: nothing is taken for reasoning by how it sounds.
    """
    message = _part(choice, "message")
    content = _as_text(_part(message, "content"))
    names = ("reasoning", "reasoning_details", "reasoning_content")
    reasoning = next((text for name in names if (text := _as_text(_part(message, name)))), "")
    return content or reasoning, reasoning, bool(reasoning)


def extract_json_from_reasoning(reasoning_text: str, context_code: str = "", language: str = "") -> str:
    """The last JSON object with `example_name` and `summary` in a text; made from the text where there is none."""
    decoder = json.JSONDecoder()
    found = ""
    for start in (match.start() for match in re.finditer(r"\{", reasoning_text or "")):
        try:
            candidate, _ = decoder.raw_decode(reasoning_text, start)
        except ValueError:
            continue
        if isinstance(candidate, dict) and {"example_name", "summary"} <= candidate.keys():
            found = json.dumps(candidate, ensure_ascii=False)
    return found or synthesize_json_from_reasoning(reasoning_text, context_code, language)


def synthesize_json_from_reasoning(reasoning_text: str, context_code: str = "", language: str = "") -> str:
    """A JSON object with `example_name` and `summary`: the code's first name and the text's first two sentences."""
    named = re.search(r"\b(?:def|class|function|fn|func|const|interface|struct)\s+([A-Za-z_]\w*)", context_code or "")
    words = re.sub(r"[_\W]+", " ", named[1]).split()[:_NAME_WORDS] if named else []
    name = " ".join(words) or f"{language.strip() or 'Code'} example"
    sentences = re.split(r"(?<=[.!?])\s+", " ".join((reasoning_text or "").split()))
    summary = " ".join(sentences[:2]).strip() or f"{name} without a description."
    return json.dumps({"example_name": name[:1].upper() + name[1:], "summary": summary}, ensure_ascii=False)


def _part(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _as_text(value: object) -> str:
    """The text in a string, in a list of parts, or in an object or mapping with `text`, `content` or `summary`."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Sequence):
        return "\n".join(filter(None, map(_as_text, value)))
    for name in ("text", "content", "summary"):
        inner = _part(value, name) if value is not None else None
        if isinstance(inner, str) and inner.strip():
            return inner.strip()
    return ""
