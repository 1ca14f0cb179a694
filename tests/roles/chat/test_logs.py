"""Logs tell what happened to what, never what somebody wrote nor a secret."""

from structlog.testing import capture_logs

from tertulia.kit.ids import new_id
from tertulia.roles.gateway import service
from tests.roles.serving import Serving, path_of

CANARY = "canary-4711"


async def test_no_line_holds_content_or_secrets(served: Serving) -> None:
    link = await service.create_link(served.store)
    with capture_logs() as lines:
        conversation = await served.conversation(title=CANARY)
        turn = await served.turn(conversation, CANARY)
        await served.scribe.write(turn["reply"], CANARY)
        async with served.anonymous() as browser:
            await browser.post("/api/session", json={"token": link})
            cookie = browser.cookies["tertulia_session"]
        feedback = {"rating": "up", "comment": CANARY}
        await served.client.put(f"{path_of(turn['reply'])}/feedback", json=feedback)
        await served.client.get(f"/api/conversations/{CANARY}?cursor={CANARY}")
        await served.client.get(f"/{CANARY}")
        await served.client.post("/api/conversations", json={"id": CANARY, "title": CANARY})
        await served.client.post(
            "/v1/chat/completions",
            json={"model": "echo", "messages": [{"role": "user", "content": CANARY}]},
        )
        await served.client.post(f"{path_of(turn['reply'])}/continue", json={"id": new_id()})
    text = str(lines)
    for secret in (CANARY, link, cookie, served.token):
        assert secret not in text
    assert turn["reply"]["id"] in text
