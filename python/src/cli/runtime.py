"""`archon up` and `archon down`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from src.config import REPOSITORY, load_environment
from src.config.access import is_loopback

from .access_token import with_token
from .lock import only_one
from .output import JsonOption, print_json
from .processes import wait_until
from .stack import SERVER, Stack, as_step_failure
from .steps import StepFailed, Steps, run_steps

app = typer.Typer()
_WATCH_S = 1.0


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when ready, and leave it running.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="With --detach: do not wait for the local models.")
    ] = False,
) -> None:
    """Start Archon: Postgres, the server, and a small local vLLM where none is configured."""
    attached = not detach and sys.stdin.isatty() and sys.stdout.isatty()
    # The user that runs Postgres in place of root has to enter the data folder; secrets have modes of their own.
    os.umask(0o022)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    raise typer.Exit(run_steps(lambda: _up(attached=attached, wait=not no_wait)))


@app.command()
def down(as_json: JsonOption = False) -> None:
    """Stop everything that `archon up` started."""
    steps = Steps(quiet=as_json)

    def work() -> None:
        with as_step_failure():
            stack = Stack(load_environment(), steps)
        with (
            only_one(stack.processes.run_dir, interrupt=True),
            steps.step("Stopping", announce="what is being answered is finished first") as step,
        ):
            stopped = stack.stop()
            step.note = ", ".join(stopped) or "nothing was running"
        if as_json:
            print_json({"stopped": stopped})

    raise typer.Exit(run_steps(work))


def _up(*, attached: bool, wait: bool) -> None:
    steps = Steps()
    with as_step_failure():
        environment = with_token(load_environment(), REPOSITORY / ".env")
    stack = Stack(environment, steps)
    with only_one(stack.processes.run_dir), _stopped_unless_complete(stack) as complete:
        stack.start_database()
        started, mcp = stack.start_server()
        started = _without_harm(stack, lambda: stack.wait_for_mcp(mcp)) or started
        started = _without_harm(stack, stack.start_gateway) or started
        _tell(stack)
        try:
            started = _models(stack, wait=wait or attached) or started
        except StepFailed as problem:
            complete.set()  # the page works without the models, and goes on running
            if not attached:
                raise
            steps.text(f"\n{problem.why}\n{problem.tail}\nWhat to do: {problem.next_step}")
        complete.set()
    if not attached or not started:
        steps.text("\nIt goes on running. `make down` stops it, `make status` shows it.")
        return
    steps.text("\nCtrl-C stops everything.")
    _watch(stack)


@contextmanager
def _stopped_unless_complete(stack: Stack) -> Iterator[threading.Event]:
    """Stop what the block started unless it says that it is complete. What ran before is left alone."""
    complete, ran_before = threading.Event(), stack.running()
    try:
        yield complete
    finally:
        if not complete.is_set():
            with _uninterrupted():
                stack.stop_new(ran_before)


def _without_harm(stack: Stack, start: Callable[[], bool]) -> bool:
    """Start what is not needed by the rest; where that fails everything else goes on, and the reason is said."""
    try:
        return start()
    except StepFailed as problem:
        stack.steps.text(
            f"    {problem.why}\n    What to do: {problem.next_step}\n    Everything else goes on without it."
        )
        return False


def _models(stack: Stack, *, wait: bool) -> bool:
    reason = stack.why_no_local_models()
    stack.remember_models(reason)
    if reason:
        stack.steps.line("-", "Local vLLM", reason)
        if not stack.has_model_server():
            stack.steps.text(
                "    Name your model server in Settings, or start with VLLM_BASE_URL=http://host:port make up"
            )
        return False
    started = stack.start_models()
    if wait:
        stack.wait_for_models()
    else:
        stack.steps.line("·", "Local vLLM", "warming up; `archon status` shows when it is ready")
    return started


def _tell(stack: Stack) -> None:
    stack.steps.text(f"\n  Archon is ready:  {stack.address}\n")
    if not is_loopback(stack.environment.host.strip("[]")):
        stack.steps.text(
            "  It listens beyond this machine. The browser asks for its token once: ARCHON_TOKEN in .env.\n"
        )


def _watch(stack: Stack) -> None:
    """Stay until interrupted, or until the server dies; then stop everything."""
    reported: set[str] = set()
    problem: StepFailed | None = None
    try:
        # `make down` in another terminal ends this too.
        while SERVER not in reported and stack.processes.was_started(SERVER):
            wait_until(lambda: bool(stack.dead_programs() - reported), _WATCH_S)
            for name in stack.dead_programs() - reported:
                problem = _report_death(stack, name)
                reported.add(name)
    except KeyboardInterrupt:
        stack.steps.text()
    with _uninterrupted(), stack.steps.step("Stopping", announce="what is being answered is finished first") as step:
        step.note = ", ".join(stack.stop())
    if problem and SERVER in reported:
        raise problem


def _report_death(stack: Stack, name: str) -> StepFailed:
    next_step = f"Read {stack.processes.log(name)}; then run `make up` again."
    died = StepFailed(f"{name} ended by itself.", next_step=next_step, tail=stack.processes.tail(name))
    stack.steps.text(f"\n{died.why}\n{died.tail}\nWhat to do: {next_step}")
    return died


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not leave half of it running."""
    former = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
