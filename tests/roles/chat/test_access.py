"""Every route, seen by everybody: the rule that a route declares decides who gets in."""

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from fastapi import APIRouter

from tertulia.adapters.http.app import build_app
from tertulia.adapters.http.rules import RuleMissingError
from tertulia.adapters.http.server import nobody
from tertulia.domain.access import Rule
from tertulia.domain.messages import Status
from tertulia.kit.ids import new_id
from tertulia.roles.gateway import service
from tests.roles.asgi import opened
from tests.roles.chat.ways import Way, ways
from tests.roles.serving import Json, Options, Serving, serving

REFUSED = {401, 403, 404}


class Things:
    """What belongs to the owner, and the bodies with which it is asked for."""

    def __init__(self, made: Serving) -> None:
        self.made = made
        self.ids: dict[str, str] = {}

    async def make(self) -> None:
        conversation = await self.made.conversation()
        turn = await self.made.turn(conversation)
        await self.made.scribe.write(turn["reply"], "half of", Status.INTERRUPTED)
        token = await service.create_token(self.made.store, self.made.owner_id, "another")
        self.ids = {
            "conversation_id": conversation["id"],
            "message_id": turn["reply"]["id"],
            "token_id": token.credential.id,
            "name": "small",
            "path": "c/some-page",
        }

    def path(self, way: Way) -> str:
        ids = self.ids | ({"name": "echo"} if way.path.startswith("/v1") else {})
        return re.sub(r"\{(\w+)(:path)?\}", lambda found: ids[found[1]], way.path)

    def body(self, way: Way) -> bytes | None:
        bodies: Mapping[str, Json] = {
            "POST /api/session": {"token": "x"},
            "POST /api/tokens": {"name": "x"},
            "POST /api/conversations": {"id": new_id()},
            "PATCH /api/conversations/{conversation_id}": {"pinned": True},
            "POST /api/conversations/{conversation_id}/turns": {"id": new_id(), "text": "x"},
            "POST /api/conversations/{conversation_id}/messages/{message_id}/regenerate": {
                "id": new_id()
            },
            "POST /api/conversations/{conversation_id}/messages/{message_id}/continue": {
                "id": new_id()
            },
            "PUT /api/conversations/{conversation_id}/messages/{message_id}/feedback": {
                "rating": "up"
            },
            "POST /chat/message": {"message": ""},
            "POST /v1/chat/completions": {
                "model": "echo",
                "messages": [{"role": "user", "content": "x"}],
            },
        }
        body = bodies.get(str(way))
        return None if body is None else msgspec.json.encode(body)


async def status_for(things: Things, way: Way, token: str | None) -> int:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    assert things.made.app is not None
    path, body = things.path(way), things.body(way)
    call = opened(
        things.made.app, path, method=way.method, kind=way.kind, headers=headers, body=body
    )
    async with call as exchange:
        return await exchange.started()


async def statuses(things: Things, token: str | None) -> dict[str, tuple[Rule, int]]:
    """The answer of every way in; what destroys the things comes last."""
    found = ways(things.made.routes)
    found.sort(key=lambda way: (way.method == "DELETE", -len(str(way))))
    return {str(way): (way.rule, await status_for(things, way, token)) for way in found}


@pytest.fixture
async def things(served: Serving) -> Things:
    made = Things(served)
    await made.make()
    return made


def refused_without(rules: set[Rule], seen: dict[str, tuple[Rule, int]]) -> dict[str, int]:
    """The ways in whose answer is not the 401 that a caller without any right must get."""
    return {way: s for way, (rule, s) in seen.items() if (s == 401) is (rule in rules)}


async def test_anonymous_gets_in_where_the_rule_is_public(things: Things) -> None:
    seen = await statuses(things, None)
    del seen["POST /api/session"]  # public, and answers 401 to a wrong link
    assert refused_without({Rule.PUBLIC}, seen) == {}


async def test_revoked_token_is_as_good_as_none(things: Things) -> None:
    seen = await statuses(things, await things.made.revoked())
    del seen["POST /api/session"]
    assert refused_without({Rule.PUBLIC}, seen) == {}


async def test_stranger_finds_nothing_that_is_not_theirs(things: Things) -> None:
    seen = await statuses(things, await things.made.stranger())
    owned = {way: status for way, (rule, status) in seen.items() if rule is Rule.OWNER}
    assert owned
    assert set(owned.values()) == {404}


async def test_owner_gets_in_everywhere(things: Things) -> None:
    seen = await statuses(things, things.made.token)
    del seen["POST /api/session"]
    assert {way: s for way, (_, s) in seen.items() if s in REFUSED or s >= 500} == {}


async def test_unknown_caller_of_an_open_server_reaches_open_routes_only(tmp_path: Path) -> None:
    async with serving(tmp_path, Options(open=True)) as made:
        things = Things(made)
        await things.make()
        seen = await statuses(things, None)
        del seen["POST /api/session"]
        assert refused_without({Rule.PUBLIC, Rule.OPEN_OR_SIGNED_IN}, seen) == {}


async def test_stranger_cannot_name_a_foreign_conversation_in_the_simple_history(
    things: Things,
) -> None:
    path = f"/chat/history?conversation={things.ids['conversation_id']}"
    async with things.made.bearing(await things.made.stranger()) as stranger:
        assert (await stranger.get(path)).status_code == 404
    assert (await things.made.client.get(path)).status_code == 200


async def test_every_matrix_covers_all_transports(served: Serving) -> None:
    kinds = {(way.kind, way.rule) for way in ways(served.routes)}
    assert {("websocket", Rule.OWNER), ("websocket", Rule.SIGNED_IN)} <= kinds


def test_route_without_a_rule_is_not_served() -> None:
    router = APIRouter()

    @router.get("/forgotten")
    async def forgotten() -> None: ...  # pyright: ignore[reportUnusedFunction]

    with pytest.raises(RuleMissingError, match="/forgotten"):
        build_app([router], authenticate=nobody, checks={})
