"""What forms are drawn from, and the checks behind their buttons."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from src.errors import ConfigurationError, JsonValue
from src.inference.check import check as check_connection
from src.inference.check import offered_models, provider_status
from src.inference.check_report import model_row
from src.inference.provider import KnownEmbeddingModel, Provider, SettingField
from src.settings.validation import normalised

from ..composition import Rooms
from ..request_parts import InRooms, answer
from .bodies import CheckBody, ProviderId, ServiceName

router = APIRouter(prefix="/api/providers")


class UnknownProvider(ConfigurationError):
    """v1 answers 400 for a provider that it does not have."""

    http_status = 400


@router.get("")
async def providers(rooms: InRooms) -> JSONResponse:
    """Every provider's declaration, in the order lists show them; no values."""
    return answer({"providers": [_provider(provider) for provider in rooms.registry.all()]})


@router.get("/{provider_id}/status")
async def status(provider_id: ProviderId, rooms: InRooms, service: ServiceName = "llm") -> JSONResponse:
    """v1's probe with the stored values: address and key by the list of models; `service` picks the address."""
    provider = _known(rooms, provider_id)
    return answer(await provider_status(provider, (await rooms.settings.snapshot()).in_force(), service))


@router.post("/{provider_id}/check")
async def check(provider_id: ProviderId, body: CheckBody, rooms: InRooms) -> JSONResponse:
    """Really ask the server, with unsaved values over those in force. 200 also where the connection fails."""
    provider = rooms.settings.catalog.provider(_known(rooms, provider_id).id, body.service)
    report = await check_connection(provider, body.service, await _draft(rooms, body))
    return answer(report.to_dict())


@router.post("/{provider_id}/models")
async def models(provider_id: ProviderId, body: CheckBody, rooms: InRooms) -> JSONResponse:
    """What the server offers. Raises ConfigurationError, ProviderError."""
    provider = rooms.settings.catalog.provider(_known(rooms, provider_id).id, body.service)
    offered = await offered_models(provider, body.service, await _draft(rooms, body))
    return answer({"models": [model_row(model) for model in offered]})


async def _draft(rooms: Rooms, body: CheckBody) -> dict[str, str]:
    """The values in force with the form's over them; one left blank there means environment or default."""
    catalog = rooms.settings.catalog
    values = (await rooms.settings.snapshot()).in_force()
    for key, entered in body.values.items():
        text = normalised(catalog, key, entered) or rooms.environment.get(key) or catalog.fields[key].default
        values[key] = text or ""
    return {key: text for key, text in values.items() if text}


def _known(rooms: Rooms, provider_id: str) -> Provider:
    if provider_id not in rooms.registry:
        raise UnknownProvider(
            f"There is no provider '{provider_id}'.", next_step=f"Choose one of: {', '.join(rooms.registry.ids())}."
        )
    return rooms.registry.get(provider_id)


def _provider(provider: Provider) -> JsonValue:
    return {
        "id": provider.id,
        "label": provider.label,
        "summary": provider.summary,
        "docs_url": provider.docs_url,
        "capabilities": [*sorted(provider.capabilities)],
        "local": provider.local,
        "fields": [field_row(field) for field in provider.fields],
        "chat_model_key": provider.chat_model_key,
        "embedding_model_key": provider.embedding_model_key,
        "rerank_model_key": provider.rerank_model_key,
        "chat_models": list(provider.chat_models),
        "embedding_models": [_embedding_model(model) for model in provider.embedding_models],
    }


def field_row(field: SettingField) -> JsonValue:
    """A setting's declaration, for forms."""
    return {
        "key": field.key,
        "label": field.label,
        "kind": field.kind,
        "help": field.help,
        "placeholder": field.placeholder,
        "default": field.default,
        "required": field.required,
        "capability": field.capability,
        "choices": list(field.choices),
    }


def _embedding_model(model: KnownEmbeddingModel) -> JsonValue:
    return {"name": model.name, "dimensions": model.dimensions, "batch_limit": model.batch_limit}
