"""A server as a test sees it: a process that can be stopped, killed and started again."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from tests.servers.keeper import Order

KEEPER: Final = Path(__file__).with_name("keeper.py")
POLL_S: Final = 0.01
STOP_S: Final = 60.0
FREEZE_S: Final = 10.0
LOG_TAIL: Final = 4000


class ServerDiedError(AssertionError):
    """A server ended, or was not ready in time; the message ends with the tail of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server lives: its own folder, which is removed when process `owner` is gone, and
    ports of its own on `address`."""

    owner: int
    folder: Path
    log: Path
    ports: tuple[int, ...]
    address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a server is run: in the foreground, in its folder."""

    command: Sequence[str | Path]
    environment: Mapping[str, str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM


class Server(ABC):
    """One server; after `kill` or `stop`, `start` brings it back on its ports with its data.

    Two objects with the same place, be it in two processes, are the same server.
    """

    name: ClassVar[str]
    needs: ClassVar[str]
    ports: ClassVar[int] = 1
    start_s: ClassVar[float] = 60.0

    def __init__(self, place: Place) -> None:
        self.place = place
        self._log_start = 0

    @classmethod
    @abstractmethod
    def is_installed(cls) -> bool:
        """Whether it can be run here; else tests skip, saying what it `needs`."""

    @property
    def writes(self) -> Sequence[Path]:
        """Where all that it writes is: files and folders."""
        return [self.place.folder, self.place.log]

    @classmethod
    def user(cls) -> str | None:
        """Who runs it, when not the caller."""
        return None

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Make what the first start needs, in the empty folder."""

    @abstractmethod
    def run(self) -> Run:
        """How it is run."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it serves; asked again and again while it starts."""

    @property
    def port(self) -> int:
        return self.place.ports[0]

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.place.address}:{self.port}"

    @property
    def is_running(self) -> bool:
        try:
            with self._state.open("rb") as state:
                return not _lock(state.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False

    @property
    def pid(self) -> int:
        """Of its leading process; only while it runs."""
        return int(self._state.read_text())

    def start(self) -> None:
        """Return when it serves; ServerDiedError when it does not come to that."""
        self._launch()
        if not wait_until(lambda: not self.is_running or self.is_ready(), self.start_s):
            self.kill()
            raise ServerDiedError(self.complaint(f"was not ready in {self.start_s:.0f} s"))
        if not self.is_running:
            raise ServerDiedError(self.complaint("ended while it started"))

    def stop(self) -> None:
        """As an operator does it: it may finish what it is at. It may be down already."""
        if not self.is_running:
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, self.run().stop_signal)
        if not wait_until(lambda: not self.is_running, STOP_S):
            self.kill()
            raise ServerDiedError(self.complaint(f"did not stop in {STOP_S:.0f} s"))

    def kill(self) -> None:
        """`kill -9` of all its processes; nothing of it runs on return. It may be down already."""
        if self.is_running:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            with self._state.open("rb") as state:
                _lock(state.fileno(), fcntl.LOCK_SH)

    def freeze(self) -> None:
        """Let it hang: connections stay open and nothing is answered, from the return on."""
        family = self._signal_all(signal.SIGSTOP)
        if not wait_until(lambda: _are_stopped(family), FREEZE_S):
            raise ServerDiedError(self.complaint(f"could not be frozen in {FREEZE_S:.0f} s"))

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def remove(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        shutil.rmtree(self.place.folder, ignore_errors=True)

    def accepts(self, port: int | None = None) -> bool:
        """Whether a connection is accepted on `port`, its first one by default."""
        try:
            socket.create_connection((self.place.address, port or self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def said(self) -> str:
        """What it has written to its log since it was started last."""
        with self.place.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def complaint(self, what: str) -> str:
        """`what` it did, and the end of its log."""
        log = self.place.log.read_text(errors="replace") if self.place.log.exists() else ""
        return f"{self.name} {what}; {self.place.log}:\n{log[-LOG_TAIL:]}"

    def run_as_user(self, command: Sequence[str | Path]) -> None:
        """Run a command to its end as the server's user; ServerDiedError when it fails."""
        user = self.user()
        with self.place.log.open("ab") as log:
            done = subprocess.run(
                command,
                cwd=self.place.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                user=user,
                extra_groups=None if user is None else [],
            )
        if done.returncode:
            raise ServerDiedError(self.complaint(f"{command[0]} failed"))

    @property
    def _state(self) -> Path:
        return self.place.folder / "state"

    def _launch(self) -> None:
        with self._state.open("ab") as state, self.place.log.open("ab") as log:
            if not _lock(state.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB):
                raise ServerDiedError(self.complaint("runs already"))
            state.truncate(0)
            self._log_start = log.tell()
            run = self.run()
            order = Order(
                owner=self.place.owner,
                state=state.fileno(),
                command=[str(part) for part in run.command],
                environment={**os.environ, **(run.environment or {})},
                folder=str(self.place.folder),
                user=self.user(),
            )
            subprocess.run(
                [sys.executable, "-I", "-S", KEEPER],
                input=json.dumps(order).encode(),
                stdout=log,
                stderr=log,
                pass_fds=[state.fileno()],
                check=False,
            )

    def _signal_all(self, number: signal.Signals) -> Sequence[int]:
        """Also to processes that have left the group, as PostgreSQL's do. Who got it."""
        listed = subprocess.check_output(["ps", "-A", "-o", "ppid=,pid="], text=True)
        parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
        family = [self.pid] if self.is_running else []
        for member in family:
            os.kill(member, number)
            family += [child for parent, child in parents if parent == member]
        return family


def wait_until(condition: Callable[[], bool], within_s: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def find_program(name: str) -> str | None:
    """Where it is; also where only administrators look."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/opt/homebrew/sbin")


def _are_stopped(processes: Sequence[int]) -> bool:
    """A signal only asks for it: the threads of a busy machine may answer once more."""
    listed = subprocess.check_output(["ps", "-A", "-o", "pid=,stat="], text=True)
    states = dict(line.split() for line in listed.splitlines())
    return all(states.get(str(process), "T")[0] in "TZ" for process in processes)


def _lock(handle: int, operation: int) -> bool:
    """Whether the lock was to be had; it goes with the last copy of the handle."""
    try:
        fcntl.flock(handle, operation)
    except BlockingIOError:
        return False
    return True
