"""The error family: complete classes, public contexts without secrets, one body for REST."""

import pytest

from src.errors import (
    ArchonError,
    ConnectionRefused,
    ErrorContext,
    ProviderUnavailable,
    RateLimited,
    family,
    redact,
    redact_url,
)


@pytest.mark.parametrize("cls", family(), ids=lambda cls: cls.__name__)
def test_every_class_says_what_it_means_and_what_to_do(cls: type[ArchonError]) -> None:
    assert cls.meaning.endswith(".")
    assert len(cls.default_next_step) > 20
    assert 400 <= cls.http_status < 600


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in family()]
    assert len(codes) == len(set(codes))


def test_the_body_carries_the_context_and_no_secret() -> None:
    error = ConnectionRefused(
        "Nothing answers; key sk-abcdef123456 was not sent.",
        context=ErrorContext(
            provider="p",
            operation="chat",
            url="http://me:pw@host:8000/v1?api_key=1",
            model="m",
            attempts=3,
            elapsed_s=1.23456,
        ),
    )
    assert error.to_dict() == {
        "error": "Nothing answers; key [secret] was not sent.",
        "code": "connection_refused",
        "retryable": True,
        "next_step": ConnectionRefused.default_next_step,
        "provider": "p",
        "operation": "chat",
        "url": "http://host:8000/v1",
        "model": "m",
        "attempts": 3,
        "elapsed_s": 1.235,
    }


def test_context_fills_only_what_is_empty() -> None:
    error = RateLimited("slow down", context=ErrorContext(model="first"))
    error.with_context(model="second", provider="p")
    assert (error.context.model, error.context.provider) == ("first", "p")


def test_subclasses_are_caught_by_their_family() -> None:
    with pytest.raises(ProviderUnavailable):
        raise ConnectionRefused("x")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer [secret]"),
        ("key AIzaSyA1234567890 refused", "key [secret] refused"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYSJ9.sig", "[secret]"),
        ("the skill of asking", "the skill of asking"),
        ("my hunter2 word", "my [secret] word"),
    ],
)
def test_redaction(text: str, clean: str) -> None:
    assert redact(text, "hunter2") == clean


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://user:pw@host:444/v1?key=x#f", "https://host:444/v1"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a"),
        ("http://host:notaport/", "[unreadable URL]"),
    ],
)
def test_url_redaction(url: str, clean: str) -> None:
    assert redact_url(url) == clean
