"""Files that are derived from the code. `generate.py` writes them, `generate.py --check` says which are stale."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from complete_package_lock import LOCK, completed
from reference import ARCHON_V1, archon_v1_page, errors_page, providers_page
from sizing import sizing_page

from src.inference.fallback import fallback_fields
from src.inference.provider import Provider, SettingField
from src.inference.registry import load_registry
from src.settings.catalog import CONTEXT_FIELDS, PROVIDER_KEYS, SERVICES, Catalog
from src.store.setup_script import complete_setup

REPOSITORY = Path(__file__).resolve().parents[1]
COMPOSE = REPOSITORY / "docker-compose.yml"
ENVIRONMENT_HEAD = REPOSITORY / "scripts" / "env.head.txt"


def main() -> int:
    """Write or check every derived file; 1 when one is stale."""
    check = "--check" in sys.argv[1:]
    stale = []
    for path, make in DERIVED.items():
        text = make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.relative_to(REPOSITORY).as_posix())
        if not check:
            path.write_text(text, encoding="utf-8")
    if not stale:
        print("Derived files are up to date.")
        return 0
    print(f"Stale: {', '.join(stale)}. Run `make generate`." if check else f"Written: {', '.join(stale)}")
    return 1 if check else 0


def environment_example() -> str:
    """`.env.example`: what concerns Archon itself, then one block for each provider."""
    registry = load_registry()
    catalog = Catalog.of(registry)
    parts = [ENVIRONMENT_HEAD.read_text(encoding="utf-8").rstrip("\n")]
    parts.append("# ---- Providers: defaults that Settings override " + "-" * 40)
    parts += [_variable(catalog.fields[PROVIDER_KEYS[service]]) for service in SERVICES]
    title = "# When the chosen provider cannot answer a chat: others, in order"
    parts.append("\n".join([title, *map(_variable, fallback_fields(registry.all()))]))
    title = "# A chat model that says of each passage where it stands in its document"
    parts.append("\n".join([title, *map(_variable, CONTEXT_FIELDS)]))
    seen: set[str] = set()
    for provider in registry.all():
        block = _provider(provider, seen)
        if block:
            parts.append(block)
    text = "\n\n".join(parts) + "\n"
    return f"{text}\n{_containers(text)}"


def _containers(known: str) -> str:
    """What the compose file reads and `known` does not have yet, with the defaults that it names."""
    lines = ["# ---- Containers: read by docker-compose.yml (docs/operate/containers.md says what for) " + "-" * 7, ""]
    given = dict(re.findall(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?", COMPOSE.read_text(encoding="utf-8")))
    lines += [f"# {name}={default}" for name, default in given.items() if f"# {name}=" not in known]
    return "\n".join(lines) + "\n"


def _provider(provider: Provider, seen: set[str]) -> str:
    fields = [field for field in provider.fields if field.key not in seen]
    seen.update(field.key for field in fields)
    title = f"# {provider.label}: {provider.docs_url}"
    return "\n".join([title, *map(_variable, fields)]) if fields else ""


def _variable(field: SettingField) -> str:
    words = " ".join(part for part in (f"{field.label}.", field.help) if part)
    if field.kind == "choice":
        words += f" One of: {', '.join(field.choices)}."
    comment = textwrap.fill(words, 116, initial_indent="# ", subsequent_indent="# ")
    return f"{comment}\n# {field.key}={field.default or field.placeholder}"


DERIVED: Mapping[Path, Callable[[], str]] = {
    REPOSITORY / ".env.example": environment_example,
    REPOSITORY / "migration" / "complete_setup.sql": partial(complete_setup, REPOSITORY / "migration"),
    REPOSITORY / "docs" / "reference" / "errors.md": errors_page,
    REPOSITORY / "docs" / "reference" / "providers.md": providers_page,
    ARCHON_V1.with_suffix(".md"): archon_v1_page,
    REPOSITORY / "docs" / "reference" / "vllm-memory.md": sizing_page,
    **({LOCK: completed} if LOCK.exists() else {}),
}


if __name__ == "__main__":
    sys.exit(main())
