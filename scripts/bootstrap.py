"""Start here: finds a Python that is new enough and hands over to `prepare.py`.

Run by whatever `python3` the machine has, so it is written for old ones too.
"""

import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
NAMES = ("python3.11", "python3.12", "python3.13", "python3.14", "python3", "python")
HERE = os.path.dirname(os.path.abspath(__file__))
ADVICE = """Archon needs Python 3.11 or newer, and none was found (this is {found}).
What to do: install one and run the same command again, for example
    Debian, Ubuntu   sudo apt-get install python3 python3-venv
    Fedora           sudo dnf install python3
    macOS            brew install python
or name one: ARCHON_PYTHON=/path/to/python3.12 make up
"""


def is_new_enough(python):
    """Whether the interpreter at `python` runs and is Python 3.11 or newer."""
    question = f"import sys; sys.exit(sys.version_info[:2] < {OLDEST})"
    try:
        return subprocess.call([python, "-c", question]) == 0
    except OSError:
        return False


def find_python():
    """Path of a Python that is new enough, or None."""
    named = os.environ.get("ARCHON_PYTHON")
    if named:
        return named if is_new_enough(named) else None
    if sys.version_info[:2] >= OLDEST:
        return sys.executable
    found = [path for path in map(shutil.which, NAMES) if path]
    return next((path for path in found if is_new_enough(path)), None)


def main():
    """Replace this process by `prepare.py` on a good Python."""
    if os.name == "nt":
        sys.stderr.write("On Windows, run this inside WSL: https://learn.microsoft.com/windows/wsl/install\n")
        return 1
    python = find_python()
    if python is None:
        sys.stderr.write(ADVICE.format(found="Python {}.{}".format(*sys.version_info)))
        return 1
    os.environ["PYTHONPATH"] = os.path.join(os.path.dirname(HERE), "python")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [python, os.path.join(HERE, "prepare.py"), *sys.argv[1:]]
    return os.execv(python, command)  # noqa: S606 - the Python found above


if __name__ == "__main__":
    sys.exit(main())
