"""The environment is read once, typed, and names the variable that is wrong."""

from pathlib import Path

import pytest

from src.config import load_environment, public_mcp_url
from src.errors import ConfigurationError


def test_defaults_are_loopback_and_the_known_ports() -> None:
    environment = load_environment({})
    assert (environment.host, environment.server_port, environment.mcp_port, environment.gateway_port) == (
        "127.0.0.1",
        8181,
        8051,
        8200,
    )
    assert not environment.allow_private_addresses
    assert environment.local_vllm


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"ARCHON_MCP_PORT": "9002"}, "http://archon.lan:9002/mcp"),
        ({"ARCHON_MCP_PORT": "8051", "ARCHON_MCP_PUBLIC_PORT": "9051"}, "http://archon.lan:9051/mcp"),
        ({"ARCHON_MCP_PUBLIC_URL": "https://archon.example.org/"}, "https://archon.example.org/mcp"),
        ({"ARCHON_MCP_PUBLIC_URL": "http://localhost:9051/tools/mcp"}, "http://localhost:9051/tools/mcp"),
    ],
)
def test_assistants_are_told_the_address_that_they_can_reach(values: dict[str, str], url: str) -> None:
    assert public_mcp_url(load_environment(values), "archon.lan").geturl() == url


def test_a_public_address_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match="ARCHON_MCP_PUBLIC_URL"):
        public_mcp_url(load_environment({"ARCHON_MCP_PUBLIC_URL": "localhost:9051"}), "localhost")


def test_the_process_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("ARCHON_SERVER_PORT=9001\nARCHON_MCP_PORT=9002\n")
    monkeypatch.setenv("ARCHON_SERVER_PORT", "9100")
    environment = load_environment(env_file=env_file)
    assert (environment.server_port, environment.mcp_port) == (9100, 9002)


@pytest.mark.parametrize(
    ("name", "value"), [("ARCHON_SERVER_PORT", "eighty"), ("ARCHON_MCP_PORT", "70000"), ("VLLM", "perhaps")]
)
def test_a_wrong_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_environment({name: value})
    assert caught.value.context.field == name
    assert value in caught.value.message


def test_blank_is_unset() -> None:
    environment = load_environment({"VLLM_BASE_URL": "  ", "ARCHON_TOKEN": "", "ARCHON_ALLOWED_HOSTS": "a, b,,"})
    assert environment.get("VLLM_BASE_URL") is None
    assert environment.token is None
    assert environment.allowed_hosts == ("a", "b")


def test_secrets_do_not_show_in_the_repr() -> None:
    names = ("VLLM_API_KEY", "ARCHON_TOKEN", "ARCHON_SECRET_KEY", "SUPABASE_SERVICE_KEY", "DATABASE_URL")
    assert "hunter2" not in repr(load_environment(dict.fromkeys(names, "hunter2")))
