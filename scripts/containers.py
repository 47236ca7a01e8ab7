"""Checks the compose file and the Dockerfiles without a container engine.

containers.py         the compose file with every profile, the Dockerfiles by hadolint, their COPY sources and CMDs
containers.py --run   also runs the RUN lines of each Dockerfile's stages in a fresh folder, as far as that goes
                      without an engine: lines that change the system itself (users, /data) are named and left out

What it cannot show is said at its end: no image is built and none is started.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DOCKERFILES = (REPOSITORY / "python" / "Dockerfile", REPOSITORY / "python" / "Dockerfile.vllm-cpu")
COMPOSE = REPOSITORY / "docker-compose.yml"
PLACEHOLDER = "for-checking-the-file-only"
CHANGES_THE_SYSTEM = ("useradd", "install -d")
ENGINE_ONLY = "Not shown here: building the images, starting them, GPUs. That needs a container engine."


class ContainerCheckFailed(Exception):
    """A container file is wrong, or a tool to look at it is missing; says which and what to do."""


@dataclass
class Stage:
    """One FROM of a Dockerfile: its instructions in order, as (word, rest)."""

    image: str
    name: str
    lines: list[tuple[str, str]] = field(default_factory=list)


def main() -> int:
    """0 when all is well, 1 when something is wrong."""
    try:
        check_compose(compose_command())
        check_dockerfiles()
        if "--run" in sys.argv[1:]:
            for dockerfile in DOCKERFILES:
                run_lines(dockerfile)
    except ContainerCheckFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    print(f"The container files are well. {ENGINE_ONLY}")
    return 0


def compose_command() -> list[str]:
    """Docker's compose plugin, else Debian's docker-compose, installed where apt and root are there."""
    plugin = [shutil.which("docker") or "docker", "compose"]
    if shutil.which("docker") and _output([*plugin, "version"]).returncode == 0:
        return plugin
    if shutil.which("docker-compose") is None and shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _output(["apt-get", "update", "-q"], environment=quiet)
        _output(["apt-get", "install", "-y", "-q", "--no-install-recommends", "docker-compose"], environment=quiet)
    found = shutil.which("docker-compose")
    if found is None:
        raise ContainerCheckFailed(
            "The compose file cannot be checked: neither `docker compose` nor `docker-compose` is here.\n"
            "What to do: sudo apt-get install docker-compose"
        )
    return [found]


def check_compose(command: Sequence[str]) -> None:
    """The compose file is valid by itself and with each of its profiles.

    Raises:
        ContainerCheckFailed: it is not; the tool's own words are in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(COMPOSE, folder)
        example = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
        Path(folder, ".env").write_text(f"{example}\nARCHON_TOKEN={PLACEHOLDER}\n", encoding="utf-8")
        for profile in ("", *profiles()):
            done = _output(
                [*command, "config", "-q"], cwd=folder, environment={**os.environ, "COMPOSE_PROFILES": profile}
            )
            if done.returncode:
                raise ContainerCheckFailed(f"docker-compose.yml with profile '{profile}': {done.stdout.strip()}")
    print(f"    docker-compose.yml: valid with {len(profiles())} profiles")


def profiles() -> list[str]:
    """The profiles that the compose file names."""
    found = re.findall(r"^\s+profiles: \[(.+)\]$", COMPOSE.read_text(encoding="utf-8"), re.M)
    return sorted({name.strip() for names in found for name in names.split(",")})


def check_dockerfiles() -> None:
    """Hadolint has nothing to say, every COPY source exists, every CMD names a module of ours.

    Raises:
        ContainerCheckFailed: one of these does not hold.
    """
    hadolint = Path(sys.executable).with_name("hadolint")
    for dockerfile in DOCKERFILES:
        done = _output([str(hadolint), str(dockerfile)])
        if done.returncode:
            raise ContainerCheckFailed(done.stdout.strip())
        for stage in stages(dockerfile):
            _check_copies(dockerfile, stage)
    for command in _commands():
        path = REPOSITORY / "python" / Path(*command[2].split("."))
        if not (path.with_suffix(".py").exists() or (path / "__main__.py").exists()):
            raise ContainerCheckFailed(f"{' '.join(command)}: there is no module {command[2]}")
    print(f"    {', '.join(path.name for path in DOCKERFILES)}: hadolint has nothing to say")


def _commands() -> Iterator[list[str]]:
    """Every command of the form ["python", "-m", module, …] in the compose file and the Dockerfiles."""
    for path in (COMPOSE, *DOCKERFILES):
        for found in re.findall(r'(?:command:|CMD) \["python", "-m", "(.+)"\]', path.read_text(encoding="utf-8")):
            yield ["python", "-m", *found.split('", "')]


def _check_copies(dockerfile: Path, stage: Stage) -> None:
    for word, rest in stage.lines:
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                if not (REPOSITORY / source).exists():
                    raise ContainerCheckFailed(f"{dockerfile.name}: COPY {source}: there is no such file")


def stages(dockerfile: Path) -> list[Stage]:
    """The stages of `dockerfile`, comments left out, continued lines joined."""
    found: list[Stage] = []
    text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            found.append(Stage(image, name or "last"))
        elif word and not word.startswith("#"):
            found[-1].lines.append((word, rest))
    return found


def run_lines(dockerfile: Path) -> None:
    """Run the RUN lines of each stage in a folder of its own, with a fresh Python environment first in PATH.

    Raises:
        ContainerCheckFailed: a line ended with another code than 0.
    """
    with tempfile.TemporaryDirectory(prefix="archon-image-") as folder:
        root = Path(folder)
        for stage in stages(dockerfile):
            _run_stage(dockerfile, stage, root / stage.name, root)


def _run_stage(dockerfile: Path, stage: Stage, root: Path, all_stages: Path) -> None:
    python = root / ".python"
    venv.create(python, with_pip=True)
    environment = {"PATH": f"{python}/bin:{os.environ['PATH']}", "HOME": os.environ["HOME"], "LANG": "C.UTF-8"}
    workdir = root
    for word, rest in stage.lines:
        if word == "WORKDIR":
            workdir = root / rest.lstrip("/")
            workdir.mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            pairs = (pair.partition("=") for pair in shlex.split(rest))
            environment |= {name: str(root) + value if value.startswith("/") else value for name, _, value in pairs}
        elif word == "COPY":
            _copy(rest, workdir, root, all_stages)
        elif word == "RUN":
            _run(f"{dockerfile.name} ({stage.name})", rest, workdir, environment)


def _copy(rest: str, workdir: Path, root: Path, all_stages: Path) -> None:
    parts = rest.split()
    base = REPOSITORY
    if parts[0].startswith("--from="):
        base = all_stages / parts.pop(0).removeprefix("--from=")
    target = parts.pop()
    into = root / target.lstrip("/") if target.startswith("/") else workdir / target
    for source in parts:
        found = base / source.lstrip("/")
        if found.is_dir():
            ignore = shutil.ignore_patterns("node_modules", "dist", "__pycache__", ".*_cache")
            shutil.copytree(found, into, dirs_exist_ok=True, ignore=None if base != REPOSITORY else ignore)
        else:
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, into)


def _run(where: str, line: str, workdir: Path, environment: dict[str, str]) -> None:
    if any(word in line for word in CHANGES_THE_SYSTEM):
        print(f"    {where}: left out (changes the system): {line}")
        return
    done = _output(["sh", "-c", line], cwd=workdir, environment=environment)
    if done.returncode:
        raise ContainerCheckFailed(f"{where}: RUN {line}\n{done.stdout[-2000:]}")
    print(f"    {where}: ran: {line}", flush=True)


def _output(
    command: Sequence[str], cwd: Path | str | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


if __name__ == "__main__":
    sys.exit(main())
