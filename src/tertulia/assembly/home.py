"""The home: the directory of one installation, served by one process at a time."""

import contextlib
import fcntl
import json
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tertulia.kit.errors import TertuliaError


class HomeError(TertuliaError):
    """The home cannot be used."""

    code = "home_unusable"


class HomeInUseError(HomeError):
    """The home is used by another process."""

    code = "home_in_use"


@dataclass(frozen=True, slots=True)
class Home:
    """Where things are."""

    path: Path

    @property
    def lock(self) -> Path:
        """Locked by the serving process; says which it is and where it listens."""
        return self.path / "tertulia.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that serves a home. `url` is None until it listens."""

    pid: int
    url: str | None


def open_home(path: Path) -> Home:
    """Make the directory when there is none, for its owner alone. HomeError when it cannot be
    written to."""
    path = path.expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"The home {path} cannot be made ({_reason(error)})."
        raise HomeError(msg) from error
    if not os.access(path, os.W_OK | os.X_OK) or _read_only(path):
        msg = f"The home {path} is not writable; choose another with --home, or mend its rights."
        raise HomeError(msg)
    return Home(path)


class HomeLock:
    """The exclusive right to serve a home; ends with the process, however that ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def announce(self, url: str | None) -> None:
        """Tell other processes where this one listens."""
        note = json.dumps({"pid": os.getpid(), "url": url}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, note, 0)


@contextlib.contextmanager
def lock_home(home: Home) -> Generator[HomeLock]:
    """Hold the home alone. HomeInUseError names the process that has it."""
    try:
        descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        msg = f"The home {home.path} is not writable ({_reason(error)})."
        raise HomeError(msg) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HomeInUseError(_in_use(home, _note(home))) from error
        lock = HomeLock(descriptor)
        lock.announce(None)
        yield lock
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def share_home(home: Home) -> Generator[HomeLock | None]:
    """Hold the home, or go without when another process has it: for those that keep everything
    elsewhere. `tertulia link` and `doctor` find the one that holds it."""
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context(lock_home(home))
        except HomeInUseError:
            lock = None
        yield lock


def holder(home: Home) -> Holder | None:
    """Who serves this home now; None when nobody does."""
    try:
        descriptor = os.open(home.lock, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _note(home) or Holder(pid=0, url=None)
    finally:
        os.close(descriptor)
    return None


def _note(home: Home) -> Holder | None:
    try:
        note = cast("dict[str, object]", json.loads(home.lock.read_text("utf-8")))
        return Holder(pid=int(str(note["pid"])), url=cast("str | None", note["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _in_use(home: Home, by: Holder | None) -> str:
    process = f"process {by.pid}" if by else "another process"
    where = f" ({by.url})" if by and by.url else ""
    return f"The home {home.path} is used by {process}{where}; stop it, or choose another --home."


def _read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
