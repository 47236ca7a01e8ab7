"""Bodies of answers: unpacked within a limit, so that a small download cannot become a large one."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from src.errors import DocumentTooLarge, ErrorContext, FetchFailed

_STEP = 256 * 1024
_ANY_ZLIB = 32 + zlib.MAX_WBITS
"""zlib's own way to say: gzip or zlib, whichever the header shows."""


class Unpacker:
    """Unpacks gzip or deflate piece by piece; `plain` passes bytes through. Counts what comes out."""

    def __init__(self, encoding: str, max_bytes: int, url: str) -> None:
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._url = url
        self._inflate = zlib.decompressobj(_ANY_ZLIB)
        self._begun = False
        self.size = 0

    def feed(self, data: bytes) -> bytes:
        """The unpacked form of the next piece.

        Raises:
            DocumentTooLarge: more than the limit came out.
            FetchFailed: the data is not what its encoding says.
        """
        if self._encoding == "plain":
            return self._counted(data)
        try:
            return b"".join(self._inflated(data))
        except zlib.error as error:
            raise FetchFailed(
                "The answer's compression is damaged.", context=ErrorContext(operation="fetch", url=self._url)
            ) from error

    def _inflated(self, data: bytes) -> list[bytes]:
        pieces = []
        while data:
            pieces.append(self._counted(self._step(data)))
            data = self._inflate.unconsumed_tail
            if self._inflate.eof and self._inflate.unused_data:
                data = self._inflate.unused_data
                self._inflate = zlib.decompressobj(_ANY_ZLIB)
        return pieces

    def _step(self, data: bytes) -> bytes:
        try:
            piece = self._inflate.decompress(data, _STEP)
        except zlib.error:
            # Some servers send raw deflate without zlib's header.
            if self._begun or self._encoding != "deflate":
                raise
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            piece = self._inflate.decompress(data, _STEP)
        self._begun = True
        return piece

    def _counted(self, piece: bytes) -> bytes:
        self.size += len(piece)
        if self.size > self._max_bytes:
            raise too_large(self._max_bytes, self._url)
        return piece


def too_large(max_bytes: int, url: str) -> DocumentTooLarge:
    """The error for a body over the limit."""
    return DocumentTooLarge(
        f"It is larger than the limit of {max_bytes / 1_000_000:g} MB.",
        next_step="Leave it out, or split it into smaller parts.",
        context=ErrorContext(operation="fetch", url=url),
    )


def encoding_of(header: str, url: str) -> str:
    """`plain`, `gzip` or `deflate` from a Content-Encoding header. Raises FetchFailed for any other."""
    name = header.strip().lower()
    if name in ("", "identity"):
        return "plain"
    if name in ("gzip", "x-gzip"):
        return "gzip"
    if name == "deflate":
        return name
    raise FetchFailed(
        f"The answer is packed as '{name}', which was not asked for.",
        context=ErrorContext(operation="fetch", url=url),
    )


async def read(pieces: AsyncIterator[bytes], unpacker: Unpacker) -> bytes:
    """The whole unpacked body. Raises DocumentTooLarge, FetchFailed."""
    return b"".join([unpacker.feed(piece) async for piece in pieces])


def gunzip(data: bytes, max_bytes: int, url: str) -> bytes:
    """A gzip file unpacked within the limit. Raises DocumentTooLarge, FetchFailed."""
    return Unpacker("gzip", max_bytes, url).feed(data)
