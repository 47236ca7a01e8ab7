"""Taking over Archon v1's data, with what is said about it: before, meanwhile and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from src.config import Environment
from src.errors import JsonValue
from src.settings import SecretBox
from src.settings.v1_secrets import SecretsTaken, take_secrets
from src.store import indexes, settings_rows, v1
from src.store.database import Database
from src.store.indexes import IndexesLeft
from src.store.place import MIGRATIONS, StorePlace

_PLAIN_MODEL = "unknown (Archon v1)"
"""Where v1 noted no model and its settings name none: the vectors are kept, and no search can mean them."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Takeover:
    """What was taken over from v1, and what could not be."""

    level: str
    vectors: int
    spaces: tuple[v1.Taken, ...]
    missing: int
    secrets: SecretsTaken

    def public(self) -> dict[str, JsonValue]:
        """For JSON."""
        return {
            "level": self.level,
            "vectors_taken": self.vectors,
            "spaces": [dict(asdict(space)) for space in self.spaces],
            "without_vector": self.missing,
            "secrets_taken": list(self.secrets.taken),
            "secrets_unreadable": list(self.secrets.unreadable),
        }


async def look(place: StorePlace) -> v1.V1Overview | None:
    """What v1 has at `place`; nothing is changed. Raises StoreError, MigrationNeeded, ConfigurationError."""
    if place.kind != "supabase":
        return await v1.overview_before(place.url or "", MIGRATIONS)
    async with place.opened() as database:
        return await v1.overview(database)


async def take_over(database: Database, environment: Environment, say: Say) -> Takeover | None:
    """Take over what is not taken yet; None where there is no v1 or nothing of it is left to take.

    Raises:
        StoreError: the database failed; what was taken stays, and the next call goes on from there.
        ConfigurationError, DiskFull: our secret key cannot be made.
    """
    state = await v1.state(database)
    if state is None or state.retired_at is not None:
        return None
    secrets = await _secrets(database, environment, state)
    if state.is_done and not secrets.taken and not secrets.unreadable:
        return None
    written = 0
    if not state.is_done:
        written = await _vectors(database, state.pending, say)
        await v1.finish(database)
    spaces = tuple(await v1.taken(database))
    return Takeover(state.level, written, spaces, await v1.missing(database), secrets)


async def build_indexes(database: Database, say: Say) -> int:
    """Build what was put off, one after the other; how many. Searches work all the while. Raises StoreError."""
    built = 0
    while await indexes.build_next(database, of_v1=True):
        built += 1
        say(f"{built} indexes are built.")
    return built


def waiting(left: IndexesLeft) -> list[str]:
    """What is said of indexes that wait; nothing where none does."""
    if not left.ours and not left.of_v1:
        return []
    return [
        f"{left.ours + left.of_v1} indexes wait. A running server builds them in the background; searches are exact"
        " until then. `archon migrate --build-indexes` builds them at once."
    ]


def described(found: v1.V1Overview) -> list[str]:
    """What v1 has, and what would become of it, line by line."""
    counts = found.counts
    lines = [
        f"Archon v1, level {found.level}: {counts.get('archon_sources', 0):,} sources,"
        f" {counts.get('archon_page_metadata', 0):,} pages, {counts.get('archon_crawled_pages', 0):,} chunks,"
        f" {counts.get('archon_code_examples', 0):,} code examples, {found.secrets} secrets."
    ]
    for item in found.vectors:
        what = "code examples" if item.table == "archon_code_examples" else "chunks"
        if item.dimensions is None:
            lines.append(
                f"  {item.count:,} {what} have no vector: words find them; a refresh of their source embeds them."
            )
        else:
            model = item.model or "the embedding model of the settings"
            lines.append(f"  {item.count:,} {what} of {model}, {item.dimensions} dimensions: taken over as they are.")
    kept = sum(counts.get(table, 0) for table in ("archon_projects", "archon_tasks"))
    lines.append(f"  Projects and tasks ({kept:,} rows) are left alone. Secrets are sealed anew; v1's text stays.")
    return lines


def reported(done: Takeover) -> list[str]:
    """What was done, line by line."""
    lines = [f"Archon v1 (level {done.level}): {done.vectors:,} vectors taken over, nothing embedded again."]
    for space in done.spaces:
        lines.append(
            f"  {space.model}, {space.dimensions} dimensions: {space.chunks:,} chunks, {space.examples:,} examples"
        )
    if done.missing:
        lines.append(f"  {done.missing:,} rows have no vector: words find them; a refresh of their source embeds them.")
    if done.secrets.taken:
        lines.append(f"  Secrets sealed with our key: {', '.join(done.secrets.taken)}")
    if done.secrets.unreadable:
        lines.append(
            f"  Not readable with the present SUPABASE_SERVICE_KEY: {', '.join(done.secrets.unreadable)}."
            " Enter them again in Settings, or set the key that v1 ran with and run this again."
        )
    return lines


async def _secrets(database: Database, environment: Environment, state: v1.V1State) -> SecretsTaken:
    if not state.secrets_left:
        return SecretsTaken((), ())
    box = SecretBox.of(environment.secret_key, environment.data_dir)
    return await take_secrets(database, box, environment.supabase_service_key)


async def _vectors(database: Database, pending: int, say: Say) -> int:
    model = await _model_of_v1(database)
    seen = written = 0
    for kind in v1.KINDS:
        while True:
            rows, vectors = await v1.take(database, kind, fallback_model=model)
            if not rows:
                break
            seen, written = seen + rows, written + vectors
            say(f"{seen:,} of {pending:,} rows, {written:,} vectors")
    return written


async def _model_of_v1(database: Database) -> str:
    """The model that v1's settings name, for rows where v1 noted none."""
    rows: Sequence[settings_rows.SettingRow] = await settings_rows.load(database)
    return next((row.value for row in rows if row.key == "EMBEDDING_MODEL" and row.value), _PLAIN_MODEL)
