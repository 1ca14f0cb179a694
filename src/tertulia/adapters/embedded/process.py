"""The child process that holds a model: its start, its death, its address."""

import asyncio
import contextlib
import secrets
import sys
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec

from tertulia.ports.chat_model import ModelUnavailableError

CHILD: Final = str(Path(__file__).with_name("child.py"))
GRACE_S: Final = 3.0
"""How long the process may take to end by itself; it only has to leave the kernel."""


class LoadError(ModelUnavailableError):
    """The model could not be loaded."""

    code = "model_not_loaded"
    local = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What the child is told, beside the key that keeps others out of its port."""

    path: str
    window_tokens: int
    slots: int
    threads: int
    batch_threads: int
    batch_tokens: int
    prefix_cache_mib: int


class _Report(msgspec.Struct):
    address: str = ""
    error: str = ""


class ModelProcess:
    """Runs from `start` to `stop`; `ended` is done as soon as the process is gone."""

    def __init__(self, process: asyncio.subprocess.Process, key: str) -> None:
        self._process = process
        self._noise: deque[bytes] = deque(maxlen=16)
        self._drain = asyncio.create_task(self._read_noise())
        self.ended = asyncio.create_task(process.wait())
        self.key = key
        self.address = ""

    @classmethod
    async def start(cls, launch: Launch, *, timeout_s: float) -> "ModelProcess":
        """Returns once the model is loaded. LoadError otherwise; nothing is left running."""
        # -P: this folder must not become the place where the child finds its modules.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", CHILD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self = cls(process, secrets.token_urlsafe(32))
        try:
            async with asyncio.timeout(timeout_s):
                await self._load(launch)
        except BaseException:
            await asyncio.shield(self.stop())
            raise
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    async def stop(self) -> None:
        """End the process and give its memory back; harmless when it is gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(GRACE_S):
                await asyncio.shield(self.ended)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self.ended
        await self._drain

    async def _load(self, launch: Launch) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise LoadError
        stdin.write(msgspec.json.encode({**asdict(launch), "key": self.key}) + b"\n")
        try:
            await stdin.drain()
            report = msgspec.json.decode(await stdout.readline() or b"{}", type=_Report)
        except (OSError, msgspec.DecodeError) as error:
            raise LoadError(self._why("the runtime did not start")) from error
        if not report.address:
            raise LoadError(self._why(report.error or "the runtime ended"))
        self.address = report.address

    async def _read_noise(self) -> None:
        """What the runtime says goes nowhere, lest its pipe fills up; the end of it explains a
        failed start. (At this verbosity it names files and sizes, never what was said.)"""
        stderr = self._process.stderr
        while stderr is not None and (line := await _line(stderr)):
            self._noise.append(line)

    def _why(self, failure: str) -> str:
        causes = [line.decode(errors="replace") for line in self._noise if b" E " in line]
        cause = causes[0].partition(" E ")[2].strip() if causes else failure
        return f"The model could not be loaded: {cause}"


async def _line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:  # longer than the reader's limit
        return await stream.read(1 << 16)
