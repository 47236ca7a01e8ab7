"""`archon connections …`: named model servers, through the server's REST."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from .calling import FAILED, calling, complain, err, objects, out
from .output import JsonOption, plain, print_json, print_table
from .server_client import JsonObject

app = typer.Typer(no_args_is_help=True, help="Named model servers: list, change, check, import and export.")

IdArgument = Annotated[str, typer.Argument(help="Its id, as `archon connections list` shows it.")]
Name = Annotated[str | None, typer.Option(help="What people call it.")]
Url = Annotated[str | None, typer.Option("--url", help="The server's address.")]
Kind = Annotated[str | None, typer.Option("--provider", help="Its kind; left out: the server is asked.")]
Model = Annotated[str | None, typer.Option(help="The model; blank: the one that is served.")]
KeyFrom = Annotated[
    str | None,
    typer.Option("--key-from", help="Where the API key is read from: '-' for standard input, else a file."),
]
Timeout = Annotated[float | None, typer.Option(help="Seconds that the server may stay silent.")]
MaxTokens = Annotated[int | None, typer.Option(help="Longest answer in tokens.")]
Temperature = Annotated[float | None, typer.Option(help="0 to 2.")]
Local = Annotated[bool | None, typer.Option("--local/--remote", help="Whether texts stay on machines of your own.")]


@app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """All connections; those of Settings first."""
    with calling(as_json) as server:
        body = server.get("/api/connections")
    if as_json:
        print_json(body)
        return
    rows = [_row(one) for one in objects(body.get("connections"))]
    print_table(("Id", "Name", "Kind", "Address", "Model", "State"), rows, state_column=5)


@app.command()
def add(
    url: Url = None,
    name: Name = None,
    provider: Kind = None,
    connection_id: Annotated[str | None, typer.Option("--id", help="Left out: made of the name.")] = None,
    model: Model = None,
    key_from: KeyFrom = None,
    timeout: Timeout = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    local: Local = None,
    as_json: JsonOption = False,
) -> None:
    """Add one; without --provider the server at --url is asked what it is."""
    key = _key(key_from)
    values = _named(
        id=connection_id,
        name=name,
        base_url=url,
        provider=provider,
        model=model,
        api_key=key,
        timeout=timeout,
        max_tokens=max_tokens,
        temperature=temperature,
        is_local=local,
    )
    with calling(as_json) as server:
        if url and not provider:
            found = server.post("/api/connections/detect", _named(base_url=url, api_key=key))
            values["provider"] = found["provider"]
        made = server.post("/api/connections", values)
    _say(made, as_json, f"Added {made['id']} ({made['provider_label']}).")


@app.command()
def edit(
    connection_id: IdArgument,
    url: Url = None,
    name: Name = None,
    provider: Kind = None,
    model: Model = None,
    key_from: KeyFrom = None,
    no_key: Annotated[bool, typer.Option("--no-key", help="Remove the stored API key.")] = False,
    timeout: Timeout = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    local: Local = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is named; the rest stays."""
    values = _named(
        name=name,
        base_url=url,
        provider=provider,
        model=model,
        api_key=_key(key_from),
        timeout=timeout,
        max_tokens=max_tokens,
        temperature=temperature,
        is_local=local,
    )
    if no_key:
        values["api_key"] = None
    with calling(as_json) as server:
        changed = server.put(_path(connection_id), values)
    _say(changed, as_json, f"Changed {changed['id']}.")


@app.command()
def remove(connection_id: IdArgument, as_json: JsonOption = False) -> None:
    """Remove one with its key."""
    with calling(as_json) as server:
        done = server.delete(_path(connection_id))
    _say(done, as_json, f"Removed {connection_id}.")


@app.command("default")
def make_default(connection_id: IdArgument, as_json: JsonOption = False) -> None:
    """Let this one answer where none is named; `settings:llm` is the choice of Settings."""
    with calling(as_json) as server:
        done = server.put(f"{_path(connection_id)}/default")
    _say(done, as_json, f"{done['name']} is the default.")


@app.command()
def check(connection_id: IdArgument, as_json: JsonOption = False) -> None:
    """Really ask the server, step by step. Exit code 1 where it cannot be used."""
    with calling(as_json) as server:
        report = server.post(f"{_path(connection_id)}/check")
    if as_json:
        print_json(report)
    else:
        _show(report)
    if report.get("ok") is not True:
        raise typer.Exit(FAILED)


@app.command()
def models(connection_id: IdArgument, as_json: JsonOption = False) -> None:
    """What its server offers at this moment."""
    with calling(as_json) as server:
        body = server.get(f"{_path(connection_id)}/models")
    if as_json:
        print_json(body)
        return
    _print_models(body)


@app.command()
def detect(
    url: Annotated[str, typer.Argument(help="The server's address.")],
    key_from: KeyFrom = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a server what it is and what it offers; nothing is stored. Exit code 1 where it cannot chat."""
    with calling(as_json) as server:
        found = server.post("/api/connections/detect", _named(base_url=url, api_key=_key(key_from)))
    problem = found.get("problem")
    if as_json:
        print_json(found)
    else:
        out.print(plain(" ".join(str(part) for part in (found["label"], found.get("version")) if part)))
        _print_models(found)
        if isinstance(problem, dict):
            complain(problem, as_json)
    if problem:
        raise typer.Exit(FAILED)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A llm_connections.json.", exists=True, dir_okay=False)],
    keep: Annotated[bool, typer.Option("--keep", help="Leave connections that are there already as they are.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take over a file: all of it, or nothing."""
    with calling(as_json) as server:
        done = server.send("/api/connections/import", file.read_bytes(), existing="keep" if keep else "replace")
    if as_json:
        print_json(done)
        return
    for what in ("created", "replaced", "kept", "keys_dropped", "ignored"):
        names = done.get(what)
        if isinstance(names, list) and names:
            out.print(f"{what.replace('_', ' ').capitalize()}: {plain(', '.join(map(str, names)))}")


@app.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write; left out: standard output.")] = None,
    secrets: Annotated[bool, typer.Option("--secrets", help="With the API keys, readable by anyone.")] = False,
) -> None:
    """Write llm_connections.json; keys only with --secrets."""
    with calling(as_json=False) as server:
        body = server.post("/api/connections/export", {"include_secrets": secrets})
    text = json.dumps(body, ensure_ascii=False, indent=2) + "\n"
    if file is None:
        sys.stdout.write(text)
        return
    try:
        _write(file, text)
    except OSError as error:
        complain({"error": f"{file} cannot be written: {error.strerror}.", "next_step": "Name another file."}, False)
        raise typer.Exit(FAILED) from None
    err.print(f"Wrote {len(objects(body.get('connections')))} connections to {plain(str(file))}.")


def _print_models(body: JsonObject) -> None:
    """A line for each, with the length of its context where the server tells it."""
    for one in objects(body.get("models")):
        length = one.get("max_model_len")
        out.print(plain(f"{one['name']}{f'  ({length} tokens)' if length else ''}"))


def _write(file: Path, text: str) -> None:
    """For the owner's eyes only: keys may be in it."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        os.fchmod(opened.fileno(), 0o600)  # a file that was there keeps its own rights otherwise
        opened.write(text)


def _row(one: JsonObject) -> tuple[str, ...]:
    name = f"{one['name']}{' (default)' if one.get('is_default') else ''}"
    state = "ready" if one.get("ready") else "not ready"
    shown = (one.get("provider_label"), one.get("base_url") or "", one.get("model") or "the one that is served")
    return (str(one["id"]), name, *map(str, shown), state)


def _show(report: JsonObject) -> None:
    for finding in objects(report.get("findings")):
        mark = "[green]ok[/green]" if finding.get("ok") else "[red]no[/red]"
        out.print(f"{mark} {plain(str(finding['step']))}: {plain(str(finding['message']))}")
        if finding.get("next_step"):
            label = "For more" if finding.get("ok") else "What to do"
            out.print(f"   {label}: {plain(str(finding['next_step']))}")


def _key(source: str | None) -> str | None:
    """The key, read where nobody looks over a shoulder: arguments stand in the shell's history."""
    if source is None:
        return None
    try:
        text = sys.stdin.readline() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{source} cannot be read.", param_hint="--key-from") from error
    return text.strip()


def _named(**values: str | float | bool | None) -> JsonObject:
    """What was really given."""
    return {name: value for name, value in values.items() if value is not None}


def _path(connection_id: str) -> str:
    return f"/api/connections/{quote(connection_id, safe=':')}"


def _say(body: JsonObject, as_json: bool, text: str) -> None:
    if as_json:
        print_json(body)
    else:
        out.print(plain(text))
