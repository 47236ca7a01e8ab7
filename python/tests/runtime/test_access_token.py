"""Listening beyond this machine needs a token, which is made on first use."""

from pathlib import Path

from src.cli.access_token import with_token
from src.config import load_environment


def test_on_loopback_no_token_is_made(tmp_path: Path) -> None:
    environment = load_environment({"ARCHON_BIND": "127.0.0.1"})
    assert with_token(environment, tmp_path / ".env") is environment


def test_a_made_token_is_kept_in_the_file_for_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LOG_LEVEL=DEBUG\nARCHON_TOKEN=\n")
    made = with_token(load_environment({"ARCHON_BIND": "0.0.0.0"}), file)
    assert made.token
    assert file.read_text() == f"LOG_LEVEL=DEBUG\nARCHON_TOKEN={made.token}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert made.values["ARCHON_TOKEN"] == made.token


def test_a_token_that_is_set_stays(tmp_path: Path) -> None:
    environment = load_environment({"ARCHON_BIND": "0.0.0.0", "ARCHON_TOKEN": "chosen by a person"})
    assert with_token(environment, tmp_path / ".env").token == "chosen by a person"
    assert not (tmp_path / ".env").exists()
