"""Programs that are launched beside each other and waited for afterwards."""

import io
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from src.cli.launched import Launched, launch
from src.cli.ports import free_port, is_free
from src.cli.processes import Processes, Program, wait_until
from src.cli.steps import StepFailed, Steps

LISTENS = "import socket, sys, time; held = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.stop("thing", within_s=1.0)


@pytest.fixture
def program() -> Program:
    port = free_port()
    return Program("thing", (sys.executable, "-c", LISTENS, str(port)), {"PATH": os.defpath}, port, 1.0, "one")


def launched(processes: Processes, program: Program) -> Launched:
    return launch(
        processes,
        program,
        answers=lambda: not is_free(program.port),
        address="there",
        host="127.0.0.1",
        variable="THING_PORT",
        what="The thing",
    )


def test_what_runs_as_wanted_is_not_started_again(processes: Processes, program: Program) -> None:
    first = launched(processes, program)
    assert wait_until(first.look, 30.0)
    again = launched(processes, program)
    assert (again.running, again.look(), again.note) == (None, True, "runs already at there")
    assert processes.find("thing") == first.running


def test_other_settings_replace_it(processes: Processes, program: Program) -> None:
    first = launched(processes, program)
    assert wait_until(first.look, 30.0)
    second = launched(processes, replace(program, fingerprint="two"))
    assert "restarted" in second.note
    assert first.running is not None
    assert first.running.leader is None


def test_a_taken_port_names_its_variable_and_nothing_is_started(processes: Processes, program: Program) -> None:
    with socket.create_server(("127.0.0.1", program.port)), pytest.raises(StepFailed) as failed:
        launched(processes, program)
    assert "THING_PORT" in failed.value.next_step
    assert not processes.was_started("thing")


def test_its_line_has_the_time_it_took_by_itself() -> None:
    out = io.StringIO()
    done = Launched(lambda: True, "there", began=100.0, ready=101.5)
    with Steps(out).step("Thing") as step:
        done.tell(step)
    assert out.getvalue().split() == ["✓", "Thing", "1.5", "s", "there"]
