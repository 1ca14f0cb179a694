"""Signing in by link, out again, and how often one may try."""

from datetime import timedelta
from pathlib import Path

from tertulia.domain.secrets import secret_digest
from tertulia.kit.ids import new_id
from tertulia.ports.store import Credential, Tx
from tertulia.roles.gateway import service
from tertulia.roles.gateway.settings import GatewaySettings
from tests.roles.serving import Options, Serving, serving


async def test_link_signs_in_once(served: Serving) -> None:
    link = await service.create_link(served.store)
    async with served.anonymous() as browser:
        first = await browser.post("/api/session", json={"token": link})
        assert first.status_code == 200
        assert first.json()["via"] == "session"
        assert first.json()["expires_at"]
        assert (await browser.get("/api/session")).json() == first.json()
    async with served.anonymous() as other:
        second = await other.post("/api/session", json={"token": link})
        assert (second.status_code, second.json()["code"]) == (401, "link_invalid")


async def test_sessions_cookie_is_out_of_reach_of_scripts_and_other_sites(
    served: Serving,
) -> None:
    link = await service.create_link(served.store)
    async with served.anonymous() as browser:
        answer = await browser.post("/api/session", json={"token": link})
    parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert "secure" not in parts  # loopback speaks plain HTTP


async def test_the_cookie_stays_on_https_where_people_come_in_by_it(tmp_path: Path) -> None:
    """A proxy ends TLS, so our own listener speaks plain HTTP."""
    options = Options(gateway=GatewaySettings(public_url="https://chat.example.org"))
    async with serving(tmp_path, options) as served:
        link = await service.create_link(served.store)
        async with served.anonymous() as browser:
            answer = await browser.post("/api/session", json={"token": link})
    assert "; secure" in answer.headers["set-cookie"].lower()


async def test_expired_link_signs_nobody_in(served: Serving) -> None:
    def add(tx: Tx) -> None:
        late = Credential(
            id=new_id(),
            kind="link",
            user_id=served.owner_id,
            name="late",
            created_at=tx.now,
            expires_at=tx.now - timedelta(seconds=1),
            last_used_at=None,
        )
        tx.credentials.add(late, secret_digest("late"))

    await served.store.write(add)
    async with served.anonymous() as browser:
        answer = await browser.post("/api/session", json={"token": "late"})
        assert (answer.status_code, answer.json()["code"]) == (401, "link_invalid")


async def test_token_is_no_link_and_a_link_is_no_session(served: Serving) -> None:
    link = await service.create_link(served.store)
    async with served.anonymous() as browser:
        answer = await browser.post("/api/session", json={"token": served.token})
        assert answer.status_code == 401
    for secret in (link, served.token):
        async with served.anonymous({"cookie": f"tertulia_session={secret}"}) as thief:
            assert (await thief.get("/api/session")).status_code == 401


async def test_signing_out_ends_the_session(served: Serving) -> None:
    link = await service.create_link(served.store)
    async with served.anonymous() as browser:
        await browser.post("/api/session", json={"token": link})
        cookie = browser.cookies["tertulia_session"]
        assert (await browser.delete("/api/session")).status_code == 204
        assert "tertulia_session" not in browser.cookies
    async with served.anonymous({"cookie": f"tertulia_session={cookie}"}) as thief:
        answer = await thief.get("/api/session")
        assert (answer.status_code, answer.json()["code"]) == (401, "signed_out")


async def test_signing_out_with_a_token_keeps_the_token(served: Serving) -> None:
    assert (await served.client.delete("/api/session")).status_code == 204
    assert (await served.client.get("/api/session")).json()["via"] == "token"


async def test_attempts_are_limited_per_address(tmp_path: Path) -> None:
    options = Options(gateway=GatewaySettings(sign_ins_per_minute=2))
    async with serving(tmp_path, options) as served, served.anonymous() as browser:
        for _ in range(2):
            answer = await browser.post("/api/session", json={"token": "guess"})
            assert answer.status_code == 401
        link = await service.create_link(served.store)
        answer = await browser.post("/api/session", json={"token": link})
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) >= 1


async def test_use_of_credentials_is_written_down(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert await last_used(served) is None
        await served.client.get("/api/session")
    # The role notes what is left when it stops.
    async with serving(tmp_path, Options(vault=served.vault)) as again:
        assert await last_used(again, served.token) is not None


async def last_used(served: Serving, token: str | None = None) -> object:
    credential = await service.find(served.store, "token", token or served.token)
    assert credential is not None
    return credential.last_used_at
