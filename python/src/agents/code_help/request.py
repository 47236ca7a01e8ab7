"""What is asked of code help, checked before anything is done for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from src.errors import ErrorContext, InvalidInput

from .lines import Selection, split

MAX_TEXT = 1_000_000
MAX_FILES = 20
MAX_WORDS = 4000
MAX_PASSAGES = 10


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A text file. `path` is relative, with forward slashes."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRequest:
    """Lines `start` to `end` (from 1, None: to the last) of `file`, and what is wanted of them.

    `words` is a question about them, or the instruction for a rewrite. `others` are files that help to understand;
    `passages` says how many passages of the knowledge base to look for.
    """

    file: CodeFile
    words: str = ""
    start: int = 1
    end: int | None = None
    language: str | None = None
    others: tuple[CodeFile, ...] = ()
    passages: int = 0
    source_ids: tuple[str, ...] = ()
    connection_id: str | None = None
    model: str | None = None
    max_tokens: int | None = None

    def selection(self) -> Selection:
        """The chosen lines. Raises InvalidInput, naming the field, where a value cannot be used."""
        _check_file(self.file, "path", "text")
        if len(self.words) > MAX_WORDS:
            raise refused("instruction", f"More than {MAX_WORDS:,} characters are no instruction.")
        if len(self.others) > MAX_FILES:
            raise refused("files", f"At most {MAX_FILES} other files are read, not {len(self.others)}.")
        for at, other in enumerate(self.others):
            _check_file(other, f"files[{at}].path", f"files[{at}].text")
        count = len(split(self.file.text))
        if not self.file.text.strip():
            raise refused("text", f"{self.file.path} is empty.")
        end = count if self.end is None else min(self.end, count)
        if not 1 <= self.start <= count:
            raise refused("start", f"{self.file.path} has {count:,} lines; line {self.start:,} is none of them.")
        if end < self.start:
            raise refused("end", f"The lines {self.start:,} to {self.end or end:,} are none.")
        selection = Selection.of(self.file.text, self.start, end)
        if not selection.text.strip():
            raise refused("start", "The chosen lines are empty.")
        return selection


def refused(field: str, message: str) -> InvalidInput:
    """The error for a value that cannot be used."""
    return InvalidInput(message, context=ErrorContext(field=field))


def _check_file(file: CodeFile, path_field: str, text_field: str) -> None:
    path = PurePosixPath(file.path)
    if not file.path.strip() or len(file.path) > 1000 or "\0" in file.path:
        raise refused(path_field, "The file needs a path of at most 1,000 characters.")
    if path.is_absolute() or ".." in path.parts or path.name in ("", "."):
        raise refused(path_field, f"'{file.path[:100]}' must be a path below the folder where a diff is applied.")
    if any(part.lower() == ".git" for part in path.parts):
        raise refused(path_field, f"'{file.path[:100]}' is git's own; no diff may change it.")
    if len(file.text) > MAX_TEXT:
        raise refused(text_field, f"{file.path} has {len(file.text):,} characters; at most {MAX_TEXT:,} are read.")
    if "\0" in file.text:
        raise refused(text_field, f"{file.path} is no text file.")
