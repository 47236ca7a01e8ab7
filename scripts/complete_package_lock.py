"""Give package-lock.json the platform packages that the machine which wrote it could not see.

npm leaves an optional package out of the lock where its registry did not have it, and `npm ci` then refuses the
lock on every machine. Run after `npm install` (or `make generate`); it changes nothing in a lock that is whole.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "archon-ui-main" / "package-lock.json"
SYSTEMS = ("android", "darwin", "freebsd", "linux", "openbsd", "netbsd", "win32", "aix", "sunos", "openharmony")
CPUS = ("arm64", "arm", "x64", "ia32", "ppc64", "riscv64", "s390x", "loong64", "mips64el", "wasm32")

Entry = dict[str, object]


def main() -> int:
    """Complete the lock."""
    LOCK.write_text(completed())
    return 0


def completed() -> str:
    """The text of the lock with what it lacks."""
    text = LOCK.read_text()
    lock = json.loads(text)
    packages: dict[str, Entry] = lock["packages"]
    added = missing(packages)
    if not added:
        return text
    lock["packages"] = dict(sorted((packages | added).items()))
    return json.dumps(lock, indent=2, ensure_ascii=False) + "\n"


def missing(packages: dict[str, Entry]) -> dict[str, Entry]:
    """Lock entries of the optional platform packages that no entry of `packages` gives."""
    found: dict[str, Entry] = {}
    for entry in packages.values():
        wanted = entry.get("optionalDependencies")
        for name, version in wanted.items() if isinstance(wanted, dict) else ():
            path = f"node_modules/{name}"
            if path not in packages and re.fullmatch(r"\d[\w.+-]*", version) and platform_of(name):
                dev = {"dev": True} if entry.get("dev") else {}
                found[path] = {"version": version, **dev, "optional": True, **platform_of(name)}
    return found


def platform_of(name: str) -> Entry:
    """`os`, `cpu` and `libc` as the package's name tells them; empty where it is not for one platform."""
    words = re.split(r"[-/.]", name)
    cpu = [word for word in words if word in CPUS]
    system = [word for word in words if word in SYSTEMS]
    libc = ["musl"] if "musl" in words else ["glibc"] if "gnu" in words else []
    return {key: value for key, value in (("os", system), ("cpu", cpu), ("libc", libc)) if value} if cpu else {}


if __name__ == "__main__":
    sys.exit(main())
