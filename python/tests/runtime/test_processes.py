"""Programs that go on running: found again, never mistaken, stopped whole."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.cli.ports import free_port
from src.cli.processes import Processes, Program, as_ranges, wait_until
from src.cli.steps import StepFailed

FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def program(code: str) -> Program:
    return Program("thing", (sys.executable, "-c", code), {"PATH": os.defpath}, free_port(), 1.0, "one")


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.stop("thing", within_s=1.0)


def written(processes: Processes) -> str:
    assert wait_until(lambda: processes.tail("thing") != "", 20.0)
    return processes.tail("thing")


def test_a_program_is_found_again_by_another_command(processes: Processes, tmp_path: Path) -> None:
    started = processes.start(program(FAMILY), cwd=tmp_path)
    assert Processes(tmp_path).find("thing") == started


def test_a_stop_takes_the_children_along(processes: Processes, tmp_path: Path) -> None:
    started = processes.start(program(FAMILY), cwd=tmp_path)
    child = int(written(processes))
    assert [member.pid for member in started.members()] == [started.pid, child]
    assert processes.stop("thing", within_s=5.0)
    assert started.members() == []


def test_children_that_outlive_a_killed_leader_are_found_and_stopped(processes: Processes, tmp_path: Path) -> None:
    started = processes.start(program(FAMILY), cwd=tmp_path)
    child = int(written(processes))
    os.kill(started.pid, signal.SIGKILL)
    assert wait_until(lambda: started.leader is None, 5.0)
    assert [member.pid for member in started.members()] == [child]
    assert processes.stop("thing", within_s=5.0)
    assert not started.members()


def test_a_program_that_does_not_listen_is_killed(processes: Processes, tmp_path: Path) -> None:
    started = processes.start(program(STUBBORN), cwd=tmp_path)
    assert written(processes) == "up"
    assert processes.stop("thing", within_s=0.3)
    assert started.leader is None


def test_another_program_with_the_same_number_is_left_alone(processes: Processes, tmp_path: Path) -> None:
    started = processes.start(program(FAMILY), cwd=tmp_path)
    file = processes.run_dir / "thing.json"
    before = file.read_text()
    file.write_text(json.dumps(json.loads(before) | {"created": started.created - 3600}))
    assert not processes.stop("thing", within_s=1.0)
    assert started.leader is not None
    file.write_text(before)


def test_a_program_that_ends_while_awaited_shows_what_it_wrote(processes: Processes, tmp_path: Path) -> None:
    started = processes.start(program("print('no such file: config'); raise SystemExit(3)"), cwd=tmp_path)
    with pytest.raises(StepFailed, match="ended by itself") as caught:
        processes.wait_for(started, lambda: False, within_s=20.0, what="It")
    assert caught.value.tail == "no such file: config"


def test_cores_are_named_as_ranges() -> None:
    assert as_ranges([5, 0, 1, 2, 7]) == "0-2,5,7"
