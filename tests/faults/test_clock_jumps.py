"""The machine's clock jumps by an hour while people talk."""

from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.conftest import Requires
from tests.e2e.server import Server
from tests.faults.talk import begin, finished, reply_of, send

pytestmark = pytest.mark.slow  # every look at the clock goes through the library and a file

JUMPS: Final = (1, -1, 2, 0)

Jump = Callable[[int], None]


@pytest.fixture(scope="module")
def turned(
    tmp_path_factory: pytest.TempPathFactory, requires: Requires
) -> Generator[tuple[httpx.Client, Jump]]:
    """A server, and what sets its wall clock: `jump(-1)` is an hour before the true time."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    requires(found, "libfaketime (Debian's package of that name)")
    folder = tmp_path_factory.mktemp("clock")
    offset = folder / "offset"
    offset.write_text("+0")
    variables = {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }

    with Server(folder / "home", variables=variables) as server, server.token_client() as client:

        def jump(hours: int) -> None:
            new = folder / "new"
            new.write_text(f"{hours:+}h")
            new.replace(offset)
            while hours_off(client) != hours:
                pass

        yield client, jump


def hours_off(client: httpx.Client) -> int:
    """How far the server's clock is from the true time."""
    told = parsedate_to_datetime(client.get("/health").headers["date"])
    return round((told - datetime.now(UTC)) / timedelta(hours=1))


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_reply_in_the_making_goes_on_over_a_jump(
    turned: tuple[httpx.Client, Jump], hours: int
) -> None:
    client, jump = turned
    reply = send(client, begin(client), "word", model="echo/300/10").json()["reply"]
    jump(hours)
    ended = finished(client, reply)
    assert (ended["status"], ended["text"]) == ("complete", " ".join(["word"] * 300))


def test_history_stays_in_order_however_the_clock_jumps(
    turned: tuple[httpx.Client, Jump],
) -> None:
    client, jump = turned
    conversation = begin(client)
    for hours in JUMPS:
        jump(hours)
        assert reply_of(client, conversation, f"at {hours}")["status"] == "complete"
    page = client.get(f"/api/conversations/{conversation}/messages").json()["items"]
    assert [m["text"] for m in page if m["author"] == "user"] == [f"at {hours}" for hours in JUMPS]
    times = [m["created_at"] for m in page]
    assert times == sorted(times)
    newest = begin(client)
    listed = client.get("/api/conversations").json()["items"]
    assert [c["id"] for c in listed][:2] == [newest, conversation]
    assert client.get("/ready").status_code == httpx.codes.OK
