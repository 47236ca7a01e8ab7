"""What may be SUPABASE_URL and SUPABASE_SERVICE_KEY, and which store the environment names."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from src.config import load_environment
from src.errors import ConfigurationError
from src.store.place import place_of
from src.store.supabase_access import project_url, service_key


def _jwt(role: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"eyJh.{claims}.c2ln"


@pytest.mark.parametrize(
    "url",
    [
        *("https://abc.supabase.co/", "http://localhost:54321", "http://127.0.0.1:8000", "http://[::1]:8000"),
        *("http://host.docker.internal:8000", "http://kong.localhost", "http://10.0.0.7:8000", "http://169.254.1.1"),
    ],
)
def test_addresses_that_can_be_a_project(url: str) -> None:
    assert project_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["", "abc.supabase.co", "ftp://x", "http://abc.supabase.co", "http://0.0.0.0", "http://8.8.8.8"]
)
def test_addresses_that_cannot(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        project_url(url)
    assert caught.value.context.field == "SUPABASE_URL"


@pytest.mark.parametrize("key", [_jwt("service_role"), "sb_secret_abc", "opaque"])
def test_keys_that_may_write(key: str) -> None:
    assert service_key(f" {key}\n") == key


@pytest.mark.parametrize(
    ("key", "reason"),
    [(_jwt("anon"), "every visitor"), ("sb_publishable_abc", "publishable"), (_jwt("authenticated"), "authenticated")],
)
def test_keys_that_may_not_are_refused_with_the_reason(key: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        service_key(key)
    assert "service_role key" in caught.value.next_step


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, "embedded"),
        ({"SUPABASE_SERVICE_KEY": "sb_secret_a"}, "embedded"),
        ({"SUPABASE_URL": "https://a.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_a"}, "supabase"),
        ({"SUPABASE_URL": "https://a.supabase.co", "DATABASE_URL": "postgresql://u@h/d"}, "postgres"),
    ],
)
def test_the_environment_names_the_store(values: dict[str, str], kind: str, tmp_path: Path) -> None:
    assert place_of(load_environment(values | {"ARCHON_DATA_DIR": str(tmp_path)})).kind == kind


def test_an_address_without_its_key_names_the_key() -> None:
    with pytest.raises(ConfigurationError) as caught:
        place_of(load_environment({"SUPABASE_URL": "https://a.supabase.co"}))
    assert caught.value.context.field == "SUPABASE_SERVICE_KEY"
