"""The servers of one run of the tests: each is started by the first test that asks for it."""

import fcntl
import os
import random
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import pytest
from pydantic import TypeAdapter

from tests.servers.process import Place, Server, ServerDiedError

S = TypeVar("S", bound=Server)

# Below the ports that Linux and macOS give to outgoing connections, so that a server that was
# killed finds its ports free when it comes back.
PORTS: Final = range(15_000, 32_000)

MADE: Final = TypeAdapter[list[Place] | str](list[Place] | str)  # or why there are none


@dataclass(frozen=True, slots=True)
class Session:
    """`folder` is shared by all processes of the run; `owner` is the process that ends last."""

    folder: Path
    owner: int

    @classmethod
    def of(cls, config: pytest.Config, temporary: pytest.TempPathFactory) -> "Session":
        is_worker = hasattr(config, "workerinput")  # of pytest-xdist; its parent leads the run
        top = temporary.getbasetemp().parent if is_worker else temporary.getbasetemp()
        folder = top / "servers"
        folder.mkdir(exist_ok=True)
        return cls(folder, os.getppid() if is_worker else os.getpid())

    def shared(self, kind: type[S]) -> S:
        """The one server of this kind; ServerDiedError when it did not start, for all who ask."""
        (place,) = self.once(kind.__name__, lambda: [self._started(kind).place])
        return kind(place)

    @contextmanager
    def private(self, kind: type[S]) -> Generator[S]:
        """A server for the caller alone, to do with it what he likes; removed at the end."""
        server = self._started(kind)
        try:
            yield server
        finally:
            server.remove()

    def once(self, name: str, make: Callable[[], list[Place]]) -> list[Place]:
        """What `make` returned to the first process that came here with this name."""
        made = self.folder / f"{name}.json"
        with closing(self.lock(name)) as lock, lock.held(fcntl.LOCK_EX):
            if not made.exists():
                made.write_bytes(MADE.dump_json(_try(make)))
        match MADE.validate_json(made.read_bytes()):
            case str() as complaint:
                raise ServerDiedError(complaint)
            case places:
                return places

    def lock(self, name: str) -> "Lock":
        return Lock(self.folder / f"{name}.lock")

    def place(self, kind: type[Server]) -> Place:
        """A new empty folder, and ports that nobody uses."""
        folder = Path(tempfile.mkdtemp(prefix=f"tertulia-{kind.name}-"))
        user = kind.user()
        if user is not None:
            shutil.chown(folder, user)
        return Place(
            owner=self.owner,
            folder=folder,
            log=self.folder / f"{folder.name}.log",
            ports=free_ports(kind.ports),
        )

    def _started(self, kind: type[S]) -> S:
        server = kind(self.place(kind))
        try:
            server.prepare()
            server.start()
        except BaseException:
            server.remove()
            raise
        return server


class Lock:
    """A lock among the processes of the run, by a file; not among the threads of one."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._held = fcntl.LOCK_UN

    @contextmanager
    def held(self, how: int) -> Generator[None]:
        """Hold it, LOCK_SH or LOCK_EX; what was held before is held again afterwards."""
        before = self._held
        self._take(how)
        try:
            yield
        finally:
            self._take(before)

    def close(self) -> None:
        self._file.close()

    def _take(self, how: int) -> None:
        fcntl.flock(self._file, how)
        self._held = how


def free_ports(count: int) -> tuple[int, ...]:
    """Ports of 127.0.0.1 that nobody listens on."""
    found: set[int] = set()
    while len(found) < count:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.add(port)
    return tuple(found)


def _try(make: Callable[[], list[Place]]) -> list[Place] | str:
    try:
        return make()
    except ServerDiedError as error:
        return str(error)
