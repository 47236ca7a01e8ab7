"""What of a file, other files and the knowledge base a model is shown: the most relevant that its length holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from src.errors import ContextTooLong, ErrorContext, JsonValue
from src.inference.models import ChatMessage, ChatModel
from src.store.search import ChunkHit

from ..neutral import neutralise
from .language import language_of
from .lines import shown, split
from .prompt import Quote, Task
from .request import CodeFile

ASSUMED_LENGTH = 8192
"""Of a model whose server does not tell its length."""
_MARGIN = 16
_EXPLANATION_MOST = 1024
_NEW_CODE_SHARE = 1.5
"""Room for new code beside that of the old: an instruction may add to it."""
_NEW_CODE_LEAST = 192
_LEAST_ANSWER = 64
_ATTEMPTS = 10
_SHORTEST = 160
"""An excerpt of fewer characters says nothing; then it is left out."""


@dataclass(frozen=True, slots=True)
class ShownFile:
    """Another file in the prompt: how many of its lines, from the first on."""

    path: str
    lines: int
    of_lines: int

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {"path": self.path, "lines": self.lines, "of_lines": self.of_lines}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What had no room: lines of the file, whole files, lines of files that were cut, passages."""

    lines_before: int = 0
    lines_after: int = 0
    files: tuple[str, ...] = ()
    file_lines: int = 0
    passages: int = 0

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {
            "lines_before": self.lines_before,
            "lines_after": self.lines_after,
            "files": list(self.files),
            "file_lines": self.file_lines,
            "passages": self.passages,
        }


@dataclass(frozen=True, slots=True)
class CodeContext:
    """What is sent to the model; `answer_tokens` is the room for its answer. Line numbers count from 1."""

    messages: tuple[ChatMessage, ...]
    first_line: int
    last_line: int
    files: tuple[ShownFile, ...]
    passages: tuple[ChunkHit, ...]
    left_out: LeftOut
    prompt_tokens: int
    answer_tokens: int
    length: int

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON, for people: what was shown and what was not."""
        return {
            "first_line": self.first_line,
            "last_line": self.last_line,
            "files": [file.to_dict() for file in self.files],
            "passages": [_passage(hit) for hit in self.passages],
            "left_out": self.left_out.to_dict(),
            "prompt_tokens": self.prompt_tokens,
            "answer_tokens": self.answer_tokens,
            "max_model_len": self.length,
        }


@dataclass(slots=True)
class _Packed:
    """A choice of what to show that has about a wanted size."""

    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    files: list[tuple[CodeFile, list[str]]] = field(default_factory=list)
    hits: list[ChunkHit] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Material:
    """All that could be shown: other files and passages, most relevant first."""

    task: Task
    others: tuple[CodeFile, ...] = ()
    hits: tuple[ChunkHit, ...] = ()

    def characters(self) -> int:
        """How long it is together."""
        selection = self.task.selection
        return (
            len(selection.whole)
            + sum(len(one.text) for one in self.others)
            + sum(len(one.content) for one in self.hits)
        )


async def build(material: Material, model: ChatModel, max_tokens: int | None) -> CodeContext:
    """The prompt with the most relevant of `material` that fits beside an answer.

    Raises:
        ContextTooLong: the chosen lines alone do not fit.
        ConfigurationError, ProviderError: the model server cannot be asked for its length.
    """
    length = await model.max_model_len() or ASSUMED_LENGTH
    bare = _messages(material.task, _Packed())
    least = await model.count_tokens(bare)
    room = _room(material.task, length, least, await model.count_tokens(_only_code(material.task)), max_tokens)
    budget = length - room - _MARGIN
    if least > budget:
        raise _too_long(material.task, least + room, length, model)
    bare_characters = _characters(bare)
    free = int((budget - least) * bare_characters / max(least, 1))
    for _ in range(_ATTEMPTS):
        packed = pack(material, free)
        messages = _messages(material.task, packed)
        tokens = await model.count_tokens(messages)
        if tokens <= budget:
            return _context(material, packed, messages, tokens, min(max_tokens or room, length - tokens), length)
        # By what the added part really took, and a little less: titles and fences take room too.
        added = max(_characters(messages) - bare_characters, 1)
        free = int(min(free, added) * (budget - least) / (tokens - least) * 0.93) - 20
        if free < _SHORTEST:
            break
    return _context(material, _Packed(), bare, least, min(max_tokens or room, length - least), length)


def pack(material: Material, free: int) -> _Packed:
    """What to show in about `free` characters.

    The lines around the selection come first, in both directions alike; where there is other material, they take
    half of the room, then files and passages by their rank, and the lines around get what is left.
    """
    packed = _Packed()
    others = bool(material.others or material.hits)
    used = _pack_lines(material, packed, free // 2 if others else free)
    used += _pack_files(material.others, packed, free - used)
    used += _pack_hits(material.hits, packed, free - used)
    if others:
        _pack_lines(material, packed, free - used + _size(packed.before) + _size(packed.after))
    return packed


def _pack_lines(material: Material, packed: _Packed, free: int) -> int:
    """Lines nearest to the selection, as many as `free` characters hold; returns how many characters they have."""
    selection = material.task.selection
    above, below = list(reversed(selection.before)), list(selection.after)
    used = taken_above = taken_below = 0
    while taken_above < len(above) or taken_below < len(below):
        upwards = taken_above < len(above) and (taken_above <= taken_below or taken_below >= len(below))
        line = above[taken_above] if upwards else below[taken_below]
        if used + len(line) > free:
            break
        used += len(line)
        taken_above, taken_below = (taken_above + 1, taken_below) if upwards else (taken_above, taken_below + 1)
    packed.before = list(reversed(above[:taken_above]))
    packed.after = below[:taken_below]
    return used


def _pack_files(others: Sequence[CodeFile], packed: _Packed, free: int) -> int:
    used = 0
    for file in others:
        lines = split(file.text)
        taken = _fitting(lines, free - used - len(file.path))
        if taken and (len(taken) == len(lines) or _size(taken) >= _SHORTEST):
            packed.files.append((file, taken))
            used += _size(taken) + len(file.path)
    return used


def _fitting(lines: Sequence[str], free: int) -> list[str]:
    taken: list[str] = []
    for line in lines:
        free -= len(line)
        if free < 0:
            break
        taken.append(line)
    return taken


def _pack_hits(hits: Sequence[ChunkHit], packed: _Packed, free: int) -> int:
    used = 0
    for hit in hits:
        if used + len(hit.content) <= free:
            packed.hits.append(hit)
            used += len(hit.content)
    return used


def _messages(task: Task, packed: _Packed) -> tuple[ChatMessage, ...]:
    quotes = [
        Quote(f"Another file, {neutralise(one.path)}", shown(lines), language_of(one.path))
        for one, lines in packed.files
    ]
    quotes += [Quote(f"From the documentation, {_origin(hit)}", hit.content) for hit in packed.hits]
    return task.messages(packed.before, packed.after, quotes)


def _only_code(task: Task) -> tuple[ChatMessage, ...]:
    return (ChatMessage("user", shown(task.selection.chosen)),)


def _room(task: Task, length: int, least: int, code_tokens: int, max_tokens: int | None) -> int:
    """Tokens kept for the answer: for new code by the length of the old, for words a quarter of the length."""
    if max_tokens is not None and not task.rewrites:
        return min(max_tokens, max(length - least - _MARGIN, _LEAST_ANSWER))
    if not task.rewrites:
        return max(min(_EXPLANATION_MOST, length // 4), _LEAST_ANSWER)
    wanted = max(int(code_tokens * _NEW_CODE_SHARE), _NEW_CODE_LEAST)
    return min(wanted, max(length - least - _MARGIN, code_tokens))


def _context(
    material: Material, packed: _Packed, messages: tuple[ChatMessage, ...], tokens: int, answer_tokens: int, length: int
) -> CodeContext:
    selection = material.task.selection
    files = tuple(ShownFile(one.path, len(lines), len(split(one.text))) for one, lines in packed.files)
    named = {file.path for file in files}
    return CodeContext(
        messages=messages,
        first_line=selection.start - len(packed.before),
        last_line=selection.end + len(packed.after),
        files=files,
        passages=tuple(packed.hits),
        left_out=LeftOut(
            lines_before=len(selection.before) - len(packed.before),
            lines_after=len(selection.after) - len(packed.after),
            files=tuple(one.path for one in material.others if one.path not in named),
            file_lines=sum(file.of_lines - file.lines for file in files),
            passages=len(material.hits) - len(packed.hits),
        ),
        prompt_tokens=tokens,
        answer_tokens=answer_tokens,
        length=length,
    )


def _origin(hit: ChunkHit) -> str:
    parts = " > ".join(part for part in (hit.title, *hit.heading_path) if part)
    return " ".join(neutralise(parts or hit.url).split())[:200]


def _passage(hit: ChunkHit) -> dict[str, JsonValue]:
    return {"url": hit.url, "title": hit.title, "heading_path": list(hit.heading_path), "page_id": hit.page_id}


def _size(lines: Sequence[str]) -> int:
    return sum(map(len, lines))


def _characters(messages: Sequence[ChatMessage]) -> int:
    return sum(len(message.content) for message in messages)


def _too_long(task: Task, tokens: int, length: int, model: ChatModel) -> ContextTooLong:
    count = len(task.selection.chosen)
    return ContextTooLong(
        f"The {count:,} chosen lines and the answer need {tokens:,} tokens; '{model.model}' has room for {length:,}.",
        next_step="Choose fewer lines, or a model with a longer context.",
        context=ErrorContext(provider=model.provider, model=model.model, operation="code help", field="end"),
    )
