"""Everything `make up` needs before `archon` itself can run: Python packages, Node, the built pages.

    prepare.py up [arguments of `archon up`]   install what is missing, then start
    prepare.py dev                             install what tests and checks need

Only the standard library and `src.cli.steps`. What is there and unchanged is not touched; what fails is taken away.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from src.cli.steps import StepFailed, Steps, run_steps

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHON_DIR = REPOSITORY / "python"
UI = REPOSITORY / "archon-ui-main"
ENVIRONMENT = REPOSITORY / ".venv"
NODE_LOCK = REPOSITORY / "scripts" / "node.txt"
OLDEST_NODE = 20
NETWORK = (
    "Check that this machine reaches its package index (pip's and npm's own settings are used), then run it again."
)
_HIDDEN = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "PIP_REQUIRE_VIRTUALENV", "MAKEFLAGS", "MAKELEVEL")


def main() -> int:
    """Prepare for `up` or `dev`; returns the exit code."""
    goal, *rest = sys.argv[1:] or ["up"]
    os.umask(0o022)
    steps = Steps()
    code = run_steps(partial(_prepare, steps, dev=goal == "dev"))
    if code or goal == "dev":
        return code
    command = [str(ENVIRONMENT / "bin" / "python"), "-m", "src.cli", "up", *rest]
    return os.execve(command[0], command, child_environment())  # noqa: S606 - our own interpreter


def _prepare(steps: Steps, *, dev: bool) -> None:
    with only_one():
        python_environment(steps, dev=dev)
        if not (UI / "package.json").exists():
            steps.line("-", "Pages", "not part of this checkout")
            return
        node = node_folder(steps)
        ui_packages(steps, node)
        ui_build(steps, node)


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the checkout, so that two `make up` at once do not install into each other."""
    handle = os.open(REPOSITORY / "scripts", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def python_environment(steps: Steps, *, dev: bool) -> None:
    """`.venv` with exactly the locked packages; one that was complete before stays if the new one fails."""
    locks = [PYTHON_DIR / "requirements.txt"]
    wanted = stamp(locks, sys.version.split()[0])
    present = read_stamp(ENVIRONMENT)
    runtime_stands = present.get("runtime") == wanted
    wanted_dev = stamp([*locks, PYTHON_DIR / "requirements-dev.txt"])
    if runtime_stands and (not dev or present.get("dev") == wanted_dev):
        steps.line("✓", "Python packages", f"up to date  Python {sys.version.split()[0]}")
    elif runtime_stands:
        with steps.step("Python packages for tests", announce="installing"):
            pip_install(ENVIRONMENT, PYTHON_DIR / "requirements-dev.txt")
            write_stamp(ENVIRONMENT, runtime=wanted, dev=wanted_dev)
    else:
        with steps.step("Python packages", announce="installing, about a minute") as step, replaced(ENVIRONMENT):
            make_environment(ENVIRONMENT)
            pip_install(ENVIRONMENT, PYTHON_DIR / ("requirements-dev.txt" if dev else "requirements.txt"))
            write_command(ENVIRONMENT)
            write_stamp(ENVIRONMENT, runtime=wanted, **({"dev": wanted_dev} if dev else {}))
            step.note = f"Python {sys.version.split()[0]}"
    write_command(ENVIRONMENT)


def node_folder(steps: Steps) -> Path | None:
    """The folder that has node and npm, put before PATH; None where the system's are good."""
    version = node_version(None)
    if version:
        steps.line("✓", "Node", f"{version}  of the system")
        return None
    folder = data_dir() / "node"
    wanted = stamp([NODE_LOCK], sys.version.split()[0])
    if read_stamp(folder).get("node") != wanted:
        with steps.step("Node", announce="installing") as step, replaced(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            make_environment(folder)
            pip_install(folder, NODE_LOCK)
            version = node_version(folder / "bin")
            if not version:
                raise StepFailed(
                    "The packaged Node does not run here.",
                    next_step=f"Install Node {OLDEST_NODE} or newer with npm, then run it again.",
                )
            write_stamp(folder, node=wanted)
            step.note = f"{version}  own copy"
    else:
        steps.line("✓", "Node", "up to date")
    return folder / "bin"


def ui_packages(steps: Steps, node: Path | None) -> None:
    """`node_modules` exactly as locked."""
    wanted = stamp([UI / "package-lock.json"], platform.platform(terse=True))
    folder = UI / "node_modules"
    if read_stamp(folder).get("packages") == wanted:
        steps.line("✓", "Packages of the pages", "up to date")
        return
    with steps.step("Packages of the pages", announce="installing"):
        # npm ci removes node_modules first, so a cut installation is made whole by the next one.
        run_npm(node, "ci", "--no-audit", "--no-fund")
        write_stamp(folder, packages=wanted)


def ui_build(steps: Steps, node: Path | None) -> None:
    """`dist`, exchanged as a whole: a server that runs never sees half of it."""
    sources = [path for path in UI.rglob("*") if is_ui_source(path)]
    wanted = stamp(sources)
    target, fresh = UI / "dist", UI / "dist.new"
    if read_stamp(target).get("build") == wanted and (target / "index.html").exists():
        steps.line("✓", "Pages", "up to date")
        return
    with steps.step("Pages", announce="building"):
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            advice = "Correct what it names: (cd archon-ui-main && npm run build)."
            run_npm(node, "run", "build", "--", "--outDir", str(fresh), "--emptyOutDir", next_step=advice)
            write_stamp(fresh, build=wanted)
            with replaced(target):
                fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def is_ui_source(path: Path) -> bool:
    """Whether a change of `path` calls for a new build."""
    outside = {"node_modules", "dist", "dist.new", "coverage", "test-results"}
    return path.is_file() and not outside.intersection(path.relative_to(UI).parts)


def make_environment(folder: Path) -> None:
    """An empty virtual environment at `folder`."""
    run(
        [sys.executable, "-m", "venv", str(folder)],
        next_step="Python lacks its venv module. On Debian and Ubuntu: `sudo apt-get install python3-venv`.",
    )


def pip_install(folder: Path, lock: Path) -> None:
    """Install exactly what `lock` lists; its hashes are checked."""
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    command = [*pip, "install", "-q", "--no-warn-script-location", "--require-hashes", "--no-deps", "-r", str(lock)]
    run(command, next_step=NETWORK)


def write_command(environment: Path) -> None:
    """`.venv/bin/archon`, and the path by which `src` is found from every folder."""
    python = environment / "bin" / "python"
    (packages,) = environment.glob("lib/python*/site-packages")
    write_if_changed(packages / "archon.pth", f"{PYTHON_DIR}\n")
    command = environment / "bin" / "archon"
    write_if_changed(command, f'#!/bin/sh\nexec "{python}" -m src.cli "$@"\n')
    command.chmod(0o755)


def node_version(folder: Path | None) -> str | None:
    """'v24.1.0' where node is new enough and npm is there, else None."""
    search = child_environment(folder)["PATH"]
    node, npm = shutil.which("node", path=search), shutil.which("npm", path=search)
    if not node or not npm:
        return None
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.", done.stdout)
    return done.stdout.strip() if found and int(found[1]) >= OLDEST_NODE else None


def run_npm(node: Path | None, *arguments: str, next_step: str = NETWORK) -> None:
    """Run npm in the folder of the pages."""
    environment = child_environment(node)
    npm = shutil.which("npm", path=environment["PATH"]) or "npm"
    run([npm, *arguments], cwd=UI, environment=environment, next_step=next_step)


def data_dir() -> Path:
    """The data folder, as the product itself determines it."""
    question = "from src.config import load_environment; print(load_environment().data_dir)"
    python = str(ENVIRONMENT / "bin" / "python")
    return Path(run([python, "-c", question], next_step="Correct the variable it names in .env.").strip())


def run(
    command: list[str], *, next_step: str, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    """Its output. Raises StepFailed with the last lines when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment or child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        # The cause stands first in npm's output and last in pip's.
        tail = "\n".join(lines if len(lines) <= 14 else [*lines[:6], "…", *lines[-8:]])
        full = "No space left on device" in done.stdout
        shown = " ".join(Path(part).name if part == command[0] else part for part in command[:4])
        raise StepFailed(
            f"`{shown} …` ended with code {done.returncode}:",
            next_step="The disk is full: free some space and run it again." if full else next_step,
            tail=tail,
        )
    return done.stdout


def child_environment(first_on_path: Path | None = None) -> dict[str, str]:
    """Our environment without what concerns only this script."""
    environment = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
    path = environment.get("PATH", os.defpath)
    environment["PATH"] = f"{first_on_path}{os.pathsep}{path}" if first_on_path else path
    return environment


@contextmanager
def replaced(folder: Path) -> Iterator[None]:
    """The block makes `folder` anew; if it fails, the former one is put back."""
    former = folder.with_name(folder.name + ".old")
    try:
        if folder.exists():
            shutil.rmtree(former, ignore_errors=True)
            folder.rename(former)
        yield
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if former.exists():
            former.rename(folder)
        if isinstance(error, OSError):
            raise StepFailed(
                f"{folder} cannot be written: {error}", next_step="Make room or correct its owner."
            ) from error
        raise
    shutil.rmtree(former, ignore_errors=True)


def stamp(files: Iterable[Path], *more: str) -> str:
    """A digest of the contents of `files` and of `more`."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(str(path.relative_to(REPOSITORY)).encode() + b"\0" + path.read_bytes())
    digest.update("\0".join(more).encode())
    return digest.hexdigest()


def read_stamp(folder: Path) -> dict[str, str]:
    """What is installed in `folder`; empty where nothing is complete."""
    try:
        return dict(json.loads((folder / ".archon-stamp.json").read_text()))
    except (OSError, ValueError):
        return {}


def write_stamp(folder: Path, **stamps: str) -> None:
    """Written last: a folder without it is not complete."""
    (folder / ".archon-stamp.json").write_text(json.dumps(stamps))


def write_if_changed(path: Path, text: str) -> None:
    """Write `path` unless it says so already."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
