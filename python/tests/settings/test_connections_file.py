"""`llm_connections.json` of friends and of enemies: taken over whole, or refused with the place named."""

from __future__ import annotations

import json

import pytest

from src.errors import InvalidInput, JsonValue
from src.inference.registry import load_registry
from src.settings.connections_file import MAX_FILE_BYTES, MAX_IN_FILE, ConnectionsFile, read_file
from src.settings.connections_wire import COMPATIBLE, kinds

KINDS = kinds(load_registry().all())
GOOD: dict[str, JsonValue] = {"id": "lab", "provider": "vllm", "base_url": "http://10.0.0.5:8000/v1", "api_key": None}


def read(content: bytes) -> ConnectionsFile:
    return read_file(content, KINDS, COMPATIBLE.id)


def file_of(*entries: object) -> bytes:
    return json.dumps({"connections": entries}).encode()


def test_a_connection_is_read_with_what_it_leaves_out() -> None:
    (draft,) = read(file_of({**GOOD, "timeout": 30, "temperature": 0.5, "colour": "red"})).drafts
    assert (draft.id, draft.name, draft.timeout_s, draft.temperature, draft.is_local) == ("lab", "lab", 30.0, 0.5, True)
    assert (draft.sends_key, draft.api_key, draft.max_tokens, draft.model) == (True, None, None, None)


def test_a_file_that_tells_no_key_is_told_from_one_that_says_there_is_none() -> None:
    silent = {name: value for name, value in GOOD.items() if name != "api_key"}
    assert [draft.sends_key for draft in read(file_of(GOOD, silent | {"id": "b"})).drafts] == [True, False]


@pytest.mark.parametrize("name", ["llama.cpp", "LlamaCPP", "llamacpp", "llama cpp"])
def test_a_kind_is_known_by_its_id_or_its_label(name: str) -> None:
    assert read(file_of({**GOOD, "provider": name})).drafts[0].provider == "llamacpp"


def test_a_server_without_a_kind_speaks_the_common_language() -> None:
    assert read(file_of({"name": "x", "base_url": "gpu:8000"})).drafts[0].provider == COMPATIBLE.id


def test_fields_that_are_not_ours_are_told() -> None:
    assert read(file_of(GOOD | {"headers": {}})).ignored == ("connections[0].headers",)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base_url": "file:///etc/passwd"}, "base_url"),
        ({"base_url": "http://user:secret@host"}, "base_url"),
        ({"base_url": "javascript:alert(1)"}, "base_url"),
        ({"base_url": "http://host\r\nX-Evil: y"}, "base_url"),
        ({"base_url": "http://ho\u202est"}, "base_url"),
        ({"base_url": "http://\ud800"}, "base_url"),
        ({"base_url": None}, "base_url"),
        ({"base_url": 8000}, "base_url"),
        ({"base_url": "http://" + "a" * 3000}, "base_url"),
        ({"provider": "skynet"}, "provider"),
        ({"api_key": "one\r\nX-Evil: two"}, "api_key"),
        ({"api_key": "[ENCRYPTED]"}, "api_key"),
        ({"api_key": ["k"]}, "api_key"),
        ({"id": "settings:llm"}, "id"),
        ({"id": "../../etc"}, "id"),
        ({"id": "__proto__"}, "id"),
        ({"name": "\u202eevil"}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "60"}, "timeout"),
        ({"timeout": 1e9}, "timeout"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"is_local": "yes"}, "is_local"),
        ({"model": {"a": 1}}, "model"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_place(change: dict[str, JsonValue], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(file_of(GOOD, GOOD | {"id": "other"} | change))
    assert refused.value.context.field == f"connections[1].{field}"
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("content", "field", "word"),
    [
        (b"", "file", "line 1"),
        (b"{", "file", "column"),
        (b"\xff\xfe{\x00", "file", "UTF-8"),
        (b"[" * 100_000, "file", "deeply"),
        (b'{"connections": [{"id": "a", "id": "b"}]}', "file", "twice"),
        (b'{"connections": [{"timeout": NaN}]}', "file", "NaN"),
        (b'{"connections": [{"\\ud800": 1}]}', "file", "half a character"),
        (b'{"connections": [{"timeout": 1' + b"0" * 5000 + b"}]}", "file", "digits"),
        (b"[]", "connections", "connections"),
        (b'{"connections": {}}', "connections", "connections"),
        (b'{"connections": [7]}', "connections[0]", "object"),
        (b" " * (MAX_FILE_BYTES + 1), "file", "bytes"),
        (file_of(*[{}] * (MAX_IN_FILE + 1)), "connections", "at most"),
        (file_of(GOOD, GOOD), "connections[1].id", "twice"),
        (file_of({}), "connections[0].provider", "base_url"),
    ],
)
def test_a_file_of_another_shape_is_refused_in_a_sentence(content: bytes, field: str, word: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(content)
    assert refused.value.context.field == field
    assert word in refused.value.message


def test_names_that_mean_something_elsewhere_are_names_like_others() -> None:
    file = read(b'{"__proto__": {}, "connections": [{"__proto__": {"api_key": "k"}, "base_url": "http://h:1"}]}')
    assert (file.drafts[0].api_key, file.ignored) == (None, ("connections[0].__proto__",))


def test_what_follows_an_address_is_not_kept_since_it_may_be_a_secret() -> None:
    (draft,) = read(file_of(GOOD | {"base_url": "http://host:8000/v1?token=abc#def"})).drafts
    assert draft.base_url == "http://host:8000/v1"


def test_a_byte_order_mark_does_no_harm() -> None:
    assert len(read(b"\xef\xbb\xbf" + file_of(GOOD)).drafts) == 1
