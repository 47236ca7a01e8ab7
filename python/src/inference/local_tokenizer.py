"""The model's own tokenizer, where its files lie on this machine: counts for a server that does not.

Never another model's. The server says where it loaded its model from: a folder, which means ours only if the server is
on this machine, or a repository's name, whose files the hub's cache keeps apart from all others.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from src.errors import ConfigurationError

from .address import parse_address
from .provider import Endpoint

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_log = structlog.get_logger("archon.inference.tokenizer")


class TextCounter(Protocol):
    """Counts with the model's own tokenizer, special tokens included."""

    async def count(self, text: str) -> int:
        """Tokens of `text` as the model would get it. May raise ProviderError."""
        ...

    async def count_all(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text. May raise ProviderError."""
        ...


class LocalTokenizer:
    """Counts in a thread, without asking anybody."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        # The file may say to cut texts at the model's length: they must be counted whole.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer

    async def count(self, text: str) -> int:
        """Tokens of `text`, special tokens included."""
        return (await self.count_all([text]))[0]

    async def count_all(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included."""
        return await asyncio.to_thread(self._counts, texts)

    def _counts(self, texts: Sequence[str]) -> list[int]:
        whole = [text.encode("utf-8", "replace").decode() for text in texts]
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(whole)]


async def own_tokenizer(root: str | None, endpoint: Endpoint, hub: Path) -> LocalTokenizer | None:
    """The tokenizer of the model that the server at `endpoint` loaded from `root`; None where it is not here.

    `hub` is the folder of the hub's cache.
    """
    file = tokenizer_file(root, endpoint, hub)
    if file is None:
        return None
    # Its reader raises plain exceptions for a damaged file.
    [loaded] = await asyncio.gather(asyncio.to_thread(_load, file), return_exceptions=True)
    if isinstance(loaded, BaseException):
        if not isinstance(loaded, Exception):
            raise loaded
        _log.warning("tokenizer_unreadable", file=str(file), reason=str(loaded))
        return None
    return LocalTokenizer(loaded)


def tokenizer_file(root: str | None, endpoint: Endpoint, hub: Path) -> Path | None:
    """Where the tokenizer of `root` lies on this machine, if it does."""
    if not root:
        return None
    if _REPOSITORY.fullmatch(root):
        return _of_repository(hub / f"models--{root.replace('/', '--')}")
    folder = Path(root)
    if not folder.is_absolute() or not _is_here(endpoint):
        return None
    file = folder / "tokenizer.json"
    return file if file.is_file() else None


def _of_repository(cached: Path) -> Path | None:
    main = cached / "refs" / "main"
    if not main.is_file():
        return None
    file = cached / "snapshots" / main.read_text(encoding="utf-8").strip() / "tokenizer.json"
    return file if file.is_file() else None


def _is_here(endpoint: Endpoint) -> bool:
    try:
        return parse_address(endpoint.base_url or "").is_loopback
    except ConfigurationError:
        return False


def _load(file: Path) -> Tokenizer:
    from tokenizers import Tokenizer  # a third of a megabyte of code that few servers need

    return Tokenizer.from_file(str(file))
