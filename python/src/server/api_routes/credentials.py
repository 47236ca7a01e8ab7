"""v1's face of the settings, one key at a time. A secret is never returned, only that it is there."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from src.errors import JsonValue, NotFound

from ..composition import Rooms
from ..request_parts import InRooms, answer
from ..services.credential_service import CredentialItem, initialize_credentials
from ..services.credential_values import HIDDEN
from .bodies import CredentialBody, CredentialChange, KeysBody, Name

router = APIRouter(prefix="/api/credentials")

_DEFAULTS = {"DISCONNECT_SCREEN_ENABLED": "true", "PROJECTS_ENABLED": "false", "LOGFIRE_ENABLED": "false"}
"""v1's feature switches: answered also where no row is stored."""


@router.get("")
async def credentials(rooms: InRooms, category: Annotated[Name | None, Query()] = None) -> JSONResponse:
    """Every stored setting."""
    items = await rooms.credentials.list_all_credentials()
    return answer([_listed(item) for item in items if category is None or item.category == category])


@router.get("/categories/{category}")
async def of_category(category: str, rooms: InRooms) -> JSONResponse:
    """The settings of a category by key; every secret's place shows the marker."""
    found: dict[str, JsonValue] = {}
    for key, value in (await rooms.credentials.get_credentials_by_category(category)).items():
        found[key] = dict(value) if isinstance(value, dict) else value
    return answer({"credentials": found})


@router.post("/initialize")
async def reload(rooms: InRooms) -> JSONResponse:
    """Read all settings anew."""
    rooms.settings.forget()
    await initialize_credentials()
    return answer({"success": True, "message": "Settings were read again."})


@router.post("/status-check")
async def status_check(body: KeysBody, rooms: InRooms) -> JSONResponse:
    """Which of the keys have a value. v1 returned the secrets here; we do not."""
    stored = {item.key: item for item in await rooms.credentials.list_all_credentials()}
    return answer({key: _status(key, stored.get(key)) for key in body.keys})


@router.post("")
async def create(body: CredentialBody, rooms: InRooms) -> JSONResponse:
    """Store one setting. Raises StoreError; the former value stays in force then."""
    catalog = rooms.settings.catalog
    declared = body.key in catalog.fields
    await rooms.credentials.set_credential(
        body.key,
        body.value,
        is_encrypted=body.is_encrypted or catalog.is_secret(body.key),
        category=body.category or (catalog.category(body.key) if declared else None),
        description=body.description,
    )
    return answer({"success": True, "message": f"{body.key} is saved."})


@router.get("/{key}")
async def credential(key: str, rooms: InRooms) -> JSONResponse:
    """One setting. Raises NotFound."""
    item = await _stored(rooms, key)
    if item is not None and item.is_encrypted:
        shown: dict[str, JsonValue] = {
            "key": key,
            "value": HIDDEN,
            "is_encrypted": True,
            "category": item.category,
            "description": item.description,
            "has_value": item.value is not None,
        }
        return answer(shown)
    if item is not None and item.value is not None:
        return answer({"key": key, "value": item.value, "is_encrypted": False})
    if key in _DEFAULTS:
        default: dict[str, JsonValue] = {
            "key": key,
            "value": _DEFAULTS[key],
            "is_default": True,
            "category": "features",
            "description": "Default of a feature switch",
        }
        return answer(default)
    raise NotFound(f"Credential {key[:255]} not found")


@router.put("/{key}")
async def change(key: Name, body: CredentialChange, rooms: InRooms) -> JSONResponse:
    """Change one setting; what is left out keeps its stored value."""
    item = await _stored(rooms, key) or CredentialItem(key=key)
    catalog = rooms.settings.catalog
    secret = item.is_encrypted if body.is_encrypted is None else body.is_encrypted
    declared = catalog.category(key) if key in catalog.fields else None
    await rooms.credentials.set_credential(
        key,
        body.value,
        is_encrypted=secret or catalog.is_secret(key),
        category=body.category or item.category or declared,
        description=body.description or item.description,
    )
    return answer({"success": True, "message": f"{key} is saved."})


@router.delete("/{key}")
async def remove(key: str, rooms: InRooms) -> JSONResponse:
    """Remove one setting, also one that is not there."""
    await rooms.credentials.delete_credential(key)
    return answer({"success": True, "message": f"{key[:255]} is removed."})


async def _stored(rooms: Rooms, key: str) -> CredentialItem | None:
    items = await rooms.credentials.list_all_credentials()
    return next((item for item in items if item.key == key), None)


def _listed(item: CredentialItem) -> dict[str, JsonValue]:
    return {
        "key": item.key,
        "value": item.value,
        "encrypted_value": None,
        "is_encrypted": item.is_encrypted,
        "category": item.category,
        "description": item.description,
    }


def _status(key: str, item: CredentialItem | None) -> dict[str, JsonValue]:
    value = item.value if item is not None else None
    return {"key": key, "value": value, "has_value": bool(value)}
