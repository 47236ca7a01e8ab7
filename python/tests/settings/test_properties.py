"""What must hold of settings whatever is stored; pure functions, no database."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from src.config import load_environment
from src.errors import ArchonError, ConfigurationError, InvalidInput
from src.inference.provider import ActiveProvider, Service
from src.inference.registry import load_registry
from src.settings.catalog import SERVICES, Catalog
from src.settings.choice import activate
from src.settings.overview import FirstRun, take_overview
from src.settings.resolve import resolve
from src.settings.validation import Plan, merged, plan_changes
from src.settings.values import Snapshot, Stored

CATALOG = Catalog.of(load_registry())
NOTHING = load_environment({})
KEYS = st.sampled_from(sorted(CATALOG.fields))
TEXTS = st.text(max_size=40) | st.sampled_from(["http://gpu:8000", "gpu:8000/v1", "true", "7", "vllm", "openai", " "])
STORED = st.dictionaries(KEYS, st.builds(Stored, st.none() | TEXTS), max_size=12)
ANYTHING = st.none() | TEXTS | st.booleans() | st.integers() | st.floats() | st.lists(st.text(), max_size=2)
VLLM = {"LLM_PROVIDER": Stored("vllm"), "EMBEDDING_PROVIDER": Stored("vllm"), "RERANK_PROVIDER": Stored("vllm")}


@given(stored=STORED)
def test_an_active_vllm_has_a_whole_address(stored: dict[str, Stored]) -> None:
    snapshot = resolve(CATALOG, {**stored, **VLLM}, NOTHING)
    for service in SERVICES:
        active = activated_or_field(snapshot, service)
        if not isinstance(active, ActiveProvider):
            assert active in CATALOG.fields
            continue
        base_url = active.endpoint.base_url or ""
        assert base_url.startswith(("http://", "https://"))
        assert base_url.endswith("/v1")
        assert active.model is None or active.model.strip() == active.model != ""


@given(stored=STORED, changes=st.dictionaries(KEYS | st.text(max_size=9), ANYTHING, max_size=5))
def test_what_was_allowed_to_be_saved_breaks_no_working_service(
    stored: dict[str, Stored], changes: dict[str, object]
) -> None:
    before = [works(stored, service) for service in SERVICES]
    plan = planned_or_field(stored, changes)
    if not isinstance(plan, Plan):
        assert plan is not None
        return
    after = merged(stored, {**dict.fromkeys(plan.removed), **plan.texts})
    assert all(works(after, service) for service, worked in zip(SERVICES, before, strict=True) if worked)
    assert set(plan.texts) | set(plan.removed) <= set(CATALOG.fields)


@given(secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=9, max_size=60), stored=STORED)
async def test_no_secret_is_ever_shown(secret: str, stored: dict[str, Stored]) -> None:
    marked = f"sk-{secret}"
    secrets = {key: Stored(marked) for key in CATALOG.fields if CATALOG.is_secret(key)}
    snapshot = resolve(CATALOG, {**stored, **secrets}, NOTHING)
    overview = await take_overview(CATALOG, snapshot, None, FirstRun())
    assert marked not in json.dumps(overview.to_dict()) + repr(overview) + repr(snapshot)


def activated_or_field(snapshot: Snapshot, service: Service) -> ActiveProvider | str | None:
    try:
        return activate(CATALOG, snapshot, service)
    except ConfigurationError as error:
        return error.context.field


def planned_or_field(stored: dict[str, Stored], changes: dict[str, object]) -> Plan | str | None:
    try:
        return plan_changes(CATALOG, stored, NOTHING, changes)
    except (InvalidInput, ConfigurationError) as error:
        return error.context.field


def works(stored: dict[str, Stored], service: Service) -> bool:
    try:
        activate(CATALOG, resolve(CATALOG, stored, NOTHING), service)
    except ArchonError:
        return False
    return True
