"""What an import would do: decided as a whole before any of it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from src.errors import JsonValue
from src.store.connections import KEPT, ConnectionEntry, ConnectionRow, Sealed

from .connections_draft import ConnectionDraft, free_id
from .connections_file import ConnectionsFile
from .connections_rows import ConnectionShelf

Existing: TypeAlias = Literal["replace", "keep"]
"""What becomes of a connection whose id is there already."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, by id. `keys_dropped`: the address changed and the file told no key.

    `ignored` are places of fields that Archon does not know.
    """

    created: tuple[str, ...]
    replaced: tuple[str, ...]
    kept: tuple[str, ...]
    keys_dropped: tuple[str, ...]
    ignored: tuple[str, ...]

    def to_dict(self) -> dict[str, JsonValue]:
        """The body in REST."""
        return {name: list(ids) for name, ids in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What is to be written, and how it is told afterwards."""

    entries: tuple[ConnectionEntry, ...]
    imported: Imported


def plan_import(
    file: ConnectionsFile, rows: Sequence[ConnectionRow], shelf: ConnectionShelf, existing: Existing
) -> ImportPlan:
    """The plan for `file` over the stored `rows`. Raises ConfigurationError, DiskFull where keys cannot be sealed."""
    stored = {row.id: row for row in rows}
    named = _with_ids(file.drafts, set(stored))
    written = [(one, draft) for one, draft in named if existing == "replace" or one not in stored]
    seals = {one: _seal(shelf, one, stored.get(one), draft) for one, draft in written}
    entries = tuple(shelf.entry(one, draft, sealed=seals[one]) for one, draft in written)
    dropped = [one for one, draft in written if _drops(stored.get(one), seals[one], draft)]
    return ImportPlan(
        entries,
        Imported(
            created=tuple(one for one, _ in written if one not in stored),
            replaced=tuple(one for one, _ in written if one in stored),
            kept=tuple(one for one, _ in named if one in stored and existing == "keep"),
            keys_dropped=tuple(dropped),
            ignored=file.ignored,
        ),
    )


def _with_ids(drafts: Sequence[ConnectionDraft], taken: set[str]) -> list[tuple[str, ConnectionDraft]]:
    taken = taken | {draft.id for draft in drafts if draft.id}
    named: list[tuple[str, ConnectionDraft]] = []
    for draft in drafts:
        connection_id = draft.id or free_id(draft.name, taken)
        taken.add(connection_id)
        named.append((connection_id, draft))
    return named


def _seal(shelf: ConnectionShelf, connection_id: str, row: ConnectionRow | None, draft: ConnectionDraft) -> Sealed:
    """The key to write: the file's; where it tells none, the stored one stays, but only for the same address."""
    if row is not None and not draft.sends_key and not shelf.moved(row, draft):
        return KEPT
    return shelf.sealed(connection_id, draft.api_key)


def _drops(row: ConnectionRow | None, sealed: Sealed, draft: ConnectionDraft) -> bool:
    return row is not None and row.sealed is not None and sealed is None and not draft.sends_key
