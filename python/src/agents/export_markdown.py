"""A conversation as Markdown for people: questions as headings, answers below them, each with the passages it cites.

Whatever people, models and pages wrote holds no active content in it (markup is shown as text, pictures are links),
and what one of them left open, such as a block of code that was cut, does not swallow what follows.
"""

from __future__ import annotations

import re

from src.errors import JsonValue
from src.store.conversations import Conversation, Message

from .chat_settings import ChatSettings
from .request import title

_ENDS = {
    "truncated": "The answer was cut off.",
    "upstream_error": "The answer could not be finished.",
    "stalled": "The model went silent.",
    "cancelled": "Stopped before the answer was whole.",
    None: "The answer was still being written.",
}
_TOO_LONG = "The answer reached its length limit and is not whole."
_LONGEST_HEADING = 200
_FENCE = re.compile(r"[ \t]*(`{3,}(?!.*`)|~{3,})")
_SPAN = re.compile(r"(`+[^`]+`+)")
_ACTIVE = re.compile(r"<(?=[a-zA-Z/!?])|!(?=\[)")
_HARMLESS = {"<": "&lt;", "!": "&#33;"}
_LINK = re.compile(r"[\\`\[\]<]")


def markdown_head(conversation: Conversation) -> str:
    """What stands above the messages: the name, and what every model was told before them."""
    prompt = ChatSettings.read(conversation.settings).system_prompt.strip()
    parts = [f"# {_plain(conversation.title)}"]
    if prompt:
        parts += ["**System prompt**", _quoted(prompt)]
    return "\n\n".join(parts) + "\n"


def markdown_message(message: Message) -> str:
    """One message with all that belongs to it, a blank line before it."""
    parts = _question(message) if message.role == "user" else _answer(message)
    return "\n" + "\n\n".join(parts) + "\n"


def _question(message: Message) -> list[str]:
    """A short question is its own heading; a longer one stands whole below its beginning."""
    text = message.content.strip()
    whole = len(text) <= _LONGEST_HEADING and len(text.splitlines()) == 1
    parts = [f"## {_plain(text if whole else title(text))}"]
    if not whole:
        parts.append(_quoted(text))
    if len(message.versions) > 1:
        parts.append(f"*{_version(message)}*")
    return parts


def _answer(message: Message) -> list[str]:
    text = _closed(_with_marks(message)).strip()
    parts = [text, _ending(message), _unsupported(message)]
    parts.append("\n".join(_source(passage) for passage in _cited(message)))
    about = [_plain(message.model or ""), f"{message.created_at:%Y-%m-%d %H:%M} UTC", _version(message)]
    parts.append(f"*{', '.join(part for part in about if part)}*")
    return [part for part in parts if part]


def _ending(message: Message) -> str:
    """Why the answer is not whole; blank where it is."""
    if message.outcome not in _ENDS:
        return f"*{_TOO_LONG}*" if message.finish_reason == "length" else ""
    said = message.error.get("error") if message.error else None
    reason = _plain(str(said)) if said else ""
    return f"*{' '.join(part for part in (_ENDS[message.outcome], reason) if part)}*"


def _unsupported(message: Message) -> str:
    kinds = [sentence.get("kind") for sentence in message.support if isinstance(sentence, dict)]
    bare = bool(kinds) and all(kind == "none" for kind in kinds) and message.notes.get("knowledge") is not False
    return "*Nothing in this answer has support in the knowledge base.*" if bare else ""


def _version(message: Message) -> str:
    known = message.versions
    return f"version {known.index(message.id) + 1} of {len(known)}" if len(known) > 1 else ""


def _with_marks(message: Message) -> str:
    """The answer with a mark behind each sentence that rests on a passage without saying so: `[≈1]` is like it."""
    text = message.content
    for sentence in reversed([one for one in message.support if isinstance(one, dict)]):
        start, end, kind = sentence.get("start"), sentence.get("end"), sentence.get("kind")
        if not isinstance(start, int) or not isinstance(end, int) or kind == "none":
            continue
        said = message.content[start:end]
        if said != sentence.get("sentence") or _FENCE.match(said):
            continue
        sign = "≈" if kind == "similar" else ""
        missing = [number for number in _numbers(sentence) if sign or f"[{number}]" not in said]
        text = text[:end] + "".join(f" [{sign}{number}]" for number in missing) + text[end:]
    return text


def _cited(message: Message) -> list[dict[str, JsonValue]]:
    used = {number for one in message.support if isinstance(one, dict) for number in _numbers(one)}
    return [one for one in message.passages if isinstance(one, dict) and one.get("number") in used]


def _numbers(sentence: dict[str, JsonValue]) -> list[JsonValue]:
    numbers = sentence.get("numbers")
    return numbers if isinstance(numbers, list) else []


def _source(passage: dict[str, JsonValue]) -> str:
    path, page = passage.get("heading_path"), passage.get("page_number")
    name = str(passage.get("title") or passage.get("url") or "Passage")
    headings = [str(part) for part in path if part != name] if isinstance(path, list) else []
    where = " › ".join([name, *headings]) + (f", page {page}" if page else "")
    return f"- [{passage.get('number')}] {_plain(where)}: {_plain(str(passage.get('url') or ''))}"


def _plain(text: str) -> str:
    """`text` on one line, with nothing in it that is a link, code or markup."""
    return _LINK.sub(r"\\\g<0>", " ".join(text.split()))


def _quoted(text: str) -> str:
    """`text` as a quotation: whatever is left open in it ends with it."""
    return "\n".join(f"> {line}".rstrip() for line in _closed(text).split("\n"))


def _closed(text: str) -> str:
    """`text` without active content, and a block of code that was left open closed."""
    fence, lines = "", []
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if not fence:
            fence = found[1] if found else ""
        elif found and found[1].startswith(fence) and line.strip() == found[1]:
            fence = ""
            lines.append(line)
            continue
        lines.append(line if fence else _inert(line))
    return "\n".join([*lines, fence] if fence else lines)


def _inert(line: str) -> str:
    """A line with its markup and its pictures shown as text; code in it stays as it is."""
    parts = _SPAN.split(line)
    parts[::2] = [_ACTIVE.sub(lambda found: _HARMLESS[found[0]], part) for part in parts[::2]]
    return "".join(parts)
