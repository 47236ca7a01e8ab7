"""What a body is, from the type its server or browser says and from the ending of its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import get_args
from urllib.parse import urlsplit

from src.errors import DocumentUnreadable

from .document import Kind

_BY_TYPE: Mapping[str, Kind] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    "text/plain": "text",
    "text/x-rst": "text",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.ms-excel.sheet.macroenabled.12": "xlsx",
    "application/epub+zip": "epub",
    "application/zip": "zip",
    "application/x-zip-compressed": "zip",
}
_BY_ENDING: Mapping[str, Kind] = {
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".mdx": "markdown",
    ".markdown": "markdown",
    ".pdf": "pdf",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".epub": "epub",
    ".zip": "zip",
}
_LANGUAGES = (
    "python:py,pyi,pyx javascript:js,mjs,cjs,jsx typescript:ts,mts,cts tsx:tsx java:java kotlin:kt,kts c:c,h"
    " cpp:cc,cpp,cxx,hpp,hh csharp:cs go:go rust:rs ruby:rb php:php swift:swift scala:scala bash:sh,bash,zsh"
    " powershell:ps1 sql:sql css:css,scss,less json:json,jsonl,ndjson yaml:yaml,yml toml:toml ini:ini,cfg,conf"
    " xml:xml,xsd,xsl,svg proto:proto graphql:graphql,gql lua:lua perl:pl,pm r:r julia:jl haskell:hs elixir:ex,exs"
    " erlang:erl,hrl clojure:clj,cljs dart:dart zig:zig nim:nim vue:vue svelte:svelte terraform:tf"
    " dockerfile:dockerfile makefile:mk,makefile cmake:cmake groovy:groovy,gradle ocaml:ml,mli fsharp:fs vim:vim"
    " latex:tex csv:csv,tsv diff:diff,patch log:log"
)
LANGUAGES: Mapping[str, str] = {
    ending: language
    for language, _, endings in (group.partition(":") for group in _LANGUAGES.split())
    for ending in endings.split(",")
}
"""Languages of source files by their ending, without the dot; `Dockerfile` and `Makefile` are endings too."""

ARCHIVES: frozenset[str] = frozenset({".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".jar", ".whl"})
_BETTER: Mapping[str, tuple[Kind, ...]] = {"zip": ("docx", "pptx", "xlsx", "epub"), "text": ("markdown", "text")}
"""Where the ending knows more: office files are sent as the zip files that they are, Markdown as plain text."""
_UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_CODE_TYPES = (
    *("text/", "application/x-", "application/javascript", "application/json", "application/yaml"),
    *("application/toml", "application/xml", "application/sql", "application/typescript", "video/mp2t"),
)
"""Browsers call TypeScript a video."""
READABLE = "PDF, Word, PowerPoint, Excel, EPUB, HTML, Markdown, text, source code, and zip archives of these"
KINDS: frozenset[str] = frozenset(get_args(Kind))


def ending_of(name: str) -> str:
    """The ending of an address or a file's name, with its dot, lower case; blank where there is none."""
    return PurePosixPath(urlsplit(name).path.lower()).suffix


def language_of(name: str) -> str | None:
    """The language of a source file, None for any other name."""
    path = PurePosixPath(urlsplit(name).path.lower())
    return LANGUAGES.get(path.suffix[1:] or path.name)


def kind_of(content_type: str, name: str) -> Kind:
    """What a body is, from its type, else from the ending of its name.

    Raises:
        DocumentUnreadable: nothing that Archon reads.
    """
    by_type, by_ending = _BY_TYPE.get(content_type), _BY_ENDING.get(ending_of(name))
    if by_ending and by_ending in _BETTER.get(by_type or "", ()):
        return by_ending
    if by_type in (None, "text") and by_ending is None and _may_be_code(content_type) and language_of(name):
        return "code"
    kind = by_type or (by_ending if content_type in _UNKNOWN else _plain(content_type, name))
    if kind is None:
        raise DocumentUnreadable(
            f"'{content_type or ending_of(name) or name}' is not something that Archon reads.",
            next_step=f"Archon reads {READABLE}.",
        )
    return kind


def _plain(content_type: str, name: str) -> Kind | None:
    return "text" if content_type.startswith("text/") and ending_of(name) != ".xml" else None


def _may_be_code(content_type: str) -> bool:
    return content_type in _UNKNOWN or content_type.startswith(_CODE_TYPES)
