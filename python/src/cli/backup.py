"""`archon backup`, `archon restore` and `archon move`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from src.config import Environment, load_environment
from src.errors import ArchonError
from src.settings import SecretBox
from src.store import indexes
from src.store.database import Database
from src.store.place import StorePlace, place_at, place_of

from . import copies
from .copies import Copied
from .output import JsonOption, fail, print_json
from .takeover import waiting

app = typer.Typer()
FileArgument = Annotated[Path, typer.Argument(help="The backup file.", dir_okay=False)]


@app.command()
def backup(
    file: FileArgument,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="API keys too, sealed with a passphrase that is asked for.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write everything into one file: sources, pages, vectors, settings, conversations."""
    environment = load_environment()
    try:
        place = place_of(environment).running()
        passphrase = _passphrase(confirm=True) if with_secrets else None
        copied = asyncio.run(_backup(environment, place, file, passphrase, _say(as_json)))
    except ArchonError as error:
        raise fail(error, as_json=as_json) from None
    _report(copied, f"Written to {file}, {copied.bytes / 1e6:,.1f} MB:", as_json=as_json)


@app.command()
def restore(
    file: FileArgument,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in place of everything that is there now.")
    ] = False,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="The API keys too; asks for the passphrase.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --replace.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a backup into an empty store. The file is read whole and checked before anything is changed."""
    environment = load_environment()
    try:
        place = place_of(environment).running()
        if replace and not yes:
            typer.confirm(f"Everything in {place.shown} will be replaced. Go on?", abort=True)
        passphrase = _passphrase(confirm=False) if with_secrets else None
        copied = asyncio.run(_restore(environment, place, file, passphrase, replace=replace, say=_say(as_json)))
    except ArchonError as error:
        raise fail(error, as_json=as_json) from None
    _report(copied, f"Restored from {file}:", as_json=as_json)


@app.command()
def move(
    to: Annotated[str, typer.Option("--to", help="postgresql://... or the https address of a Supabase project.")],
    as_json: JsonOption = False,
) -> None:
    """Copy everything into another, empty store. What is here stays as it is."""
    environment = load_environment()
    try:
        source = place_of(environment).running()
        target = place_at(to, environment)
        copies.require_other(source, target)
        copied = asyncio.run(_move(source, target, _say(as_json)))
    except ArchonError as error:
        raise fail(error, as_json=as_json) from None
    _report(copied, f"Copied to {target.shown}:", as_json=as_json)
    if not as_json:
        typer.echo(f"To use it, set {target.variable} and run `make up`. The secret key stays in this data folder.")


async def _backup(
    environment: Environment, place: StorePlace, file: Path, passphrase: str | None, say: copies.Say
) -> Copied:
    await place.bring_up_to_date()
    async with place.opened() as database:
        return await copies.back_up(database, file, _box(environment), passphrase, say)


async def _restore(
    environment: Environment, place: StorePlace, file: Path, passphrase: str | None, *, replace: bool, say: copies.Say
) -> Copied:
    await place.bring_up_to_date()
    async with place.opened() as database:
        copied = await copies.restore(
            database, file, _box(environment), replace=replace, passphrase=passphrase, say=say
        )
        await _put_off_indexes(database, say)
    return copied


async def _move(source: StorePlace, target: StorePlace, say: copies.Say) -> Copied:
    await source.bring_up_to_date()
    await target.bring_up_to_date()
    async with source.opened() as here, target.opened() as there:
        copied = await copies.move(here, there, say)
        await _put_off_indexes(there, say)
    return copied


async def _put_off_indexes(database: Database, say: copies.Say) -> None:
    for line in waiting(await indexes.put_off(database)):
        say(line)


def _box(environment: Environment) -> SecretBox:
    return SecretBox.of(environment.secret_key, environment.data_dir)


def _passphrase(*, confirm: bool) -> str:
    return str(typer.prompt("Passphrase for the secrets", hide_input=True, confirmation_prompt=confirm))


def _say(as_json: bool) -> copies.Say:
    return _quiet if as_json else _line


def _line(text: str) -> None:
    typer.echo(f"  {text}", err=True)


def _quiet(_text: str) -> None:
    return None


def _report(copied: Copied, title: str, *, as_json: bool) -> None:
    if as_json:
        print_json(copied.public())
        return
    typer.echo(title)
    for line in copies.described(copied):
        typer.echo(line)
