"""A reader who types what a page says, in a home and a directory of their own."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import Block

WRITTEN_ADDRESS: Final = "127.0.0.1:8420"
BLOCK_S: Final = 60.0
KEPT: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR")


class Reader:
    """Each page has one reader: what a block exports or leaves on disk is there for the next."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._address = f"127.0.0.1:{_free_port()}"
        self._exports = directory / ".exports"
        self._running: list[subprocess.Popen[str]] = []
        self._listening: list[threading.Thread] = []
        self._printed = ""
        (directory / "home").mkdir()
        self._environment = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "HOME": str(directory / "home"),
            "TERTULIA_ADDRESS": self._address,
            "TERTULIA_MODEL": "echo",
            "PYTHONWARNINGS": "error",
        }
        programs = Path(sys.executable).parent
        self._environment["PATH"] = f"{programs}{os.pathsep}{self._environment['PATH']}"

    def follow(self, block: Block) -> None:
        text = block.text.replace(WRITTEN_ADDRESS, self._address)
        match block.word, block.language:
            case "not run", _:
                assert block.rest, "a block that is not run says why"
            case "prints", _:
                self._compare(text)
            case "file", _:
                (self._directory / block.rest).write_text(text + "\n")
            case "background until", "bash":
                self._start(text, block.rest)
            case "", "bash":
                self._printed = self._run(["bash", "-c", self._script(text)])
            case "", "python":
                self._printed = self._run(
                    ["bash", "-c", self._script(f"python - <<'END'\n{text}\nEND")]
                )
            case word, language:
                assert not word, f"no such comment for {language}: {word}"

    def leave(self) -> None:
        """Stop what runs in the background; it must end as it should."""
        for process in self._running:
            os.killpg(process.pid, signal.SIGTERM)
        codes = [process.wait(BLOCK_S) for process in self._running]
        for thread in self._listening:
            thread.join(BLOCK_S)
        assert not any(codes), f"ended with {codes}"

    def _script(self, text: str) -> str:
        restore = f"[ ! -f '{self._exports}' ] || . '{self._exports}'"
        return f"set -euo pipefail\n{restore}\n{text}\nexport -p > '{self._exports}'\n"

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BLOCK_S,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _start(self, text: str, until: str) -> None:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {text}"],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running.append(process)
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        thread = threading.Thread(target=_pass_on, args=(process, lines), daemon=True)
        thread.start()
        self._listening.append(thread)
        seen: list[str] = []
        while (line := lines.get(timeout=BLOCK_S)) is not None:
            seen.append(line)
            if until in line:
                return
        pytest.fail(f"ended without printing {until!r}:\n{''.join(seen)}")

    def _compare(self, expected: str) -> None:
        pattern = ".*?".join(re.escape(part) for part in expected.strip().split("…"))
        assert re.fullmatch(pattern, self._printed.strip(), re.DOTALL), (
            f"expected:\n{expected}\nprinted:\n{self._printed}"
        )


@contextmanager
def reading(directory: Path) -> Generator[Reader]:
    reader = Reader(directory)
    try:
        yield reader
    finally:
        reader.leave()


def _pass_on(process: subprocess.Popen[str], lines: "queue.SimpleQueue[str | None]") -> None:
    assert process.stdout is not None
    with process.stdout as printed:
        for line in printed:
            lines.put(line)
    lines.put(None)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
