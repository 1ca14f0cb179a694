"""Power cuts: nothing that was acknowledged is lost, whatever the disk kept of the rest.

The unmodified store runs under a recorder that notes every write and sync of its process (below
SQLite's VFS, at the system calls). From the recording, torn disks are made: cut at any moment, all
that was synced, and of what was not synced any subset of sectors. The real store opens each of
them, and is compared with what had been acknowledged before the cut.

The whole campaign (2,000 cuts, three minutes): `pytest -m slow tests/faults/test_power_cut.py`
"""

import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Final

import pytest

from tertulia.ports.store import StoreUnavailableError
from tests.conftest import Requires
from tests.faults.power_cut.disk import Disk
from tests.faults.power_cut.ledger import Fact, Ledger, found_in
from tests.faults.power_cut.recording import DATABASE, Recording, record

IN_CI: Final = 100
ALL: Final = 2000


@pytest.fixture(scope="module")
def recording(requires: Requires, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    requires(sys.platform == "linux" and shutil.which("cc"), "Linux and a C compiler")
    return record(tmp_path_factory.mktemp("recording"), turns=27)


@dataclass
class Outcome:
    """Of a campaign."""

    cuts: int = 0
    acknowledged: int = 0
    lost: list[Fact] = field(default_factory=list[Fact])
    problems: list[str] = field(default_factory=list[str])


async def campaign(recording: Recording, cuts: int, seed: int) -> Outcome:
    """Cut the recording at `cuts` moments, each torn by its own chance."""
    chance = random.Random(seed)  # noqa: S311  to be repeated, not to be secret
    records = recording.records
    moments = sorted(chance.choices(range(1, len(records) + 1), k=cuts))
    disk, ledger, outcome, followed = Disk(str(recording.database.parent)), Ledger(), Outcome(), 0
    for moment in moments:
        for happened in records[followed:moment]:
            disk.follow(happened)
            ledger.follow(happened)
        followed = moment
        outcome.cuts += 1
        outcome.acknowledged += len(ledger.facts)
        with laid_out(disk.cut(chance)) as folder:
            try:
                found, problems = await found_in(
                    folder / recording.database.name, recording.keyring
                )
            except StoreUnavailableError as error:
                outcome.problems.append(error.message)
                continue
        outcome.lost += ledger.missing(found)
        outcome.problems += problems
    return outcome


class laid_out:  # noqa: N801  reads as a verb
    """The files of a cut disk, in a folder for a while."""

    def __init__(self, files: dict[str, bytes]) -> None:
        memory = Path("/dev/shm")  # noqa: S108  no need to wear a disk out
        self._folder = tempfile.TemporaryDirectory(dir=memory if memory.exists() else None)
        for path, contents in files.items():
            if not path.endswith("-shm"):  # made anew by whoever opens the database first
                (Path(self._folder.name) / Path(path).name).write_bytes(contents)

    def __enter__(self) -> Path:
        return Path(self._folder.name)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


async def test_no_acknowledged_row_is_lost_in_a_power_cut(recording: Recording) -> None:
    outcome = await campaign(recording, IN_CI, seed=1)
    assert (outcome.lost, outcome.problems) == ([], [])
    assert outcome.acknowledged > 10_000


@pytest.mark.slow
async def test_no_acknowledged_row_is_lost_in_2000_power_cuts(recording: Recording) -> None:
    outcome = await campaign(recording, ALL, seed=2)
    print(f"{outcome.cuts} cuts, {outcome.acknowledged} facts held")  # noqa: T201  the report
    assert (outcome.lost, outcome.problems) == ([], [])


async def test_a_store_that_did_not_sync_would_be_found_out(recording: Recording) -> None:
    """The same recording, had its syncs of the log been lies: the campaign can fail."""
    log = f"{recording.database}-wal"
    lying = [r for r in recording.records if not (r.kind == "S" and r.path == log)]
    outcome = await campaign(replace(recording, records=lying), 20, seed=3)
    assert outcome.lost


async def test_a_cut_while_the_database_is_made_leaves_one_that_opens(recording: Recording) -> None:
    """At every step of the very first start."""
    chance = random.Random(4)  # noqa: S311  to be repeated, not to be secret
    disk = Disk(str(recording.database.parent))
    for happened in takewhile(lambda record: record.kind != "A", recording.records):
        disk.follow(happened)
        with laid_out(disk.cut(chance)) as folder:
            found, problems = await found_in(folder / DATABASE, recording.keyring)
        assert (found.messages, problems) == ({}, [])


def test_the_recording_holds_what_it_should(recording: Recording) -> None:
    """Both lives of the database, and checkpoints of its log in the midst of writing."""
    kinds = {record.kind for record in recording.records}
    assert kinds == set("WTSCUAI")
    into_database = [
        number
        for number, record in enumerate(recording.records)
        if record.kind == "W" and record.path == str(recording.database)
    ]
    assert len(stretches(into_database)) > 5


def stretches(numbers: Sequence[int], apart: int = 50) -> list[int]:
    starts: list[int] = []
    last = -apart
    for number in numbers:
        if number - last >= apart:
            starts.append(number)
        last = number
    return starts
