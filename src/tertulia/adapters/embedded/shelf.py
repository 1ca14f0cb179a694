"""The model files on this machine: which are there, which are verified, which one is in use."""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tertulia.adapters.embedded import machine
from tertulia.adapters.embedded.entries import Entry
from tertulia.adapters.embedded.model_file import ModelFile
from tertulia.ports.chat_model import ModelInfo

CHOICE: Final = "in-use"
MAGIC: Final = b"GGUF"
OWN_OVERHEAD: Final = 1.3
"""Memory that a model takes beside its file: context, buffers."""

_Stamp = tuple[Path, int, int]
"""A file with its size and time of change; another stamp is another file."""


class Shelf:
    """A folder of models, and files of the user's own elsewhere.

    A file of the catalogue is used only after its SHA-256 was right; a note beside it (its hash,
    size and time of change) spares checking it at every start. Other GGUF files are the user's
    own: taken as they are, never changed or removed. Safe to use from several threads.
    """

    def __init__(self, directory: Path, own: Sequence[Path], entries: Sequence[Entry]) -> None:
        self.directory = directory
        self.entries: Mapping[str, Entry] = {entry.name: entry for entry in entries}
        self._own = tuple(own)
        self._lock = threading.Lock()
        self._present: dict[str, ModelFile] = {}
        self._in_use: str | None = None
        self.unverified: tuple[tuple[Entry, Path], ...] = ()
        self.wrong: dict[str, str] = {}
        """By name: what is wrong with a file that is there."""
        self._wrong_files: set[_Stamp] = set()
        self._right_files: set[_Stamp] = set()

    def scan(self) -> bool:
        """Look at the files again; whether another model is in use, or others are there, than
        before. Reads no more than a few bytes of each."""
        present: dict[str, ModelFile] = {}
        unverified: list[tuple[Entry, Path]] = []
        for path in self._files():
            entry = self._entry_of(path)
            if entry is None:
                own = _own_model(path)
                if own is not None:
                    present.setdefault(own.name, own)
            elif self._is_right(path, entry):
                present.setdefault(entry.name, entry.at(path))
            elif _stamp(path) not in self._wrong_files:
                unverified.append((entry, path))
        with self._lock:
            before = self._present, self._in_use
            if present.keys() != self._present.keys() or self._in_use not in present:
                self._in_use = self._best(present)
            self._present = present
            chosen = self._choice()
            if chosen in present:
                self._in_use = chosen
            self.unverified = tuple(u for u in unverified if u[0].name not in present)
            return before != (self._present, self._in_use)

    def verify(self, entry: Entry, path: Path) -> bool:
        """Read the whole file; note that it is right, or why not."""
        stamp = _stamp(path)
        if sha256_of(path) != entry.sha256:
            self._wrong_files.add(stamp)
            self.wrong[entry.name] = "The file is not the one of the catalogue (SHA-256)."
            return False
        self.note(entry, path)
        return True

    def verify_part(self, entry: Entry, part: Path) -> bool:
        """Whether a pulled file is right; nothing is noted."""
        return _stamp(part)[1] == entry.size_bytes and sha256_of(part) == entry.sha256

    def note(self, entry: Entry, path: Path) -> None:
        """The file was verified, or is the one that was."""
        self._right_files.add(_stamp(path))
        _note(path, entry)
        self.wrong.pop(entry.name, None)

    def path_of(self, entry: Entry) -> Path:
        """Where a pulled file is put."""
        return self.directory / entry.file

    def choose(self, name: str | None) -> None:
        """Remember which model is in use, also for the next start; None: the best one."""
        choice = self.directory / CHOICE
        if name is None:
            choice.unlink(missing_ok=True)
            with self._lock:
                self._in_use = None
        else:
            self.directory.mkdir(parents=True, exist_ok=True)
            draft = choice.with_name(CHOICE + ".new")
            draft.write_text(name + "\n", "utf-8")
            draft.replace(choice)
        self.scan()

    def is_chosen(self) -> bool:
        """Whether somebody said which model to use, or brought their own."""
        present = self.present()
        return self._choice() is not None or any(m.name not in self.entries for m in present)

    def remove(self, name: str) -> None:
        """Delete a pulled model's files, finished or not. Own files are left alone."""
        path = self.path_of(self.entries[name])
        for file in (_note_path(path), path, path.with_name(path.name + ".part")):
            file.unlink(missing_ok=True)
        self.wrong.pop(name, None)
        if self._choice() == name:
            self.choose(None)
        self.scan()

    def in_use(self) -> ModelFile | None:
        """The model that answers unless another is asked for."""
        with self._lock:
            return self._present.get(self._in_use) if self._in_use else None

    def find(self, name: str) -> ModelFile | None:
        """A model that is present."""
        with self._lock:
            return self._present.get(name)

    def present(self) -> Sequence[ModelFile]:
        """All that may be used."""
        with self._lock:
            return tuple(self._present.values())

    def offered(self) -> ModelInfo:
        """The smallest that can be had, for when nothing is there."""
        entry = next(iter(self.entries.values()))
        return ModelInfo(
            id=entry.name,
            window_tokens=entry.window_tokens,
            owned_by="embedded",
            ready=False,
            note="No model is here yet. Get one on this page, or with "
            f"`tertulia model pull {entry.name}`.",
        )

    def _best(self, present: Mapping[str, ModelFile]) -> str | None:
        """One's own before all; else the largest that memory allows, or the smallest."""
        own = [name for name in present if name not in self.entries]
        if own:
            return own[0]
        there = [present[name] for name in self.entries if name in present]
        free = machine.free_memory_bytes()
        fitting = [model for model in there if model.memory_bytes <= free] or there[:1]
        return fitting[-1].name if fitting else None

    def _choice(self) -> str | None:
        try:
            return (self.directory / CHOICE).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None

    def _is_right(self, path: Path, entry: Entry) -> bool:
        return _stamp(path) in self._right_files or _is_noted(path, entry)

    def _files(self) -> Iterator[Path]:
        for place in (*self._own, self.directory):
            if place.is_dir():
                yield from sorted(place.glob("*.gguf"))
            elif place.is_file():
                yield place

    def _entry_of(self, path: Path) -> Entry | None:
        size = _stamp(path)[1]
        sized = [entry for entry in self.entries.values() if entry.size_bytes == size]
        return next(iter(sized), None) or next(
            (e for e in self.entries.values() if path == self.path_of(e)), None
        )


def sha256_of(path: Path) -> str:
    """Reads the file outside of the interpreter's lock."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _own_model(path: Path) -> ModelFile | None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
        size = path.stat().st_size
    except OSError:
        return None
    if magic != MAGIC:
        return None
    return ModelFile(name=path.stem.lower(), path=path, memory_bytes=int(size * OWN_OVERHEAD))


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return path, -1, -1
    return path, status.st_size, status.st_mtime_ns


def _note_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _note_text(path: Path, entry: Entry) -> str:
    _, size, changed_ns = _stamp(path)
    return f"{entry.sha256} {size} {changed_ns}\n"


def _is_noted(path: Path, entry: Entry) -> bool:
    try:
        return _note_path(path).read_text("ascii") == _note_text(path, entry)
    except (OSError, UnicodeDecodeError):
        return False


def _note(path: Path, entry: Entry) -> None:
    """A folder of the user's own may refuse the note; then the file is checked at each start."""
    draft = _note_path(path).with_suffix(".new")
    try:
        draft.write_text(_note_text(path, entry), "ascii")
        draft.replace(_note_path(path))
    except OSError:
        return
