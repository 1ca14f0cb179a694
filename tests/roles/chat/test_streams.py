"""Streams of replies: every character once and in order, from any position, wherever it is."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.domain.messages import Status
from tertulia.kit.clock import SystemClock
from tertulia.kit.ids import new_id
from tertulia.roles.chat.settings import ChatSettings
from tertulia.roles.gateway import service
from tests.roles.asgi import Exchange, opened
from tests.roles.chat.hearing import Heard, heard
from tests.roles.serving import Json, Options, Scribe, Serving, path_of, serving

HINT = re.compile(
    rb'retry: 1000\n\nretry: (\d+)\nevent: restarting\ndata: \{"retry_ms":(\d+)\}\n\n'
)


@pytest.fixture(params=["sse", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@asynccontextmanager
async def reading(
    served: Serving, reply: Json, transport: str = "sse", after: str | None = None,
    token: str | None = None,
) -> AsyncGenerator[Exchange]:  # fmt: skip
    path = f"{path_of(reply)}/stream" + (f"?after={after}" if after else "")
    headers = {"authorization": f"Bearer {token or served.token}"}
    kind = "http" if transport == "sse" else "websocket"
    assert served.app is not None
    async with opened(served.app, path, kind=kind, headers=headers) as exchange:
        assert await exchange.started() == (200 if transport == "sse" else 101)
        yield exchange


async def all_heard(exchange: Exchange) -> list[Heard]:
    found: list[Heard] = []
    while (event := await heard(exchange)) is not None:
        found.append(event)
    return found


def text(name: str, position: str, shown: str) -> Heard:
    return name, position, {"text": shown}


def from_elsewhere(served: Serving) -> Scribe:
    """Another process writes: nothing of it is in this one's memory."""
    return Scribe(served.store, MemoryTokenStream(SystemClock(), max_bytes=1 << 20, kept_s=60))


async def test_reader_hears_the_reply_as_it_is_written(served: Serving, transport: str) -> None:
    turn = await served.turn(await served.conversation())
    async with reading(served, turn["reply"], transport) as reader:
        begun = await served.scribe.begin(turn["reply"])
        await served.scribe.stream(begun, 0, "Hel")
        assert await heard(reader) == text("delta", "1-3", "Hel")
        await served.scribe.stream(begun, 3, "lo 🧑‍🚀")
        assert await heard(reader) == text("delta", "1-9", "lo 🧑‍🚀")
        await served.scribe.end(begun, "Hello 🧑‍🚀")
        name, position, data = await heard(reader) or ("", None, {})
        assert (name, position, data["status"]) == ("end", "1-9", "complete")
        assert data["message"] == await served.message(turn["reply"])
        assert await heard(reader) is None


async def test_reader_waits_for_a_reply_that_has_not_begun(served: Serving) -> None:
    turn = await served.turn(await served.conversation())
    async with reading(served, turn["reply"]) as reader:
        begun = await served.scribe.begin(turn["reply"])
        await served.streams.wait(begun.id, begun.epoch, 3)
        assert await heard(reader) == ("waiting", None, {"ahead": 3})
        await served.scribe.stream(begun, 0, "Hi")
        assert await heard(reader) == text("delta", "1-2", "Hi")


@pytest.mark.parametrize("held", [True, False], ids=["in memory", "in the store alone"])
@pytest.mark.parametrize("offset", [0, 1, 3, 5])
async def test_finished_reply_is_read_on_from_any_position(
    served: Serving, transport: str, offset: int, *, held: bool
) -> None:
    turn = await served.turn(await served.conversation())
    await (served.scribe if held else from_elsewhere(served)).write(turn["reply"], "Hello")
    async with reading(served, turn["reply"], transport, after=f"1-{offset}") as reader:
        *deltas, end = await all_heard(reader)
    assert "".join(data["text"] for _, _, data in deltas) == "Hello"[offset:]
    assert end[:2] == ("end", "1-5")


async def test_last_event_id_counts_before_the_query(served: Serving) -> None:
    turn = await served.turn(await served.conversation())
    await served.scribe.write(turn["reply"], "Hello")
    path = f"{path_of(turn['reply'])}/stream?after=1-1"
    answer = await served.client.get(path, headers={"last-event-id": "1-4"})
    assert '{"text":"o"}' in answer.text


async def test_stream_that_is_not_held_is_followed_by_its_checkpoints(served: Serving) -> None:
    turn = await served.turn(await served.conversation())
    scribe = from_elsewhere(served)
    begun = await scribe.begin(turn["reply"])
    await scribe.checkpoint(begun, 0, "Hel")
    async with reading(served, turn["reply"]) as reader:
        assert await heard(reader) == text("delta", "1-3", "Hel")
        await scribe.checkpoint(begun, 3, "lo")
        assert await heard(reader) == text("delta", "1-5", "lo")
        await scribe.end(begun, "Hello!")
        assert await heard(reader) == text("delta", "1-6", "!")
        name, position, _ = await heard(reader) or ("", None, None)
        assert (name, position) == ("end", "1-6")


async def test_continued_reply_resets_readers_of_the_older_attempt(
    served: Serving, transport: str
) -> None:
    turn = await served.turn(await served.conversation())
    await served.scribe.write(turn["reply"], "Hel", Status.INTERRUPTED)
    answer = await served.client.post(f"{path_of(turn['reply'])}/continue", json={"id": new_id()})
    async with reading(served, turn["reply"], transport, after="1-3") as reader:
        assert await heard(reader) == text("reset", "2-3", "Hel")
        begun = await served.scribe.begin(answer.json()["reply"])
        await served.scribe.stream(begun, 3, "lo")
        assert await heard(reader) == text("delta", "2-5", "lo")


async def test_cut_reply_ends_as_what_it_is(served: Serving) -> None:
    turn = await served.turn(await served.conversation())
    async with reading(served, turn["reply"]) as reader:
        begun = await served.scribe.begin(turn["reply"])
        await served.scribe.stream(begun, 0, "Half")
        await served.scribe.end(begun, "Half", Status.FAILED, "model_cut")
        events = await all_heard(reader)
    assert events[0] == text("delta", "1-4", "Half")
    assert events[1][2]["status"] == "failed"
    assert events[1][2]["message"]["error_code"] == "model_cut"


async def test_stopping_a_queued_reply_ends_its_stream(served: Serving) -> None:
    turn = await served.turn(await served.conversation())
    async with reading(served, turn["reply"]) as reader:
        await served.client.post(f"{path_of(turn['reply'])}/stop")
        name, _, data = await heard(reader) or ("", None, {})
        assert (name, data["status"]) == ("end", "cancelled")


async def test_reader_whose_credential_is_revoked_is_sent_away(
    served: Serving, transport: str
) -> None:
    turn = await served.turn(await served.conversation())
    secret = await service.create_token(served.store, served.owner_id, "short")
    async with reading(served, turn["reply"], transport, token=secret.text) as reader:
        begun = await served.scribe.begin(turn["reply"])
        await served.scribe.stream(begun, 0, "Hel")
        assert await heard(reader) == text("delta", "1-3", "Hel")
        await service.revoke_token(served.store, served.owner_id, secret.credential.id)
        await served.scribe.stream(begun, 3, "lo")
        name, _, data = await heard(reader) or ("", None, {})
        assert (name, data["code"]) == ("error", "signed_out")
        assert await heard(reader) is None
        assert reader.close_code == (4401 if transport == "websocket" else None)


async def test_quiet_reader_whose_credential_is_revoked_is_sent_away_too(
    tmp_path: Path, transport: str
) -> None:
    async with serving(tmp_path, Options(chat=ChatSettings(heartbeat_s=0.01))) as served:
        turn = await served.turn(await served.conversation())
        secret = await service.create_token(served.store, served.owner_id, "short")
        async with reading(served, turn["reply"], transport, token=secret.text) as reader:
            await service.revoke_token(served.store, served.owner_id, secret.credential.id)
            while (event := await heard(reader)) is not None and event[0] == "ping":
                pass
            assert event is not None
            assert (event[0], event[2]["code"]) == ("error", "signed_out")


async def test_stream_of_an_erased_conversation_ends(served: Serving, transport: str) -> None:
    conversation = await served.conversation()
    turn = await served.turn(conversation)
    async with reading(served, turn["reply"], transport) as reader:
        await served.client.delete(f"/api/conversations/{conversation['id']}")
        name, _, data = await heard(reader) or ("", None, {})
        assert (name, data["code"]) == ("error", "conversation_not_found")
        assert await heard(reader) is None
        assert reader.close_code == (4404 if transport == "websocket" else None)


async def test_turn_can_be_answered_by_its_stream(served: Serving) -> None:
    conversation = await served.conversation()
    assert served.app is not None
    body = msgspec.json.encode({"id": new_id(), "text": "hello"})
    headers = {"authorization": f"Bearer {served.token}", "accept": "text/event-stream"}
    path = f"/api/conversations/{conversation['id']}/turns"
    async with opened(served.app, path, method="POST", headers=headers, body=body) as reader:
        assert await reader.started() == 201
        name, _, turn = await heard(reader) or ("", None, {})
        assert (name, turn["reply"]["status"]) == ("turn", "queued")
        await served.scribe.write(turn["reply"], "Hi")
        assert await heard(reader) == text("delta", "1-2", "Hi")


async def test_generation_goes_on_when_the_reader_leaves(served: Serving) -> None:
    turn = await served.turn(await served.conversation())
    async with reading(served, turn["reply"]) as reader:
        begun = await served.scribe.begin(turn["reply"])
        await served.scribe.stream(begun, 0, "Hel")
        await heard(reader)
    assert await served.scribe.checkpoint(begun, 0, "Hel") is False  # no stop was asked for
    assert (await served.message(turn["reply"]))["status"] == "streaming"


async def test_slow_reader_holds_nobody_up(served: Serving) -> None:
    turn = await served.turn(await served.conversation())
    async with (
        reading(served, turn["reply"]) as slow,
        reading(served, turn["reply"]) as quick,
    ):
        slow.reading.clear()
        begun = await served.scribe.begin(turn["reply"])
        for at in range(50):
            await served.scribe.stream(begun, at, "x")
            assert await heard(quick) == text("delta", f"1-{at + 1}", "x")
        await served.scribe.end(begun, "x" * 50)
        slow.reading.set()
        events = await all_heard(slow)
    assert "".join(data["text"] for name, _, data in events if name == "delta") == "x" * 50


async def test_draining_ends_streams_with_a_hint_to_come_back(served: Serving) -> None:
    turn = await served.turn(await served.conversation())
    async with (
        reading(served, turn["reply"]) as stream,
        reading(served, turn["reply"], "websocket") as socket,
    ):
        served.chat_http.draining.set()
        told = HINT.fullmatch(await stream.body())
        assert told
        assert told[1] == told[2]
        hint = await socket.frame()
        assert hint is not None
        assert hint["event"] == "restarting"
        assert 0 < hint["data"]["retry_ms"] <= 2000
        assert await heard(socket) is None
        assert socket.close_code == 1012
