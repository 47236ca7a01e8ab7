"""The values that pass between the reader and the pipeline: what was asked, what was read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["html", "markdown", "text", "pdf", "docx", "pptx", "xlsx", "epub", "code", "zip"]

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a chunk may be in tokens, with all that is embedded along; `ratio` is tokens per estimated token."""

    max_tokens: int
    ratio: float


@dataclass(frozen=True, slots=True)
class CodeRules:
    """Which blocks of code are examples. `least_chars` None: by the language and by the words around a block."""

    wanted: bool = True
    least_chars: int | None = None
    most_chars: int = 5000


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A body to be read. `label` is the text of the link that led to it, or the file's name."""

    kind: Kind
    url: str
    charset: str | None
    label: str
    budget: Budget
    rules: CodeRules = CodeRules()


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another page, resolved, with its text."""

    url: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage. `estimated_tokens` is of all that is embedded (`embedded_text`), before the budget's ratio.

    `context` are the headings above it; `situation` is what a chat model says of its place, where that is wanted.
    """

    text: str
    heading_path: tuple[str, ...]
    context: str
    estimated_tokens: int
    page_number: int | None
    links: tuple[Link, ...] = ()
    situation: str = ""

    @property
    def lead(self) -> str:
        """What is embedded before the passage."""
        return "\n".join(part for part in (self.context, self.situation) if part)

    @property
    def embedded_text(self) -> str:
        """The passage with the headings that it stands under, and its situation."""
        return f"{self.lead}\n\n{self.text}" if self.lead else self.text


@dataclass(frozen=True, slots=True)
class Example:
    """A block of code worth finding by itself, character for character, with what is said around it.

    `embedded_text` is what its vector is made of; `estimated_tokens` is of that, before the budget's ratio.
    """

    code: str
    language: str | None
    name: str
    before: str
    after: str
    heading_path: tuple[str, ...]
    embedded_text: str
    estimated_tokens: int


@dataclass(frozen=True, slots=True)
class Document:
    """What was read from one page or file. `content_hash` also covers how it was cut.

    A body that holds several (a book, llms-full.txt) gives one for each `part`, which is the fragment of its
    address; `whole_title` is then the title of all. `is_thin`: hardly any text, and scripts that may bring more.
    """

    title: str
    language: str | None
    markdown: str
    word_count: int
    content_hash: str
    links: tuple[Link, ...]
    chunks: tuple[Chunk, ...]
    examples: tuple[Example, ...] = ()
    part: str = ""
    whole_title: str = ""
    is_thin: bool = False


def clean(text: str) -> str:
    """`text` without what neither Postgres nor a tokenizer takes: NUL, control signs, lone surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATE.sub("�", _CONTROL.sub("", text))
