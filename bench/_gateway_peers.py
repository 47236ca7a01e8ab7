"""Who is measured beside the gateway, how each is installed and started. Each gets one worker and one upstream."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil
from _measure import REPOSITORY

KEY = "sk-" + "5f0c" * 16
"""The key that clients send; LiteLLM refuses short ones."""
_NGINX = """
worker_processes 1; daemon off; error_log {folder}/error.log crit; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 256; }}
  server {{ listen 127.0.0.1:{port}; keepalive_requests 10000000;
    location / {{
      proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
_LITELLM = """
model_list:
  - model_name: bench
    litellm_params: {{model: openai/bench, api_base: "http://127.0.0.1:{upstream}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
"""
_GATEWAY = """
access_log = true
[[pools]]
name = "bench"
upstreams = [{{ url = "http://127.0.0.1:{upstream}" }}]
[[keys]]
name = "bench"
key = "{key}"
"""


@dataclass(frozen=True)
class Peer:
    """A program between client and upstream. `command` None: it is not installed."""

    name: str
    command: list[str] | None
    note: str = ""


class Started:
    """A running program, and what it costs. CPU in seconds, memory in MB, with all its children."""

    def __init__(self, command: list[str], folder: Path, name: str, environment: dict[str, str] | None = None) -> None:
        self.log = (folder / f"{name}.log").open("wb")
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "python"), "HOME": str(folder), **(environment or {})},
        )  # fmt: skip

    def family(self) -> list[psutil.Process]:
        """It and its children."""
        try:
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_s(self) -> float:
        """CPU used so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self.family())

    def memory_mb(self) -> float:
        """Resident memory now."""
        return sum(one.memory_info().rss for one in self.family()) / 1e6

    def stop(self) -> None:
        """End it and its children."""
        for one in self.family():
            one.kill()
        self.process.wait()
        self.log.close()


def peers(folder: Path, ports: Callable[[], int], upstream: int, where: Path) -> list[tuple[Peer, int]]:
    """All contenders with the port of each."""
    makers = {"nginx": _nginx, "vllm-router": _vllm_router, "litellm": _litellm, "archon gateway": gateway_command}
    listed = [(Peer("straight", []), upstream)]
    for name, make in makers.items():
        port = ports()
        listed.append((Peer(name, make(folder, port, upstream, where)), port))
    return listed


def install(where: Path) -> None:
    """Put missing peers into throw-away environments below `where`; nginx is the distribution's, only unpacked.

    A peer that cannot be had is said and left out.
    """
    where.mkdir(parents=True, exist_ok=True)
    for name, (program, packages) in {
        "vllm-router": ("vllm-router", ["vllm-router", "setproctitle", "aiohttp"]),
        "litellm": ("litellm", ["litellm[proxy]"]),
    }.items():
        if not (where / name / "bin" / program).exists():
            _run([sys.executable, "-m", "venv", str(where / name)], where)
            _run([str(where / name / "bin" / "pip"), "install", "-q", *packages], where)
    if shutil.which("nginx") is None and not (where / "nginx").exists() and shutil.which("apt-get") is not None:
        if not _run(["apt-get", "download", "-q", "nginx"], where):
            _run(["apt-get", "update", "-q"], where)
            _run(["apt-get", "download", "-q", "nginx"], where)
        for package in where.glob("nginx_*.deb"):
            _run(["dpkg", "-x", package.name, "nginx"], where)


def _run(command: list[str], where: Path) -> bool:
    print(" ".join(command), flush=True)
    done = subprocess.run(command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout[-600:], flush=True)
    return done.returncode == 0


def wait_until_open(port: int, path: str, seconds: float) -> bool:
    """Whether something answers a chat at `port` in time."""
    body = b'{"model":"bench","messages":[{"role":"user","content":"hi"}]}'
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            with urlopen(Request(f"http://127.0.0.1:{port}{path}", body, headers), timeout=10) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            time.sleep(0.2)
    return False


def wait_until_healthy(port: int, seconds: float) -> bool:
    """Whether every pool of the gateway at `port` can serve in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            time.sleep(0.2)
    return False


def _first(*candidates: Path | str | None) -> str | None:
    return next((str(one) for one in candidates if one and Path(one).exists()), None)


def _nginx(folder: Path, port: int, upstream: int, where: Path) -> list[str] | None:
    program = _first(shutil.which("nginx"), where / "nginx" / "usr" / "sbin" / "nginx")
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, upstream=upstream))
    return [program, "-c", str(folder / "nginx.conf"), "-p", str(folder)] if program else None


def _vllm_router(folder: Path, port: int, upstream: int, where: Path) -> list[str] | None:
    program = _first(where / "vllm-router" / "bin" / "vllm-router")
    flags = ["--worker-urls", f"http://127.0.0.1:{upstream}", "--host", "127.0.0.1", "--port", str(port)]
    return [program, *flags, "--policy", "round_robin"] if program else None


def _litellm(folder: Path, port: int, upstream: int, where: Path) -> list[str] | None:
    program = _first(where / "litellm" / "bin" / "litellm")
    (folder / "litellm.yaml").write_text(_LITELLM.format(upstream=upstream, key=KEY))
    flags = ["--config", str(folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    return [program, *flags] if program else None


def gateway_command(folder: Path, port: int, upstream: int, where: Path) -> list[str]:
    """How Archon's gateway is started, with every guard on."""
    (folder / "gateway.toml").write_text(_GATEWAY.format(upstream=upstream, key=KEY))
    code = "from src.cli.gateway import app; app()"
    return [sys.executable, "-c", code, "--port", str(port), "--config", str(folder / "gateway.toml")]
