"""Some roles as a process of their own, known by what it logs."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final, Self

from tests.e2e.server import environment

READY_S: Final = 120.0
STOP_S: Final = 30.0


class NotListeningError(AssertionError):
    """The process ended, or said nothing, before it listened."""


@dataclass
class RoleProcess:
    """`tertulia run ROLE…` on a free port of this machine. `url` is there once it answers."""

    roles: tuple[str, ...]
    home: Path
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    program: Path = Path(sys.executable)
    url: str = ""
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGKILL)

    def start(self) -> None:
        """Return when it answers."""
        own = {"TERTULIA_ADDRESS": "127.0.0.1:0", "TERTULIA_LOG_FORMAT": "json"}
        self.process = subprocess.Popen(
            [str(self.program), "-m", "tertulia", "run", *self.roles, "--home", str(self.home)],
            cwd=self.home,
            env=environment({**own, **self.variables}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        urls: Queue[str | None] = Queue()
        self._thread = threading.Thread(target=self._read, args=(urls,), daemon=True)
        self._thread.start()
        try:
            url = urls.get(timeout=READY_S)
        except Empty:
            url = None
        if url is None:
            self.end(signal.SIGKILL)
            raise NotListeningError(self.lines[-20:])
        self.url = url

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals) -> int:
        """Send the signal, wait until it has ended; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(STOP_S)
        self._thread.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def _read(self, urls: "Queue[str | None]") -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.lines.append({"event": line.rstrip("\n")})
            if self.lines[-1].get("event") == "listening":
                urls.put(self.lines[-1]["url"])
        urls.put(None)
