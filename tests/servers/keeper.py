"""Runs one server and stays beside it, so that no server outlives the tests that it is for.

    python -I -S keeper.py    on stdin: JSON, see `Order`

Returns once the server's process runs, its pid written into the open file `state`, and keeps
another process behind. That one holds the lock on this file which it was handed, reaps the server
and whoever the server leaves behind, and then ends, so that whoever gets the lock knows that
nothing of the server runs any more. When `owner` is gone, however it went, the keeper kills the
server and removes its folder.

The standard library alone: it must be there at once.
"""

import contextlib
import ctypes
import json
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, TypedDict

POLL_S: Final = 0.2  # only where the system has no pidfd
PR_SET_CHILD_SUBREAPER: Final = 36


class Order(TypedDict):
    """`state` is the number of an open, locked file; `user` is None for the caller's own."""

    owner: int
    state: int
    command: list[str]
    environment: dict[str, str]
    folder: str
    user: str | None


def main(order: Order) -> None:
    started, told = os.pipe()
    if os.fork():
        os.close(told)
        os.read(started, 1)
        os._exit(0)
    os.setsid()
    adopt_orphans()
    server = start(order)
    os.write(told, b".")
    for handle in (started, told):
        os.close(handle)
    owner_is_left = watch(order["owner"], server.pid)
    clear(server.pid)
    if not owner_is_left:
        shutil.rmtree(order["folder"], ignore_errors=True)


def adopt_orphans() -> None:
    """Let the server's orphans become children of this process; only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start(order: Order) -> "subprocess.Popen[bytes]":
    user = order["user"]
    server = subprocess.Popen(
        order["command"],
        cwd=order["folder"],
        env=order["environment"],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
    )
    os.pwrite(order["state"], str(server.pid).encode(), 0)
    return server


def watch(owner: int, server: int) -> bool:
    """Return when the server ended, True, or its owner did, False."""
    if not hasattr(os, "pidfd_open"):
        while is_alive(owner):
            if os.waitpid(server, os.WNOHANG)[0]:
                return True
            time.sleep(POLL_S)
        return False
    try:
        watched = os.pidfd_open(owner)
    except ProcessLookupError:
        return False
    ended, _, _ = select.select([watched, os.pidfd_open(server)], [], [])
    return watched not in ended


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def clear(server: int) -> None:
    """Kill what is left of the server, and return when nothing is."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server, signal.SIGKILL)
    while True:
        for orphan in children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def children() -> list[int]:
    """Of this process, where the system tells them."""
    me = os.getpid()
    with contextlib.suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/{me}/task/{me}/children").read_text().split()]
    return []


if __name__ == "__main__":
    main(json.load(sys.stdin))
