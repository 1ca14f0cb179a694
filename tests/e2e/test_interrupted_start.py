"""A start that is told to stop: it ends at once, says nothing, and leaves nothing broken."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import Server, environment

MOMENTS = [
    "typer",  # the command line is being read
    "pydantic",  # the settings are
    "tertulia.adapters.sql.sqlite",  # the key is made, the database is about to be
    "alembic",  # its first migration has begun
    "tertulia.adapters.http.server",  # the store is open, the roles are being wired
]
PATIENCE_S = 60  # one that goes on is killed, and so found out
ENDS = {signal.SIGINT: {-signal.SIGINT, 130}, signal.SIGTERM: {-signal.SIGTERM}}


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """What is run in the background may be told to ignore Ctrl-C, and its children with it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_a_start_that_is_stopped_ends_quietly_and_can_be_repeated(
    tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    home = tmp_path / "home"
    code, said = start_until(moment, home, number)

    # A slow machine may get further before the signal arrives: then it ends as it always does.
    assert code in {*ENDS[number], 0}
    assert said == []
    with Server(home) as server:
        assert httpx.get(f"{server.url}/ready").status_code == 200


def start_until(moment: str, home: Path, number: signal.Signals) -> tuple[int, list[str]]:
    """The exit code of a start that gets a signal when it has imported this module, and what it
    wrote to stderr beside its imports."""
    command = [sys.executable, "-X", "importtime", "-m", "tertulia", "up", "--home", str(home)]
    command += ["--model", "echo", "--address", "127.0.0.1:0"]
    with subprocess.Popen(
        command,
        cwd=home.parent,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        patience = threading.Timer(PATIENCE_S, process.kill)
        patience.start()
        said: list[str] = []
        for line in process.stderr:
            if not line.startswith("import time:"):
                said.append(line)
            elif line.rpartition("|")[2].strip() == moment:
                process.send_signal(number)
        patience.cancel()
        return process.wait(), said
