"""A Tertulia of one's own: a real process in a home of its own, on a port of its own."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

READY_S: Final = 30.0
STOP_S: Final = 30.0


class ServerDiedError(AssertionError):
    """The server ended, or said nothing, before it was ready."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without settings of Tertulia, and `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TERTULIA_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **(extra or {})}


def tertulia(
    *arguments: str,
    home: Path | None = None,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; neither its exit code nor its output is checked."""
    own = {} if home is None else {"TERTULIA_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "tertulia", *arguments],
        cwd=cwd or "/",
        env=environment({**own, **(variables or {})}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@dataclass
class Server:
    """`tertulia up` as a process: started on entry, stopped by its own pid on exit.

    `link` is the sign-in link that it printed, `url` where it listens (no slash at the end),
    `lines` all that it wrote to stdout, `errors` to stderr.
    """

    home: Path
    model: str = "echo"
    address: str = "127.0.0.1:0"
    options: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    program: Path = Path(sys.executable)
    link: str = ""
    lines: list[str] = field(default_factory=list[str])
    errors: list[str] = field(default_factory=list[str])
    process: subprocess.Popen[str] | None = None
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.link)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self.process is not None
        return self.process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when the link is printed: from then on requests are answered."""
        self.home.mkdir(parents=True, exist_ok=True)
        command = [str(self.program), "-m", "tertulia", "up", "--home", str(self.home)]
        command += ["--address", self.address, "--model", self.model, *self.options]
        self.process = subprocess.Popen(
            command,
            cwd=self.home,
            env=environment(self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        links: queue.Queue[str | None] = queue.Queue()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._threads = [
            threading.Thread(target=self._read, args=(self.process.stdout, links), daemon=True),
            threading.Thread(target=self._read_errors, args=(self.process.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        try:
            link = links.get(timeout=READY_S)
        except queue.Empty:
            link = None
        if link is None:
            self.kill()
            raise ServerDiedError("\n".join([*self.lines[-20:], *self.errors[-20:]]))
        self.link = link

    def stop(self) -> int:
        """SIGTERM, then wait until it has drained; its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL: no draining, as in a crash."""
        return self._end(signal.SIGKILL)

    def wait(self, timeout_s: float = STOP_S) -> int:
        """Until it ends by itself; its exit code."""
        assert self.process is not None
        code = self.process.wait(timeout_s)
        for thread in self._threads:
            thread.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code

    @contextmanager
    def client(self) -> Generator[httpx.Client]:
        """A browser that has signed in by a fresh link."""
        with httpx.Client(base_url=self.url, timeout=30) as client:
            secret = {"token": self.fresh_secret()}
            client.post("/api/session", json=secret).raise_for_status()
            yield client

    def token_client(self) -> httpx.Client:
        """A program with an API token of its own."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        return httpx.Client(base_url=self.url, timeout=30, headers=headers)

    def token(self) -> str:
        """A fresh API token, made beside the running server."""
        made = tertulia("token", "create", "test", home=self.home, variables=self.variables)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def fresh_secret(self) -> str:
        """The secret of a fresh sign-in link (each works once)."""
        made = tertulia("link", home=self.home, variables=self.variables)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip().partition("#")[2]

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def _read(self, stream: Iterator[str], links: "queue.Queue[str | None]") -> None:
        for line in stream:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("Open http"):
                links.put(line.removeprefix("Open ").strip())
        links.put(None)

    def _read_errors(self, stream: Iterator[str]) -> None:
        self.errors.extend(line.rstrip("\n") for line in stream)
