"""Cassandra that loses nodes, or goes away, and a server that dies while texts move: nothing is
lost, and only what lies in Cassandra waits for it."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tertulia.adapters.sql.moving import MovingStore
from tertulia.kit.crash_points import ONLY_WITH_A_LOG
from tertulia.kit.crash_points import VARIABLE as CRASH_AT
from tertulia.ports.history import ChosenHistory, HistoryLog, HistoryUnavailableError
from tests.e2e.history import erased, export, moved, with_history
from tests.e2e.keeping import done, say
from tests.e2e.server import Server, tertulia
from tests.ports.moved import beside, on_cassandra
from tests.ports.stores import World, message, on_sqlite
from tests.servers.cassandra import Cassandra
from tests.servers.process import wait_until

pytestmark = pytest.mark.server

MARK = "CanaryInTheRing"
BACK_S = 60.0
ALWAYS = frozenset({"history.after_keep", "history.after_move"})
"""Deaths of every run: a text in both places, and one that is in Cassandra alone."""
TEXTS = 60


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    async with on_sqlite(tmp_path) as opened:
        yield opened


@pytest.fixture
def keyspace(cassandra_alone: Cassandra) -> Generator[str]:
    with cassandra_alone.keyspace() as url:
        yield url
        cassandra_alone.mend()


async def move_all(store: MovingStore) -> None:
    while (await store.move(limit=10)).more:
        pass


@pytest.mark.parametrize("trouble", ["kill", "freeze"])
async def test_a_node_that_goes_is_not_noticed(
    world: World, cassandra_alone: Cassandra, keyspace: str, trouble: str
) -> None:
    """While texts move and are read."""
    node = cassandra_alone.nodes[1]
    cid = await world.conversation()
    async with on_cassandra(keyspace) as log:
        store = beside(world.store, log)
        await log.check()
        for number in range(TEXTS):
            new = message(cid, text=f"text {number}")
            await store.write(lambda tx, it=new: tx.messages.append(it))
        await store.move(limit=10)
        try:
            node.kill() if trouble == "kill" else node.freeze()
            await move_all(store)
            page = await store.read(
                lambda tx: tx.messages.page(cid, before=None, after=0, limit=TEXTS)
            )
        finally:
            if trouble == "freeze":
                node.thaw()
        assert [each.text for each in page] == [f"text {number}" for number in range(TEXTS)]


async def test_with_the_cluster_away_what_is_young_goes_on(
    world: World, cassandra_alone: Cassandra, keyspace: str
) -> None:
    cid = await world.conversation()
    chosen = ChosenHistory(move_after=timedelta(hours=1))
    async with on_cassandra(keyspace) as log:
        store = beside(world.store, log, chosen)
        old = await store.write(lambda tx: tx.messages.append(message(cid, text="old")))
        world.clock.pass_time(timedelta(hours=1))
        await move_all(store)
        for node in cassandra_alone.nodes:
            node.kill()
        new = await store.write(lambda tx: tx.messages.append(message(cid, old.id, text="new")))
        assert await store.read(lambda tx: tx.messages.get(cid, new.id)) == new
        for reading in (
            store.read(lambda tx: tx.messages.get(cid, old.id)),
            store.write(lambda tx: tx.messages.get(cid, old.id)),
        ):
            with pytest.raises(HistoryUnavailableError):
                await reading
        cassandra_alone.mend()
        await answers(log)
        assert await store.read(lambda tx: tx.messages.get(cid, old.id)) == old
        world.clock.pass_time(timedelta(hours=1))
        await move_all(store)
        page = await store.read(lambda tx: tx.messages.page(cid, before=None, after=0, limit=9))
        assert page == [old, new]


async def answers(log: HistoryLog) -> None:
    """Return when the driver has found the nodes again."""
    async with asyncio.timeout(BACK_S):
        while True:
            try:
                await log.check()
            except HistoryUnavailableError:
                await asyncio.sleep(0.2)
            else:
                return


def test_a_server_starts_without_cassandra_and_what_needs_it_waits(
    cassandra_alone: Cassandra, keyspace: str, tmp_path: Path
) -> None:
    variables, old, new = with_history(keyspace), str(uuid4()), str(uuid4())
    with Server(tmp_path, variables=variables) as server:
        say(server, old, "old")
        assert moved(tmp_path)
        whole = export(server, old)
    for node in cassandra_alone.nodes:
        node.kill()
    young = {**variables, "TERTULIA_MESSAGES_MOVE_AFTER_S": "86400"}
    with Server(tmp_path, variables=young) as server:
        assert len(say(server, new, "new")) == 2
        with server.token_client() as program:
            refused = program.get(f"/api/conversations/{old}/messages")
            assert (refused.status_code, refused.json()["code"]) == (503, "history_unavailable")
            ready = program.get("/ready")
            assert (ready.status_code, [*ready.json()["degraded"]]) == (200, ["messages"])
            waiting = program.post(
                f"/api/conversations/{old}/turns", json={"id": str(uuid4()), "text": "and now?"}
            )
            assert waiting.status_code == 201
            cassandra_alone.mend()
            assert wait_until(
                lambda: program.get(f"/api/conversations/{old}/messages").status_code == 200,
                BACK_S,
            )
            reply = waiting.json()["reply"]["id"]
            path = f"/api/conversations/{old}/messages/{reply}"
            assert wait_until(lambda: program.get(path).json()["status"] == "complete", BACK_S)
        assert export(server, old)["messages"][:2] == whole["messages"]


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(point, marks=() if point in ALWAYS else pytest.mark.slow)
        for point in sorted(ONLY_WITH_A_LOG)
    ],
)
def test_whoever_dies_while_texts_move_loses_none(
    cassandra: Cassandra, tmp_path: Path, point: str
) -> None:
    kept, gone = str(uuid4()), str(uuid4())
    with cassandra.keyspace() as url:
        at_rest = with_history(url, TERTULIA_RELAY_MOVE_EVERY_S="3600")
        with Server(tmp_path, variables=at_rest) as server:
            for conversation in (kept, gone):
                say(server, conversation, "hello")
            whole = export(server, kept)
            with server.token_client() as program:
                program.delete(f"/api/conversations/{gone}").raise_for_status()
        dying = {**at_rest, CRASH_AT: point}
        died = tertulia("relay", "--once", home=tmp_path, variables=dying)
        assert died.returncode == -signal.SIGKILL
        done("messages", "check", home=tmp_path, variables=at_rest)
        with Server(tmp_path, variables=with_history(url)) as server:
            assert export(server, kept) == whole
            assert moved(tmp_path)
            assert erased(tmp_path)
            assert export(server, kept) == whole
        name = url.rpartition("/")[2]
        found = cassandra.execute(f"SELECT conversation_id FROM {name}.messages")  # noqa: S608
        assert {row[0] for row in found} == {kept}


def test_no_canary_is_in_cassandras_files(cassandra: Cassandra, tmp_path: Path) -> None:
    conversation = str(uuid4())
    with cassandra.keyspace() as url, Server(tmp_path, variables=with_history(url)) as server:
        say(server, conversation, f"{MARK} says hello")
        assert moved(tmp_path)
        files = [file for node in cassandra.nodes for file in node.place.folder.rglob("*")]
        contents = [file.read_bytes() for file in files if file.is_file()]
    assert any(conversation.encode() in content for content in contents)  # it looks where they are
    assert not any(MARK.encode() in content for content in contents)
