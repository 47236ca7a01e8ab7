"""The words that passages are found by: counted for every writer, taken over from a copy that counted them alike."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg

from src.cli import copies
from src.settings import SecretBox
from src.store import backup_file, copying
from src.store.backup_file import BackupWriter
from src.store.copying import Batch
from src.store.database import Database
from src.store.place import StorePlace

KEYS = SecretBox.from_text("a key for these tests, long enough")
WORDS = "select content_search_vector::text, heading_search_vector::text from archon_crawled_pages order by id"
CHUNK = (
    "insert into archon_crawled_pages (url, chunk_number, content, source_id, metadata)"
    " values ('https://x/1', %s, %s, 's1', '{\"title\": \"Sockets\"}')"
)


def _run(url: str, query: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), values)
        return cursor.fetchall() if cursor.description else []


def _fill(url: str) -> None:
    """As Archon v1 writes: it names none of our columns."""
    _run(url, "insert into archon_sources (source_id, title) values ('s1', 'x')")
    _run(url, CHUNK, 0, "gathering locks")


async def _back_up(database: Database, path: Path) -> None:
    await copies.back_up(database, path, KEYS, None, lambda _line: None)


async def _restore(database: Database, path: Path) -> None:
    await copies.restore(database, path, KEYS, replace=True, passphrase=None, say=lambda _line: None)


def _rewritten(path: Path, words: str | None, **chunk: str | None) -> None:
    """The backup at `path` with another head, and its chunk with other columns (None: without them)."""
    head = {**backup_file.check(path).head, "words": words}
    batches = list(backup_file.batches(path))
    with path.open("wb") as file:
        writer = BackupWriter(file, head)
        for batch in batches:
            rows = batch.rows
            if batch.table == "archon_crawled_pages":
                row = {**json.loads(rows[0]), **chunk}
                rows = (json.dumps({name: value for name, value in row.items() if name not in chunk or value}),)
            writer.batch(Batch(batch.table, rows, batch.vectors))
        writer.end()


async def test_a_writer_who_gives_no_words_gets_them_counted(place: StorePlace, admin_url: str) -> None:
    _fill(admin_url)
    assert place.url
    assert _run(admin_url, WORDS) == [("'gather':1 'lock':2", "'socket':1")]


async def test_a_text_that_changes_has_other_words(place: StorePlace, admin_url: str) -> None:
    _fill(admin_url)
    _run(admin_url, "update archon_crawled_pages set content = 'queues', heading_path = array['Events']")
    assert place.url
    assert _run(admin_url, WORDS) == [("'queue':1", "'event':2 'socket':1")]


async def test_a_copy_that_counted_alike_keeps_its_words(database: Database, admin_url: str, tmp_path: Path) -> None:
    _fill(admin_url)
    await _back_up(database, tmp_path / "b")
    _rewritten(tmp_path / "b", await copying.words_kind(database), content_search_vector="'brought':1")
    await _restore(database, tmp_path / "b")
    assert _run(admin_url, WORDS) == [("'brought':1", "'socket':1")]


async def test_words_that_were_counted_otherwise_are_counted_anew(
    database: Database, admin_url: str, tmp_path: Path
) -> None:
    _fill(admin_url)
    await _back_up(database, tmp_path / "b")
    _rewritten(tmp_path / "b", "of another Postgres", content_search_vector="'brought':1")
    await _restore(database, tmp_path / "b")
    assert _run(admin_url, WORDS) == [("'gather':1 'lock':2", "'socket':1")]


async def test_a_backup_from_before_words_were_copied_is_restored(
    database: Database, admin_url: str, tmp_path: Path
) -> None:
    _fill(admin_url)
    await _back_up(database, tmp_path / "b")
    _rewritten(tmp_path / "b", None, content_search_vector=None, heading_search_vector=None)
    await _restore(database, tmp_path / "b")
    assert _run(admin_url, WORDS) == [("'gather':1 'lock':2", "'socket':1")]
