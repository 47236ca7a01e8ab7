"""`archon jobs`: what is under way and what was done, through the server's REST."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

import typer
from rich.console import Console

from src.errors import JsonValue

from .content import server_session
from .output import JsonOption, plain, print_json, print_table
from .server_client import JsonObject

app = typer.Typer(help="Crawls, uploads, refreshes and re-embeddings: look, pause, resume, cancel, retry.")
_out = Console(highlight=False, soft_wrap=True)

JobId = Annotated[str, typer.Argument(help="A job's id, as `archon jobs list` shows it.")]


@app.command("list")
def listed(
    state: Annotated[
        list[str] | None, typer.Option(help="queued, running, paused, completed, failed or cancelled; several times.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only this source id.")] = None,
    count: Annotated[int, typer.Option(help="At most this many.", min=1, max=500)] = 20,
    as_json: JsonOption = False,
) -> None:
    """Jobs, newest first."""
    asked = [
        ("limit", str(count)),
        *(("state", one) for one in state or []),
        *([("source_id", source)] if source else []),
    ]
    with server_session(as_json) as server:
        found = server.get(f"/api/jobs?{urlencode(asked)}")
    if as_json:
        print_json(found)
        return
    rows = [_row(job) for job in _objects(found.get("jobs"))]
    if rows:
        print_table(("id", "state", "kind", "done", "what"), rows, state_column=1)
    else:
        _out.print("No jobs.")


@app.command()
def show(
    job: JobId,
    state: Annotated[
        list[str] | None, typer.Option(help="Only pages that are stored, unchanged, skipped, removed or failed.")
    ] = None,
    count: Annotated[int, typer.Option(help="At most this many pages.", min=1, max=500)] = 50,
    as_json: JsonOption = False,
) -> None:
    """One job with what became of each page, and why."""
    asked = urlencode([("limit", str(count)), *(("state", one) for one in state or [])])
    name = quote(job, safe="")
    with server_session(as_json) as server:
        found, history = server.get(f"/api/jobs/{name}"), server.get(f"/api/jobs/{name}/pages?{asked}")
    if as_json:
        print_json({**found, "history": history})
        return
    _out.print(f"[bold]{plain(str(found.get('name')))}[/bold]  {found.get('kind')}, {found.get('state')}")
    _out.print(plain(str(found.get("message") or "")))
    counts = history.get("counts")
    if isinstance(counts, dict):
        _out.print(", ".join(f"{number} {name}" for name, number in sorted(counts.items())))
    for page in _objects(history.get("pages")):
        _out.print(f"  {page.get('state')!s:<10}{plain(str(page.get('url')))}{plain(_reason(page))}")


@app.command()
def pause(job: JobId, as_json: JsonOption = False) -> None:
    """Let a job stand still; nothing is lost."""
    _steer(job, "pause", as_json)


@app.command()
def resume(job: JobId, as_json: JsonOption = False) -> None:
    """Let a paused job go on."""
    _steer(job, "resume", as_json)


@app.command()
def cancel(job: JobId, as_json: JsonOption = False) -> None:
    """Stop a job for good; what it stored stays."""
    _steer(job, "cancel", as_json)


@app.command()
def retry(job: JobId, as_json: JsonOption = False) -> None:
    """Try again what failed or was never reached."""
    _steer(job, "retry", as_json)


def _steer(job: str, verb: str, as_json: bool) -> None:
    with server_session(as_json) as server:
        found = server.post(f"/api/jobs/{quote(job, safe='')}/{verb}")
    if as_json:
        print_json(found)
    else:
        _out.print(f"{plain(str(found.get('name')))}: {found.get('state')}")


def _row(job: JsonObject) -> tuple[str, ...]:
    texts = [str(job.get(name) or "") for name in ("id", "state", "kind", "name")]
    return texts[0], texts[1], texts[2], f"{job.get('progress')} %", texts[3]


def _reason(page: JsonObject) -> str:
    reason = page.get("reason")
    return f"  {reason.get('error')}" if isinstance(reason, dict) and reason.get("error") else ""


def _objects(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
