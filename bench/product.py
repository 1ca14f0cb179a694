"""Tertulia as it is installed: a real process, its log in a file so that nobody reads along."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from tests.e2e.server import environment, tertulia

START_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Product:
    """A running server: its process, port and an API token."""

    pid: int
    port: int
    token: str
    home: Path

    @property
    def auth(self) -> str:
        """The header line that signs in."""
        return f"Authorization: Bearer {self.token}\r\n"

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One request; its JSON."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"http://127.0.0.1:{self.port}{path}"
        answer = httpx.request(method, url, json=body, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def conversation(self, model: str | None = None) -> str:
        """A new conversation's id."""
        body = {"id": str(uuid4())} | ({"model": model} if model else {})
        return str(self.call("POST", "/api/conversations", body)["id"])


def serve(
    home: Path, model: str, options: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server; returns once its link is printed, with its port."""
    log = home / "bench.log"
    command = [sys.executable, "-m", "tertulia", "up", "--home", str(home / "home")]
    command += ["--address", "127.0.0.1:0", "--model", model, *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=environment(variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    until = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until:
        for line in log.read_text().splitlines():
            if line.startswith("Open http"):
                return process, urlsplit(line.removeprefix("Open ")).port or 0
        time.sleep(0.005)
    process.kill()
    msg = f"the server did not start:\n{log.read_text()[-2000:]}"
    raise RuntimeError(msg)


@contextmanager
def product(
    model: str = "echo",
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Generator[Product]:
    """A server of one's own in a fresh home, stopped and removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="tertulia-bench-"))
    try:
        process, port = serve(home, model, options, variables)
        try:
            made = tertulia("token", "create", "bench", home=home / "home")
            yield Product(process.pid, port, made.stdout.strip(), home / "home")
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(home)
