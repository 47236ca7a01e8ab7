"""Zip files, opened within bounds: how many files, how many bytes unpacked, how many times their packed size.

Word, PowerPoint, Excel and EPUB files are zip files too. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from src.errors import DocumentTooLarge, DocumentUnreadable

MAX_FILES = 5_000
MAX_BYTES = 500_000_000
MAX_FILE_BYTES = 50_000_000
MAX_RATIO = 200
"""Text shrinks to a tenth, logs to a fiftieth; what shrinks more was made to burst."""
_FREE_BYTES = 20_000_000
"""Below this the ratio does not matter: a small file of blanks is no danger."""
_MAX_LISTING = 2_000_000
_END = struct.Struct("<4s4H2LH")
_PACKED_UP = "It unpacks to more than a file of its size may hold"


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive; `name` is its whole path there, with slashes. `size` is unpacked, in bytes."""

    name: str
    size: int


class Archive:
    """A zip file in memory. `members` are its files in their order, folders left out."""

    def __init__(self, body: bytes) -> None:
        """Open it.

        Raises:
            DocumentUnreadable: it is no zip file, damaged, or wants a password.
            DocumentTooLarge: it would unpack to more than is allowed.
        """
        _check_listing(body)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(body))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise _damaged() from error
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        _check(infos, len(body))
        self._infos = {clean_name(info.filename): info for info in infos}
        self.members = tuple(Member(name, info.file_size) for name, info in self._infos.items())

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            DocumentUnreadable: there is none of that name, or it is damaged.
        """
        info = self._infos.get(name)
        if info is None:
            raise DocumentUnreadable(f"The file '{name}' is missing in it.")
        try:
            # Never more than the size that was checked: what unpacks to more is damaged by its own checksum.
            return self._zip.read(info)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError) as error:
            raise _damaged() from error


def clean_name(name: str) -> str:
    """A path of an archive as an address may show it: with slashes, no way up, no drive, no control signs."""
    plain = "".join(sign for sign in name.replace("\\", "/") if sign.isprintable())
    return "/".join(part for part in PurePosixPath(plain).parts if part not in ("/", "..", ".")) or "file"


def _check_listing(body: bytes) -> None:
    """Look at the size of the list of files before it is read: a million empty entries fill the memory too."""
    place = body.rfind(b"PK\x05\x06")
    if place < 0 or len(body) < place + _END.size:
        raise _damaged()
    _, _, _, _, count, listing_bytes, _, _ = _END.unpack_from(body, place)
    if count > MAX_FILES or listing_bytes > _MAX_LISTING:
        raise DocumentTooLarge(
            f"The archive holds more than {MAX_FILES} files.", next_step="Split it into smaller archives."
        )


def _check(infos: list[zipfile.ZipInfo], packed_bytes: int) -> None:
    if len(infos) > MAX_FILES:
        raise DocumentTooLarge(f"The archive holds more than {MAX_FILES} files.", next_step="Split it.")
    if any(info.flag_bits & 0x1 for info in infos):
        raise DocumentUnreadable("The file wants a password.", next_step="Save it without a password and upload that.")
    total = sum(info.file_size for info in infos)
    allowed = min(MAX_BYTES, max(_FREE_BYTES, packed_bytes * MAX_RATIO))
    if total > allowed or any(info.file_size > MAX_FILE_BYTES for info in infos):
        raise DocumentTooLarge(
            f"{_PACKED_UP}: {total / 1e6:.0f} MB, {allowed / 1e6:.0f} MB are allowed.",
            next_step="Unpack it yourself and upload the parts that are wanted.",
        )


def _damaged() -> DocumentUnreadable:
    return DocumentUnreadable("The file is damaged, or is not what its name says.")
