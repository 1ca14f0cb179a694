"""What this machine, or the container around the process, has to give."""

import os
import shutil
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Processors that this process may keep busy, at least one."""
    affinity = getattr(os, "sched_getaffinity", None)
    available = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _words(CGROUP / "cpu.max")
    if len(quota) == 2 and quota[0].isdigit():  # noqa: PLR2004  "<quota> <period>", or "max …"
        available = min(available, max(1, int(quota[0]) // int(quota[1])))
    return max(1, available)


def free_memory_bytes() -> int:
    """Memory that can be taken without swapping."""
    free = _free_of_machine()
    limit, used = _words(CGROUP / "memory.max"), _words(CGROUP / "memory.current")
    if limit and used and limit[0].isdigit():
        free = min(free, max(0, int(limit[0]) - int(used[0])))
    return free


def free_disk_bytes(directory: Path) -> int:
    """Space for files below `directory`, which need not exist yet."""
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def _free_of_machine() -> int:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    # macOS tells no such number cheaply; half of the memory is what it can usually give.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
