"""Key vaults over a keyring: in a file, in an environment variable, in memory."""

import os
import secrets
import stat
import threading
from pathlib import Path
from typing import Final

from tertulia.adapters.keyfile.keyring import Keyring, KeyringError
from tertulia.kit.errors import TertuliaError
from tertulia.kit.folders import sync_folder
from tertulia.ports.key_vault import KeyMissingError

GROUP_AND_OTHERS: Final = 0o077


class KeyFileMissingError(KeyMissingError):
    """The key file is gone; without it nothing in the database can be read."""

    code = "key_file_missing"


class KeyFileExposedError(TertuliaError):
    """The key file can be read by other users of this machine."""

    code = "key_file_exposed"


class FixedKeysError(TertuliaError):
    """The master key comes from the environment, so only whoever sets it can change it."""

    code = "keys_fixed"


class MemoryVault:
    """A vault whose keys go with the process (KeyVault)."""

    def __init__(self, keyring: Keyring | None = None) -> None:
        self._keyring = keyring or Keyring.fresh()

    @property
    def keyring(self) -> Keyring:
        return self._keyring

    @property
    def version(self) -> int:
        return self.keyring.version

    def wrap(self, key: bytes, context: bytes) -> tuple[int, bytes]:
        return self.keyring.wrap(key, context)

    def unwrap(self, version: int, wrapped: bytes, context: bytes) -> bytes:
        return self.keyring.unwrap(version, wrapped, context)

    def derive(self, label: bytes) -> bytes:
        return self.keyring.derive(label)

    def rotate(self) -> int:
        self._keyring = self._keyring.rotated()
        return self._keyring.version

    def retire(self, before: int) -> None:
        self._keyring = self._keyring.retired(before)


class EnvironmentVault(MemoryVault):
    """A vault over the text of an environment variable: a keyring as the key file holds it, or
    one bare key. It cannot be changed from here."""

    def __init__(self, text: str) -> None:
        super().__init__(Keyring.from_text(text))

    def rotate(self) -> int:
        raise FixedKeysError

    def retire(self, before: int) -> None:
        if self.keyring.retired(before).keys != self.keyring.keys:
            raise FixedKeysError


class FileVault:
    """A vault over a key file of mode 0600 (KeyVault).

    The file is replaced whole, and it and its folder are synced before a new key is used, so no
    power cut leaves something wrapped by a key that is not on disk. Another process's rotation is
    seen at the next use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._keyring: Keyring | None = None
        _ = self.keyring

    @classmethod
    def create(cls, path: Path, keyring: Keyring | None = None) -> "FileVault":
        """Make the file unless it is there (of several processes at once, one makes it)."""
        if not path.exists():
            _write(path, keyring or Keyring.fresh(), replace=False)
        return cls(path)

    @property
    def keyring(self) -> Keyring:
        with self._lock:
            return self._current()

    @property
    def version(self) -> int:
        return self.keyring.version

    def wrap(self, key: bytes, context: bytes) -> tuple[int, bytes]:
        return self.keyring.wrap(key, context)

    def unwrap(self, version: int, wrapped: bytes, context: bytes) -> bytes:
        return self.keyring.unwrap(version, wrapped, context)

    def derive(self, label: bytes) -> bytes:
        return self.keyring.derive(label)

    def rotate(self) -> int:
        with self._lock, _exclusive(self._path):
            rotated = self._current().rotated()
            _write(self._path, rotated, replace=True)
            return rotated.version

    def retire(self, before: int) -> None:
        with self._lock, _exclusive(self._path):
            _write(self._path, self._current().retired(before), replace=True)

    def adopt(self, keyring: Keyring) -> None:
        """Take in the versions of an older copy of this keyring (KeyringError for another's)."""
        with self._lock, _exclusive(self._path):
            _write(self._path, self._current().joined(keyring), replace=True)

    def _current(self) -> Keyring:
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._keyring is None or seen != self._seen:
                self._keyring = _read(self._path, status)
                self._seen = seen
        except FileNotFoundError:
            msg = f"The key file {self._path} is gone; without it nothing stored can be read."
            raise KeyFileMissingError(msg) from None
        except OSError as error:
            msg = f"The key file {self._path} cannot be read ({error.strerror})."
            raise KeyringError(msg) from None
        return self._keyring


def _read(path: Path, status: os.stat_result) -> Keyring:
    if stat.S_IMODE(status.st_mode) & GROUP_AND_OTHERS:
        msg = f"Other users can read the key file {path}; run: chmod 600 '{path}'"
        raise KeyFileExposedError(msg)
    try:
        return Keyring.from_text(path.read_text(encoding="ascii"))
    except (KeyringError, UnicodeDecodeError):
        msg = f"The key file {path} is damaged; put its copy back."
        raise KeyringError(msg) from None


def _write(path: Path, keyring: Keyring, *, replace: bool) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(keyring.to_text())
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            _place_first(draft, path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _place_first(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return


class _exclusive:  # noqa: N801  reads as a verb where it is used
    """Holds the key file's folder for one change at a time, across processes."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._descriptor = -1

    def __enter__(self) -> None:
        import fcntl

        self._descriptor = os.open(self._folder, os.O_RDONLY)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
