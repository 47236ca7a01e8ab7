"""Reads the process environment and `.env` once and yields a frozen value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from dotenv import dotenv_values

from src.errors import ConfigurationError, ErrorContext

from .places import REPOSITORY, default_data_dir

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Environment:
    """What the environment says. Ports are TCP ports; `values` holds every variable as it stands.

    `values` is what providers read their declared variables from (`vllm_base_url` and so on are
    declared there, not here); secrets in it never leave the process. Where GATEWAY_URL is unset it holds the
    address of this machine's gateway, since the port is known only here.
    """

    data_dir: Path
    host: str
    server_port: int
    mcp_port: int
    agents_port: int
    gateway_port: int
    token: str | None = field(repr=False)
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    allow_private_addresses: bool
    database_url: str | None = field(repr=False)
    supabase_url: str | None
    supabase_service_key: str | None = field(repr=False)
    secret_key: str | None = field(repr=False)
    local_vllm: bool
    gateway: bool
    log_level: str
    values: Mapping[str, str] = field(repr=False)

    def get(self, name: str) -> str | None:
        """The variable's value without surrounding blanks, or None where it is unset or blank."""
        value = self.values.get(name, "").strip()
        return value or None


def load_environment(values: Mapping[str, str] | None = None, env_file: Path | None = None) -> Environment:
    """Read the environment; a variable of the process wins over the same line in `.env`.

    Raises:
        ConfigurationError: a port is no number or a switch is neither true nor false; names the variable.
    """
    if values is None:
        stored = dotenv_values(env_file or REPOSITORY / ".env")
        values = {name: value for name, value in stored.items() if value is not None} | dict(os.environ)
    data_dir = _text(values, "ARCHON_DATA_DIR")
    host = _text(values, "ARCHON_BIND") or "127.0.0.1"
    gateway_port = _port(values, "ARCHON_GATEWAY_PORT", 8200)
    if _text(values, "GATEWAY_URL") is None:
        values = {**values, "GATEWAY_URL": f"http://{reachable(host)}:{gateway_port}"}
    return Environment(
        data_dir=Path(data_dir).expanduser().absolute() if data_dir else default_data_dir(),
        host=host,
        server_port=_port(values, "ARCHON_SERVER_PORT", 8181),
        mcp_port=_port(values, "ARCHON_MCP_PORT", 8051),
        agents_port=_port(values, "ARCHON_AGENTS_PORT", 8052),
        gateway_port=gateway_port,
        token=_text(values, "ARCHON_TOKEN"),
        allowed_hosts=_names(values, "ARCHON_ALLOWED_HOSTS"),
        allowed_origins=_names(values, "ARCHON_ALLOWED_ORIGINS"),
        allow_private_addresses=_switch(values, "ARCHON_ALLOW_PRIVATE_ADDRESSES", default=False),
        database_url=_text(values, "DATABASE_URL"),
        supabase_url=_text(values, "SUPABASE_URL"),
        supabase_service_key=_text(values, "SUPABASE_SERVICE_KEY"),
        secret_key=_text(values, "ARCHON_SECRET_KEY"),
        local_vllm=_switch(values, "VLLM", default=True),
        gateway=_switch(values, "GATEWAY", default=True),
        log_level=(_text(values, "LOG_LEVEL") or "INFO").upper(),
        values=values,
    )


def reachable(host: str) -> str:
    """An address of this machine under which a server bound to `host` answers, ready for a URL."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}.get(host, host).strip("[]")  # noqa: S104 - read, not bound
    return f"[{name}]" if ":" in name else name


def keep_free_bytes(environment: Environment) -> int:
    """What stays free on the data folder's disk, from ARCHON_KEEP_FREE_MB.

    Raises:
        ConfigurationError: it is no whole number of megabytes.
    """
    text = environment.get("ARCHON_KEEP_FREE_MB") or "500"
    if not text.isdecimal():
        raise ConfigurationError(
            f"ARCHON_KEEP_FREE_MB must be a whole number of megabytes, not '{text}'",
            context=ErrorContext(field="ARCHON_KEEP_FREE_MB"),
        )
    return int(text) * 1_000_000


def hub_cache(environment: Environment) -> Path:
    """Where model files lie that were fetched by their repository's name: found as the hub's own library finds it."""
    named = environment.get("HF_HUB_CACHE")
    if named is not None:
        return Path(named).expanduser()
    home = environment.get("HF_HOME") or f"{environment.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return Path(home).expanduser() / "hub"


def server_address(environment: Environment) -> str:
    """Where the REST server is, without a path: ARCHON_SERVER_URL, else at ARCHON_SERVER_HOST, else beside us."""
    host = environment.get("ARCHON_SERVER_HOST") or reachable(environment.host)
    return (environment.get("ARCHON_SERVER_URL") or f"http://{host}:{environment.server_port}").rstrip("/")


def public_mcp_url(environment: Environment, host: str) -> SplitResult:
    """Where assistants reach the MCP server: ARCHON_MCP_PUBLIC_URL, else its port at `host`.

    The compose file tells the port that it publishes in ARCHON_MCP_PUBLIC_PORT; inside it is always the same.

    Raises:
        ConfigurationError: the address is none, or the port.
    """
    named = environment.get("ARCHON_MCP_PUBLIC_URL")
    if named is None:
        port = _port(environment.values, "ARCHON_MCP_PUBLIC_PORT", environment.mcp_port)
        return urlsplit(f"http://{reachable(host)}:{port}/mcp")
    url = urlsplit(named.rstrip("/"))
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigurationError(
            f"ARCHON_MCP_PUBLIC_URL must be a web address such as https://archon.example.org/mcp, not '{named}'",
            context=ErrorContext(field="ARCHON_MCP_PUBLIC_URL"),
        )
    return url if url.path else url._replace(path="/mcp")


def _text(values: Mapping[str, str], name: str) -> str | None:
    return values.get(name, "").strip() or None


def _names(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in values.get(name, "").split(",") if part.strip())


def _port(values: Mapping[str, str], name: str, default: int) -> int:
    text = _text(values, name)
    if text is None:
        return default
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ConfigurationError(
            f"{name} must be a port from 1 to 65535, not '{text}'", context=ErrorContext(field=name)
        )
    return int(text)


def _switch(values: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = values.get(name)
    if text is None:
        return default
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ConfigurationError(f"{name} must be true or false, not '{text}'", context=ErrorContext(field=name))


def system_environment() -> dict[str, str]:
    """What a child program needs of the environment to run at all, and nothing that could be a secret."""
    kept = ("PATH", "HOME", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
    return {name: os.environ[name] for name in kept if name in os.environ}
