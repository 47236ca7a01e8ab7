"""Vectors of texts, kept on disk between runs: embedding two manuals takes a quarter of an hour on two cores."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from src.errors import ContextTooLong
from src.inference.models import Embedder, Vector

AT_ONCE = 256
QUESTIONS_AT_ONCE = 16
_QUESTION = "question:"
SHORTER = 0.85
"""A text that the model refuses as too long is embedded by its beginning."""


class KeptVectors:
    """A file of vectors by model and text."""

    def __init__(self, path: Path, embedder: Embedder) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path)
        self._file.execute("create table if not exists vectors (hash text primary key, vector blob not null)")
        self._embedder = embedder
        self._model = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    async def of(self, texts: Sequence[str]) -> list[Vector]:
        """A vector for each text, in their order. Raises ProviderError when the server fails."""
        await self._know()
        missing = [text for text in dict.fromkeys(texts) if self._kept(text) is None]
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            for text, outcome in zip(part, await self._embedder.embed_passages(part), strict=True):
                vector = outcome.vector if outcome.vector is not None else await self._beginning(text)
                self._keep(text, vector)
            self._file.commit()
            print(f"    embedded {start + len(part):,} of {len(missing):,}", flush=True)
        found = (self._kept(text) for text in texts)
        return [vector for vector in found if vector is not None]

    async def of_questions(self, texts: Sequence[str]) -> list[Vector]:
        """The same for questions, which some models embed in another way than passages."""
        await self._know()
        missing = [text for text in dict.fromkeys(texts) if self._kept(_QUESTION + text) is None]
        for start in range(0, len(missing), QUESTIONS_AT_ONCE):
            part = missing[start : start + QUESTIONS_AT_ONCE]
            vectors = await asyncio.gather(*(self._embedder.embed_query(text) for text in part))
            for text, vector in zip(part, vectors, strict=True):
                self._keep(_QUESTION + text, vector)
            self._file.commit()
        found = (self._kept(_QUESTION + text) for text in texts)
        return [vector for vector in found if vector is not None]

    async def _know(self) -> None:
        self._model = (await self._embedder.identity()).model

    async def _beginning(self, text: str) -> Vector:
        while True:
            text = text[: int(len(text) * SHORTER)]
            outcome = (await self._embedder.embed_passages([text]))[0]
            if outcome.vector is not None:
                return outcome.vector
            if not isinstance(outcome.error, ContextTooLong) or not text:
                raise outcome.error or SystemExit("a text got no vector")

    def _keep(self, text: str, vector: Vector) -> None:
        self._file.execute("insert or replace into vectors values (?, ?)", (self._key(text), vector.tobytes()))

    def _kept(self, text: str) -> Vector | None:
        row = self._file.execute("select vector from vectors where hash = ?", (self._key(text),)).fetchone()
        return None if row is None else array("f", row[0])

    def _key(self, text: str) -> str:
        return hashlib.sha256(f"{self._model}\0{text}".encode()).hexdigest()
