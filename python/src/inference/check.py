"""The diagnosis of a connection: walks it step by step and stops at the first step that is the reason.

For a server of one's own: settings → name → connection → TLS → HTTP → what server it is → key → kind → models →
context length → one token or one vector, and what more it can do. For the others an honest short check: address and
key by the list of models, then one token or one vector.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from src.errors import (
    ArchonError,
    AuthenticationFailed,
    ConfigurationError,
    ConnectionBroken,
    DnsFailure,
    ErrorContext,
    JsonValue,
    ModelNotFound,
    PermissionRefused,
    ProviderUnavailable,
    TlsFailure,
    redact_url,
)

from .address import Address, parse_address
from .check_report import CheckReport, Finding, Fix, Step
from .check_use import Used, use_chat, use_embedding, use_rerank
from .connect import reach
from .discovery import (
    ServedModel,
    ServerClient,
    capabilities_of,
    capabilities_told,
    list_models,
    only_one,
    server_version,
    wrong_kind,
)
from .fixes import Fixer
from .provider import ActiveProvider, Endpoint, Provider, Service, Values, secret_field, url_field

_STEP_OF_ERROR: tuple[tuple[type[ArchonError], Step], ...] = (
    (DnsFailure, "name"),
    (TlsFailure, "tls"),
    (ProviderUnavailable, "connect"),
    (AuthenticationFailed, "key"),
    (PermissionRefused, "key"),
    (ModelNotFound, "models"),
)


_USES: Mapping[Service, Callable[[ActiveProvider], Awaitable[Used]]] = {
    "llm": use_chat,
    "embedding": use_embedding,
    "rerank": use_rerank,
}
_USE_STEPS: Mapping[Service, Step] = {"llm": "chat", "embedding": "embedding", "rerank": "rerank"}


@dataclass
class Walk:
    """What is known so far on the way; `findings` grows, `report` is made of it at the end."""

    provider: Provider
    service: Service
    values: Values
    endpoint: Endpoint
    address: Address | None = None
    server: str | None = None
    models: tuple[ServedModel, ...] = ()
    model: str | None = None
    max_model_len: int | None = None
    dimensions: int | None = None
    latency_ms: int | None = None
    findings: list[Finding] = field(default_factory=list)

    def note(self, step: Step, message: str, **more: str | Fix | None) -> None:
        """A step went well."""
        self.findings.append(Finding(step, True, message, **more))  # type: ignore[arg-type]

    @property
    def active(self) -> ActiveProvider:
        """What a client needs, with the model found so far."""
        return ActiveProvider(
            provider=self.provider,
            service=self.service,
            endpoint=self.endpoint,
            model=self.model,
            values=self.values,
        )


async def check(provider: Provider, service: Service, values: Values) -> CheckReport:
    """Really ask the server, with `values` as they stand in the form. Never raises for a failing connection."""
    filled = {key: value for key, value in values.items() if str(value).strip()}
    walk = Walk(provider, service, filled, Endpoint(base_url=None, api_key=None))
    error: ArchonError | None = None
    for step, action in _plan(provider):
        try:
            await action(walk)
        except ArchonError as failure:
            error = failure.with_context(provider=provider.id, field=_field_of(walk, step, failure))
            fix = await Fixer(walk.active, walk.address, walk.models).for_failure(step, failure)
            walk.findings.append(_finding(_step_of(step, failure, walk.service), failure, fix))
            break
    return _report(walk, error)


async def offered_models(provider: Provider, service: Service, values: Values) -> tuple[ServedModel, ...]:
    """The models that can be chosen.

    Raises:
        ConfigurationError, ProviderError: the server cannot be asked.
    """
    filled = {key: value for key, value in values.items() if str(value).strip()}
    listed = await list_models(provider, provider.endpoint(filled, service))
    return tuple(model for model in listed if model.serves(service))


async def provider_status(provider: Provider, values: Values, service: Service = "llm") -> dict[str, JsonValue]:
    """v1's status: `{ok, reason, provider}` with `no_key`, `connected` or `connection_failed`. Never raises.

    `service` says which of the provider's addresses is meant, where it has several.
    """
    try:
        endpoint = provider.endpoint(values, service)
    except ConfigurationError:
        return {"ok": False, "reason": "no_key", "provider": provider.id}
    try:
        await list_models(provider, endpoint)
    except ArchonError:
        return {"ok": False, "reason": "connection_failed", "provider": provider.id}
    return {"ok": True, "reason": "connected", "provider": provider.id}


def _plan(provider: Provider) -> tuple[tuple[Step, Callable[[Walk], Awaitable[None]]], ...]:
    if provider.server is None:
        return (("settings", _settings), ("models", _cloud_models), ("chat", _use))
    return (
        ("settings", _settings),
        ("connect", _reach),
        ("server", _server),
        ("models", _own_models),
        ("kind", _kind),
        ("context", _choose),
        ("chat", _use),
    )


async def _settings(walk: Walk) -> None:
    walk.endpoint = walk.provider.endpoint(walk.values, walk.service)
    base = walk.endpoint.base_url
    if walk.provider.server is None or base is None:
        walk.note("settings", "All settings that are needed are filled.")
        return
    field = url_field(walk.provider, walk.service, walk.values)
    walk.address = parse_address(base, field.key if field else None)
    entered = walk.values.get(field.key, "").strip() if field else ""
    fix = None
    if field is not None and entered and entered.rstrip("/") not in {walk.address.root, walk.address.v1}:
        fix = Fix(f"Write it as {walk.address.root}", {field.key: walk.address.root})
    walk.note("settings", f"The address means {redact_url(base)}.", fix=fix)


async def _reach(walk: Walk) -> None:
    if walk.address is None:
        return
    context = ErrorContext(
        provider=walk.provider.id, operation="check", url=walk.endpoint.base_url, remedy=walk.endpoint.remedy
    )
    async for step, message in reach(walk.address, context):
        walk.note(step, message)


async def _server(walk: Walk) -> None:
    facts = walk.provider.server
    client = ServerClient(walk.provider, walk.endpoint)
    version = await server_version(walk.provider, client)
    name = facts.name if facts else walk.provider.label
    walk.server = f"{name} {version}" if version else None
    if facts is not None and facts.version_path and version is None:
        walk.note(
            "server",
            f"The server does not say that it is {name}: it may want a key first, stand behind a proxy, or be another.",
            next_step=f"If it is not {name}, choose its own provider.",
        )
        return
    walk.note("server", f"{walk.server or name} answers.")


async def _own_models(walk: Walk) -> None:
    listed = await list_models(walk.provider, walk.endpoint)
    walk.models = tuple(model for model in listed if model.serves(walk.service))
    key = secret_field(walk.provider)
    if key is not None and walk.endpoint.api_key:
        walk.note("key", "The server accepts the API key, or wants none.")
    names = ", ".join(model.name for model in walk.models[:8]) or "no model"
    walk.note("models", f"Serves {names}.")


async def _kind(walk: Walk) -> None:
    client = ServerClient(walk.provider, walk.endpoint)
    present = capabilities_told(walk.models)
    if present is None:
        present = await capabilities_of(walk.provider, walk.endpoint, client)
    context = ErrorContext(provider=walk.provider.id, operation="check", url=walk.endpoint.base_url)
    error = wrong_kind(walk.service, present, context)
    if error is not None:
        raise error
    if present is not None:
        walk.note("kind", "The server has the routes that are needed.")


async def _choose(walk: Walk) -> None:
    key = walk.provider.model_key(walk.service)
    walk.model = _chosen(walk, key)
    if walk.model is None:
        names = ", ".join(model.name for model in walk.models[:12]) or "none"
        raise ConfigurationError(
            f"No model is chosen, and the server serves {len(walk.models)}: {names}",
            next_step="Choose one of them." if walk.models else "Start a server with a model of this kind.",
            context=ErrorContext(field=key),
        )
    served = next((one for one in walk.models if one.name == walk.model), None)
    walk.max_model_len = served.max_model_len if served else None
    if walk.max_model_len:
        walk.note("context", f"The context holds {walk.max_model_len} tokens.")


def _chosen(walk: Walk, key: str | None) -> str | None:
    """The model in force: the setting, else an older provider's default, else the only one that is served."""
    chosen = walk.values.get(key, "").strip() if key else ""
    if chosen:
        return chosen
    if walk.provider.keeps_v1_wire:
        default = walk.provider.default_model(walk.service)
        if default:
            return default
    only = only_one(walk.models)
    if only is None:
        return None
    walk.note("models", f"No model is chosen, so the one served model is used: {only.name}.")
    return only.name


async def _cloud_models(walk: Walk) -> None:
    walk.models = await list_models(walk.provider, walk.endpoint)
    walk.note("models", f"The key is accepted; {len(walk.models)} models are offered.")
    await _choose(walk)


async def _use(walk: Walk) -> None:
    used = await _USES[walk.service](walk.active)
    walk.latency_ms = used.latency_ms
    walk.dimensions = used.dimensions
    walk.findings += used.findings
    served = [model.name for model in walk.models]
    if walk.address is not None and served and walk.model not in served:
        fix = await Fixer(walk.active, walk.address, walk.models).for_failure("models", ModelNotFound("not listed"))
        message = f"The server does not list {walk.model}; it answered with what it serves: {', '.join(served[:8])}."
        walk.note("models", message, fix=fix)


def _finding(step: Step, failure: ArchonError, fix: Fix | None) -> Finding:
    return Finding(step, False, failure.message, failure.context.upstream_message, failure.next_step, fix)


def _step_of(step: Step, failure: ArchonError, service: Service) -> Step:
    """The step that a failure belongs to: the one its class names, else the one that was walked."""
    for kind, named in _STEP_OF_ERROR:
        # A connection that was made and broke while the model was used is no matter of the address.
        if isinstance(failure, kind) and not (step == "chat" and isinstance(failure, ConnectionBroken)):
            return named
    return _USE_STEPS[service] if step == "chat" else step


def _field_of(walk: Walk, step: Step, failure: ArchonError) -> str | None:
    """The setting that a person would change."""
    if isinstance(failure, (AuthenticationFailed, PermissionRefused)):
        secret = secret_field(walk.provider, walk.service, walk.values)
        return secret.key if secret else None
    if isinstance(failure, ModelNotFound) or step == "context":
        return walk.provider.model_key(walk.service)
    field = url_field(walk.provider, walk.service, walk.values)
    return field.key if field else None


def _report(walk: Walk, error: ArchonError | None) -> CheckReport:
    base = walk.endpoint.base_url
    report = CheckReport(
        provider=walk.provider.id,
        service=walk.service,
        base_url=redact_url(base) if base else None,
        latency_ms=walk.latency_ms,
        server=walk.server,
        model=walk.model,
        max_model_len=walk.max_model_len,
        dimensions=walk.dimensions,
        models=walk.models,
        findings=tuple(walk.findings),
    )
    return replace(report, error=error)
