"""`archon crawl | upload | search | chat`: the same work as in the browser, through the server's REST."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from src.config import load_environment
from src.errors import JsonValue
from src.ingest.kinds import READABLE

from .look import lines_of
from .output import JsonOption, inert, plain, print_json
from .server_client import CallFailed, JsonObject, ServerAway, ServerClient, server_address

app = typer.Typer(no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

FAILED, AWAY, INTERRUPTED = 1, 3, 130
"""Exit codes beside 0 and click's 2: the work failed, no server answers, Ctrl-C."""
_FINAL = frozenset({"completed", "failed", "error", "cancelled"})
_RECONNECTS = 30
"""Seconds that a restarting server may be away before the command gives up watching."""

Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag for the source; may be given several times.")]
Kind = Annotated[str, typer.Option("--type", help="technical or business.")]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Only this source id; may be given several times.")]


@app.command()
def crawl(
    url: Annotated[str, typer.Argument(help="A page, a sitemap or an llms.txt.")],
    depth: Annotated[int, typer.Option(help="How many links away from the first page.")] = 2,
    max_pages: Annotated[int, typer.Option(help="At most this many pages.")] = 200,
    include: Annotated[list[str] | None, typer.Option(help="Follow only such addresses, like /docs/**.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave such addresses out.")] = None,
    tag: Tags = None,
    kind: Kind = "technical",
    look: Annotated[bool, typer.Option("--look", help="Only tell what would come.")] = False,
    wait: Annotated[bool, typer.Option(help="Watch until it is done.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Read a documentation site into the knowledge base."""
    body: JsonObject = {
        "url": url,
        "max_depth": depth,
        "max_pages": max_pages,
        "tags": [*(tag or [])],
        "include": [*(include or [])],
        "exclude": [*(exclude or [])],
        "knowledge_type": kind,
    }
    with server_session(as_json) as server:
        if look:
            seen = server.post("/api/knowledge-items/preview", body)
            _print(seen, as_json, "\n".join(lines_of(seen)))
            return
        started = server.post("/api/knowledge-items/crawl", body)
        if not wait:
            _print(started, as_json, f"Started. Progress id: {started['progressId']}")
            return
        _finish([_watch(server, str(started["progressId"]), url)], as_json)


@app.command()
def upload(
    files: Annotated[list[Path], typer.Argument(help=READABLE, exists=True, dir_okay=False)],
    tag: Tags = None,
    kind: Kind = "technical",
    as_json: JsonOption = False,
) -> None:
    """Add files to the knowledge base, one after another; a failed one does not stop the others."""
    fields = {"tags": json.dumps([*(tag or [])]), "knowledge_type": kind}
    results: list[JsonObject] = []
    with server_session(as_json) as server:
        for file in files:
            try:
                started = server.upload(file, fields)
                results.append(_watch(server, str(started["progressId"]), file.name))
            except ServerAway:
                raise
            except CallFailed as failure:
                results.append({"status": "failed", "fileName": file.name, "detail": failure.detail})
        _finish(results, as_json)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    source: Annotated[str | None, typer.Option(help="Only this source id.")] = None,
    count: Annotated[int, typer.Option(help="At most this many passages.")] = 5,
    pages: Annotated[bool, typer.Option("--pages", help="Whole pages instead of passages.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find passages."""
    mode = "pages" if pages else "chunks"
    body: JsonObject = {"query": query, "source": source, "match_count": count, "return_mode": mode}
    with server_session(as_json) as server:
        found = server.post("/api/rag/query", body)
    if as_json:
        _print(found, as_json)
        return
    hits = _objects(found.get("results"))
    for number, hit in enumerate(hits, 1):
        _out.print(f"[bold]{number}. {plain(_heading(hit))}[/bold]")
        _out.print(f"   [dim]{plain(str(hit.get('url') or ''))}[/dim]")
        if hit.get("content"):
            _out.print(f"   {plain(_excerpt(str(hit['content'])))}")
    if not hits:
        _out.print(f"Nothing found ({found.get('reason') or 'no_match'}).")


@app.command()
def chat(
    question: Annotated[str, typer.Argument(help="The question.")],
    source: Sources = None,
    conversation: Annotated[str | None, typer.Option(help="Id of a conversation to go on with.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="At most this many tokens in the answer.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a question; the answer streams, then the passages it rests on."""
    body: JsonObject = {
        "message": question,
        "conversation_id": conversation,
        "source_ids": [*(source or [])],
        "max_tokens": max_tokens,
    }
    with server_session(as_json) as server:
        told = _Told(quiet=as_json)
        for event in server.events("/api/chat", body):
            told.hear(event.name, event.data)
        told.close(as_json)


class _Told:
    """A chat answer as it comes in."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._start: JsonObject = {}
        self._usage: JsonObject = {}
        self._done: JsonObject = {}
        self._error: JsonObject | None = None
        self._citations: list[JsonValue] = []

    def hear(self, name: str, data: JsonObject) -> None:
        """Take one event in; text is printed at once."""
        if name == "token" and not self._quiet:
            sys.stdout.write(inert(str(data.get("text", ""))))
            sys.stdout.flush()
        elif name == "start":
            self._start = data
        elif name == "citation":
            self._citations.append(data)
        elif name == "usage":
            self._usage = data
        elif name == "error":
            self._error = data
        elif name == "done":
            self._done = data

    def close(self, as_json: bool) -> None:
        """Print what the answer rests on. Raises CallFailed where the answer is not whole."""
        if as_json:
            _print(
                {
                    **self._done,
                    "conversation_id": self._start.get("conversation_id"),
                    "passages": self._start.get("passages"),
                    "citations": self._citations,
                    "usage": self._usage,
                    "error": self._error,
                },
                as_json,
            )
        else:
            self._print_sources()
        if self._done.get("outcome") != "complete":
            if as_json:
                raise typer.Exit(FAILED)
            raise CallFailed(self._error or {"error": "The answer is not whole.", "next_step": "Ask again."})

    def _print_sources(self) -> None:
        _out.print("\n")
        if self._done.get("supported") is False:
            _out.print("[yellow]Nothing in the knowledge base supports this answer.[/yellow]")
        kinds = _kinds(self._citations)
        for passage in _objects(self._start.get("passages")):
            kind = kinds.get(str(passage.get("number")))
            if kind is not None:
                number = plain(f"[{passage.get('number')}]")
                place = f"{plain(_heading(passage))} [dim]{plain(str(passage.get('url') or ''))}[/dim]"
                note = "" if kind == "cited" else " [dim](similar, not cited by the model)[/dim]"
                _out.print(f"[bold]{number}[/bold] {place}{note}")


def _kinds(citations: list[JsonValue]) -> dict[str, str]:
    """The best kind in which each passage number is used."""
    kinds: dict[str, str] = {}
    for citation in _objects(citations):
        numbers = citation.get("numbers")
        for number in numbers if isinstance(numbers, list) else []:
            if kinds.get(str(number)) != "cited":
                kinds[str(number)] = str(citation.get("kind"))
    return kinds


@contextmanager
def server_session(as_json: bool) -> Iterator[ServerClient]:
    """A client of the configured server; failures end the command with their sentence and exit code."""
    try:
        environment = load_environment()
        with ServerClient(server_address(environment), environment.token) as client:
            yield client
    except CallFailed as failure:
        _complain(failure.detail, as_json)
        raise typer.Exit(AWAY if isinstance(failure, ServerAway) else FAILED) from None
    except KeyboardInterrupt:
        _err.print("\nInterrupted. Work that runs on the server goes on; stop it on the Knowledge page.")
        raise typer.Exit(INTERRUPTED) from None


def _watch(server: ServerClient, progress_id: str, label: str) -> JsonObject:
    """Follow the work to its final state, also over a restart of the server; returns the last progress body."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    last: JsonObject = {}
    with Progress(*columns, TimeElapsedColumn(), console=_err, transient=True) as bar:
        task = bar.add_task(plain(label), total=100)
        for body in _progress(server, progress_id):
            last = body
            text = str(body.get("message") or body.get("status") or "")
            bar.update(task, completed=_number(body.get("progress")), description=plain(f"{label}: {text}"[:100]))
    return last


def _progress(server: ServerClient, progress_id: str) -> Iterator[JsonObject]:
    """Progress bodies until a final one. Raises CallFailed, ServerAway when the server stays away."""
    left, problem = _RECONNECTS, None
    last: JsonObject = {}
    while left:
        try:
            for state in _states(server, progress_id):
                left, problem, last = _RECONNECTS, None, state
                yield state
        except CallFailed as failure:
            if not failure.detail.get("retryable"):
                raise
            problem = failure
        if last.get("status") in _FINAL:
            return
        left -= 1
        time.sleep(1)
    raise problem or ServerAway(
        {"error": "The progress broke off.", "code": "server_away", "next_step": "Look at `archon status`."}
    )


def _states(server: ServerClient, progress_id: str) -> Iterator[JsonObject]:
    """One stream of progress bodies. Raises CallFailed, ServerAway."""
    for event in server.events(f"/api/progress/{progress_id}/events"):
        if event.name == "error":
            raise CallFailed(event.data)
        yield event.data


def _finish(results: list[JsonObject], as_json: bool) -> None:
    """Say what came of the work; exit code 1 where one piece is not completed."""
    if as_json:
        _print(results[0] if len(results) == 1 else {"results": [*results]}, as_json)
    for result in results if not as_json else ():
        _report(result)
    if any(result.get("status") != "completed" for result in results):
        raise typer.Exit(FAILED)


def _report(result: JsonObject) -> None:
    outcome = result.get("outcome")
    counts = outcome if isinstance(outcome, dict) else {}
    name = plain(str(result.get("fileName") or result.get("currentUrl") or result.get("sourceId") or ""))
    for failure in [*_objects(counts.get("failures")), *_objects(counts.get("notices"))][:20]:
        _err.print(f"  [yellow]{plain(str(failure.get('url')))}[/yellow]: {plain(str(failure.get('error')))}")
    remarks = result.get("remarks")
    for remark in remarks if isinstance(remarks, list) else ():
        _err.print(f"  {plain(str(remark))}")
    if result.get("status") == "completed":
        _out.print(
            f"[green]Done[/green] {name}: {counts.get('pages_stored', 0)} pages stored,"
            f" {counts.get('pages_unchanged', 0)} unchanged, {counts.get('pages_failed', 0)} failed,"
            f" {counts.get('chunks_stored', 0)} passages."
        )
        return
    detail = result.get("detail")
    if isinstance(detail, dict):
        _complain(detail, as_json=False, subject=name)
    else:
        _err.print(f"[yellow]{plain(str(result.get('status')))}[/yellow] {name}")


def _complain(detail: JsonObject, as_json: bool, subject: str = "") -> None:
    if as_json:
        _print({"detail": detail}, as_json)
        return
    prefix = f"{subject}: " if subject else ""
    _err.print(f"[red]{prefix}{plain(str(detail.get('error')))}[/red]")
    if detail.get("next_step"):
        _err.print(f"What to do: {plain(str(detail['next_step']))}")


def _print(body: JsonObject, as_json: bool, text: str = "") -> None:
    if as_json:
        print_json(body)
    else:
        _out.print(plain(text))


def _heading(hit: JsonObject) -> str:
    path = hit.get("heading_path")
    parts = [str(part) for part in path] if isinstance(path, list) else []
    title = str(hit.get("title") or hit.get("section_title") or hit.get("url") or "")
    return " › ".join([title, *(part for part in parts if part != title)])


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:297]}…"


def _objects(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
