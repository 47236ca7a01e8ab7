"""Supabase's client by v1's names."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from src.errors import ConfigurationError
from src.server import utils
from src.server.services import client_manager


def test_every_call_makes_a_new_client() -> None:
    with patch.object(client_manager, "create_client", side_effect=lambda url, key: (url, key)) as create:
        assert utils.get_supabase_client() == ("https://test.supabase.co", "test")
        client_manager.get_supabase_client()
        assert create.call_count == 2


@pytest.mark.parametrize("missing", ["SUPABASE_URL", "SUPABASE_SERVICE_KEY"])
def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setenv(missing, "")
    with pytest.raises(ValueError, match="must be set") as raised:
        client_manager.get_supabase_client()
    assert isinstance(raised.value, ConfigurationError)
    assert raised.value.context.field == missing
