"""What people ask for, as it is kept with the job, so that another process can go on with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from src.errors import ErrorContext, InvalidInput, JsonValue

from .patterns import Patterns

MAX_PAGES = 100_000
MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class CrawlRequest:
    """A site to take in. `max_depth` counts levels: 1 is the page alone, 2 also what it links to.

    `include` and `exclude` are patterns of addresses; see `patterns.py`.
    """

    url: str
    knowledge_type: str = "technical"
    tags: tuple[str, ...] = ()
    max_depth: int = 2
    max_pages: int = 200
    update_frequency: int = 7
    extract_code_examples: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def patterns(self) -> Patterns:
        """Which addresses are followed. Raises InvalidInput."""
        return Patterns.of(self.include, self.exclude)

    def checked(self) -> CrawlRequest:
        """Itself. Raises InvalidInput for a depth, a number of pages or a pattern that cannot be used."""
        Patterns.of(self.include, self.exclude)
        _within("max_depth", self.max_depth, MAX_DEPTH)
        _within("max_pages", self.max_pages, MAX_PAGES)
        return self


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """A file to take in. `content_type` is what the browser said, blank when it said nothing."""

    filename: str
    content: bytes
    content_type: str = ""
    knowledge_type: str = "technical"
    tags: tuple[str, ...] = ()
    extract_code_examples: bool = True


def crawl_to_json(request: CrawlRequest) -> dict[str, JsonValue]:
    """A crawl request for its job's row."""
    lists: dict[str, JsonValue] = {name: list(getattr(request, name)) for name in ("tags", "include", "exclude")}
    return {**asdict(request), **lists}


def crawl_of_json(stored: Mapping[str, JsonValue]) -> CrawlRequest:
    """The crawl request of a job's row, or of a source's metadata; what is missing there has its default."""
    default = CrawlRequest(url="")
    return CrawlRequest(
        url=str(stored.get("url") or stored.get("original_url") or ""),
        knowledge_type=str(stored.get("knowledge_type") or default.knowledge_type),
        tags=tags_of(stored),
        max_depth=_number(stored, "max_depth", default.max_depth),
        max_pages=_number(stored, "max_pages", default.max_pages),
        update_frequency=_number(stored, "update_frequency", default.update_frequency),
        extract_code_examples=stored.get("extract_code_examples") is not False,
        include=_texts(stored, "include"),
        exclude=_texts(stored, "exclude"),
    )


def tags_of(stored: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """The tags in a stored request."""
    return _texts(stored, "tags")


def _texts(stored: Mapping[str, JsonValue], name: str) -> tuple[str, ...]:
    values = stored.get(name)
    return tuple(str(value) for value in values) if isinstance(values, list) else ()


def _number(stored: Mapping[str, JsonValue], name: str, default: int) -> int:
    value = stored.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _within(name: str, value: int, highest: int) -> None:
    if not 1 <= value <= highest:
        raise InvalidInput(f"{name} must be from 1 to {highest}, not {value}.", context=ErrorContext(field=name))
