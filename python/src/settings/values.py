"""Settings in force: each value with the place it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from src.errors import JsonValue

Source: TypeAlias = Literal["database", "environment", "default"]
State: TypeAlias = Literal["ok", "must_be_entered_again"]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database holds for one key, secrets opened. `text` None: nothing, or it cannot be opened."""

    text: str | None = field(repr=False)
    state: State = "ok"


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One setting in force. `text` is None where nothing is set, and where a secret cannot be opened."""

    key: str
    text: str | None = field(repr=False)
    source: Source
    secret: bool = False
    state: State = "ok"

    @property
    def has_value(self) -> bool:
        """Whether something is set, also when it cannot be opened."""
        return self.text is not None or self.state != "ok"

    def to_dict(self) -> dict[str, JsonValue]:
        """For people: a secret shows only whether it is set and from where."""
        return {
            "value": None if self.secret else self.text,
            "source": self.source,
            "secret": self.secret,
            "has_value": self.has_value,
            "state": self.state,
        }


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All declared settings at one moment."""

    by_key: Mapping[str, SettingValue]

    def text(self, key: str | None) -> str | None:
        """The value of `key` without surrounding blanks, None where there is none."""
        found = self.by_key.get(key) if key else None
        return ((found.text or "").strip() or None) if found else None

    def unreadable(self, key: str) -> bool:
        """Whether `key` is a secret that must be entered again."""
        found = self.by_key.get(key)
        return found is not None and found.state != "ok"

    def in_force(self) -> dict[str, str]:
        """Every value that is not blank, as providers read them."""
        return {key: text for key in self.by_key if (text := self.text(key))}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that works but that people should know, said beside the provider."""

    code: str
    message: str
    next_step: str

    def to_dict(self) -> dict[str, JsonValue]:
        """The body in REST's `warnings`."""
        return {"code": self.code, "message": self.message, "next_step": self.next_step}
