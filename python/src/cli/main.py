"""`archon`: the command line. Each module brings its commands; one line here joins them."""

from __future__ import annotations

import sys

import typer

from src.errors import ArchonError
from src.server.version import version

from . import (
    agents,
    backup,
    code_help,
    connections,
    content,
    gateway,
    inspection,
    jobs,
    maintenance,
    mcp,
    runtime,
    worker,
)
from .output import fail

app = typer.Typer(
    name="archon",
    help="Self-hosted knowledge for people and their AI assistants.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(runtime.app)
app.add_typer(inspection.app)
app.add_typer(maintenance.app)
app.add_typer(backup.app)
app.add_typer(content.app)
app.add_typer(jobs.app, name="jobs")
app.add_typer(worker.app)
app.add_typer(connections.app, name="connections")
app.add_typer(code_help.app)
app.add_typer(gateway.app)
app.add_typer(mcp.app)
app.add_typer(agents.app)


@app.command("version")
def show_version() -> None:
    """Which Archon this is."""
    sys.stdout.write(f"{version()}\n")


def main() -> None:
    """Run a command; a failure is one sentence and what to do, never a traceback."""
    try:
        app(prog_name="archon")
    except ArchonError as error:
        raise SystemExit(fail(error, as_json="--json" in sys.argv).exit_code) from None


if __name__ == "__main__":
    main()
