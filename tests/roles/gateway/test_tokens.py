"""API tokens: shown once, listed without their secret, revoked at once."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tertulia.roles.gateway import service
from tertulia.roles.gateway.settings import GatewaySettings
from tests.roles.serving import Json, Options, Serving, serving

LIFETIME = timedelta(days=1)


async def test_token_is_shown_once_and_works(served: Serving) -> None:
    made = await served.client.post("/api/tokens", json={"name": " my script "})
    assert made.status_code == 201
    token = made.json()["token"]
    assert re.fullmatch(r"tt_[0-9A-Za-z]{43}", token)
    assert made.json()["name"] == "my script"
    listed = await served.client.get("/api/tokens")
    assert made.json()["id"] in [item["id"] for item in listed.json()["items"]]
    assert token not in listed.text
    async with served.bearing(token) as script:
        assert (await script.get("/api/session")).json()["via"] == "token"


async def test_only_its_digest_is_stored(served: Serving) -> None:
    token = (await served.client.post("/api/tokens", json={"name": "x"})).json()["token"]
    files = [path.read_bytes() for path in served.path.parent.glob("tertulia.db*")]
    assert files
    assert not any(token.encode() in content for content in files)


async def test_revoked_token_works_no_more(served: Serving) -> None:
    made = (await served.client.post("/api/tokens", json={"name": "x"})).json()
    async with served.bearing(made["token"]) as script:
        assert (await script.get("/api/session")).status_code == 200
        path = f"/api/tokens/{made['id']}"
        assert (await served.client.delete(path)).status_code == 204
        assert (await script.get("/api/session")).status_code == 401
        assert (await served.client.delete(path)).status_code == 404


async def test_stranger_neither_sees_nor_revokes_it(served: Serving) -> None:
    made = (await served.client.post("/api/tokens", json={"name": "mine"})).json()
    async with served.bearing(await served.stranger()) as stranger:
        items = (await stranger.get("/api/tokens")).json()["items"]
        assert made["id"] not in [item["id"] for item in items]
        answer = await stranger.delete(f"/api/tokens/{made['id']}")
        assert (answer.status_code, answer.json()["code"]) == (404, "token_not_found")
    async with served.bearing(made["token"]) as script:
        assert (await script.get("/api/session")).status_code == 200


async def test_session_cannot_be_revoked_as_a_token(served: Serving) -> None:
    secret, _ = await service.sign_in(
        served.store, await service.create_link(served.store), LIFETIME
    )
    answer = await served.client.delete(f"/api/tokens/{secret.credential.id}")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "  "}, {"name": "x" * 101}, {"name": "a\nb"}, {"name": "\0"}],
)
async def test_token_needs_a_name_of_one_line(served: Serving, body: Json) -> None:
    answer = await served.client.post("/api/tokens", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["errors"][0]["field"] == "name"


@pytest.mark.parametrize(
    "shown",
    ["Bearer tt_wrong", "Bearer ", "Bearer", "Basic b3duZXI6", "tt_wrong", "Bearer tt_\xe9\xff"],
)
async def test_what_is_no_token_lets_nobody_in(served: Serving, shown: str) -> None:
    async with served.anonymous() as nobody:
        headers = [(b"authorization", shown.encode("latin-1"))]
        answer = await nobody.get("/api/session", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "signed_out")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_scheme_may_be_written_in_any_case(served: Serving) -> None:
    async with served.anonymous({"authorization": f"bEARER {served.token}"}) as client:
        assert (await client.get("/api/session")).status_code == 200


async def test_requests_are_limited_per_credential(tmp_path: Path) -> None:
    options = Options(gateway=GatewaySettings(requests_per_minute=3))
    async with serving(tmp_path, options) as served:
        for _ in range(3):
            assert (await served.client.get("/api/session")).status_code == 200
        answer = await served.client.get("/api/session")
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) >= 1
        async with served.bearing(await served.stranger()) as stranger:
            assert (await stranger.get("/api/session")).status_code == 200


async def test_stale_cookie_does_not_shut_an_open_server(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, Options(open=True)) as served,
        served.anonymous({"cookie": "tertulia_session=stale"}) as browser,
    ):
        assert (await browser.get("/chat/history")).status_code == 200
        assert (await browser.get("/api/session")).status_code == 401
