"""How the servers that are written in Java are run: small, and quick to start on few cores."""

import os
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from tools.jars import classpath

# Servers of tests live for minutes: the first compiler alone, and the collector without threads
# of its own, start in half the time and leave the cores to the tests. Jars whose hashes
# were compared need no verifying.
QUICK: Final = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
)
# Native libraries are unpacked in the server's folder, which is removed with all that is in it.
HERE: Final = ("-Djava.io.tmpdir=.", "-Djna.tmpdir=.")


@cache
def java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")


def is_installed(server: str) -> bool:
    """Whether there are a Java and the server's jars."""
    return java() is not None and classpath(server) is not None


def command(
    server: str, main: str, *, heap_mb: int, options: Sequence[str] = ()
) -> list[str | Path]:
    """What runs `main` of the server's jars; arguments may follow."""
    jars = ":".join(map(str, classpath(server) or ()))
    heap = f"-Xms{heap_mb}m", f"-Xmx{heap_mb}m"
    return [java() or "java", *heap, *QUICK, *HERE, *options, "-cp", jars, main]


def jar(server: str, name: str) -> Path:
    """One of the server's jars."""
    return next(path for path in classpath(server) or () if path.name.startswith(f"{name}-"))
