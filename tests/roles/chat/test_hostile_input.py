"""Nothing that a client sends may cause a 500."""

import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tertulia.kit.ids import new_id
from tertulia.roles.chat.settings import ChatSettings
from tests.roles.asgi import opened
from tests.roles.chat.ways import Way, ways
from tests.roles.serving import Json, Options, Serving, serving

LATE = b"takes too long"
ERASE = "DELETE /api/conversations/{conversation_id}"  # would leave nothing to try

# Every field that some route takes, so that junk reaches what lies behind the first check.
FIELDS = (
    "id", "text", "title", "model", "pinned", "archived", "leaf_id", "parent_id", "rating",
    "comment", "name", "token", "message", "messages", "stream", "stop", "n", "max_tokens",
    "temperature", "seed", "stream_options", "top_p",
)  # fmt: skip

any_text = st.text(st.characters(categories=("L", "N", "P", "Z", "S", "Cc", "Cs")), max_size=20)
odd_text = st.sampled_from(
    [
        "",
        "\0",
        "\ud800",
        "x\udfffy",
        "a" * 5000,
        "1-5",
        "-1",
        "0-0",
        "9" * 39,
        "NaN",
        "null",
        "../..",
    ]
)
numbers = st.integers() | st.floats() | st.sampled_from([2**63, -(2**63) - 1, 10**400])
scalars = st.none() | st.booleans() | numbers | any_text | odd_text | st.uuids().map(str)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
)


def encoded(value: object) -> bytes:
    """Half surrogates and numbers of any size included."""
    return json.dumps(value).encode()


@st.composite
def chat_messages(draw: st.DrawFn) -> list[Json]:
    role = st.sampled_from(["user", "system", "assistant", "developer", "tool"])
    return [
        {"role": draw(role), "content": draw(values | any_text)}
        for _ in range(draw(st.integers(0, 3)))
    ]


@st.composite
def near_misses(draw: st.DrawFn) -> bytes:
    """Bodies that pass the first checks of some route."""
    fields: Json = draw(st.dictionaries(st.sampled_from(FIELDS), values, max_size=6))
    match draw(st.integers(0, 2)):
        case 0:
            return encoded(fields)
        case 1:
            return encoded({"model": "echo", **fields, "messages": draw(chat_messages())})
        case _:
            return encoded({**fields, "id": new_id(), "text": draw(any_text)})


bodies = st.none() | st.binary(max_size=40) | values.map(encoded) | near_misses()
plain_text = st.text(st.characters(codec="utf-8"), max_size=30)
header_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=40)
query_names = st.sampled_from(
    ["after", "before", "limit", "cursor", "archived", "format", "conversation", "x"]
)
headers = st.dictionaries(
    st.sampled_from(
        ["last-event-id", "accept", "content-type", "cookie", "x-forwarded-for", "origin", "range"]
    ),
    header_text | st.sampled_from(["text/event-stream", "application/json", "1-1", "5"]),
    max_size=3,
)


@pytest.fixture
async def known(tmp_path: Path) -> AsyncGenerator[tuple[Serving, dict[str, str]]]:
    """A server and what there is on it."""
    async with serving(tmp_path, Options(chat=ChatSettings(answer_timeout_s=0.05))) as made:
        conversation = await made.conversation()
        turn = await made.turn(conversation)
        await made.scribe.write(turn["reply"], "an answer")
        yield made, {"conversation_id": conversation["id"], "message_id": turn["reply"]["id"]}


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_nothing_that_is_sent_is_our_fault(
    known: tuple[Serving, dict[str, str]], data: st.DataObject
) -> None:
    made, ids = known
    way: Way = data.draw(st.sampled_from([w for w in ways(made.routes) if str(w) != ERASE]))
    path = data.draw(paths(way, ids))
    body = data.draw(bodies)
    sent = {"authorization": f"Bearer {made.token}", **data.draw(headers)}
    sent |= {"content-type": "application/json"} if data.draw(st.booleans()) else {}
    assert made.app is not None
    async with opened(
        made.app, path, method=way.method, kind=way.kind, headers=sent, body=body
    ) as exchange:
        status = await exchange.started()
        event(f"{status}")
        if way.path == "/chat/message" and status == 500:
            assert LATE in await exchange.body()
        else:
            assert 100 < status < 500, await exchange.body()


@st.composite
def paths(draw: st.DrawFn, way: Way, ids: dict[str, str]) -> str:
    def filled(found: re.Match[str]) -> str:
        known = [ids[found[1]]] if found[1] in ids else []
        junk = plain_text.filter(lambda text: "/" not in text and text not in {"", ".", ".."})
        return draw(st.sampled_from([*known, new_id()]) if known else junk)

    path = re.sub(r"\{(\w+)(?::path)?\}", filled, way.path).replace("?", "")
    query: dict[str, Any] = draw(
        st.dictionaries(query_names, plain_text | st.integers().map(str), max_size=3)
    )
    return path + "?" + "&".join(f"{name}={quote(str(value))}" for name, value in query.items())


@pytest.mark.parametrize(
    "after", ["", "x", "1", "1-", "-1-1", "1-1-1", "٣-٣", "9" * 50 + "-1", "1-\0", "NaN-1"]
)
async def test_position_of_another_form_is_refused(
    known: tuple[Serving, dict[str, str]], after: str
) -> None:
    made, ids = known
    path = f"/api/conversations/{ids['conversation_id']}/messages/{ids['message_id']}/stream"
    answer = await made.client.get(path, params={"after": after})
    if after:
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
    else:
        assert answer.status_code == 200


@pytest.mark.parametrize("cursor", ["x", "====", "W10", "AAAA", "é", "WzEsMiwzXQ", "bnVsbA"])
async def test_cursor_of_another_form_is_refused(
    known: tuple[Serving, dict[str, str]], cursor: str
) -> None:
    made, _ = known
    answer = await made.client.get("/api/conversations", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
