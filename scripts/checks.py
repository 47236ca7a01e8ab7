"""What `make test`, `make check` and `make bench` do, part by part; the first part that fails ends it.

checks.py test | check | bench | format
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from playwright.sync_api import sync_playwright

from src.cli.local_vllm.installation import LocalVllmInstallation, unsupported_reason
from src.cli.local_vllm.roles import CHAT, EMBEDDINGS, ROLES
from src.cli.local_vllm.servers import LocalVllmServers
from src.cli.ports import free_port
from src.cli.steps import StepFailed, Steps
from src.config import load_environment

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHON_DIR = REPOSITORY / "python"
UI = REPOSITORY / "archon-ui-main"
BIN = REPOSITORY / ".venv" / "bin"
PLACES = (".", "../scripts", "../bench")
WORKERS = ("-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder")
CHROMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_CHROME = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its heading, and what it does; it raises StepFailed where it fails."""

    name: str
    work: Callable[[], None]


def main() -> int:
    """Run the parts of one goal; 0 when all are good."""
    goal = sys.argv[1] if len(sys.argv) > 1 else "test"
    with ExitStack() as cleanup:
        parts = {"test": _test, "check": _check, "bench": _bench, "format": _format}[goal](cleanup)
        try:
            return _run(goal, parts)
        except KeyboardInterrupt:
            return 130


def _run(goal: str, parts: Sequence[Part]) -> int:
    begun = time.monotonic()
    for number, part in enumerate(parts, start=1):
        heading(f"{number}/{len(parts)}  {part.name}")
        started = time.monotonic()
        try:
            part.work()
        except StepFailed as failure:
            _say_failure(part, failure)
            return 1
        print(f"    done in {time.monotonic() - started:.1f} s", flush=True)
    heading(f"make {goal}: all {len(parts)} parts are good, {time.monotonic() - begun:.0f} s")
    return 0


def _test(cleanup: ExitStack) -> list[Part]:
    pages = UI.exists()
    return [
        *_static(),
        *([Part("Pages: types, lint, tests", _pages)] if pages else []),
        Part("Container files", lambda: run(BIN / "python", REPOSITORY / "scripts" / "containers.py")),
        Part("A browser for the tests", _browser),
        Part("A local vLLM for tests and benches", partial(_local_vllm, cleanup)),
        Part("Tests: unit, integration on real Postgres and vLLM, browser", _pytest),
        Part("Benches, quick", lambda: _benches("--quick")),
    ]


def _check(_cleanup: ExitStack) -> list[Part]:
    return [*_static(), Part("Tests that need no server", lambda: run(BIN / "pytest", *WORKERS, "-m", "unit"))]


def _bench(cleanup: ExitStack) -> list[Part]:
    return [Part("A local vLLM", partial(_local_vllm, cleanup)), Part("Benches", _benches)]


def _format(_cleanup: ExitStack) -> list[Part]:
    def work() -> None:
        run(BIN / "ruff", "check", "--fix", "--config", "pyproject.toml", *PLACES)
        run(BIN / "ruff", "format", "--config", "pyproject.toml", *PLACES)
        if UI.exists():
            npm("run", "fix")

    return [Part("Form", work)]


def _static() -> list[Part]:
    return [
        Part("Lint", lambda: run(BIN / "ruff", "check", "--config", "pyproject.toml", *PLACES)),
        Part("Form", lambda: run(BIN / "ruff", "format", "--check", "--config", "pyproject.toml", *PLACES)),
        Part("Types", lambda: run(BIN / "mypy", "src")),
        Part("Import rules", lambda: run(BIN / "lint-imports", "--no-cache")),
        Part("Derived files", lambda: run(BIN / "python", REPOSITORY / "scripts" / "generate.py", "--check")),
    ]


def _pages() -> None:
    npm("run", "check")
    npm("run", "test")


def _browser() -> None:
    path = find_chromium() or _install_chromium()
    os.environ["ARCHON_TEST_CHROMIUM"] = path
    print(f"    {path}")


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome of this machine, or of one that Playwright fetched before."""
    named = os.environ.get("ARCHON_TEST_CHROMIUM")
    if named:
        return named
    found = next((path for name in CHROMES if (path := shutil.which(name))), None)
    if found or MAC_CHROME.exists():
        return found or str(MAC_CHROME)
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def _install_chromium() -> str:
    """Debian's where that is possible, else Playwright's own."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("    no browser here: installing Debian's chromium", flush=True)
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"]
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        with open(os.devnull, "w") as silent:
            subprocess.call(["apt-get", "update", "-q"], stdout=silent, env=quiet)
            subprocess.call(install, stdout=silent, env=quiet)
    if not find_chromium():
        print("    no browser here: asking Playwright for its own", flush=True)
        subprocess.call([str(BIN / "playwright"), "install", "chromium"])
    found = find_chromium()
    if not found:
        step = "Install one, for example `sudo apt-get install chromium` or `.venv/bin/playwright install chromium`."
        raise StepFailed("The browser tests need Chromium or Chrome, and none could be had.", next_step=step)
    return found


def _local_vllm(cleanup: ExitStack) -> None:
    """Start the product's own pair once, for every test and bench; it is stopped at the end."""
    names = {CHAT.name: "ARCHON_TEST_CHAT_URL", EMBEDDINGS.name: "ARCHON_TEST_EMBEDDING_URL"}
    if all(os.environ.get(name) for name in names.values()):
        print(f"    those named by {' and '.join(names.values())}")
        return
    reason = unsupported_reason()
    if reason:
        step = f"Start two vLLM servers elsewhere and name them in {' and '.join(names.values())}."
        raise StepFailed(f"The tests need a real vLLM, and none can run here: {reason}.", next_step=step)
    environment = load_environment()
    installation = LocalVllmInstallation(environment.data_dir, environment)
    steps = Steps()
    if not installation.is_installed:
        with steps.step("Installing", announce="about two minutes, once") as step:
            installation.install(step)
    if not installation.has_models:
        with steps.step("Models", announce="unpacking, once"):
            installation.prepare_models()
    folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="archon-vllm-"))
    servers = LocalVllmServers(Path(folder), environment, {role.name: free_port() for role in ROLES})
    cleanup.callback(servers.stop_all)
    with steps.step("Starting", announce="about a minute"):
        for role in ROLES:
            servers.start(role)
        servers.wait_all()
    os.environ.update({names[role.name]: servers.address(role) for role in ROLES})


def _pytest() -> None:
    """All tests, by two workers that each have a Postgres of their own and share the local vLLM.

    Most of them wait, for a process or a socket; more workers than that would make each other late. A test that fails
    is run once more, since a busy machine can be late: what passed only then is named at the end (RERUN), to be mended.
    """
    closing = run(BIN / "pytest", *WORKERS, "--durations=25", "--reruns=1", "-rR", keep_last=True)
    print(f"\n    pytest: {closing}")


def _benches(*arguments: str) -> None:
    scripts = sorted((REPOSITORY / "bench").glob("[!_]*.py"))
    for script in scripts:
        print(f"  {script.name}", flush=True)
        run(BIN / "python", script, *arguments)
    if not scripts:
        print("    none yet")


def npm(*arguments: str) -> None:
    """Run npm on the pages, with the Node that `make up` chose."""
    own = load_environment().data_dir / "node" / "bin"
    path = os.environ["PATH"] if shutil.which("npm") and not own.exists() else f"{own}:{os.environ['PATH']}"
    run(Path(shutil.which("npm", path=path) or "npm"), *arguments, cwd=UI, path=path)


def run(
    program: Path, *arguments: str | Path, cwd: Path = PYTHON_DIR, path: str | None = None, keep_last: bool = False
) -> str:
    """Run it with its output on ours; with `keep_last`, returns the last line it printed.

    Raises:
        StepFailed: it ended with another code than 0.
    """
    command: Sequence[str] = [str(program), *map(str, arguments)]
    environment = {**os.environ, "PATH": path or os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
    last = ""
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE if keep_last else None, text=True
    ) as child:
        for line in child.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    if child.returncode:
        shown = " ".join([program.name, *map(str, arguments)])
        why = f"`{shown}` ended with code {child.returncode}."
        raise StepFailed(f"{why} {last}".rstrip(), next_step=f"To see only this: (cd {cwd} && {' '.join(command)})")
    return last


def heading(text: str) -> None:
    """A line that stands out."""
    print(f"\n==== {text} ".ljust(100, "="), flush=True)


def _say_failure(part: Part, failure: StepFailed) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"\nFAILED: {part.name}\n  {failure.why}\n")
    if failure.tail:
        sys.stderr.write("".join(f"    {line}\n" for line in failure.tail.splitlines()))
    sys.stderr.write(f"  What to do: {failure.next_step}\n")


if __name__ == "__main__":
    sys.exit(main())
