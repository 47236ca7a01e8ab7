"""`llm_connections.json`: connections on their way between installations.

`{"connections": [{id, name, provider, base_url, model, api_key, timeout, max_tokens, temperature, is_local}]}`. A key
of null means that the connection has none; no `api_key` at all means that the file does not tell it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from src.errors import ErrorContext, InvalidInput, JsonValue
from src.inference.provider import Provider

from .connections_draft import ConnectionBody, ConnectionDraft, read_draft, refused

MAX_FILE_BYTES = 1_000_000
MAX_IN_FILE = 200
FILE_NAME = "llm_connections.json"


@dataclass(frozen=True, slots=True)
class ConnectionsFile:
    """A checked file. `ignored` are places of fields that Archon does not know."""

    drafts: tuple[ConnectionDraft, ...]
    ignored: tuple[str, ...]


def read_file(content: bytes, providers: Mapping[str, Provider], fallback: str) -> ConnectionsFile:
    """All connections of a file, or none.

    Raises:
        InvalidInput: it is too large, no JSON, of another shape, or a value cannot be used; names the place.
    """
    entries = _entries(_parsed(content))
    drafts: list[ConnectionDraft] = []
    ignored: list[str] = []
    for at, entry in enumerate(entries):
        place = f"connections[{at}]"
        drafts.append(_draft(entry, place, providers, fallback))
        ignored += [f"{place}.{name[:60]}" for name in entry if name not in ConnectionBody.model_fields]
    _check_ids(drafts)
    return ConnectionsFile(tuple(drafts), tuple(ignored))


def body_of(raw: object, place: str = "") -> ConnectionBody:
    """`raw` as a connection.

    Raises:
        InvalidInput: a field has the wrong type or size; names it, after `place`.
    """
    try:
        return ConnectionBody.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join([place, *map(str, first["loc"])]).strip(".") or "connection"
        message = first["msg"].removeprefix("Value error, ")
        raise refused(field, f"'{field}' cannot be used: {message}.") from error


def _parsed(content: bytes) -> JsonValue:
    if len(content) > MAX_FILE_BYTES:
        raise refused("file", f"The file has {len(content):,} bytes; at most {MAX_FILE_BYTES:,} are read.")
    try:
        text = content.decode("utf-8-sig")
        parsed: JsonValue = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise refused("file", "The file is not UTF-8 text.", "Save it as UTF-8 and try again.") from error
    except RecursionError as error:
        raise refused("file", "The file is nested too deeply to be a list of connections.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise refused(
            "file", f"The file is no JSON: {error.msg} at {where}.", "Mend that place and try again."
        ) from error
    except ValueError as error:
        # Ours from the hooks, or a number of more digits than Python reads.
        raise refused("file", f"The file cannot be read: {str(error)[:200]}.") from error
    return parsed


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    """An object whose names are all text and different: of two addresses nobody could say which was meant."""
    if any("\ud800" <= character <= "\udfff" for name, _ in pairs for character in name):
        raise ValueError("half a character stands in a name")
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{twice[:60]}' stands twice in one object")
    return found


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON number")


def _entries(parsed: JsonValue) -> list[dict[str, JsonValue]]:
    listed = parsed.get("connections") if isinstance(parsed, dict) else None
    if not isinstance(listed, list):
        shape = '{"connections": [...]}'
        raise refused("connections", f"The file holds no list 'connections'; its shape is {shape}.")
    if len(listed) > MAX_IN_FILE:
        raise refused("connections", f"The file holds {len(listed):,} connections; at most {MAX_IN_FILE} are read.")
    entries: list[dict[str, JsonValue]] = []
    for at, entry in enumerate(listed):
        if not isinstance(entry, dict):
            raise refused(f"connections[{at}]", f"connections[{at}] is no object.")
        entries.append(entry)
    return entries


def _draft(
    entry: dict[str, JsonValue], place: str, providers: Mapping[str, Provider], fallback: str
) -> ConnectionDraft:
    body = body_of(entry, place)
    try:
        return read_draft(body, providers, fallback)
    except InvalidInput as error:
        field = f"{place}.{error.context.field}"
        raise InvalidInput(
            f"{place}: {error.message}", next_step=error.next_step, context=ErrorContext(field=field)
        ) from error


def _check_ids(drafts: list[ConnectionDraft]) -> None:
    seen: set[str] = set()
    for at, draft in enumerate(drafts):
        if draft.id is not None and draft.id in seen:
            raise refused(f"connections[{at}].id", f"The id '{draft.id}' stands twice in the file.")
        if draft.id is not None:
            seen.add(draft.id)
