"""What `archon backup`, `restore` and `move` do, apart from asking and printing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace as with_changes
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from src.errors import ArchonError, Conflict, DiskFull, InvalidInput, JsonValue, MigrationNeeded, StoreError
from src.server.version import version
from src.settings import SecretBox
from src.settings.passphrase import open_all, seal, unseal
from src.store import backup_file, copying, settings_rows
from src.store.backup_file import BackupSummary, BackupWriter
from src.store.copying import Batch
from src.store.database import Database
from src.store.filling import Filling, ahead
from src.store.migrate_rest import applied_in
from src.store.place import StorePlace

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds. `unreadable` are secrets that our key does not open; they are not in it."""

    rows: Mapping[str, int]
    bytes: int
    secrets: int = 0
    unreadable: tuple[str, ...] = ()
    left_out: int = 0

    def public(self) -> dict[str, JsonValue]:
        """For JSON."""
        return {
            "rows": dict(self.rows),
            "bytes": self.bytes,
            "secrets": self.secrets,
            "secrets_unreadable": list(self.unreadable),
            "left_out": self.left_out,
        }


async def back_up(database: Database, path: Path, box: SecretBox, passphrase: str | None, say: Say) -> Copied:
    """Write the whole store into `path`; secrets only with a passphrase.

    Raises:
        StoreError, DiskFull, InvalidInput: there is no new file at `path`, and one that was there is as it was.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            copied = await _write_file(database, file, box, passphrase, say)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise DiskFull(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)
    return with_changes(copied, bytes=(await asyncio.to_thread(path.stat)).st_size)


async def restore(
    database: Database, path: Path, box: SecretBox, *, replace: bool, passphrase: str | None, say: Say
) -> Copied:
    """Put the backup at `path` into an empty store, or with `replace` in place of what is there.

    Raises:
        InvalidInput: the file is no whole backup, or the passphrase does not open it; nothing was changed.
        MigrationNeeded: it is of a newer schema; nothing was changed.
        Conflict: the store is not empty; nothing was changed.
        StoreError: the database failed on the way; what had come was taken away again.
    """
    summary = await asyncio.to_thread(backup_file.check, path)
    secrets = await asyncio.to_thread(_secrets_of, summary, passphrase)
    await _require_tables(database, summary)
    kind = summary.head.get("words")
    await copying.begin(database, replace=replace, words_kind=kind if isinstance(kind, str) else None)
    written = await _fill(database, _from_file(path), say, total=sum(summary.rows.values()))
    for key, value in secrets.items():
        await settings_rows.seal(database, key, await asyncio.to_thread(box.seal, key, value))
    left_out = sum(summary.rows.values()) - sum(written.values())
    return Copied(written, summary.bytes, len(secrets), left_out=left_out)


async def move(source: Database, target: Database, say: Say) -> Copied:
    """Copy the whole store into another, empty one, secrets as they are sealed: our key stays the same.

    Raises:
        Conflict: the other store is not empty; nothing was changed.
        StoreError: a database failed on the way; what had come was taken away again.
    """
    counts = await copying.counts(source)
    await copying.begin(target, replace=False, words_kind=await copying.words_kind(source))
    written = await _fill(target, copying.read(source), say, total=sum(counts.values()))
    sealed = await copying.sealed_secrets(source)
    for key, text in sealed.items():
        await settings_rows.seal(target, key, text)
    return Copied(written, 0, len(sealed), left_out=max(0, sum(counts.values()) - sum(written.values())))


def described(copied: Copied) -> list[str]:
    """What was copied, line by line; tables without rows are left out."""
    lines = [
        f"  {table.removeprefix('archon_').replace('_', ' ')}: {count:,}"
        for table, count in copied.rows.items()
        if count
    ]
    if copied.secrets:
        lines.append(f"  secrets: {copied.secrets}")
    if copied.unreadable:
        lines.append(f"  not in it, because our key does not open them: {', '.join(copied.unreadable)}")
    if copied.left_out:
        lines.append(f"  left out: {copied.left_out:,} rows that were there already or whose parent went meanwhile")
    return lines


def require_other(source: StorePlace, target: StorePlace) -> None:
    """Pass when both are different stores. Raises Conflict."""
    if (source.kind, source.url) == (target.kind, target.url):
        raise Conflict("That is the store in use already.", next_step="Name another one with --to.")


async def _write_file(database: Database, file: BinaryIO, box: SecretBox, passphrase: str | None, say: Say) -> Copied:
    counts = await copying.counts(database)
    writer = await asyncio.to_thread(BackupWriter, file, await _head(database))
    unreadable: tuple[str, ...] = ()
    values: dict[str, str] = {}
    if passphrase is not None:
        values, unreadable = await asyncio.to_thread(open_all, box, await copying.sealed_secrets(database))
        writer.secrets(await asyncio.to_thread(seal, values, passphrase))
    total, done = sum(counts.values()), 0
    async for batch in ahead(copying.read(database)):
        # In a thread: deflating two megabytes takes long enough to be felt.
        await asyncio.to_thread(writer.batch, batch)
        done += len(batch.rows)
        say(f"{done:,} of {total:,} rows")
    return Copied(dict(writer.end()), 0, len(values), unreadable)


async def _head(database: Database) -> dict[str, JsonValue]:
    state = await database.state()
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "archon": version(),
        "postgres": state.server_version,
        "words": await copying.words_kind(database),
        "migrations": [row.version for row in await applied_in(database) if row.is_ours],
    }


async def _fill(target: Database, batches: AsyncIterator[Batch], say: Say, *, total: int) -> dict[str, int]:
    """Write all batches; on a failure the store is left as empty as it was."""
    filling = Filling(target)
    try:
        done = 0
        async for batch in ahead(batches):
            await filling.put(batch)
            done += len(batch.rows)
            say(f"{done:,} of {total:,} rows")
        await filling.settle()
        await copying.end(target)
    except (ArchonError, asyncio.CancelledError):
        await filling.stop()
        # If this fails as well, the next restore finds the mark of this one and clears away itself.
        with suppress(StoreError):
            await asyncio.shield(copying.undo(target))
        raise
    return filling.written


async def _from_file(path: Path) -> AsyncIterator[Batch]:
    batches = backup_file.batches(path)
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch


def _secrets_of(summary: BackupSummary, passphrase: str | None) -> dict[str, str]:
    if passphrase is None:
        return {}
    if summary.secrets is None:
        raise InvalidInput(
            "The backup holds no secrets.", next_step="Restore it without --with-secrets and enter them in Settings."
        )
    return unseal(summary.secrets, passphrase)


async def _require_tables(database: Database, summary: BackupSummary) -> None:
    known = await copying.counts(database)
    missing = sorted(table for table in summary.rows if table not in known)
    if missing:
        raise MigrationNeeded(
            f"The backup has tables that this version does not know: {', '.join(missing)}.",
            next_step="Restore it with the version of Archon that made it, or a newer one.",
        )
