"""Whatever is pasted as an address leads to one place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import ConfigurationError
from src.inference.address import clean_key, parse_address

PASTED = {
    "host:8000": "http://host:8000",
    "http//127.0.0.1:8000": "http://127.0.0.1:8000",
    "http:/host:1/v1": "http://host:1",
    "http:\\\\host:8000": "http://host:8000",
    "http://h:8000/v1/": "http://h:8000",
    "https://h/v1/models": "https://h",
    "https://h/v1/models/some/model": "https://h",
    "h:1/v1/chat/completions/": "http://h:1",
    "http://h/llm/v1": "http://h/llm",
    "http://h//v1//models": "http://h",
    "http://h/v1/v1": "http://h",
    "http://h:8000/docs": "http://h:8000",
    "http://h:8000/v1?x=1#a": "http://h:8000",
    ' "http://h:8000" ': "http://h:8000",
    "::1": "http://[::1]",
    "[::1]:8000": "http://[::1]:8000",
    "vllm_chat:8000": "http://vllm_chat:8000",
    "HTTPS://Host.Example": "https://host.example",
    "gpu:443": "https://gpu:443",
}
REFUSED = [
    "",
    "  ",
    "http://",
    "ftp://h",
    "h h",
    "http://h\n:80",
    "http://u:p@h",
    "http://h:99999",
    "h:port",
    "-h",
    "a..b",
]


@pytest.mark.parametrize(("pasted", "root"), PASTED.items())
def test_what_is_pasted_leads_to_the_server(pasted: str, root: str) -> None:
    assert parse_address(pasted).root == root
    assert parse_address(pasted).v1 == f"{root}/v1"


@pytest.mark.parametrize("pasted", REFUSED)
def test_what_is_no_address_is_refused_with_the_field_named(pasted: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_address(pasted, "VLLM_BASE_URL")
    assert caught.value.context.field == "VLLM_BASE_URL"


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_configuration_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ConfigurationError:
        return
    assert parse_address(address.root) == address
    assert parse_address(address.v1) == address


SEGMENT = st.text("abcdefghijk", min_size=1, max_size=8)


@given(
    SEGMENT,
    st.integers(1, 65535),
    st.lists(SEGMENT, max_size=2),
    st.sampled_from(["", "/", "/v1", "/v1/", "/v1/models"]),
)
def test_every_way_to_write_an_address_means_the_same(host: str, port: int, path: list[str], tail: str) -> None:
    root = "/".join([f"http://{host}:{port}", *path])
    assert parse_address(root + tail).root == root


@pytest.mark.parametrize("key", ["a\nb", "a\r\nX-Evil: 1", "schlüssel", "a\x00b", "x" * 501])
def test_a_key_that_cannot_travel_is_refused_before_sending(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        clean_key(key, "VLLM_API_KEY")
    assert key not in str(caught.value.to_dict())


def test_a_blank_key_is_no_key() -> None:
    assert clean_key("  ") is None
    assert clean_key(" sekret\n") == "sekret"
