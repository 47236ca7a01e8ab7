"""A busy port names who has it."""

import os
import socket

import pytest

from src.cli.ports import is_free, require_free
from src.cli.steps import StepFailed


def test_a_taken_port_names_its_program_and_the_variable_that_moves_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StepFailed) as caught:
            require_free(port, host="127.0.0.1", variable="ARCHON_SERVER_PORT", what="The server")
    assert f"process {os.getpid()}" in caught.value.why
    assert "ARCHON_SERVER_PORT" in caught.value.next_step


def test_a_free_port_is_free(free_port: int) -> None:
    assert is_free(free_port)
