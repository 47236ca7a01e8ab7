"""A conversation as a file: Markdown for people, JSON for programs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from src.errors import JsonValue
from src.store.conversations import Conversation, Message

from .messages import message_dict

_ENDS = {
    "truncated": "The answer was cut off.",
    "upstream_error": "The answer could not be finished.",
    "stalled": "The model went silent.",
    "cancelled": "Stopped before the answer was whole.",
}
_SLUG = re.compile(r"[^a-z0-9]+")


def file_name(conversation: Conversation, ending: str) -> str:
    """A name every file system takes."""
    slug = _SLUG.sub("-", conversation.title.lower()).strip("-")[:60].strip("-")
    return f"{slug or 'conversation'}.{ending}"


def as_json(conversation: Conversation, messages: Sequence[Message]) -> dict[str, JsonValue]:
    """All branches, with the message that each one follows; `head` is the end of the branch that is shown."""
    return {
        "format": "archon-conversation/1",
        "id": conversation.id,
        "title": conversation.title,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
        "settings": conversation.settings,
        "head": conversation.head,
        "messages": [message_dict(message) for message in messages],
    }


def as_markdown(conversation: Conversation, branch: Sequence[Message]) -> str:
    """The branch that is shown: questions as headings, answers below them, each with the passages it cites."""
    parts = [f"# {_line(conversation.title)}"]
    for message in branch:
        parts += _question(message) if message.role == "user" else _answer(message)
    return "\n\n".join(parts) + "\n"


def _question(message: Message) -> list[str]:
    first, *rest = message.content.strip().split("\n")
    return [f"## {first}", *(["\n".join(rest).strip()] if any(rest) else [])]


def _answer(message: Message) -> list[str]:
    parts = [message.content.strip()] if message.content.strip() else []
    if message.outcome in _ENDS:
        parts.append(f"*{_ENDS[message.outcome]}*")
    sources = [_source(passage) for passage in _cited(message)]
    if sources:
        parts.append("\n".join(sources))
    if message.model:
        parts.append(f"*{_line(message.model)}, {message.created_at:%Y-%m-%d %H:%M} UTC*")
    return parts


def _cited(message: Message) -> list[dict[str, JsonValue]]:
    used: set[JsonValue] = set()
    for sentence in message.support:
        numbers = sentence.get("numbers") if isinstance(sentence, dict) else None
        used.update(numbers if isinstance(numbers, list) else ())
    return [one for one in message.passages if isinstance(one, dict) and one.get("number") in used]


def _source(passage: dict[str, JsonValue]) -> str:
    name = _line(str(passage.get("title") or passage.get("url") or "Passage"))
    return f"- [{passage.get('number')}] {name}: {_line(str(passage.get('url') or ''))}"


def _line(text: str) -> str:
    return " ".join(text.split())
