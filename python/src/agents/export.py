"""A conversation as a file for programs: JSON with all versions; and what such a file is called."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator

from src.errors import JsonValue
from src.store.conversations import Conversation, Message

from .messages import message_dict

_BETWEEN = re.compile(r"[\W_]+")
_LONGEST = 60
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d")
"""Windows takes none of these for a file, whatever its ending."""


def file_name(conversation: Conversation, ending: str) -> str:
    """A name every file system takes: letters and digits of any script, and hyphens."""
    slug = _BETWEEN.sub("-", conversation.title.lower()).strip("-")[:_LONGEST].strip("-")
    if not slug or _RESERVED.fullmatch(slug):
        slug = f"conversation-{slug}".strip("-")
    return f"{slug}.{ending}"


async def as_json(conversation: Conversation, messages: AsyncIterator[Message]) -> AsyncGenerator[str, None]:
    """All branches, with the message that each one follows; `head` is the end of the branch that is shown.

    One JSON object, a line for each message, given piece by piece as `messages` come.
    """
    about: dict[str, JsonValue] = {
        "format": "archon-conversation/1",
        "id": conversation.id,
        "title": conversation.title,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
        "settings": conversation.settings,
        "head": conversation.head,
    }
    yield _written(about).removesuffix("}") + ', "messages": ['
    between = "\n"
    async for message in messages:
        yield between + _written(message_dict(message))
        between = ",\n"
    yield "\n]}\n"


def _written(value: dict[str, JsonValue]) -> str:
    return json.dumps(value, ensure_ascii=False)
