"""Code examples: blocks of code worth finding by themselves, with what is said around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from src.store.languages import usual_language

from .blocks import Block, Section, sections_of
from .document import Budget, CodeRules, Example
from .tokens import estimate

MAX_PER_PAGE = 500
_LEAST_CHARS = 20
_LEAST_LINES = 3
_LEAST_SIGNS = 3
_MOST_COMMENTS = 0.7
_MOST_PROSE = 0.15
_AROUND = 500
"""Characters of explanation kept before and after a block."""
_DEFAULT_SIZE = 250
_SIZES = {
    language: size
    for size, languages in (
        (100, "json yaml xml toml"),
        (150, "html css scss sql bash"),
        (200, "python go ruby"),
        (250, "javascript typescript tsx c rust"),
        (300, "java cpp csharp"),
    )
    for language in languages.split()
}
_FACTORS = (
    (0.7, ("example", "snippet", "sample", "demo")),
    (1.5, ("implementation", "complete", "full listing")),
    (0.8, ("minimal", "simple", "basic")),
)
_DIAGRAMS = frozenset({"mermaid", "plantuml", "graphviz", "dot", "puml", "d2"})
_SIGNS = tuple(
    re.compile(pattern, re.M)
    for pattern in (
        r"\w\(",  # a call
        r"[^=!<>]=[^=]|:=",  # an assignment
        r"[{}\[\]]",
        r";\s*$",
        r"\b(if|else|for|while|return|switch|case|match|try|except|catch|yield|await|end)\b",
        r"\b(def|class|function|fn|func|struct|interface|enum|let|const|var|public|private|static|void|type)\b",
        r"^\s*(import|from|include|require|use|using|package|#include|@)",
        r"^\s*(//|#|--|/\*|\*|;|%)",
        r"==|!=|<=|>=|=>|->|\|\||&&|::|\$\w|\|",
        r"[\"'`]",
        r"^\s{2,}\S|^\t+\S",
        r"^\s*(<[/\w]|\$ |>>> |[A-Z]{3,} )|^\s*[\"']?[\w.-]+[\"']?:\s",
    )
)
_COMMENT = re.compile(r"^\s*(//|#(?!include|define|if|end)|--|/\*|\*|;|%|<!--)")
_PROSE = re.compile(r"^[A-Z][^(){}\[\]=;<>`$\\/|_]*[.!?:]$")
_DEFINED = re.compile(r"\b(?:def|class|function|fn|func|struct|interface|enum|trait|impl)\s+([A-Za-z_]\w+)")
_LANGUAGE = re.compile(r"[A-Za-z0-9+#_-]+")
_SPACE = re.compile(r"\s+")
_CODE_SHARE = 0.6
"""Of what is embedded, at least so much is left to the code where both do not fit."""


def examples_of(markdown: str, budget: Budget, rules: CodeRules, *, title: str = "") -> tuple[Example, ...]:
    """The examples of a document in their order, each text once; no embedded text is estimated above the budget."""
    return examples_in(sections_of(markdown), budget, rules, title=title)


def examples_in(
    sections: Iterable[Section], budget: Budget, rules: CodeRules, *, title: str = ""
) -> tuple[Example, ...]:
    """As `examples_of`, of a document whose sections are known."""
    if not rules.wanted:
        return ()
    room = max(int(budget.max_tokens / budget.ratio), 8)
    found: dict[str, Example] = {}
    for example in _found(sections, rules, room, title):
        found.setdefault(_SPACE.sub(" ", example.code), example)
        if len(found) >= MAX_PER_PAGE:
            break
    return tuple(found.values())


def embedded(words: str, code: str, room: int) -> str:
    """What is embedded of an example: the words about it and its first lines, within `room` estimated tokens."""
    spare = max(int(room * (1 - _CODE_SHARE)), room - estimate(code))
    about = _ending(words, spare)
    begun = _beginning(code, room - estimate(about))
    return f"{about}\n\n{begun}" if about else begun


def _found(sections: Iterable[Section], rules: CodeRules, room: int, title: str) -> Iterator[Example]:
    for section in sections:
        for place, block in enumerate(section.blocks):
            if block.kind != "code":
                continue
            before, after = _said(section.blocks[:place], last=True), _said(section.blocks[place + 1 :], last=False)
            language = language_of(block)
            if is_example(block.text, language, f"{before} {after}", rules):
                path = section.path or ((title,) if title else ())
                text = embedded("\n".join([" > ".join(path), before]).strip(), block.text, room)
                name = _name(block.text, language, path)
                yield Example(block.text, language, name, before, after, path, text, estimate(text))


def language_of(block: Block) -> str | None:
    """The language that a block's opening line names, by its usual name; None where it names none."""
    info = block.info.lstrip("`~").strip().removeprefix("{").lstrip(".")
    found = _LANGUAGE.match(info)
    return usual_language(found.group(0)) if found else None


def is_example(code: str, language: str | None, around: str, rules: CodeRules) -> bool:
    """Whether a block is code, long enough to show something, and neither prose nor a diagram."""
    least = rules.least_chars if rules.least_chars is not None else least_chars(language, around)
    if not max(least, _LEAST_CHARS) <= len(code.strip()) <= rules.most_chars or language in _DIAGRAMS:
        return False
    lines = [line for line in code.split("\n") if line.strip()]
    signs = sum(bool(sign.search(code)) for sign in _SIGNS)
    return len(lines) >= _LEAST_LINES and signs >= _LEAST_SIGNS and _is_mostly_code(lines)


def _is_mostly_code(lines: Sequence[str]) -> bool:
    comments = sum(bool(_COMMENT.match(line)) for line in lines)
    prose = sum(bool(_PROSE.match(line.strip())) and len(line.split()) > 4 for line in lines)
    return comments <= _MOST_COMMENTS * len(lines) and prose <= max(_MOST_PROSE * len(lines), 1)


def least_chars(language: str | None, around: str) -> int:
    """The shortest block that counts, by its language and by what the words around call it; 100 to 1,000."""
    size = float(_SIZES.get(language or "", _DEFAULT_SIZE))
    words = around.lower()
    factor = next((factor for factor, names in _FACTORS if any(name in words for name in names)), 1.0)
    return int(min(max(size * factor, 100), 1000))


def _said(blocks: Sequence[Block], *, last: bool) -> str:
    """The words next to a block, up to the next code: the last ones before it, or the first ones after it."""
    texts: list[str] = []
    for block in reversed(blocks) if last else blocks:
        if block.kind == "code" or sum(map(len, texts)) > _AROUND:
            break
        if block.kind == "text":
            texts.append(block.text)
    joined = "\n\n".join(reversed(texts) if last else texts).strip()
    return joined[-_AROUND:] if last else joined[:_AROUND]


def _name(code: str, language: str | None, path: tuple[str, ...]) -> str:
    defined = _DEFINED.search(code)
    if path:
        return path[-1][:100]
    return defined.group(1) if defined else f"{language or 'code'} example"


def _beginning(code: str, room: int) -> str:
    """The first lines of `code` that fit, at least one sign."""
    if estimate(code) <= room:
        return code
    lines, total = [], 0
    for line in code.split("\n"):
        total += estimate(line)
        if total > room:
            break
        lines.append(line)
    return "\n".join(lines) if lines else _ending(code[::-1], room)[::-1]


def _ending(text: str, room: int) -> str:
    """The end of `text` that fits; cut anywhere."""
    while text and estimate(text) > room:
        kept = len(text) * max(room, 0) // estimate(text)
        text = text[len(text) - kept :]
    return text
