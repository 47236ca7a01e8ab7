"""`archon migrate` and `archon secrets`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from src.config import Environment, load_environment
from src.errors import ArchonError
from src.inference.registry import load_registry
from src.settings import KeyFile, Rotation, SecretBox, SettingsService
from src.store.place import place_of

from .output import JsonOption, fail, print_json
from .upgrading import RETIRE_QUESTION, Outcome, plan, upgrade

app = typer.Typer()
secrets_app = typer.Typer(help="The key that seals API keys and other secrets.", no_args_is_help=True)
app.add_typer(secrets_app, name="secrets")


@app.command()
def migrate(
    status: Annotated[bool, typer.Option("--status", help="Say what is applied and pending; change nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    retire_v1: Annotated[
        bool, typer.Option("--retire-v1", help="Archon v1 is not used any more: blank the secrets it stored.")
    ] = False,
    build_indexes: Annotated[
        bool, typer.Option("--build-indexes", help="Build waiting indexes now; else a running server does.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --retire-v1.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the database's schema up to date, and take over what Archon v1 left in it."""
    environment = load_environment()
    try:
        place = place_of(environment).running()
        if status or dry_run:
            _say(asyncio.run(plan(place)), as_json=as_json)
            return
        if retire_v1 and not yes:
            typer.confirm(RETIRE_QUESTION, abort=True)
        say = _quiet if as_json else _line
        outcome = asyncio.run(upgrade(place, environment, retire=retire_v1, build=build_indexes, say=say))
        _say(outcome, as_json=as_json)
    except ArchonError as error:
        raise fail(error, as_json=as_json) from None


def _say(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        print_json(outcome.body)
        return
    for line in outcome.lines:
        typer.echo(line)


def _line(text: str) -> None:
    typer.echo(f"  {text}", err=True)


def _quiet(_text: str) -> None:
    return None


@secrets_app.command("rotate")
def rotate_secrets(
    to_variable: Annotated[
        bool, typer.Option("--to-variable", help="The new key will be given in ARCHON_SECRET_KEY: asks for it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Seal every stored secret with a new key."""
    environment = load_environment()
    try:
        if to_variable or environment.secret_key:
            text = typer.prompt("New key (at least 16 characters)", hide_input=True, confirmation_prompt=True)
            rotation = asyncio.run(_rotate(environment, SecretBox.from_text(text)))
            note = "Now set ARCHON_SECRET_KEY to the new key and run `make up`."
        else:
            rotation = asyncio.run(_rotate_file(environment))
            note = "A running server uses the new key from now on."
    except ArchonError as error:
        raise fail(error, as_json=as_json) from None
    if as_json:
        print_json({"resealed": [row.key for row in rotation.resealed], "unreadable": list(rotation.unreadable)})
        return
    typer.echo(f"{len(rotation.resealed) - len(rotation.unreadable)} secrets are sealed with a new key. {note}")
    if rotation.unreadable:
        typer.echo(f"The old key does not open these, enter them again in Settings: {', '.join(rotation.unreadable)}")


async def _rotate_file(environment: Environment) -> Rotation:
    file = KeyFile(environment.data_dir / "secret.key")
    if not file.path.exists():
        file.ensure()
    # The next key lies beside the present one until every secret is sealed with it: a crash in between loses nothing.
    rotation = await _rotate(environment, SecretBox.from_file(file.next))
    file.promote()
    return rotation


async def _rotate(environment: Environment, new: SecretBox) -> Rotation:
    async with _settings(environment) as settings:
        return await settings.rotate_secrets(new)


@asynccontextmanager
async def _settings(environment: Environment) -> AsyncIterator[SettingsService]:
    place = await asyncio.to_thread(place_of(environment).running)
    async with place.opened() as database:
        box = SecretBox.of(environment.secret_key, environment.data_dir)
        yield SettingsService(database, box, environment, load_registry())
