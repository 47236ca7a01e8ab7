"""Text in every charset that is still met, declared or not, and what nobody can tell."""

from __future__ import annotations

import random

import pytest

from src.errors import DocumentUnreadable
from src.ingest.charsets import decode
from src.ingest.requests import UploadRequest
from src.ingest.service import IngestService

from .parts import ended

JAPANESE = "設定ファイルを開いてください。サーバーの名前を入力します。"
RUSSIAN = "Откройте файл настроек и введите имя сервера."
CHINESE = "请打开配置文件，然后输入服务器的名称和端口号。"
TRADITIONAL = "請打開設定檔，然後輸入伺服器的名稱和連接埠號碼。"
UNTOLD = random.Random(5).randbytes(2000).replace(b"\0", b"")
"""No text in any charset."""


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        ("エラー処理", "shift_jis"),
        (f"The function `open` returns None. {JAPANESE} See below.", "euc_jp"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (f"# Settings\n\nRun `server --port 80`.\n\n{RUSSIAN}", "cp1251"),
        (CHINESE, "gb18030"),
        (f"Install it with pip. {CHINESE}", "gb18030"),
        (TRADITIONAL, "big5"),
        ("서버 이름과 포트 번호를 입력합니다.", "euc_kr"),
        ("It’s “ready” — and costs £5 or €6 a day.", "cp1252"),
        ("Größe", "cp1252"),
        ("Le délai d’attente, où qu’il soit réglé", "cp1252"),
        ("Następnie wpisz nazwę serwera i numer portu połączenia, jeśli się nie powiedzie.", "cp1250"),
    ],
)
def test_text_that_does_not_say_its_charset_comes_as_it_was_written(text: str, charset: str) -> None:
    assert decode(text.encode(charset), None) == text


@pytest.mark.parametrize(
    ("body", "declared", "expected"),
    [
        ("①株式会社".encode("cp932"), "Shift_JIS", "①株式会社"),
        ("镕".encode("gbk"), "gb2312", "镕"),
        ("“quoted”".encode("cp1252"), "ISO-8859-1", "“quoted”"),
        ("日本".encode("shift_jis"), "x-sjis", "日本"),
        ("naïve".encode(), "iso-8859-1", "naïve"),
        (b'<?xml version="1.0" encoding="windows-1251"?>' + RUSSIAN.encode("cp1251"), None, RUSSIAN),
    ],
)
def test_a_declared_charset_is_read_as_it_is_meant(body: bytes, declared: str | None, expected: str) -> None:
    assert decode(body, declared, is_html=True).endswith(expected)


@pytest.mark.parametrize(("charset", "declared"), [("utf-8", "utf-8"), ("utf-8", None), ("euc_jp", "euc-jp")])
def test_one_damaged_sign_does_not_take_the_others_along(charset: str, declared: str | None) -> None:
    cut = (JAPANESE * 5).encode(charset)[:-1]
    assert decode(cut, declared).rstrip("�") == (JAPANESE * 5)[:-1]


@pytest.mark.parametrize("declared", [None, "no-such-charset"])
def test_what_cannot_be_told_is_refused(declared: str | None) -> None:
    with pytest.raises(DocumentUnreadable, match="charset") as caught:
        decode(UNTOLD, declared)
    assert "UTF-8" in caught.value.next_step


async def test_a_file_whose_charset_cannot_be_told_is_named_in_the_jobs_report(service: IngestService) -> None:
    end = await ended(service, await service.start_upload(UploadRequest("notes.txt", UNTOLD)))
    assert (end.status, end.tally.pages_stored) == ("failed", 0)
    assert "cannot be told" in end.tally.failures[0].error
