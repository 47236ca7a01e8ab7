"""The backup file: frames of rows between a head and an end, checked as a whole before anything is restored.

`archon-backup 1\\n`, then frames. A frame is one letter, the lengths of its two parts (uint32 each, big-endian), the
first part (JSON, deflated) and the second (float32 vectors, little-endian). Letters: H head, B batch, S sealed secrets,
E end, which holds the SHA-256 of every byte before it: without it a file was cut, after it nothing may come.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from src.errors import DiskFull, InvalidInput, JsonValue

from .copying import Batch

_MAGIC = b"archon-backup 1\n"
_FRAME = struct.Struct(">cII")
_LARGEST_PART = 1 << 30
_WHAT_TO_DO = "Take another backup file; nothing was changed."


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What a whole file says of itself. `secrets` is the sealed text, None where it has none."""

    head: Mapping[str, JsonValue]
    rows: Mapping[str, int]
    bytes: int
    secrets: Mapping[str, JsonValue] | None = field(default=None, repr=False)


class BackupWriter:
    """Writes one file; it is a backup only once `end` was called."""

    def __init__(self, file: BinaryIO, head: Mapping[str, JsonValue]) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self._rows: dict[str, int] = {}
        self._put(_MAGIC)
        self._frame(b"H", _packed(dict(head)))

    def batch(self, batch: Batch) -> None:
        """Add rows. Raises DiskFull."""
        sizes = [len(vector) for vector in batch.vectors]
        head = json.dumps({"table": batch.table, "sizes": sizes}).encode()
        body = b"\n".join([head, *(row.replace("\n", " ").encode() for row in batch.rows)])
        self._frame(b"B", zlib.compress(body, 1), b"".join(map(_to_bytes, batch.vectors)))
        self._rows[batch.table] = self._rows.get(batch.table, 0) + len(batch.rows)

    def secrets(self, sealed: Mapping[str, JsonValue]) -> None:
        """Add the secrets under a passphrase. Raises DiskFull."""
        self._frame(b"S", _packed(dict(sealed)))

    def end(self) -> Mapping[str, int]:
        """Make it a whole backup; returns the rows by table. Raises DiskFull."""
        self._frame(b"E", _packed({"rows": dict(self._rows), "sha256": self._sum.hexdigest()}))
        return self._rows

    def _frame(self, letter: bytes, first: bytes, second: bytes = b"") -> None:
        self._put(_FRAME.pack(letter, len(first), len(second)) + first + second)

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise DiskFull(f"The backup cannot be written: {error.strerror}.") from error
        self._sum.update(data)


def check(path: Path) -> BackupSummary:
    """Read the whole file and say what is in it.

    Raises:
        InvalidInput: it is no backup, was cut, was changed, or is of a newer format.
    """
    found: dict[bytes, Mapping[str, JsonValue]] = {}
    rows: dict[str, int] = {}
    with _opened(path) as file:
        for letter, first, _second, digest in _frames(file):
            if letter == b"B":
                table, count = _batch_head(first)
                rows[table] = rows.get(table, 0) + count
            else:
                found[letter] = {**_object(first), "before": digest}
        rest = file.read(1)
    _require_whole(found[b"E"], rows, rest)
    return BackupSummary(found.get(b"H", {}), rows, path.stat().st_size, found.get(b"S"))


def _require_whole(end: Mapping[str, JsonValue], rows: Mapping[str, int], rest: bytes) -> None:
    if end.get("sha256") != end["before"] or end.get("rows") != rows:
        raise _damaged("its checksum does not fit")
    if rest:
        raise _damaged("something follows its end")


def batches(path: Path) -> Iterator[Batch]:
    """The rows of a file that `check` has passed. Raises InvalidInput."""
    with _opened(path) as file:
        for letter, first, second, _digest in _frames(file):
            if letter == b"B":
                yield _batch(first, second)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", next_step="Correct the file's name.") from error


def _frames(file: BinaryIO) -> Iterator[tuple[bytes, bytes, bytes, str]]:
    """Letter, both parts, and the checksum of all before the frame. Raises InvalidInput."""
    total = hashlib.sha256()
    magic = file.read(len(_MAGIC))
    if magic != _MAGIC:
        if magic.startswith(b"archon-backup "):
            raise InvalidInput("The backup is of a newer Archon.", next_step="Restore it with that version.")
        raise InvalidInput("The file is no backup of Archon's.", next_step=_WHAT_TO_DO)
    total.update(magic)
    letter = b""
    while letter != b"E":
        before = total.hexdigest()
        head = _exactly(file, _FRAME.size)
        letter, first_size, second_size = _FRAME.unpack(head)
        if letter not in (b"H", b"B", b"S", b"E") or max(first_size, second_size) > _LARGEST_PART:
            raise _damaged("its frames are broken")
        first, second = _exactly(file, first_size), _exactly(file, second_size)
        for part in (head, first, second):
            total.update(part)
        yield letter, first, second, before


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise InvalidInput("The backup was cut: its end is missing.", next_step=_WHAT_TO_DO)
    return data


def _batch(first: bytes, second: bytes) -> Batch:
    head, *rows = _inflated(first).split(b"\n")
    said = json.loads(head)
    vectors, at = [], 0
    for size in said["sizes"]:
        vectors.append(_from_bytes(second[at : at + 4 * size]))
        at += 4 * size
    return Batch(str(said["table"]), tuple(row.decode() for row in rows), tuple(vectors))


def _batch_head(first: bytes) -> tuple[str, int]:
    body = _inflated(first)
    head, _, _ = body.partition(b"\n")
    try:
        return str(json.loads(head)["table"]), body.count(b"\n")
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged("its rows are broken") from error


def _object(first: bytes) -> dict[str, JsonValue]:
    try:
        found = json.loads(_inflated(first))
    except ValueError as error:
        raise _damaged("its text is broken") from error
    return dict(found)


def _packed(value: dict[str, JsonValue]) -> bytes:
    return zlib.compress(json.dumps(value).encode(), 1)


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error as error:
        raise _damaged("its text is broken") from error


def _to_bytes(vector: array[float]) -> bytes:
    if sys.byteorder == "little":
        return vector.tobytes()
    swapped = array("f", vector)
    swapped.byteswap()
    return swapped.tobytes()


def _from_bytes(data: bytes) -> array[float]:
    vector = array("f")
    vector.frombytes(data)
    if sys.byteorder != "little":
        vector.byteswap()
    return vector


def _damaged(why: str) -> InvalidInput:
    return InvalidInput(f"The backup is damaged: {why}.", next_step=_WHAT_TO_DO)
