"""A role that is started again whenever it ends, as Kubernetes would."""

import contextlib
import json
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tertulia.kit.crash_points import VARIABLE
from tests.e2e.role import NotListeningError, RoleProcess
from tests.faults.nothing_lost.deaths import CRASH_WAIT_S

KILLED: Final = -signal.SIGKILL
UP_S: Final = 120.0
AGAIN_S: Final = 0.5
"""Pause after a start that came to nothing, as the backoff of Kubernetes begins."""


class Supervised:
    """Watched by a thread of its own from `start` until `stop` or `close`.

    `complaints` tells the ends that nobody ordered, of a process that had answered before. One
    that could not start, as a server it needs was away, just tries again.
    """

    def __init__(self, process: RoleProcess) -> None:
        self.process = process
        self.complaints: list[str] = []
        self._usual = process.variables
        self._armed: Mapping[str, str] = {}
        self._kills = 0
        self._up: int | None = None
        self._condemned: int | None = None
        self._is_over = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def name(self) -> str:
        return self.process.home.name

    def start(self) -> None:
        self._thread.start()

    def kill(self) -> None:
        """`kill -9`, also before a crash point that was set is reached."""
        self._kill({})

    def die_at(self, point: str, nth: int) -> str | None:
        """`kill -9`, so that its next life ends at the crash point; the point if it got there."""
        kills = self._kills + 2
        self._kill({VARIABLE: f"{point}:{nth}"})
        if not self._wait(lambda: self._kills >= kills or self._is_up, UP_S):
            return None
        if self._wait(lambda: self._kills >= kills, CRASH_WAIT_S):
            return point
        self.kill()
        return None

    def is_up_within(self, timeout_s: float) -> bool:
        """Whether it answers by then."""
        return self._wait(lambda: self._is_up, timeout_s)

    def stop(self) -> None:
        """End it for good, as an operator does."""
        self._is_over.set()
        self.process.send(signal.SIGTERM)
        self._thread.join()

    def close(self) -> None:
        """End it for good."""
        self._is_over.set()
        self.kill()
        self._thread.join()

    @property
    def _is_up(self) -> bool:
        return self._up is not None and self._up != self._condemned

    def _kill(self, armed: Mapping[str, str]) -> None:
        self._armed = armed
        process = self.process.process
        if process is not None:
            self._condemned = process.pid
            process.kill()

    def _run(self) -> None:
        while not self._is_over.is_set():
            armed = self._armed
            self.process.variables = {**self._usual, **armed}
            with contextlib.suppress(NotListeningError):
                self.process.start()
                process = self.process.process
                assert process is not None
                self._note(up=process.pid)
                if self._is_over.is_set():
                    process.terminate()  # it was told before there was a process
                process.wait()
            was_up = self._up is not None
            code = self.process.end(signal.SIGKILL)
            last = self._keep_log()
            if code == KILLED and self._armed is armed:
                self._armed = dict[str, str]()
            self._note(up=None, killed=code == KILLED)
            if code == KILLED or (code == 0 and self._is_over.is_set()):
                continue
            if was_up:
                self.complaints.append(f"{self.name} ended by itself with {code}: {last}")
            self._is_over.wait(AGAIN_S)

    def _keep_log(self) -> Sequence[Mapping[str, object]]:
        """The last line."""
        lines, self.process.lines = self.process.lines, []
        with (self.process.home / "log.jsonl").open("a") as log:
            log.writelines(f"{json.dumps(line)}\n" for line in lines)
        return lines[-1:]

    def _note(self, *, up: int | None, killed: bool = False) -> None:
        with self._changed:
            self._up = up
            self._kills += killed
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)
