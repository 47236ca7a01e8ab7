"""What the gateway is told: `gateway.toml`, else GATEWAY_UPSTREAMS, else the two addresses of the plain case."""

from __future__ import annotations

import ssl
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from src.config import REPOSITORY, Environment
from src.errors import ConfigurationError, ErrorContext
from src.inference.address import parse_address

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]

FILE = "gateway.toml"
_Row = TypeVar("_Row", "KeyTable", "UpstreamTable")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Timeouts(_Table):
    """In seconds. `first_byte_s` bounds a stream's first event, `answer_s` a plain call, `total_s` everything."""

    connect_s: Seconds = 3.0
    first_byte_s: Seconds = 120.0
    between_bytes_s: Seconds = 60.0
    answer_s: Seconds = 600.0
    total_s: Seconds = 3600.0
    drain_s: Seconds = 30.0


class Limits(_Table):
    """What one client may cost."""

    body_bytes: Annotated[int, Field(ge=1)] = 32 * 1024 * 1024
    head_bytes: Count = 32_768
    head_s: Seconds = 10.0
    body_s: Seconds = 30.0
    idle_s: Seconds = 75.0
    unread_s: Seconds = 120.0


class Retries(_Table):
    """`attempts` in all; `share` of the requests may be retried on top of a `burst`; waits between tries in seconds."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    share: Annotated[float, Field(ge=0, le=1)] = 0.2
    burst: Annotated[float, Field(ge=0, le=10_000)] = 64
    first_wait_s: Seconds = 0.1
    longest_wait_s: Seconds = 2.0


class Discovery(_Table):
    """How often servers are asked what they serve, and how long one with work may produce nothing. Seconds."""

    refresh_s: Seconds = 5.0
    probe_timeout_s: Seconds = 5.0
    failures_to_eject: Count = 3
    hang_s: Annotated[float, Field(ge=0, le=86_400)] = 30.0


class KeyTable(_Table):
    """An API key of a client, by value, by the variable that holds it, or by its SHA-256 in hex."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    key: str | None = Field(default=None, repr=False)
    key_env: str | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    requests_per_minute: Count | None = None
    max_concurrent: Count | None = None


class UpstreamTable(_Table):
    """One model server. `ca_file`: the authority (PEM) to trust for it; `client_cert`: our certificate and its key."""

    url: Annotated[str, AfterValidator(lambda text: parse_address(text, "url").root)]
    name: str | None = None
    key_env: str | None = None
    key: str | None = Field(default=None, repr=False)
    ca_file: Path | None = None
    client_cert: Path | None = None

    def tls(self) -> ssl.SSLContext:
        """How a connection to it is trusted: by its own authority where one is named, with our certificate if any.

        Raises:
            OSError, ssl.SSLError: a file cannot be read, or holds no certificate.
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.client_cert is not None:
            context.load_cert_chain(self.client_cert)
        return context

    @model_validator(mode="after")
    def _tls_files_can_be_used(self) -> UpstreamTable:
        if self.ca_file is not None or self.client_cert is not None:
            try:
                self.tls()
            except OSError as error:
                raise ValueError(f"ca_file or client_cert cannot be used ({error.strerror or error})") from error
        return self

    @property
    def called(self) -> str:
        """Its name, in log, metrics and answers."""
        address = parse_address(self.url)
        return self.name or f"{address.host}:{address.port}"


class PoolTable(_Table):
    """Servers that share a queue. `max_outstanding` counts per server, `queue` and `queue_s` for the whole pool."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    upstreams: tuple[UpstreamTable, ...] = Field(min_length=1)
    default_model: str | None = None
    aliases: dict[str, str] = Field(default_factory=dict)
    max_outstanding: Count = 256
    queue: Annotated[int, Field(ge=0, le=100_000)] = 512
    queue_s: Seconds = 30.0
    affinity: Literal["off", "session", "prefix"] = "off"
    heal: bool = False
    split_inputs: Annotated[int, Field(ge=0, le=100_000)] = 64


class FallbackTable(_Table):
    """Providers asked in order when the pools cannot answer a chat; `models` by provider id, where not its own."""

    enabled: bool = False
    chain: tuple[str, ...] = ()
    models: dict[str, str] = Field(default_factory=dict)
    check_interval_s: Seconds = 30.0
    check_timeout_s: Seconds = 5.0


class GatewayConfig(_Table):
    """Everything the gateway is told."""

    pools: tuple[PoolTable, ...] = Field(min_length=1)
    keys: tuple[KeyTable, ...] = ()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    retries: Retries = Retries()
    discovery: Discovery = Discovery()
    fallback: FallbackTable = FallbackTable()
    session_header: str = "x-session-id"
    access_log: bool = True

    @model_validator(mode="after")
    def _names_are_unique(self) -> GatewayConfig:
        for what, names in (
            ("upstreams", [row.called for pool in self.pools for row in pool.upstreams]),
            ("pools", [pool.name for pool in self.pools]),
            ("keys", [key.name for key in self.keys]),
        ):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"two {what} are called '{twice}'; give each a name of its own")
        return self


@dataclass(frozen=True, slots=True)
class LocalServers:
    """Where the two servers of `make up` listen, for the case that no address is set at all."""

    chat: str
    embedding: str


def load_config(environment: Environment, file: Path | None = None, local: LocalServers | None = None) -> GatewayConfig:
    """Read the configuration: `file` or GATEWAY_CONFIG or gateway.toml in the repository, else the environment alone.

    Raises:
        ConfigurationError: the file cannot be read or holds a value that cannot be used; the message names it.
    """
    chosen = environment.get("GATEWAY_CONFIG")
    named = file or (REPOSITORY / chosen if chosen else None)
    path = named or REPOSITORY / FILE
    tables = _read(path) if named is not None or path.is_file() else {}
    if "pools" not in tables:
        tables["pools"] = _pools_of(environment, local)
    tables.setdefault("fallback", _fallback_of(environment))
    try:
        return _with_keys(GatewayConfig.model_validate(tables), environment)
    except ValidationError as error:
        raise _unusable(error, path.name if path.is_file() else "the environment") from error


def _unusable(error: ValidationError, source: str) -> ConfigurationError:
    """What is wrong first, with its place."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return ConfigurationError(
        ": ".join(part for part in (source, where, first["msg"]) if part),
        next_step=f"Correct {where or source}; docs/operate/gateway.md lists every setting.",
        context=ErrorContext(field=where),
    )


def _with_keys(config: GatewayConfig, environment: Environment) -> GatewayConfig:
    """`config` with the keys that variables hold now, so that reading it again takes new ones on."""

    def filled(row: _Row) -> _Row:
        found = environment.get(row.key_env) if row.key_env and not row.key else None
        return row.model_copy(update={"key": found}) if found else row

    pools = [pool.model_copy(update={"upstreams": tuple(map(filled, pool.upstreams))}) for pool in config.pools]
    return config.model_copy(update={"pools": tuple(pools), "keys": tuple(map(filled, config.keys))})


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", context=ErrorContext(field=FILE)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path} is not TOML: {error}", next_step="Correct that line.", context=ErrorContext(field=FILE)
        ) from error


def _pools_of(environment: Environment, local: LocalServers | None) -> list[dict[str, object]]:
    heal = (environment.get("GATEWAY_HEAL") or "").lower() in {"1", "true", "yes", "on"}
    listed = environment.get("GATEWAY_UPSTREAMS")
    if listed:
        urls = [url.strip() for url in listed.split(",") if url.strip()]
        return [{"name": "default", "upstreams": [_upstream(environment, url) for url in urls], "heal": heal}]
    chat, embedding = environment.get("VLLM_BASE_URL"), environment.get("VLLM_EMBEDDING_BASE_URL")
    if chat is None and local is not None:
        chat, embedding = local.chat, embedding or local.embedding
    if chat is None:
        raise ConfigurationError(
            "The gateway has no model server to stand before.",
            next_step="Set GATEWAY_UPSTREAMS or VLLM_BASE_URL, or copy gateway.example.toml to gateway.toml.",
            context=ErrorContext(field="GATEWAY_UPSTREAMS"),
        )
    pools: list[dict[str, object]] = [
        {"name": "generation", "upstreams": [_upstream(environment, chat)], "heal": heal},
    ]
    if embedding is not None and parse_address(embedding).root != parse_address(chat).root:
        pools.append({"name": "embedding", "upstreams": [_upstream(environment, embedding)]})
    return pools


def _upstream(environment: Environment, url: str) -> dict[str, object]:
    return {"url": url, "key": environment.get("VLLM_API_KEY")}


def _fallback_of(environment: Environment) -> dict[str, object]:
    table: dict[str, object] = {
        "enabled": environment.get("ENABLE_FALLBACK") or "false",
        "chain": [part.strip() for part in (environment.get("FALLBACK_CHAIN") or "").split(",") if part.strip()],
    }
    for name, variable in (("check_interval_s", "HEALTH_CHECK_INTERVAL"), ("check_timeout_s", "HEALTH_CHECK_TIMEOUT")):
        if value := environment.get(variable):
            table[name] = value
    return table
