"""Wrong types for every route that there is: each gets a typed answer, none a bare 500."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest

from src.errors import JsonValue

NASTY: list[JsonValue] = [
    None, True, -1, 0, 10**30, 1.5, "", " ", "\0", "\ud800", "é" * 5000, "'; drop table archon_settings; --",
    "../../etc/passwd", [], [[]], [None], {}, {"$ne": 1}, {"a": {"b": []}}, "file:///etc/passwd", "http://[::1", "💥",
]  # fmt: skip
FAIR = {"provider_id": "vllm", "key": "SOME_KEY", "category": "rag_strategy"}
IN_PATHS = ["%00", "..%2f..", "%F0%9F%92%A5", "-1", "1e9", "a" * 300, "%27%20or%201%3D1", "null", "%ud800"]
IN_QUERIES = ["", "-1", "1e9", "99999999999999999999", "%00", "a" * 5000, "%F0%9F%92%A5", "null", "[]", "%ED%A0%80"]


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    url: str
    body: JsonValue = None
    sends: bool = False


def calls(description: dict[str, JsonValue]) -> Iterator[Call]:
    """Requests with wrong values for every part of every described operation."""
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            places = [one["name"] for one in operation.get("parameters", []) if one["in"] == "path"]
            queries = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
            plain = filled(path, places)
            yield from (Call(method, filled(path, places, nasty)) for nasty in (IN_PATHS if places else ["-"]))
            yield from (Call(method, f"{plain}?{name}={nasty}") for name in queries for nasty in IN_QUERIES)
            if "requestBody" in operation:
                yield from (Call(method, plain, body, sends=True) for body in bodies(operation, description))


def bodies(operation: dict[str, JsonValue], description: dict[str, JsonValue]) -> Iterator[JsonValue]:
    """Wrong bodies: no object at all, every field wrong alone, and all of them together.

    A field alone gets every value of a kind that it takes, since those come through to the code behind it, and one of
    each other kind, which are all turned away at the same door.
    """
    yield from one_of_each_kind()
    content = operation["requestBody"]["content"]
    schema = next(iter(content.values()))["schema"]
    reference = schema.get("$ref", "").rpartition("/")[2]
    fields = description["components"]["schemas"].get(reference, {}).get("properties", {})
    fair = {name: one.get("default", "x") for name, one in fields.items()}
    for name, one in fields.items():
        yield from ({**fair, name: nasty} for nasty in [*one_of_each_kind(but=kinds_of(one)), *of_kinds(kinds_of(one))])
    yield from (dict.fromkeys(fields, nasty) for nasty in one_of_each_kind())


def kind_of(value: JsonValue) -> str:
    """The name of its kind in a schema."""
    kinds = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return kinds.get(type(value), "object")


def kinds_of(schema: dict[str, JsonValue]) -> set[str]:
    """The kinds that a field takes; none named: all of them."""
    told = {one.get("type") for one in schema.get("anyOf", [schema])}
    told |= {"integer"} if "number" in told else set()
    every = {kind_of(value) for value in NASTY}
    return {kind for kind in every if kind in told} or every


def of_kinds(kinds: set[str]) -> list[JsonValue]:
    """Every wrong value of these kinds."""
    return [value for value in NASTY if kind_of(value) in kinds]


def one_of_each_kind(*, but: set[str] | frozenset[str] = frozenset()) -> list[JsonValue]:
    """The first wrong value of each kind that is not in `but`."""
    return [value for kind, value in {kind_of(one): one for one in reversed(NASTY)}.items() if kind not in but]


def filled(path: str, places: list[str], value: str | None = None) -> str:
    """`path` with `value` in all its places, else with something that may be there."""
    for place in places:
        path = path.replace("{" + place + "}", value or FAIR.get(place, "8d1e3d0a-5d3c-4d6e-9d55-0d5c6f6f0f0f"))
    return path


async def send(api: httpx.AsyncClient, call: Call) -> tuple[Call, int, str]:
    """What came back: status, and the error's code where there is one."""
    content = json_with_surrogates(call.body) if call.sends else None
    headers = {"Content-Type": "application/json"}
    answer = await api.request(call.method, httpx.URL(call.url), content=content, headers=headers)
    failed = answer.status_code >= 400
    detail = answer.json()["detail"] if failed and answer.content else {"error": "x", "code": "", "next_step": "x"}
    assert {"error", "code", "next_step"} <= set(detail), (call, answer.text)
    return call, answer.status_code, str(detail["code"])


def json_with_surrogates(body: JsonValue) -> bytes:
    """JSON in ASCII, so that also a lone surrogate can be sent."""
    return json.dumps(body).encode()


@pytest.mark.timeout(300)
async def test_no_route_answers_wrong_types_with_a_bare_500(api: httpx.AsyncClient) -> None:
    description = (await api.get("/api/openapi.json")).json()
    wrong: list[tuple[Call, int, str]] = []
    every = list(calls(description))
    assert len(every) > 1000
    for batch in batches(every, 20):
        answers = await asyncio.gather(*(send(api, call) for call in batch))
        wrong += [answer for answer in answers if answer[1] == 500 or answer[2] == "internal"]
    assert wrong == []


def batches(items: list[Call], size: int) -> Iterator[list[Call]]:
    """`items` in lists of `size`."""
    yield from (items[at : at + size] for at in range(0, len(items), size))


def test_a_field_gets_all_that_it_takes_and_one_of_each_other_kind() -> None:
    body = {"content": {"x": {"schema": {"$ref": "#/Body"}}}}
    described = {"components": {"schemas": {"Body": {"properties": {"n": {"anyOf": [{"type": "number"}]}}}}}}
    every = list(bodies({"requestBody": body}, described))
    others = {"null", "boolean", "string", "array", "object"}
    alone = [one["n"] for one in every[7:-7]]  # type: ignore[call-overload, index]
    assert [value for value in alone if kind_of(value) not in others] == [-1, 0, 10**30, 1.5]
    assert sorted(kind_of(value) for value in alone if kind_of(value) in others) == sorted(others)


def test_the_fuzz_reaches_query_path_and_body() -> None:
    operation = {"parameters": [{"name": "q", "in": "query"}], "requestBody": {"content": {"x": {"schema": {}}}}}
    described = {"paths": {"/a": {"post": operation}}, "components": {"schemas": {}}}
    made = list(calls(described))
    assert {call.sends for call in made} == {True, False}
    assert f"/a?q={quote('-1')}" in [call.url for call in made]
