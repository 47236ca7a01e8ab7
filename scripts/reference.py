"""Tables of the reference: every provider and every error, as the code declares them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from src.errors import ArchonError, family
from src.inference.provider import Capability, KnownEmbeddingModel, Provider, SettingField
from src.inference.registry import Registry, load_registry
from src.settings.catalog import PROVIDER_KEYS, SERVICES, Catalog

ARCHON_V1 = Path(__file__).resolve().parents[1] / "docs" / "reference" / "archon-v1.toml"
GENERATED = "<!-- Written by `make generate` from the code; edit the code, not this file. -->"
_CAPABILITIES: tuple[Capability, ...] = ("chat", "completions", "embeddings", "rerank", "tools")

_PROVIDERS_HEAD = """# Providers

Chat, embeddings and reranking each choose a provider of their own: {keys}. Reranking works without one.

A setting that is not saved in Settings is read from the environment variable of the same name.

Servers of one's own usually want no key. The SDK sends one anyway: without a key in Settings, chat and embedding
requests carry `Authorization: Bearer none`, which a keyless server ignores (Ollama gets `Bearer ollama`, as Archon v1
sent it). A server that was started with a key answers 401 to that, and Check says so.

*Wire of v1* says that requests are byte for byte what Archon v1 sent, its defaults and the SDK's retries included.

A provider from another package joins through the entry-point group `archon.providers`: the entry point's name is the
id, its value a `Provider`. No file of Archon is edited for it."""

_ERRORS_HEAD = """# Errors

Every failure that a person can meet is one of these. REST answers with the status and with `code`, the message, where
it happened and the next step in the body (see [REST](rest.md#errors)). *Retryable* says that the same call may succeed
a moment later; Archon has then tried already where that is safe.

`error.next_step` of an answer is often more precise than the one here."""


def providers_page(registry: Registry | None = None) -> str:
    """docs/reference/providers.md for the providers of `registry`, or for those of this process."""
    found = registry or load_registry()
    catalog = Catalog.of(found)
    keys = ", ".join(f"`{PROVIDER_KEYS[service]}`" for service in SERVICES)
    parts = [GENERATED, _PROVIDERS_HEAD.format(keys=keys), _overview(found.all())]
    parts += [_provider(provider, catalog) for provider in found.all()]
    return "\n\n".join(parts) + "\n"


def errors_page() -> str:
    """docs/reference/errors.md."""
    head = ("class", "code", "HTTP", "retryable", "what it means", "next step")
    return "\n\n".join([GENERATED, _ERRORS_HEAD, _table(head, map(_error, family()))]) + "\n"


def _error(kind: type[ArchonError]) -> tuple[str, ...]:
    retryable = "yes" if kind.retryable else "no"
    code, status = f"`{kind.code}`", str(kind.http_status)
    return f"`{kind.__name__}`", code, status, retryable, kind.meaning, kind.default_next_step


def _overview(providers: Sequence[Provider]) -> str:
    rows = [
        (
            f"[{one.label}](#{_anchor(one.label)})",
            f"`{one.id}`",
            *("yes" if capability in one.capabilities else "" for capability in _CAPABILITIES),
            "your own machines" if one.local else "cloud",
            "yes" if one.keeps_v1_wire else "",
        )
        for one in providers
    ]
    return _table(("provider", "id", *_CAPABILITIES, "runs on", "wire of v1"), rows)


def _provider(provider: Provider, catalog: Catalog) -> str:
    keys = {key: field for field in provider.fields for key in (field.key,)}
    for service in SERVICES:
        key = provider.model_key(service) if provider.serves(service) else None
        if key:
            keys.setdefault(key, catalog.fields[key])
    parts = [
        f"## {provider.label}",
        f"{provider.summary} Its own documentation: <{provider.docs_url}>.",
        _table(("setting", "kind", "needed for", "what it is"), map(_setting, keys.values())),
    ]
    defaults = [
        f"`{model}` for {words}"
        for service, words in (("llm", "chat"), ("embedding", "embeddings"))
        if (model := provider.default_model(service)) and provider.serves(service)
    ]
    if defaults:
        parts.append(f"Asked for where no model is set: {', '.join(defaults)}.")
    if provider.embedding_models:
        head = ("embedding model", "vector size", "sizes it can be asked for", "tokens", "texts a request")
        parts.append(_table(head, map(_embedding_model, provider.embedding_models)))
    parts.append(f"Source: {provider.source}.")
    return "\n\n".join(parts)


def _setting(field: SettingField) -> tuple[str, ...]:
    words = " ".join(part for part in (f"{field.label}.", field.help) if part)
    needed = field.capability or "all"
    return f"`{field.key}`", field.kind, f"{needed}, required" if field.required else needed, words


def _embedding_model(model: KnownEmbeddingModel) -> tuple[str, ...]:
    sizes = ", ".join(map(str, model.dimension_choices)) or "none"
    return f"`{model.name}`", str(model.dimensions), sizes, str(model.max_tokens or ""), str(model.batch_limit)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def _anchor(label: str) -> str:
    return "".join(letter for letter in label.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def archon_v1_page() -> str:
    """docs/reference/archon-v1.md, of the list beside it."""
    listed = tomllib.loads(ARCHON_V1.read_text(encoding="utf-8"))
    head = (
        f"{GENERATED}\n\n# Archon v1's REST face\n\n"
        "What is answered here and how, path by path. The list itself, for programs, is "
        "`archon-v1.toml`; a test holds it against the server.\n\n## Everywhere"
    )
    notes = "\n".join(f"- {note}" for note in listed["everywhere"]["notes"])
    rows = [(f"`{path}`", entry["state"], entry.get("note", "")) for path, entry in listed["paths"].items()]
    return "\n\n".join([head, notes, "## Path by path", _table(("path", "here", "remarks"), rows)]) + "\n"
