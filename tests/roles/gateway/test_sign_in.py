"""Signing in by link, out again, and what a session may do."""

from tertulia.roles.gateway import service
from tests.roles.serving import Serving


async def test_link_signs_in_once(served: Serving) -> None:
    link = await service.create_link(served.store)
    async with served.anonymous() as browser:
        first = await browser.post("/api/session", json={"token": link})
        assert first.status_code == 200
        assert first.json()["via"] == "session"
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await browser.get("/api/session")).json()["user"] == first.json()["user"]
    async with served.anonymous() as other:
        second = await other.post("/api/session", json={"token": link})
        assert second.status_code == 401
        assert second.json()["code"] == "link_invalid"


async def test_signing_out_ends_the_session(served: Serving) -> None:
    link = await service.create_link(served.store)
    async with served.anonymous() as browser:
        await browser.post("/api/session", json={"token": link})
        cookie = browser.cookies["tertulia_session"]
        assert (await browser.delete("/api/session")).status_code == 204
        assert "tertulia_session" not in browser.cookies
    async with served.anonymous({"cookie": f"tertulia_session={cookie}"}) as thief:
        answer = await thief.get("/api/session")
        assert answer.status_code == 401
        assert answer.json()["code"] == "signed_out"
