"""The secret key and what is sealed with it."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from src.errors import ConfigurationError, SecretUnreadable
from src.settings import KeyFile, SecretBox, rotate, v1_cipher
from src.store.settings_rows import SealedSecret

V1_TOKEN_KEY = "service-role-key"


def box_in(folder: Path) -> SecretBox:
    return SecretBox.of(None, folder)


def test_what_was_sealed_is_opened_again(tmp_path: Path) -> None:
    sealed = box_in(tmp_path).seal("VLLM_API_KEY", "geheim ✓")
    assert "geheim" not in sealed
    assert box_in(tmp_path).open("VLLM_API_KEY", sealed) == "geheim ✓"


def test_a_secret_moved_to_another_setting_cannot_be_opened(tmp_path: Path) -> None:
    box = box_in(tmp_path)
    with pytest.raises(SecretUnreadable) as raised:
        box.open("OPENAI_API_KEY", box.seal("VLLM_API_KEY", "one"))
    assert raised.value.context.field == "OPENAI_API_KEY"


def test_the_key_file_is_for_its_owner_only(tmp_path: Path) -> None:
    box_in(tmp_path / "new" / "folder").seal("A", "b")
    assert stat.S_IMODE((tmp_path / "new" / "folder" / "secret.key").stat().st_mode) == 0o600


def test_opening_makes_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable, match="another key"):
        box_in(tmp_path).open("A", "archon1.00000000.AAAA")
    assert list(tmp_path.iterdir()) == []


def test_many_first_uses_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: KeyFile(tmp_path / "secret.key").ensure(), range(32)))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_the_text_of_the_file_is_the_same_key_in_the_environment(tmp_path: Path) -> None:
    sealed = box_in(tmp_path).seal("A", "b")
    text = (tmp_path / "secret.key").read_text().strip()
    assert SecretBox.of(text, tmp_path).open("A", sealed) == "b"


def test_a_lost_key_is_told_from_a_damaged_text(tmp_path: Path) -> None:
    sealed = box_in(tmp_path).seal("A", "b")
    with pytest.raises(SecretUnreadable, match="sealed with another key"):
        SecretBox.from_text("another key of good length").open("A", sealed)
    with pytest.raises(SecretUnreadable, match="damaged"):
        box_in(tmp_path).open("A", sealed[:-6] + "AAAAAA")


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe not ascii at all"])
def test_an_unusable_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"secret\.key"):
        box_in(tmp_path).seal("A", "b")
    with pytest.raises(SecretUnreadable, match=r"secret\.key"):
        box_in(tmp_path).open("A", "archon1.00000000.AAAA")


def test_a_short_key_in_the_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least 16"):
        SecretBox.of("too short", tmp_path)


def test_the_box_says_where_its_key_is(tmp_path: Path) -> None:
    assert (box_in(tmp_path).source, box_in(tmp_path).location) == ("file", str(tmp_path / "secret.key"))
    assert SecretBox.of("a key in the environment", tmp_path).source == "environment"


def test_rotation_keeps_what_it_cannot_open(tmp_path: Path) -> None:
    old, new = box_in(tmp_path), SecretBox.from_text("the new key of good length")
    lost = SecretBox.from_text("a key that nobody has now").seal("B", "two")
    rotation = rotate(old, new, [SealedSecret("A", old.seal("A", "one")), SealedSecret("B", lost)])
    assert rotation.unreadable == ("B",)
    assert new.open("A", rotation.resealed[0].sealed) == "one"
    assert rotation.resealed[1].sealed == lost


def test_a_rotation_cut_after_the_database_said_yes_loses_nothing(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "secret.key")
    before, after = box_in(tmp_path).seal("A", "one"), SecretBox.from_file(file.next).seal("A", "two")
    assert [box_in(tmp_path).open("A", sealed) for sealed in (before, after)] == ["one", "two"]
    file.promote()
    assert box_in(tmp_path).open("A", after) == "two"


def test_what_is_saved_during_a_rotation_survives_its_end(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "secret.key")
    file.ensure()
    file.next.ensure()
    sealed = box_in(tmp_path).seal("A", "saved meanwhile")
    file.promote()
    assert box_in(tmp_path).open("A", sealed) == "saved meanwhile"


def test_v1_ciphertexts_are_fernet_in_base64_once_more() -> None:
    stored = v1_cipher.encrypt("sk-from-v1", V1_TOKEN_KEY)
    assert v1_cipher.decrypt(stored, V1_TOKEN_KEY) == "sk-from-v1"
    assert (v1_cipher.encrypt("", V1_TOKEN_KEY), v1_cipher.decrypt("", V1_TOKEN_KEY)) == ("", "")


@pytest.mark.parametrize("stored", ["not base64 !", "Z2FyYmFnZQ==", "é"])
def test_a_foreign_v1_ciphertext_is_unreadable(stored: str) -> None:
    with pytest.raises(SecretUnreadable):
        v1_cipher.decrypt(stored, V1_TOKEN_KEY)
