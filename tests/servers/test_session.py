"""Servers are shared by the processes of a run, and end with it, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Requires
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import Place, Run, Server, ServerDiedError, find_program, wait_until
from tests.servers.redis import Redis
from tests.servers.session import Session

pytestmark = pytest.mark.server

ROOT: Final = Path(__file__).parents[2]
ENDS_S: Final = 30.0

HOLDER: Final = """
import os, sys, time
from pathlib import Path
from tests.servers.redis import Redis
from tests.servers.session import Session

server = Session(Path(sys.argv[1]), os.getpid()).shared(Redis)
print(server.place.folder, server.address, flush=True)
time.sleep(600)
"""

WORKER: Final = """
def test_it(postgres, tmp_path):
    from pathlib import Path
    Path({told!r}).joinpath({name!r}).write_text(f"{{postgres.pid}} {{postgres.place.folder}}")
"""


def test_servers_end_with_a_killed_session(tmp_path: Path, requires: Requires) -> None:
    requires(Redis.is_installed(), Redis.needs)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        folder, address = holder.stdout.readline().split()
        place = Place(
            owner=holder.pid,
            folder=Path(folder),
            log=tmp_path / "log",
            ports=(int(address.rpartition(":")[2]),),
        )
        assert Redis(place).is_running
        holder.kill()
    assert wait_until(lambda: not place.folder.exists(), ENDS_S)
    assert not Redis(place).accepts()


def test_workers_share_one_server_that_ends_with_them(tmp_path: Path, requires: Requires) -> None:
    requires(PostgreSQL.is_installed(), PostgreSQL.needs)
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("one", "two"):
        (tests / f"test_{name}.py").write_text(WORKER.format(told=str(tmp_path), name=name))
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest"]
    command += ["--rootdir", str(tests), "--numprocesses=2", "--dist=loadfile", str(tests)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    one, two = [(tmp_path / name).read_text() for name in ("one", "two")]
    assert one == two
    folder = Path(one.split()[1])
    assert wait_until(lambda: not folder.exists(), ENDS_S)


class Broken(Server):
    """Says why, and ends."""

    name = "broken"
    needs = "nothing"
    command = "echo for a reason; exit 3"

    @classmethod
    def is_installed(cls) -> bool:
        return True

    def run(self) -> Run:
        return Run(command=["/bin/sh", "-c", self.command])

    def is_ready(self) -> bool:
        return False


class Missing(Broken):
    def run(self) -> Run:
        return Run(command=["/no/such/program"])


class Deaf(Broken):
    """Starts, and is never ready."""

    command = "echo still; exec sleep 600"
    start_s = 0.5


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Broken, "broken ended while it started(.|\n)*for a reason"),
        (Missing, "broken ended while it started(.|\n)*/no/such/program"),
        (Deaf, "broken was not ready in 0 s(.|\n)*still"),
    ],
)
def test_failed_start_tells_why_to_all_who_ask(
    kind: type[Server], reason: str, tmp_path: Path
) -> None:
    session = Session(tmp_path, os.getpid())
    for _ in range(2):
        with pytest.raises(ServerDiedError, match=reason):
            session.shared(kind)


def test_process_that_leaves_the_servers_group_is_killed_too(
    servers: Session, requires: Requires
) -> None:
    requires(find_program("setsid"), "setsid (Linux)")

    class Leaver(Broken):
        command = "setsid sleep 600 & echo $!; exec sleep 600"

        def is_ready(self) -> bool:
            return "\n" in self.said()

    with servers.private(Leaver) as server:
        left = int(server.said())
        server.kill()
        with pytest.raises(ProcessLookupError):
            os.kill(left, signal.SIGTERM)
