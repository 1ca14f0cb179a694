"""Runs the workload under the recorder and reads what was recorded."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tertulia.adapters.keyfile import Keyring

DATABASE: Final = "t.db"
HERE: Final = Path(__file__).parent
_HEAD: Final = struct.Struct("<cHQI")


@dataclass(frozen=True, slots=True)
class Record:
    """W write, T truncate, S sync, C create, U unlink; I intended, A acknowledged (workload)."""

    kind: str
    path: str
    offset: int
    data: bytes


@dataclass(frozen=True)
class Recording:
    database: Path
    keyring: Keyring
    records: list[Record]


def record(folder: Path, turns: int) -> Recording:
    """Needs a C compiler and a loader that knows LD_PRELOAD."""
    library = folder / "recorder.so"
    source = HERE / "recorder.c"
    compile_it = ["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl", "-pthread"]
    subprocess.run(compile_it, check=True)
    keyring, log, home = Keyring.fresh(), folder / "log", folder / "home"
    home.mkdir()
    (folder / "keyring").write_text(keyring.to_text(), "ascii")
    database = home / DATABASE
    workload = "tests.faults.power_cut.workload"
    subprocess.run(
        [sys.executable, "-m", workload, database, folder / "keyring", log, str(turns)],
        check=True,
        cwd=HERE.parents[2],
        env={
            **os.environ,
            "LD_PRELOAD": str(library),
            "RECORD_LOG": str(log),
            "RECORD_FOLDER": str(home),
        },
    )
    return Recording(database, keyring, list(_parsed(log.read_bytes())))


def _parsed(log: bytes) -> Iterator[Record]:
    at = 0
    while at < len(log):
        kind, path_size, offset, size = _HEAD.unpack_from(log, at)
        at += _HEAD.size
        path = log[at : at + path_size].decode()
        at += path_size
        yield Record(kind.decode(), path, offset, log[at : at + size])
        at += size
