"""Processes of a benchmark, what they cost, and the load put on them."""

import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from bench.load import LoadPlan, LoadResult

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, in user and kernel mode (proc(5))."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_S


def family_cpu_s(pid: int) -> float:
    """CPU seconds of a process and of all that descend from it, ended children included."""
    used: dict[int, float] = {}
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended just now
            continue
        each = int(stat.parent.name)
        parents[each] = int(after_name[1])
        used[each] = sum(map(int, after_name[11:15])) / TICKS_PER_S
    family = {pid}
    while found := {each for each, parent in parents.items() if parent in family} - family:
        family |= found
    return sum(used.get(each, 0.0) for each in family)


def pss_mb(pid: int) -> float:
    """Proportional set size in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    msg = f"process {pid} tells no Pss"
    raise LookupError(msg)


@contextmanager
def upstream(*, tokens: int = 64, pace_ms: float = 0) -> Generator[tuple[int, int]]:
    """The fake model endpoint; gives its port and its process id."""
    command = [sys.executable, "-m", "bench.upstream", str(tokens), str(pace_ms)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101  asked for above
        assert process.stdin is not None  # noqa: S101
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.stdin.close()


def load(plan: LoadPlan) -> LoadResult:
    """Run the load generator in its own process."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=msgspec.json.encode(plan),
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=LoadResult)


def free_port() -> int:
    """A port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def percentile(sorted_values: list[float], share: float) -> float:
    if not sorted_values:
        return float("nan")
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def post(path: str, body: object, headers: str = "") -> str:
    """A whole HTTP request as the load generator sends it."""
    content = msgspec.json.encode(body).decode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content.encode())}\r\n{headers}\r\n{content}"
    )


def get(path: str, headers: str = "") -> str:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
