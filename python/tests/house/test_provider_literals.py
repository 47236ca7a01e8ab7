"""Product code knows no provider by name: ids and the names of their settings stand in provider files only.

Adding a provider edits no other file; a literal elsewhere would be the first such edit. Exceptions stand here, each
with its reason, and one that is no longer needed fails too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from src.config import REPOSITORY
from src.inference.registry import load_registry

IDS = {provider.id for provider in load_registry().all()}
KEYS = {field.key for provider in load_registry().all() for field in provider.fields}

LOCAL_SERVERS = "the model servers that Archon starts itself are vLLM's, whoever is chosen"
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("python/src/cli/stack.py", "VLLM"): "prefix of the variables after whose change a restart is needed",
    ("python/src/cli/stack.py", "GATEWAY_API_KEY"): "where the gateway demands the token, the server is given it",
    ("python/src/cli/gateway_program.py", "VLLM"): "as for the server: the gateway reads these variables",
    ("python/src/config/environment.py", "VLLM"): f"the switch VLLM=off: {LOCAL_SERVERS}",
    ("python/src/cli/local_vllm/roles.py", "VLLM_BASE_URL"): LOCAL_SERVERS,
    ("python/src/cli/local_vllm/roles.py", "VLLM_EMBEDDING_BASE_URL"): LOCAL_SERVERS,
    ("python/src/config/environment.py", "GATEWAY_URL"): "the gateway is ours; only here is its port known",
    ("python/src/inference/endpoints.py", "GATEWAY_URL"): "the way through our gateway, for every provider",
    ("python/src/inference/endpoints.py", "GATEWAY_API_KEY"): "as GATEWAY_URL",
    ("python/src/gateway/config.py", "VLLM_BASE_URL"): "the variables always mean model servers, for the gateway too",
    ("python/src/gateway/config.py", "VLLM_EMBEDDING_BASE_URL"): "as VLLM_BASE_URL",
    ("python/src/gateway/config.py", "VLLM_API_KEY"): "as VLLM_BASE_URL",
    (
        "migration/0081_archon_v1.sql",
        "EMBEDDING_MODEL",
    ): "v1 says there which model made the vectors that are taken over",
    ("migration/complete_setup.sql", "EMBEDDING_MODEL"): "the sum of the migrations",
    ("python/src/cli/takeover.py", "EMBEDDING_MODEL"): "as 0081_archon_v1.sql",
}
V1_FILES = {
    "python/src/server/services/credential_service.py": "v1's seeded defaults: settings it copied into the environment",
}
"""The public seams of v1, which may name v1's settings, but no provider."""


def python_literals() -> Iterator[tuple[str, str]]:
    """Every string of the product's Python that is no docstring, with its file; provider files left out."""
    for path in sorted((REPOSITORY / "python" / "src").rglob("*.py")):
        if path.parent.name == "providers":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                yield path.relative_to(REPOSITORY).as_posix(), node.value


def quoted_words() -> Iterator[tuple[str, str]]:
    """Every quoted word of the product's TypeScript and SQL, with its file; tests and their fixtures left out."""
    places = ((REPOSITORY / "archon-ui-main" / "src", (".ts", ".tsx")), (REPOSITORY / "migration", (".sql",)))
    for root, kinds in places:
        for path in sorted(one for one in root.rglob("*") if one.suffix in kinds and not is_test(one)):
            for word in re.findall(r"""["'`](\w+)["'`]""", path.read_text(encoding="utf-8")):
                yield path.relative_to(REPOSITORY).as_posix(), word


def is_test(path: Path) -> bool:
    return ".test." in path.name or "testing" in path.parts


def named() -> set[tuple[str, str]]:
    """Where product code names a provider or one of its settings."""
    found = [*python_literals(), *quoted_words()]
    ids = {(path, word) for path, word in found if word.lower() in IDS}
    keys = {(path, word) for path, word in found if word in KEYS and path not in V1_FILES}
    return ids | keys


def test_no_provider_is_named_outside_its_own_file() -> None:
    assert named() - EXCEPTIONS.keys() == set()


def test_every_exception_is_needed_and_has_its_reason() -> None:
    assert EXCEPTIONS.keys() - named() == set()
    assert all(len(reason) > 10 for reason in (*EXCEPTIONS.values(), *V1_FILES.values()))


def test_the_seams_of_v1_name_only_settings_that_v1_had() -> None:
    new = {field.key for one in load_registry().all() if not one.keeps_v1_wire for field in one.fields}
    assert {(path, word) for path, word in python_literals() if path in V1_FILES and word in new} == set()
