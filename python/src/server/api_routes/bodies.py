"""What requests may hold, checked before a room sees it."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from src.ingest.requests import MAX_DEPTH, MAX_PAGES, CrawlRequest


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    return text


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError as error:
        raise ValueError("it is no web address") from error
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise ValueError("it must begin with http:// or https:// and name a host")
    return text


Storable = AfterValidator(_storable)
"""For text on its way into the database."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000), AfterValidator(_storable)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), AfterValidator(_storable)]
Question = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000), AfterValidator(_storable)
]
SettingText = Annotated[str, StringConstraints(max_length=100_000), AfterValidator(_storable)]
WebAddress = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000), AfterValidator(_web_address)
]
Tags = Annotated[list[Name], Field(max_length=50)]
AddressPatterns = Annotated[list[Name], Field(max_length=50)]
ServiceName = Literal["llm", "embedding", "rerank"]
ProviderId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$", max_length=20)]


class CrawlBody(BaseModel):
    """POST /api/knowledge-items/crawl and …/preview. `include` and `exclude` are patterns of addresses to follow."""

    url: WebAddress
    knowledge_type: Name = "technical"
    tags: Tags = []
    update_frequency: int = Field(default=7, ge=0, le=3650)
    max_depth: int = Field(default=2, ge=1, le=MAX_DEPTH)
    max_pages: int = Field(default=200, ge=1, le=MAX_PAGES)
    extract_code_examples: bool = True
    include: AddressPatterns = []
    exclude: AddressPatterns = []

    def request(self) -> CrawlRequest:
        """What the ingest room is asked for."""
        lists = {name: tuple(getattr(self, name)) for name in ("tags", "include", "exclude")}
        return CrawlRequest(**{**self.model_dump(), **lists})


class ItemChanges(BaseModel):
    """PUT /api/knowledge-items/{id}: what is left out stays."""

    title: Name | None = None
    description: Text | None = None
    knowledge_type: Name | None = None
    tags: Tags | None = None
    status: Name | None = None
    update_frequency: int | None = Field(default=None, ge=0, le=3650)
    group_name: Text | None = None


class QueryBody(BaseModel):
    """POST /api/rag/query. What is empty filters nothing; `source` is v1's way to name one source."""

    query: Question
    source: Text | None = None
    source_ids: Annotated[list[Name], Field(max_length=1000)] = []
    tags: Tags = []
    knowledge_types: Tags = []
    languages: Tags = []
    match_count: int = Field(default=5, ge=1, le=100)
    return_mode: Literal["chunks", "pages"] = "chunks"


class CheckBody(BaseModel):
    """POST /api/providers/{id}/check and …/models: unsaved form values over the stored ones."""

    service: ServiceName
    values: dict[Name, SettingText | None] = {}


class SettingsBody(BaseModel):
    """PUT /api/settings: null removes a stored value."""

    values: dict[Name, SettingText | None]


class CredentialBody(BaseModel):
    """POST /api/credentials."""

    key: Name
    value: SettingText
    is_encrypted: bool = False
    category: Name | None = None
    description: Text | None = None


class CredentialChange(BaseModel):
    """PUT /api/credentials/{key}: what is left out keeps its stored value, `value` becomes empty."""

    value: SettingText | bool | int | float | None = ""
    is_encrypted: bool | None = None
    category: Name | None = None
    description: Text | None = None


class KeysBody(BaseModel):
    """POST /api/credentials/status-check."""

    keys: Annotated[list[Name], Field(max_length=200)]
