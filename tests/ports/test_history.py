"""What every history log promises."""

import hashlib
import os
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import pytest

from tertulia.adapters.cassandra.history import LARGEST_BYTES
from tertulia.adapters.cassandra.schema import BUCKET
from tertulia.adapters.memory.history import MemoryHistory
from tertulia.ports.history import HistoryLog, HistoryUnavailableError, TextKey
from tests.ports.moved import on_cassandra
from tests.ports.stores import on_its_server
from tests.servers.cassandra import SecuredCassandraNode
from tests.servers.fixtures import Private


@asynccontextmanager
async def in_memory(_: object) -> AsyncGenerator[HistoryLog]:
    yield MemoryHistory()


LOGS: Final[dict[str, tuple[Callable[[Any], AbstractAsyncContextManager[HistoryLog]], str]]] = {
    "memory": (in_memory, "tmp_path"),
    "cassandra": (on_cassandra, "keyspace"),
}


@pytest.fixture(params=[on_its_server(name, log) for name, log in LOGS.items()])
async def log(request: pytest.FixtureRequest) -> AsyncGenerator[HistoryLog]:
    opening, needs = request.param
    async with opening(request.getfixturevalue(needs)) as opened:
        yield opened


def text_of(
    seq: int = 1, conversation_id: str | None = None, size: int = 50
) -> tuple[TextKey, bytes]:
    """A key and its text."""
    text = os.urandom(size)
    digest = hashlib.sha256(text).digest()
    return TextKey(
        conversation_id=conversation_id or str(uuid.uuid4()), seq=seq, digest=digest
    ), text


async def test_what_is_kept_is_fetched_as_it_was(log: HistoryLog) -> None:
    texts = dict(text_of() for _ in range(3))
    assert await log.keep(texts) == frozenset(texts)
    assert await log.fetch([*texts]) == texts


async def test_nothing_is_asked_for_nothing(log: HistoryLog) -> None:
    assert await log.keep({}) == frozenset()
    assert await log.fetch([]) == {}


async def test_what_was_never_kept_is_not_found(log: HistoryLog) -> None:
    known, text = text_of(5)
    await log.keep({known: text})
    other_text = replace(known, digest=hashlib.sha256(b"another").digest())
    others = [other_text, replace(known, seq=6), replace(known, conversation_id="another")]
    assert await log.fetch([*others, known]) == {known: text}


async def test_a_message_may_have_several_texts_and_none_replaces_another(log: HistoryLog) -> None:
    first, text = text_of(7)
    second, later = text_of(7, first.conversation_id)
    await log.keep({second: later})
    await log.keep({first: text})  # late
    assert await log.fetch([first, second]) == {first: text, second: later}


async def test_keeping_again_changes_nothing(log: HistoryLog) -> None:
    key, text = text_of()
    for _ in range(2):
        assert await log.keep({key: text}) == {key}
    assert await log.fetch([key]) == {key: text}


async def test_a_page_across_partitions_comes_whole(log: HistoryLog) -> None:
    conversation_id = str(uuid.uuid4())
    numbers = (1, BUCKET - 1, BUCKET, BUCKET + 1, 2 * BUCKET)
    texts = dict(text_of(seq, conversation_id) for seq in numbers)
    await log.keep(texts)
    assert await log.fetch([*texts]) == texts


async def test_many_long_texts_come_whole(log: HistoryLog) -> None:
    conversation_id = str(uuid.uuid4())
    texts = dict(text_of(seq, conversation_id, 200_000) for seq in range(1, 41))
    assert await log.keep(texts) == frozenset(texts)
    assert await log.fetch([*texts]) == texts


async def test_an_erased_conversation_is_gone_in_every_partition(log: HistoryLog) -> None:
    conversation_id = str(uuid.uuid4())
    numbers = (1, BUCKET, 2 * BUCKET + 3)
    texts = dict(text_of(seq, conversation_id) for seq in numbers)
    other, text = text_of()
    await log.keep({**texts, other: text})
    for _ in range(2):
        await log.erase(conversation_id, max(numbers))
    assert await log.fetch([*texts, other]) == {other: text}


async def test_what_comes_after_an_erasure_is_kept(log: HistoryLog) -> None:
    """A backup that is restored holds conversations that were erased since."""
    key, text = text_of()
    await log.keep({key: text})
    await log.erase(key.conversation_id, key.seq)
    await log.keep({key: text})
    assert await log.fetch([key]) == {key: text}


async def test_a_log_that_answers_passes_its_check(log: HistoryLog) -> None:
    await log.check()


@pytest.mark.server
async def test_what_is_too_long_for_cassandra_is_not_confirmed(keyspace: str) -> None:
    short, text = text_of()
    long, much = text_of(size=LARGEST_BYTES + 1)
    async with on_cassandra(keyspace) as log:
        assert await log.keep({short: text, long: much}) == {short}
        assert await log.keep({long: much}) == frozenset()


@pytest.mark.server
async def test_what_one_process_has_kept_another_fetches(keyspace: str) -> None:
    key, text = text_of()
    async with on_cassandra(keyspace) as one, on_cassandra(keyspace) as other:
        await one.keep({key: text})
        assert await other.fetch([key]) == {key: text}


async def test_a_cluster_that_is_not_there_is_unavailable() -> None:
    async with on_cassandra("cassandra://127.0.0.1:1/nowhere") as log:
        for _ in range(2):
            with pytest.raises(HistoryUnavailableError):
                await log.check()


@pytest.mark.server
async def test_users_sign_in_over_tls(private: Private) -> None:
    server = private(SecuredCassandraNode)
    key, text = text_of()
    trusting = {"tls": True, "tls_ca": server.authorities}
    async with on_cassandra(server.url, copies=1, **trusting) as log:
        await log.keep({key: text})
        assert await log.fetch([key]) == {key: text}
    wrong = server.url.replace(":cassandra@", ":wrong@")
    async with on_cassandra(wrong, **trusting) as log:
        with pytest.raises(HistoryUnavailableError, match="the user or the password"):
            await log.check()
    for distrusting in ({"tls": True}, {}):
        async with on_cassandra(server.url, **distrusting) as log:
            with pytest.raises(HistoryUnavailableError):
                await log.check()
