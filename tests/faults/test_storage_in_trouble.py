"""A disk that is full, a home that cannot be written, a database that somebody else holds."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Requires
from tests.e2e.server import Server, tertulia
from tests.faults.talk import begin, finished, reply_of, send, texts

Disk = Callable[[str], Path]


@pytest.fixture
def disk(tmp_path: Path, requires: Requires) -> Generator[Disk]:
    """`disk("8m")`: a file system of that size."""
    requires(os.geteuid() == 0 and mount("--version") == 0, "root, to mount small file systems")
    place = tmp_path / "disk"
    place.mkdir()

    def make(size: str) -> Path:
        assert mount("-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(place)) == 0
        return place

    try:
        yield make
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)


def mount(*arguments: str) -> int:
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode


@contextmanager
def filled(disk: Path) -> Generator[None]:
    """No byte is free on the disk for the length of the block."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    yield
    filler.unlink()


def test_a_full_disk_is_told_loses_nothing_and_passes(disk: Disk) -> None:
    place = disk("24m")
    with Server(place / "home") as server, server.token_client() as client:
        conversation = begin(client)
        reply_of(client, conversation, "before")
        with filled(place):
            refused = fill_up(client, conversation)
            assert (refused.status_code, refused.json()["code"]) == (507, "storage_full")
            assert texts(client, conversation)[0] == "before"
            assert client.get("/health").status_code == httpx.codes.OK
            kept = texts(client, conversation)
        reply = reply_of(client, conversation, "after")
        assert reply["status"] == "complete"
        assert texts(client, conversation) == [*kept, "after"]
        assert client.get("/ready").status_code == httpx.codes.OK


def fill_up(client: httpx.Client, conversation: str) -> httpx.Response:
    """Talk until it is refused: what the database has in reserve is used up first."""
    for _ in range(2000):
        answer = send(client, conversation, "during " * 200, model="echo/1/0")
        if answer.is_error:
            return answer
    msg = "a full disk took everything"
    raise AssertionError(msg)


def test_a_reply_on_a_disk_that_fills_up_ends_honestly(disk: Disk) -> None:
    place = disk("24m")
    patience = {"TERTULIA_INFERENCE_STORE_PATIENCE_S": "0.5"}
    with Server(place / "home", variables=patience) as server, server.token_client() as client:
        conversation, other = begin(client), begin(client)
        reply = send(client, conversation, "word", model="echo/400/10").json()["reply"]
        with filled(place):
            fill_up(client, other)
        ended = finished(client, reply)
        said = "word " * 400
        assert ended["status"] in {"complete", "interrupted"}
        assert said.startswith(ended["text"])
        assert ended["status"] == "interrupted" or ended["text"] == said.strip()


def test_a_read_only_home_is_one_sentence(disk: Disk) -> None:
    place = disk("24m")
    with Server(place / "home"):
        pass
    assert mount("-o", "remount,ro", str(place)) == 0
    started = tertulia("up", "--address", "127.0.0.1:0", home=place / "home", cwd=Path("/"))
    assert started.returncode == 2
    assert len(started.stderr.strip().splitlines()) == 1
    assert "Traceback" not in started.stderr


def test_a_database_held_by_another_process_is_told_and_passes(tmp_path: Path) -> None:
    hasty = {"TERTULIA_STORE_BUSY_TIMEOUT_S": "0.2"}
    with Server(tmp_path / "home", variables=hasty) as server, server.token_client() as client:
        conversation = begin(client)
        reply_of(client, conversation, "before")
        with held(tmp_path / "home" / "tertulia.db"):
            refused = send(client, conversation, "during")
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert texts(client, conversation) == ["before"], "reading goes on"
        assert reply_of(client, conversation, "after")["status"] == "complete"
        assert texts(client, conversation) == ["before", "after"]


def test_a_reply_waits_for_a_database_that_is_held(tmp_path: Path) -> None:
    hasty = {"TERTULIA_STORE_BUSY_TIMEOUT_S": "0.2"}
    with Server(tmp_path / "home", variables=hasty) as server, server.token_client() as client:
        conversation = begin(client)
        reply: Any = send(client, conversation, "word", model="echo/60/10").json()["reply"]
        with held(tmp_path / "home" / "tertulia.db"):
            refused = send(client, conversation, "during")
            assert refused.status_code == 503
        ended = finished(client, reply)
        assert (ended["status"], ended["text"]) == ("complete", " ".join(["word"] * 60))


@contextmanager
def held(database: Path) -> Generator[None]:
    """Somebody else's transaction on the database."""
    with closing(sqlite3.connect(database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")
