"""What a check of a connection found: the steps it walked, what is wrong, and what would mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from src.errors import ArchonError, JsonValue

from .discovery import ServedModel
from .provider import Service

Step: TypeAlias = Literal[
    "settings",
    "name",
    "connect",
    "tls",
    "http",
    "server",
    "key",
    "kind",
    "models",
    "context",
    "embedding",
    "chat",
    "tools",
    "json_schema",
    "rerank",
]


@dataclass(frozen=True, slots=True)
class Fix:
    """Setting values that would mend a finding, and the words on its button."""

    label: str
    values: Mapping[str, str]

    def to_dict(self) -> dict[str, JsonValue]:
        """Ready for JSON."""
        return {"label": self.label, "values": dict(self.values)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of the walk. Not `ok` means that this step is why the connection cannot be used."""

    step: Step
    ok: bool
    message: str
    detail: str | None = None
    next_step: str | None = None
    fix: Fix | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """Ready for JSON."""
        return {
            "step": self.step,
            "ok": self.ok,
            "message": self.message,
            "detail": self.detail,
            "next_step": self.next_step,
            "fix": self.fix.to_dict() if self.fix else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The whole diagnosis. `latency_ms` is the time of one token or one vector; `dimensions` was measured."""

    provider: str
    service: Service
    base_url: str | None = None
    latency_ms: int | None = None
    server: str | None = None
    model: str | None = None
    max_model_len: int | None = None
    dimensions: int | None = None
    models: tuple[ServedModel, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
    error: ArchonError | None = None

    @property
    def ok(self) -> bool:
        """Whether the connection can be used as it stands."""
        return self.error is None

    def to_dict(self) -> dict[str, JsonValue]:
        """The body of `POST /api/providers/{id}/check`."""
        return {
            "ok": self.ok,
            "provider": self.provider,
            "service": self.service,
            "base_url": self.base_url,
            "latency_ms": self.latency_ms,
            "server": self.server,
            "model": self.model,
            "max_model_len": self.max_model_len,
            "dimensions": self.dimensions,
            "models": [model_row(one, self.dimensions if one.name == self.model else None) for one in self.models],
            "findings": [finding.to_dict() for finding in self.findings],
            "error": self.error.to_dict() if self.error else None,
        }


def model_row(model: ServedModel, dimensions: int | None = None) -> dict[str, JsonValue]:
    """One model as REST shows it."""
    return {"name": model.name, "max_model_len": model.max_model_len, "dimensions": dimensions}
