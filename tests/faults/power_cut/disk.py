"""A disk as a power cut leaves it: what was synced is there; of the rest, anything may be."""

import random
from dataclasses import dataclass, field
from typing import Final

from tests.faults.power_cut.recording import Record

SECTOR: Final = 512


@dataclass(slots=True)
class File:
    """Contents on the platter, and what is on its way there."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Record] = field(default_factory=list[Record])

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.durable, change, change.data)
        self.pending.clear()


class Disk:
    """Follows a recording. A name is durable once its folder was synced, contents once the file
    was. A cut keeps any prefix of the changes of names, and of each file's changes any subset of
    sectors (a write may be torn anywhere between two)."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._names: dict[str, File] = {}  # as programs see them
        self._durable_names: dict[str, File] = {}
        self._pending_names: list[tuple[str, File | None]] = []

    def follow(self, record: Record) -> None:
        match record.kind:
            case "C":
                self._rename(record.path, File())
            case "U":
                self._rename(record.path, None)
            case "S" if record.path.rstrip("/") == self._folder:
                self._durable_names = dict(self._names)
                self._pending_names.clear()
            case "S":
                self._names[record.path].sync()
            case "W" | "T":
                if (file := self._names.get(record.path)) is not None:
                    file.pending.append(record)
            case _:
                pass  # notes of the workload

    def cut(self, chance: random.Random) -> dict[str, bytes]:
        """What is found afterwards, by path."""
        names = dict(self._durable_names)
        kept = chance.randint(0, len(self._pending_names))
        for path, file in self._pending_names[:kept]:
            if file is None:
                names.pop(path, None)
            else:
                names[path] = file
        return {path: _torn(file, chance) for path, file in names.items()}

    def _rename(self, path: str, file: File | None) -> None:
        if file is None:
            self._names.pop(path, None)
        else:
            self._names[path] = file
        self._pending_names.append((path, file))


def _torn(file: File, chance: random.Random) -> bytes:
    contents = bytearray(file.durable)
    fate = chance.choice(["none", "all", "prefix", "sectors", "sectors", "last"])
    first, last = 0, len(file.pending)
    if fate == "none":
        return bytes(contents)
    if fate == "prefix":
        last = chance.randint(0, last)
    if fate == "last":
        first = chance.randint(0, last)
    for change in file.pending[first:last]:
        if fate != "sectors" or change.kind == "T":
            if fate != "sectors" or chance.random() < 0.5:
                _apply(contents, change, change.data)
            continue
        for sector in _sectors(change):
            if chance.random() < 0.5:
                _apply(contents, sector, sector.data)
    return bytes(contents)


def _sectors(change: Record) -> list[Record]:
    """The write, cut at the borders of sectors."""
    pieces: list[Record] = []
    at, end = change.offset, change.offset + len(change.data)
    while at < end:
        border = min(end, (at // SECTOR + 1) * SECTOR)
        data = change.data[at - change.offset : border - change.offset]
        pieces.append(Record("W", change.path, at, data))
        at = border
    return pieces


def _apply(contents: bytearray, change: Record, data: bytes) -> None:
    if change.kind == "T":
        del contents[change.offset :]
        contents.extend(bytes(change.offset - len(contents)))
        return
    contents.extend(bytes(max(0, change.offset - len(contents))))
    contents[change.offset : change.offset + len(data)] = data
