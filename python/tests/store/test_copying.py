"""A backup holds everything and brings it back; what is no whole backup changes nothing."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from src.cli import copies
from src.errors import Conflict, InvalidInput, MigrationNeeded
from src.settings import SecretBox
from src.store import backup_file, copying, indexes, jobs, pages, settings_rows, sources, spaces
from src.store.backup_file import BackupWriter
from src.store.copying import Batch
from src.store.database import Database
from src.store.place import StorePlace
from src.store.postgres import PostgresDatabase
from src.store.search import Scope, SearchRepository

KEYS = SecretBox.from_text("a key for these tests, long enough")
PASSPHRASE = "correct horse battery"


def _quiet(_text: str) -> None:
    return None


async def _fill(database: Database, *, pages_wanted: int = 3) -> None:
    """A source with pages, chunks and vectors; a job, an upload, settings and a secret."""
    await sources.ensure(database, source_id="s1", url="https://x/", display_name="x", title="ü\n x", metadata={})
    job = await jobs.create(database, kind="crawl", source_id="s1", request={"n": 1}, progress={})
    await jobs.claim(database, "me", lease_s=60)
    space = await spaces.ensure(database, model="m", dimensions=3)
    for number in range(pages_wanted):
        key = f"https://x/{number}"
        await jobs.add_addresses(database, job.id, [jobs.Address(key, key)], depth=1, page_limit=100)
        page = pages.NewPage(
            url=key, url_key=key, title=f"T{number}", content='line\nbreak "quoted" \\ ü', content_hash="h",
            language="en", word_count=3, section_title=None, section_order=number, metadata={"tags": ["a", "b"]},
        )  # fmt: skip
        chunks = [
            pages.NewChunk(f"passage {number} {n}", ("A", "B"), 2, None, {}, array("f", [1 / (number + 1), n / 7, 0.1]))
            for n in range(4)
        ]
        await pages.save(database, pages.WorkPlace(job.id, "me", "s1", key), page, chunks, space_id=space.id)
    await jobs.create_upload(database, source_id="f", request={}, progress={}, content=b"\x00\xff")
    entry = settings_rows.SettingEntry("A_KEY", sealed=KEYS.seal("A_KEY", "hidden"), is_encrypted=True)
    await settings_rows.save(database, [entry, settings_rows.SettingEntry("PLAIN", "value")])


async def _found(database: Database) -> list[tuple[object, ...]]:
    space = await spaces.active(database)
    assert space is not None
    hits = await SearchRepository(database).chunks(
        space=space.id, vector=array("f", [0.4, 0.3, 0.1]), words="passage break", scope=Scope(), limit=6
    )
    return [(hit.id, hit.content, hit.similarity, hit.page_id) for hit in hits]


async def test_a_restored_store_gives_the_same_answers(database: Database, tmp_path: Path) -> None:
    await _fill(database)
    before, rows = await _found(database), await copying.counts(database)
    await copies.back_up(database, tmp_path / "b", KEYS, None, _quiet)
    await sources.delete(database, "s1")
    await copies.restore(database, tmp_path / "b", KEYS, replace=True, passphrase=None, say=_quiet)
    assert (await indexes.put_off(database)).ours == 1
    assert (await _found(database), await copying.counts(database)) == (before, rows)
    while await indexes.build_next(database):
        pass
    assert (await indexes.left(database)).ours == 0
    assert (await _found(database), await copying.counts(database)) == (before, rows)


async def test_what_is_stored_after_a_restore_gets_numbers_of_its_own(database: Database, tmp_path: Path) -> None:
    await _fill(database, pages_wanted=1)
    await copies.back_up(database, tmp_path / "b", KEYS, None, _quiet)
    await copies.restore(database, tmp_path / "b", KEYS, replace=True, passphrase=None, say=_quiet)
    space = await spaces.ensure(database, model="other", dimensions=4)
    job = (await database.call("archon_jobs_of", source="s1", row_limit=1))[0]
    place = pages.WorkPlace(str(job["id"]), "me", "s1", "https://x/0")
    page = pages.NewPage("https://x/9", "https://x/9", "T", "c", "h", None, 1, None, 0, {})
    chunk = pages.NewChunk("new", (), 1, None, {}, array("f", [1, 0, 0, 0]))
    await pages.save(database, place, page, [chunk], space_id=space.id)
    assert (await pages.chunks(database, "s1")).total == 5


async def test_a_move_leaves_the_old_store_and_fills_the_new_one(database: Database, other_database_url: str) -> None:
    await _fill(database)
    there = await PostgresDatabase.connect(other_database_url)
    await copies.move(database, there, _quiet)
    found, secrets = await _found(there), await copying.sealed_secrets(there)
    await there.close()
    assert found == await _found(database)
    assert secrets == await copying.sealed_secrets(database)


@pytest.fixture
async def one(database_url: str) -> PostgresDatabase:
    """One adapter is enough for what concerns the file."""
    database = await PostgresDatabase.connect(database_url)
    await _fill(database, pages_wanted=1)
    return database


async def _backup(database: Database, path: Path, passphrase: str | None = None) -> None:
    await copies.back_up(database, path, KEYS, passphrase, _quiet)


async def test_secrets_stay_out_unless_asked(one: PostgresDatabase, tmp_path: Path) -> None:
    await _backup(one, tmp_path / "b")
    sealed = (await copying.sealed_secrets(one))["A_KEY"]
    texts = [row for batch in backup_file.batches(tmp_path / "b") for row in batch.rows]
    await one.close()
    assert not [text for text in texts if sealed in text or "hidden" in text]
    assert backup_file.check(tmp_path / "b").secrets is None


async def test_secrets_come_back_with_their_passphrase_under_the_key_of_the_new_place(
    one: PostgresDatabase, tmp_path: Path
) -> None:
    await _backup(one, tmp_path / "b", PASSPHRASE)
    other = SecretBox.from_text("the key of another installation")
    await one.call("archon_secrets_put", key="A_KEY", sealed=None)
    await copies.restore(one, tmp_path / "b", other, replace=True, passphrase=PASSPHRASE, say=_quiet)
    sealed = (await copying.sealed_secrets(one))["A_KEY"]
    await one.close()
    assert other.open("A_KEY", sealed) == "hidden"


async def test_a_wrong_passphrase_changes_nothing(one: PostgresDatabase, tmp_path: Path) -> None:
    await _backup(one, tmp_path / "b", PASSPHRASE)
    before = await copying.counts(one)
    with pytest.raises(InvalidInput, match="passphrase"):
        await copies.restore(one, tmp_path / "b", KEYS, replace=True, passphrase="something else", say=_quiet)
    after = await copying.counts(one)
    await one.close()
    assert after == before


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99, -1])
async def test_a_file_that_was_cut_changes_nothing(one: PostgresDatabase, tmp_path: Path, share: float) -> None:
    await _backup(one, tmp_path / "b")
    whole = (tmp_path / "b").read_bytes()
    (tmp_path / "b").write_bytes(whole[: int(len(whole) * share)] if share >= 0 else whole[:-1])
    before = await copying.counts(one)
    with pytest.raises(InvalidInput):
        await copies.restore(one, tmp_path / "b", KEYS, replace=True, passphrase=None, say=_quiet)
    after = await copying.counts(one)
    await one.close()
    assert after == before


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 a zip", b"archon-backup 2\nlater", b"archon-backup 1\nX" + b"\xff" * 64]
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(InvalidInput):
        backup_file.check(tmp_path / "b")


async def test_a_changed_byte_is_noticed(one: PostgresDatabase, tmp_path: Path) -> None:
    await _backup(one, tmp_path / "b")
    await one.close()
    whole = bytearray((tmp_path / "b").read_bytes())
    whole[len(whole) - 400] ^= 1
    (tmp_path / "b").write_bytes(whole)
    with pytest.raises(InvalidInput):
        backup_file.check(tmp_path / "b")


async def test_a_full_store_is_not_written_over_unasked(one: PostgresDatabase, tmp_path: Path) -> None:
    await _backup(one, tmp_path / "b")
    with pytest.raises(Conflict, match="not empty"):
        await copies.restore(one, tmp_path / "b", KEYS, replace=False, passphrase=None, say=_quiet)
    await one.close()


async def test_a_backup_of_a_newer_schema_is_refused(one: PostgresDatabase, tmp_path: Path) -> None:
    with (tmp_path / "b").open("wb") as file:
        writer = BackupWriter(file, {})
        writer.batch(Batch("archon_of_tomorrow", ("{}",)))
        writer.end()
    with pytest.raises(MigrationNeeded, match="archon_of_tomorrow"):
        await copies.restore(one, tmp_path / "b", KEYS, replace=True, passphrase=None, say=_quiet)
    await one.close()


async def test_a_restore_that_fails_half_way_leaves_an_empty_store(one: PostgresDatabase, tmp_path: Path) -> None:
    with (tmp_path / "b").open("wb") as file:
        writer = BackupWriter(file, {})
        writer.batch(Batch("archon_sources", ('{"source_id": "new", "title": "x"}',)))
        writer.batch(Batch("archon_page_metadata", ('{"id": "no uuid"}',)))
        writer.end()
    with pytest.raises(InvalidInput):
        await copies.restore(one, tmp_path / "b", KEYS, replace=True, passphrase=None, say=_quiet)
    left = await copying.counts(one)
    await one.close()
    assert (left["archon_sources"], left["archon_crawled_pages"]) == (0, 0)


async def test_every_table_of_ours_is_copied_or_left_out_on_purpose(place: StorePlace, database: Database) -> None:
    rows = await database.call("archon_copy_tables")
    names = {str(row["name"]) for row in rows}
    assert {"archon_sources", "archon_crawled_pages", "archon_chunk_vectors", "archon_messages", "archon_jobs"} <= names
    assert not names & {"archon_secrets", "archon_migrations", "archon_v1"}
    assert place.kind in {"embedded", "postgres", "supabase"}
